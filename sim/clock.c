/* clock - the simulator's one way to know the time (see clock.h). */
#include "clock.h"

#include <time.h>

int64_t
sim_mono_us (void)
{
  struct timespec ts;
  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
sim_unix_s (void)
{
  struct timespec ts;
  clock_gettime (CLOCK_REALTIME, &ts);
  return (int64_t) ts.tv_sec;
}

void
sim_clock_init (struct sim_clock *clock, int manual)
{
  clock->manual = manual;
  clock->start_us = sim_mono_us ();
  clock->moved_us = 0;
}

int64_t
sim_clock_us (const struct sim_clock *clock)
{
  return clock->manual ? clock->moved_us : sim_mono_us () - clock->start_us;
}

void
sim_clock_advance (struct sim_clock *clock, int64_t us)
{
  clock->moved_us += us;
}
