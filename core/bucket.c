/* bucket - the arithmetic of one allowance; see bucket.h.
 * A level is whole numbers at one moment, and what has refilled since is taken
 * off when it is asked for, so that looking often rounds nothing away. */
#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_HAVE_* */

#include "bucket.h"

static int64_t
plus (int64_t a, int64_t b)
{
  int64_t sum;

  if (__builtin_add_overflow (a, b, &sum))
    return b > 0 ? INT64_MAX : INT64_MIN;
  return sum;
}

static int64_t
minus (int64_t a, int64_t b)
{
  int64_t rest;

  if (__builtin_sub_overflow (a, b, &rest))
    return b < 0 ? INT64_MAX : INT64_MIN;
  return rest;
}

/* a * b / c, of numbers that are not negative, c above 0. */
static int64_t
ratio (int64_t a, int64_t b, int64_t c, int up)
{
  int64_t product;
  double about;

  if (!__builtin_mul_overflow (a, b, &product))
    return product / c + (up && product % c != 0);
  /* So large that its last digits are nobody's business. */
  about = (double) a * ((double) b / (double) c);
  return about < 9.2e18 ? (int64_t) about : INT64_MAX;
}

/* 1: the clock was set back behind at_ms.  A little is an answer's time, which
 * is counted from when its request was begun. */
static int
is_set_back (const struct kwi_level *l, int64_t now_ms)
{
  return minus (l->at_ms, now_ms) > 60000;
}

/* 0: nothing is known, or no longer: a fixed window of unknown length ended. */
static int
is_known (const struct kwi_level *l, int64_t now_ms)
{
  return l->limit > 0
         && (l->rolling || l->window_ms > 0 || now_ms < l->at_ms);
}

/* What has refilled since at_ms.  It may be more than the limit, as more than
 * that may have been booked. */
static int64_t
refilled (const struct kwi_level *l, int64_t now_ms)
{
  int64_t passed = minus (now_ms, l->at_ms);

  if (l->rolling)
    return passed > 0 ? ratio (l->limit, passed, l->window_ms, 0) : 0;
  return passed >= 0 ? INT64_MAX : 0;
}

int64_t
kwi_level_used (const struct kwi_level *l, int64_t now_ms)
{
  int64_t gone = l->used > 0 ? refilled (l, now_ms) : 0;

  return gone >= l->used ? 0 : l->used - gone;
}

static int64_t
waiting (const struct kwi_level *l)
{
  return l->entered > l->left ? l->entered - l->left : 0;
}

int64_t
kwi_level_room (const struct kwi_level *l, int64_t now_ms)
{
  int64_t used = plus (kwi_level_used (l, now_ms), waiting (l));

  if (!is_known (l, now_ms))
    return INT64_MAX;
  return used >= l->limit ? 0 : l->limit - used;
}

int64_t
kwi_level_full (const struct kwi_level *l, int64_t now_ms)
{
  int64_t at = is_set_back (l, now_ms) && l->rolling ? now_ms : l->at_ms;

  if (l->limit <= 0)
    return KWI_NEVER;
  if (!l->rolling || l->used <= 0)
    return at;
  return plus (at, ratio (l->used, l->window_ms, l->limit, 1));
}

/* When n pass, behind ahead others. */
static int64_t
passes_at (const struct kwi_level *l, int64_t ahead, int64_t n, int64_t now_ms)
{
  int64_t over = minus (plus (plus (l->used, ahead), n), l->limit), at;

  if (!is_known (l, now_ms)
      || n <= minus (minus (l->limit, kwi_level_used (l, now_ms)), ahead))
    return now_ms;
  if (n > l->limit)
    return KWI_NEVER;
  if (l->rolling) {
    at = is_set_back (l, now_ms) ? now_ms : l->at_ms;
    return plus (at, ratio (over, l->window_ms, l->limit, 1));
  }
  /* As many windows as it takes; the one that may have ended used nothing. */
  at = l->at_ms;
  if (now_ms >= at) {
    over = minus (plus (ahead, n), l->limit);
    at = plus (now_ms, l->window_ms - minus (now_ms, at) % l->window_ms);
  }
  return plus (at, ratio ((over - 1) / l->limit, l->window_ms, 1, 0));
}

int64_t
kwi_level_ready (const struct kwi_level *l, int64_t n, int64_t now_ms)
{
  return passes_at (l, waiting (l), n, now_ms);
}

int64_t
kwi_level_enter (struct kwi_level *l, int64_t n)
{
  l->entered = plus (l->entered, n > 0 ? n : 0);
  return l->entered;
}

int64_t
kwi_level_turn (const struct kwi_level *l, int64_t ticket, int64_t n,
                int64_t now_ms)
{
  int64_t ahead = minus (minus (ticket, n), l->left);

  return passes_at (l, ahead > 0 ? ahead : 0, n, now_ms);
}

void
kwi_level_leave (struct kwi_level *l, int64_t n)
{
  l->left = plus (l->left, n > 0 ? n : 0);
}

/* Begins anew at now_ms where nothing is left to keep of what was before. */
static void
move_on (struct kwi_level *l, int64_t now_ms)
{
  if (l->rolling) {
    if (is_set_back (l, now_ms))
      l->at_ms = now_ms;
    if (now_ms < l->at_ms || kwi_level_used (l, now_ms) > 0)
      return;
    l->used = 0;
    l->at_ms = now_ms;
  }
  else if (now_ms >= l->at_ms) {
    l->used = 0;
    if (l->window_ms > 0)       /* whole windows later */
      l->at_ms = plus (now_ms, l->window_ms
                               - minus (now_ms, l->at_ms) % l->window_ms);
    else
      l->limit = 0;
  }
  else if (l->window_ms > 0 && minus (l->at_ms, now_ms) > l->window_ms)
    l->at_ms = plus (now_ms, l->window_ms); /* the clock was set back */
}

int64_t
kwi_level_book (struct kwi_level *l, int64_t n, int64_t now_ms)
{
  if (n < 0)
    n = 0;
  move_on (l, now_ms);
  l->used = plus (l->used, n);
  l->sent = plus (l->sent, n);
  return l->sent;
}

void
kwi_level_settle (struct kwi_level *l, int64_t mark, int64_t booked,
                  int64_t counted)
{
  if (mark <= l->seen)
    return;
  l->used = plus (l->used, minus (counted, booked));
  if (l->used < 0)
    l->used = 0;
}

void
kwi_level_served (struct kwi_level *l, int64_t mark, int64_t now_ms)
{
  int64_t later = l->sent > mark ? l->sent - mark : 0;
  int64_t over = minus (minus (kwi_level_used (l, now_ms), later), l->limit);

  if (is_known (l, now_ms) && over > 0)
    l->used -= over;            /* used is at least what is used now */
}

/* ---- A sighting --------------------------------------------------------- */

/* -1: the bucket does not say. */
static int64_t
used_of (const struct kwi_bucket *b)
{
  if ((b->have & KW_HAVE_USED) != 0)
    return b->used > 0 ? b->used : 0;
  if ((b->have & KW_HAVE_REMAINING) == 0)
    return -1;
  return b->remaining < b->limit ? minus (b->limit, b->remaining) : 0;
}

/* How long a window is: as said, or as the time until it is full tells, which
 * is how long what is used takes to refill; the shorter one where that is much
 * (a simulated provider's days can be seconds). */
static int64_t
window_of (const struct kwi_bucket *b, int64_t used, int64_t seen_ms)
{
  int64_t said = (b->have & KW_HAVE_WINDOW) != 0 ? b->window_ms : 0;
  int64_t told;

  if (!b->rolling || (b->have & KW_HAVE_FULL_AT) == 0 || used <= 0
      || b->full_at_ms <= seen_ms || (said > 0 && used < b->limit / 16))
    return said > 0 ? said : 0;
  told = ratio (minus (b->full_at_ms, seen_ms), b->limit, used, 1);
  return said <= 0 || told < said / 2 ? told : said;
}

void
kwi_level_see (struct kwi_level *l, const struct kwi_bucket *b, int64_t mark,
               int refused, int64_t seen_ms)
{
  int64_t used, window;

  if ((b->have & KW_HAVE_LIMIT) == 0 || b->limit <= 0
      || (mark < l->seen && !refused))
    return;
  used = used_of (b);
  window = window_of (b, used, seen_ms);
  if (used < 0 || (b->rolling && window == 0))
    return;
  l->limit = b->limit;
  l->window_ms = window;
  l->rolling = b->rolling != 0;
  l->used = plus (used, l->sent > mark ? l->sent - mark : 0);
  if (mark > l->seen)
    l->seen = mark;
  if (l->rolling)
    l->at_ms = seen_ms;
  else if ((b->have & KW_HAVE_FULL_AT) != 0)
    l->at_ms = b->full_at_ms;
  else                          /* it ends within a window, whenever it began */
    l->at_ms = window > 0 ? plus (seen_ms, window) : seen_ms;
}
