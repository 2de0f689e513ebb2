/* soak-book - every request of the soak: what came of it for its client, and what
 * the providers say of it (see soak.h). */
#include "soak.h"

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WRONG_SHOWN 40

static size_t n_wrong;

int64_t
soak_now_us (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Marsaglia's xorshift32. */
uint32_t
soak_random (uint32_t below)
{
  static uint32_t x = 2463534242;

  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return x % below;
}

void
soak_wrong (const char *fmt, ...)
{
  va_list ap;

  if (n_wrong++ >= WRONG_SHOWN)
    return;
  (void) fputs ("WRONG: ", stdout);
  va_start (ap, fmt);
  (void) vprintf (fmt, ap);
  va_end (ap);
  (void) putchar ('\n');
  (void) fflush (stdout);
}

size_t
soak_n_wrong (void)
{
  return n_wrong;
}

/* ---- Errors that may be --------------------------------------------------------------- */

/* What must have happened to a request whose answer is one of these. */
enum evidence { FAULTS, LIMITS, TIME, BREAKER };

static const struct {
  const char *name;
  enum evidence evidence;
} codes[SOAK_CODES] = {
  { "provider_unavailable", FAULTS },
  { "provider_timeout", FAULTS },
  { "deadline_exceeded", TIME },
  { "rate_limited", LIMITS },
  { "keys_exhausted", LIMITS },
  { "circuit_open", BREAKER },
  { "provider's own", FAULTS }, /* the last error, as it came */
};

const char *
soak_code_name (size_t i)
{
  return codes[i].name;
}

/* ---- Writing ---------------------------------------------------------------------------- */

size_t
soak_book_add (struct soak_book *b, int provider, enum soak_kind kind, enum soak_leave leave)
{
  if (b->n == b->room) {
    b->room = b->room > 0 ? 2 * b->room : 4096;
    b->of = reallocarray (b->of, b->room, sizeof *b->of);
    ck_assert_ptr_nonnull (b->of);
  }
  b->of[b->n] = (struct soak_request) {
    .provider = (uint8_t) provider, .kind = (uint8_t) kind, .leave = (uint8_t) leave,
  };
  return b->n++;
}

void
soak_book_answered (struct soak_book *b, size_t number, enum soak_outcome outcome,
                    const char *code, int64_t took_us)
{
  struct soak_request *r = &b->of[number];

  if (r->outcome != SOAK_PENDING)
    soak_wrong ("request %zu was answered twice", number);
  r->outcome = (uint8_t) outcome;
  r->took_us = (uint32_t) took_us;
  r->code = 0;
  while (outcome == SOAK_ERROR && r->code < SOAK_CODES
         && strcmp (codes[r->code].name, code) != 0)
    r->code++;
  if (r->code == SOAK_CODES) {
    soak_wrong ("request %zu: an error that no fault explains: \"%s\"", number, code);
    r->outcome = SOAK_PENDING;
  }
}

static void
count_verdict (struct soak_book *b, const char *verdict)
{
  size_t i = 0;

  while (i < b->n_verdicts && strcmp (b->verdicts[i].name, verdict) != 0)
    i++;
  ck_assert_uint_lt (i, SOAK_VERDICTS);
  if (i == b->n_verdicts) {
    ck_assert_uint_lt (strlen (verdict), sizeof b->verdicts[i].name);
    memcpy (b->verdicts[i].name, verdict, strlen (verdict) + 1);
    b->n_verdicts++;
  }
  b->verdicts[i].n++;
}

static void
more (uint8_t *count)
{
  *count = (uint8_t) (*count + (*count < UINT8_MAX));
}

void
soak_book_left (struct soak_book *b, size_t number, int64_t took_us)
{
  b->of[number].took_us = (uint32_t) took_us;
}

void
soak_book_seen (struct soak_book *b, const char *tag, const char *verdict)
{
  static const char *const cut[] = { "fault:truncate", "fault:sse-break", "fault:sse-error" };
  static const char *const limits[] = { "rpd", "rpm", "tpm", "tpd" };
  size_t number = tag[0] == 'r' ? strtoul (tag + 1, NULL, 10) : SIZE_MAX;

  count_verdict (b, verdict);
  if (number >= b->n) {
    soak_wrong ("a provider was sent what nobody asked: tag \"%s\", %s", tag, verdict);
    return;
  }
  for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++)
    if (strcmp (verdict, cut[i]) == 0)
      more (&b->of[number].broken);
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
    if (strcmp (verdict, limits[i]) == 0) {
      b->limits++;
      return;
    }
  if (strcmp (verdict, "ok") == 0 || strcmp (verdict, "fault:body-size") == 0)
    more (&b->of[number].served);
  else if (strncmp (verdict, "fault:", strlen ("fault:")) == 0)
    more (&b->of[number].faults);
  else
    soak_wrong ("request %zu was refused as \"%s\"", number, verdict);
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* No attempt, and no call, is given up before; a gateway's millisecond is not quite a
 * client's. */
static int
is_over_time (const struct soak_book *b, const struct soak_request *r)
{
  return r->took_us >= b->attempt_us - b->attempt_us / 50;
}

static int
is_explained (const struct soak_book *b, const struct soak_request *r)
{
  switch (codes[r->code].evidence) {
  case FAULTS:
    return r->faults > 0;
  case LIMITS:
    return r->provider == SOAK_NARROW && b->limits > 0;
  case TIME:
    return is_over_time (b, r);
  case BREAKER:                 /* of those before it; else its fallback failed, too */
  default:
    return r->provider == SOAK_ALONE || r->faults > 0;
  }
}

/* How often it was sent again though it was served: the answer did not come within an
 * attempt_timeout, on a machine that stood still. */
static int
late_of (const struct soak_book *b, const struct soak_request *r)
{
  int64_t timeouts = r->took_us / (b->attempt_us - b->attempt_us / 50);
  int again = r->served > 0 ? r->served - 1 : 0;

  return again < timeouts ? again : (int) timeouts;
}

static void
judge (const struct soak_book *b, size_t i)
{
  const struct soak_request *r = &b->of[i];
  int once = r->served - late_of (b, r);

  if (once > 1)
    soak_wrong ("request %zu was served %d times in %.3f s", i, r->served,
                (double) r->took_us / 1e6);
  if (r->leave != SOAK_STAYS)
    return;
  if (r->outcome == SOAK_PENDING)
    soak_wrong ("request %zu was not answered", i);
  else if (r->outcome == SOAK_OK && once != 1)
    soak_wrong ("request %zu has an answer that no provider gave", i);
  else if (r->outcome != SOAK_OK && r->served > 0 && !is_over_time (b, r))
    soak_wrong ("request %zu was served, and its answer lost", i);
  else if (r->outcome == SOAK_CUT && r->broken == 0 && !is_over_time (b, r))
    soak_wrong ("the stream of request %zu was cut by nobody", i);
  else if (r->outcome == SOAK_ERROR && !is_explained (b, r))
    soak_wrong ("request %zu: nothing explains %s after %.3f s", i, codes[r->code].name,
                (double) r->took_us / 1e6);
  if (r->took_us > b->bound_us)
    soak_wrong ("request %zu took %.1f s, and the bound is %.1f s", i,
                (double) r->took_us / 1e6, (double) b->bound_us / 1e6);
}

static int
by_size (const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

  return x < y ? -1 : x > y;
}

/* Of the small questions that were answered. */
static void
find_times (const struct soak_book *b, struct soak_sums *sums)
{
  uint32_t *took = calloc (b->n + 1, sizeof *took);
  size_t n = 0;

  ck_assert_ptr_nonnull (took);
  for (size_t i = 0; i < b->n; i++)
    if (b->of[i].kind == SOAK_PLAIN && b->of[i].outcome == SOAK_OK)
      took[n++] = b->of[i].took_us;
  qsort (took, n, sizeof *took, by_size);
  sums->p50_us = took[n / 2];
  sums->p99_us = took[n * 99 / 100];
  free (took);
}

void
soak_book_close (struct soak_book *b, struct soak_sums *ret)
{
  struct soak_sums s = { .steady = 0 };

  for (size_t i = 0; i < b->n; i++) {
    const struct soak_request *r = &b->of[i];
    judge (b, i);
    s.leaves[r->leave]++;
    s.late += (size_t) late_of (b, r);
    if (r->leave != SOAK_STAYS)
      continue;
    s.steady++;
    s.kinds[r->kind]++;
    s.backed += r->provider == SOAK_MAIN;
    s.backed_failed += r->provider == SOAK_MAIN && r->outcome == SOAK_ERROR;
    s.ok += r->outcome == SOAK_OK;
    s.cut += r->outcome == SOAK_CUT;
    s.codes[r->code] += r->outcome == SOAK_ERROR;
    s.most_us = r->took_us > s.most_us ? r->took_us : s.most_us;
  }
  /* More of them is no machine's fault. */
  if (s.late > 10 + b->n / 1000 + b->may_be_late)
    soak_wrong ("%zu requests were served again", s.late);
  find_times (b, &s);
  *ret = s;
}

void
soak_book_clear (struct soak_book *b)
{
  free (b->of);
  *b = (struct soak_book) { .n = 0 };
}
