/* pulse - figures of the last seconds (see pulse.h). */
#include "pulse.h"

#include <string.h>

#define EXACT 16                /* ms; buckets of 1 ms below it           */
#define STEPS 8                 /* buckets from each power of 2 to the next */

/* ---- Latencies in buckets whose width grows with them ---------------------------- */

static size_t
bucket_of (int64_t ms)
{
  size_t at;
  int power = 4;

  if (ms < EXACT)
    return ms > 0 ? (size_t) ms : 0;
  while (power < 62 && ms >> (power + 1) != 0)
    power++;
  at = EXACT + (size_t) (power - 4) * STEPS + (size_t) ((ms >> (power - 3)) - STEPS);
  return at < GW_PULSE_BUCKETS ? at : GW_PULSE_BUCKETS - 1;
}

/* The middle of what falls into it. */
static int64_t
value_of (size_t bucket)
{
  size_t power = (bucket - EXACT) / STEPS + 4;
  int64_t width;

  if (bucket < EXACT)
    return (int64_t) bucket;
  width = INT64_C (1) << (power - 3);
  return (int64_t) (STEPS + (bucket - EXACT) % STEPS) * width + width / 2;
}

static int64_t
latency (const uint32_t in[GW_PULSE_BUCKETS], double share)
{
  uint64_t all = 0, below = 0;

  for (size_t i = 0; i < GW_PULSE_BUCKETS; i++)
    all += in[i];
  for (size_t i = 0; i < GW_PULSE_BUCKETS && all > 0; i++) {
    below += in[i];
    if ((double) below >= share * (double) all)
      return value_of (i);
  }
  return -1;
}

/* ---- Seconds ---------------------------------------------------------------------- */

static uint32_t *
answered_in (struct gw_pulse *p, int64_t second)
{
  return p->answered[second % (GW_PULSE_MINUTE + 1)];
}

static void
end_second (struct gw_pulse *p)
{
  const uint32_t *in = answered_in (p, p->second);

  p->now.p50_ms = (int32_t) latency (in, 0.5);
  p->now.p99_ms = (int32_t) latency (in, 0.99);
  p->of[p->n++ % GW_PULSE_SECONDS] = p->now;
  p->now = (struct gw_second) { 0 };
  p->second++;
  memset (answered_in (p, p->second), 0, sizeof p->answered[0]);
}

void
gw_pulse_turn (struct gw_pulse *p, int64_t now_ms)
{
  int64_t second = now_ms / 1000;

  if (p->n == 0 && p->second == 0)
    p->second = second;
  /* Who slept for long has nothing to tell of it. */
  if (second - p->second > GW_PULSE_SECONDS) {
    memset (p->answered, 0, sizeof p->answered);
    p->now = (struct gw_second) { 0 };
    p->second = second - GW_PULSE_SECONDS;
  }
  while (p->second < second)
    end_second (p);
}

void
gw_pulse_add (struct gw_pulse *p, int64_t now_ms, int failed, int64_t first_byte_ms)
{
  gw_pulse_turn (p, now_ms);
  p->now.requests++;
  p->now.failed += failed != 0;
  if (first_byte_ms >= 0)
    answered_in (p, p->second)[bucket_of (first_byte_ms)]++;
}

const struct gw_second *
gw_pulse_second (const struct gw_pulse *p, uint64_t i)
{
  return i < p->n && p->n - i <= GW_PULSE_SECONDS ? &p->of[i % GW_PULSE_SECONDS] : NULL;
}

int64_t
gw_pulse_latency (const struct gw_pulse *p, double share)
{
  uint32_t all[GW_PULSE_BUCKETS] = { 0 };

  for (size_t s = 0; s <= GW_PULSE_MINUTE; s++)
    for (size_t i = 0; i < GW_PULSE_BUCKETS; i++)
      all[i] += p->answered[s][i];
  return latency (all, share);
}
