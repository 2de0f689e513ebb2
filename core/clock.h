/* clock - the one way in for time and randomness.
 * Nothing else in the core calls clock_gettime or draws random numbers, so a
 * test puts its own clock here and a day takes no time. */
#ifndef KWI_CLOCK_H
#define KWI_CLOCK_H

#include <stdint.h>

struct kwi_clock {
  /* Never goes back; for deadlines and waits. */
  int64_t (*mono_ms) (void *ctx);
  /* Unix time; for resets, which providers and other machines name. */
  int64_t (*wall_ms) (void *ctx);
  /* 64 random bits; for jitter. */
  uint64_t (*random) (void *ctx);
  /* NULL: waits are real.  Otherwise called instead of waiting. */
  void (*wait) (void *ctx, int64_t ms);
  void *ctx;
};

extern const struct kwi_clock kwi_clock_system;

#endif
