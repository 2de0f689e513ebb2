/* pulse - how many requests there were in each of the last seconds, and how soon
 * they were answered.  Pure: the time is told, and nothing is allocated. */
#ifndef GW_PULSE_H
#define GW_PULSE_H

#include <stddef.h>
#include <stdint.h>

enum { GW_PULSE_SECONDS = 300,  /* that figures are kept of               */
       GW_PULSE_MINUTE = 60,    /* that gw_pulse_latency looks back       */
       GW_PULSE_BUCKETS = 160 };

/* Of requests that ended in it. */
struct gw_second {
  uint32_t requests;
  uint32_t failed;              /* of them                                */
  int32_t p50_ms, p99_ms;       /* to the answer's first byte; -1: none   */
};

/* Zeroed: begins with the first call. */
struct gw_pulse {
  int64_t second;               /* the one under way                      */
  uint64_t n;                   /* seconds that are over, since the begin */
  struct gw_second of[GW_PULSE_SECONDS]; /* the i-th at i % GW_PULSE_SECONDS */
  struct gw_second now;
  uint32_t answered[GW_PULSE_MINUTE + 1][GW_PULSE_BUCKETS];
};

/* Ends the seconds that are over. */
void gw_pulse_turn (struct gw_pulse *, int64_t now_ms);
/* A request is over; first_byte_ms -1: nothing was answered. */
void gw_pulse_add (struct gw_pulse *, int64_t now_ms, int failed, int64_t first_byte_ms);

/* The i-th second; NULL: it is not kept any more, or is not over yet. */
const struct gw_second *gw_pulse_second (const struct gw_pulse *, uint64_t i);
/* What share of the last minute's requests was answered within: 0.5 for the
 * median.  Exact below 16 ms, within 1/8 above; -1: there were none. */
int64_t gw_pulse_latency (const struct gw_pulse *, double share);

#endif
