/* breaker - whether a provider is worth asking.  Closed, it lets every request
 * through, until failures come one behind the other; then it is open, and nobody
 * asks; when its time is over it is half-open: one request probes, and what comes
 * of it closes the breaker or opens it again, for longer.  Pure: time and random
 * numbers are told, and nothing is allocated. */
#ifndef GW_BREAKER_H
#define GW_BREAKER_H

#include <stdint.h>

enum { GW_BREAKER_FAILURES_MAX = 100 };

struct gw_breaker_rules {
  int64_t failures;             /* in a row, that open it; 0: it stays closed */
  int64_t window_ms;            /* within which they come                 */
  int64_t open_ms;              /* for the first time                     */
  int64_t open_max_ms;          /* each time is twice the one before, up to here */
};

enum gw_breaker_state { GW_BREAKER_CLOSED = 0, GW_BREAKER_OPEN, GW_BREAKER_HALF_OPEN };

/* Zeroed: closed. */
struct gw_breaker {
  enum gw_breaker_state state;
  int times;                    /* opened since it was last closed        */
  uint64_t era;                 /* counts the changes of state            */
  int64_t until_ms;             /* open: nobody asks before               */
  int64_t n;                    /* failures in a row                      */
  int64_t failed_at[GW_BREAKER_FAILURES_MAX]; /* the i-th at i % _MAX     */
};

/* 1: the request may be sent, and what comes of it is to be reported with
 * *ret_era; 0: it may not. */
int gw_breaker_ask (struct gw_breaker *, const struct gw_breaker_rules *, int64_t now_ms,
                    uint64_t *ret_era);
/* The provider has answered, or not: of each exchange.  Only what was sent since
 * the last change of state counts.  random is any 32 bits. */
void gw_breaker_success (struct gw_breaker *, uint64_t era);
void gw_breaker_failure (struct gw_breaker *, const struct gw_breaker_rules *,
                         int64_t now_ms, uint64_t era, uint32_t random);
/* It ended, and says nothing of the provider: the next one probes. */
void gw_breaker_nothing (struct gw_breaker *, int64_t now_ms, uint64_t era);

/* It takes the place of another one, with rules of its own: it is open where that one
 * is, though no longer than it would be; a probe that is under way there is nobody's
 * here, so the next one probes. */
void gw_breaker_inherit (struct gw_breaker *, const struct gw_breaker_rules *,
                         const struct gw_breaker *from, int64_t now_ms);

/* Somebody knows better: closed, as if nothing had failed.  1: it was not. */
int gw_breaker_reset (struct gw_breaker *);

/* How long it will not let anybody through, as far as is known: 0: not at all, and
 * at least 1 while a probe is under way. */
int64_t gw_breaker_wait_ms (const struct gw_breaker *, int64_t now_ms);
/* "closed", "open", "half_open". */
const char *gw_breaker_word (enum gw_breaker_state);

#endif
