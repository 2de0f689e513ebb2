/* breaker - a circuit breaker (see breaker.h). */
#include "breaker.h"

/* Nothing is known of how long a probe takes. */
#define PROBE_MS 1000

static void
change (struct gw_breaker *b, enum gw_breaker_state state)
{
  b->state = state;
  b->era++;
}

int
gw_breaker_ask (struct gw_breaker *b, const struct gw_breaker_rules *rules, int64_t now_ms,
                uint64_t *ret_era)
{
  if (rules->failures > 0 && b->state != GW_BREAKER_CLOSED) {
    if (b->state == GW_BREAKER_HALF_OPEN || now_ms < b->until_ms)
      return 0;
    change (b, GW_BREAKER_HALF_OPEN);
  }
  *ret_era = b->era;
  return 1;
}

void
gw_breaker_success (struct gw_breaker *b, uint64_t era)
{
  if (era != b->era)
    return;
  b->n = 0;
  b->times = 0;
  if (b->state != GW_BREAKER_CLOSED)
    change (b, GW_BREAKER_CLOSED);
}

/* Twice as long each time; and a bit more, so that those who saw the same failure
 * do not come back as one. */
static void
open_it (struct gw_breaker *b, const struct gw_breaker_rules *rules, int64_t now_ms,
         uint32_t random)
{
  int64_t ms = rules->open_ms;

  for (int i = 0; i < b->times && ms < rules->open_max_ms; i++)
    ms = ms > rules->open_max_ms / 2 ? rules->open_max_ms : ms * 2;
  b->until_ms = now_ms + ms + ms / 4 * (int64_t) (random >> 16) / 0x10000;
  b->times++;
  b->n = 0;
  change (b, GW_BREAKER_OPEN);
}

void
gw_breaker_failure (struct gw_breaker *b, const struct gw_breaker_rules *rules,
                    int64_t now_ms, uint64_t era, uint32_t random)
{
  int64_t first;

  if (era != b->era || rules->failures == 0)
    return;
  if (b->state == GW_BREAKER_HALF_OPEN) {
    open_it (b, rules, now_ms, random);
    return;
  }
  b->failed_at[b->n++ % GW_BREAKER_FAILURES_MAX] = now_ms;
  first = b->n - rules->failures;
  if (first >= 0
      && now_ms - b->failed_at[first % GW_BREAKER_FAILURES_MAX] <= rules->window_ms)
    open_it (b, rules, now_ms, random);
}

void
gw_breaker_nothing (struct gw_breaker *b, int64_t now_ms, uint64_t era)
{
  if (era != b->era || b->state != GW_BREAKER_HALF_OPEN)
    return;
  b->until_ms = now_ms;
  change (b, GW_BREAKER_OPEN);
}

void
gw_breaker_inherit (struct gw_breaker *b, const struct gw_breaker_rules *rules,
                    const struct gw_breaker *from, int64_t now_ms)
{
  const int64_t longest = rules->open_max_ms + rules->open_max_ms / 4;

  *b = *from;
  if (b->state == GW_BREAKER_HALF_OPEN) {
    b->until_ms = now_ms;
    change (b, GW_BREAKER_OPEN);
  }
  if (b->until_ms > now_ms + longest)
    b->until_ms = now_ms + longest;
}

int
gw_breaker_reset (struct gw_breaker *b)
{
  const int was_not = b->state != GW_BREAKER_CLOSED;

  b->n = 0;
  b->times = 0;
  if (was_not)
    change (b, GW_BREAKER_CLOSED);
  return was_not;
}

int64_t
gw_breaker_wait_ms (const struct gw_breaker *b, int64_t now_ms)
{
  if (b->state == GW_BREAKER_CLOSED)
    return 0;
  if (b->state == GW_BREAKER_HALF_OPEN)
    return PROBE_MS;
  return b->until_ms > now_ms ? b->until_ms - now_ms : 0;
}

const char *
gw_breaker_word (enum gw_breaker_state state)
{
  static const char *const words[] = { "closed", "open", "half_open" };

  return words[state];
}
