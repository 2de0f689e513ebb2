/* clock - the system's clocks and random numbers; the only file of the core
 * that asks for either. */
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "clock.h"

static int64_t
read_clock (clockid_t id)
{
  struct timespec ts;

  /* Cannot fail for these two clocks on a system that has them. */
  if (clock_gettime (id, &ts) != 0)
    return 0;
  return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
system_mono_ms (void *ctx)
{
  (void) ctx;
  return read_clock (CLOCK_MONOTONIC);
}

static int64_t
system_wall_ms (void *ctx)
{
  (void) ctx;
  return read_clock (CLOCK_REALTIME);
}

static uint64_t
system_random (void *ctx)
{
  uint64_t r;

  (void) ctx;
  randombytes_buf (&r, sizeof r);
  return r;
}

const struct kwi_clock kwi_clock_system = {
  .mono_ms = system_mono_ms,
  .wall_ms = system_wall_ms,
  .random = system_random,
};
