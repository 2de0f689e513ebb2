/* clock - the simulator's one way to know the time.
 * Its clock starts at 0 and is either the machine's, or stands still until it
 * is told to move.  No locks: the caller's. */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include <stdint.h>

struct sim_clock {
  int manual;
  int64_t start_us;             /* CLOCK_MONOTONIC */
  int64_t moved_us;             /* by hand          */
};

void sim_clock_init (struct sim_clock *, int manual);
/* Microseconds since sim_clock_init; never goes back. */
int64_t sim_clock_us (const struct sim_clock *);
/* A manual clock only. */
void sim_clock_advance (struct sim_clock *, int64_t us);

/* CLOCK_MONOTONIC, which other processes of this machine share. */
int64_t sim_mono_us (void);
/* Unix time. */
int64_t sim_unix_s (void);

#endif
