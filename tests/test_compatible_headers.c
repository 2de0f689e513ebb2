/* test_compatible_headers - allowances in headers, as the plugin "compatible" reads
 * them: those that many share, and the IETF's. */
#include <inttypes.h>
#include <string.h>

#include "answers.h"

#define NOW ANSWERS_NOW         /* 1800018000 */
#define SECOND INT64_C (1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MONTH (30 * DAY)
#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

enum { OK = KW_OUTCOME_OK, DAILY = KW_OUTCOME_DAILY_LIMIT, RATE = KW_OUTCOME_RATE_LIMIT };

static struct judge g;
static struct kwi_judgement j;

static void
open_compatible (void)
{
  judge_open (&g, "compatible");
}

static void
close_it (void)
{
  judge_close (&g);
}

/* What is shown on a good answer: one bucket, as far as it says. */
static const struct {
  const char *headers, *dimension; /* "": no bucket at all */
  int64_t limit, remaining, window_ms, full_ms; /* -1: not said */
} buckets[] = {
#define THREE(name, reset) "x-ratelimit-limit-" name ": 100\nx-ratelimit-remaining-" name \
                           ": 40\nx-ratelimit-reset-" name ": " reset
  { THREE ("requests-day", "3600"), "requests_per_day", 100, 40, DAY, HOUR },
  { THREE ("requests-hour", "30m0s"), "requests_per_hour", 100, 40, HOUR, HOUR / 2 },
  { THREE ("requests-minute", "5.5"), "requests_per_minute", 100, 40, MINUTE, 5500 },
  { THREE ("requests-second", "1s"), "requests_per_second", 100, 40, SECOND, SECOND },
  { THREE ("requests-month", "1800021600"), "requests_per_month", 100, 40, MONTH, HOUR },
  { THREE ("req-minute", "6"), "requests_per_minute", 100, 40, MINUTE, 6 * SECOND },
  { THREE ("req-day", "6"), "requests_per_day", 100, 40, DAY, 6 * SECOND },
  { THREE ("tokens-day", "6"), "tokens_per_day", 100, 40, DAY, 6 * SECOND },
  { THREE ("tokens-minute", "6"), "tokens_per_minute", 100, 40, MINUTE, 6 * SECOND },
  { THREE ("tokens-prompt", "6"), "input_tokens_per_minute", 100, 40, MINUTE, 6 * SECOND },
  { THREE ("tokens-generated", "6"), "output_tokens_per_minute", 100, 40, MINUTE, 6 * SECOND },
  { THREE ("day", "6"), "requests_per_day", 100, 40, DAY, 6 * SECOND },
  { THREE ("minute", "6"), "requests_per_minute", 100, 40, MINUTE, 6 * SECOND },
  /* Without a name the numbers tell: 60 of 100 are back in 36 s, or in 14.4 hours. */
  { THREE ("requests", "36s"), "requests_per_minute", 100, 40, MINUTE, 36 * SECOND },
  { THREE ("tokens", "14h24m0s"), "tokens_per_day", 100, 40, DAY, 51840 * SECOND },
  { "x-trial-endpoint-call-limit: 20\nx-trial-endpoint-call-remaining: 19",
    "requests_per_minute", 20, 19, MINUTE, -1 },
  /* The end of a window that nobody knows the length of, unless nothing is left. */
  { "x-ratelimit-limit: 60\nx-ratelimit-remaining: 59\nx-ratelimit-reset: 1800021600", "",
    -1, -1, -1, -1 },
  { "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1800021600000",
    "requests_per_hour", 60, 0, HOUR, HOUR },
  /* The IETF's fields, draft by draft. */
  { "RateLimit-Limit: 100\nRateLimit-Remaining: 40\nRateLimit-Reset: 30", "", -1, -1, -1, -1 },
  { "RateLimit-Limit: 100, 100;w=60, 1000;w=3600\nRateLimit-Remaining: 40\nRateLimit-Reset: 30",
    "requests_per_minute", 100, 40, MINUTE, 30 * SECOND },
  { "RateLimit-Limit: 100;w=60\nRateLimit-Remaining: 40\nRateLimit-Reset: 30",
    "requests_per_minute", 100, 40, MINUTE, 30 * SECOND },
  { "RateLimit-Limit: 100\nRateLimit-Remaining: 40\nRateLimit-Reset: 30\n"
    "RateLimit-Policy: 100;w=86400, 5;w=1", "requests_per_day", 100, 40, DAY, 30 * SECOND },
  { "RateLimit: limit=100, remaining=40, reset=30\nRateLimit-Policy: 100;w=60;comment=\"a, b\"",
    "requests_per_minute", 100, 40, MINUTE, 30 * SECOND },
  { "RateLimit: \"a\";r=40;t=30\nRateLimit-Policy: \"b\";q=5;w=1,\"a\";q=100;w=3600",
    "requests_per_hour", 100, 40, HOUR, 30 * SECOND },
  { "RateLimit: default;r=40;t=30\nRateLimit-Policy: default;q=100;w=60", "requests_per_minute",
    100, 40, MINUTE, 30 * SECOND },
  { "RateLimit: \"api\";r=40;t=30\nRateLimit-Policy: \"fixed window\";\"api\";q=100;w=60",
    "requests_per_minute", 100, 40, MINUTE, 30 * SECOND },
  { "RateLimit: \"tokens\" ; r=40 ; t=30\nRateLimit-Policy: \"tokens\" ; q=100 ; w=60",
    "tokens_per_minute", 100, 40, MINUTE, 30 * SECOND },
  { "RateLimit: \"a\";r=40;t=30\nRateLimit-Policy: \"a\";q=100;w=60;qu=\"tokens\"",
    "tokens_per_minute", 100, 40, MINUTE, 30 * SECOND },
  { "RateLimit: \"a\";r=40;t=30\nRateLimit-Policy: \"a\";q=100;w=60;qu=\"content-bytes\"", "",
    -1, -1, -1, -1 },
  { "RateLimit: \"a\";r=40\nRateLimit-Policy: \"a\";q=100;w=60;pk=:c2Vj:", "requests_per_minute",
    100, 40, MINUTE, -1 },
  /* Nonsense */
  { "RateLimit: ", "", -1, -1, -1, -1 },
  { "RateLimit: \"a;r=40;t=30", "", -1, -1, -1, -1 },
  { "RateLimit: ;;;,,=,=;=\"\nRateLimit-Policy: ,;\";=", "", -1, -1, -1, -1 },
  { "RateLimit: \"a\";r=-1;t=x\nRateLimit-Policy: \"a\";q=100;w=60", "", -1, -1, -1, -1 },
  { "RateLimit-Limit: many\nRateLimit-Remaining: 1", "", -1, -1, -1, -1 },
  { "RateLimit: \"a\";r=40;t=99999999999999999999\nRateLimit-Policy: \"a\";q=100;w=60",
    "requests_per_minute", 100, 40, MINUTE, 400 * DAY },
};

static int64_t
said (const struct kwi_bucket *b, uint32_t bit, int64_t n)
{
  return (b->have & bit) != 0 ? n : -1;
}

START_TEST (headers_that_many_share_show_buckets)
{
  judge_answer (&g, NOW, 200, 0, buckets[_i].headers, "{\"choices\":[]}", &j);
  ck_assert_int_eq (j.outcome, OK);
  ck_assert_msg ((int) j.n_buckets == (buckets[_i].dimension[0] != '\0'), "%s\n%u buckets",
                 buckets[_i].headers, j.n_buckets);
  if (j.n_buckets == 0)
    return;
  const struct kwi_bucket *b = &j.bucket[0];
  int64_t limit = said (b, KW_HAVE_LIMIT, b->limit);
  int64_t left = said (b, KW_HAVE_REMAINING, b->remaining);
  int64_t full = said (b, KW_HAVE_FULL_AT, b->full_at_ms - NOW);
  ck_assert_msg (strcmp (b->dimension, buckets[_i].dimension) == 0
                 && limit == buckets[_i].limit && left == buckets[_i].remaining
                 && b->window_ms == buckets[_i].window_ms && full == buckets[_i].full_ms,
                 "%s\n\"%s\", %" PRId64 " of %" PRId64 " in %" PRId64 " ms, full in %" PRId64,
                 buckets[_i].headers, b->dimension, left, limit, b->window_ms, full);
}
END_TEST

/* Of a 429 that says nothing, the headers tell which limit it was. */
static const struct {
  const char *headers;
  uint32_t outcome;
  int64_t wait_ms;
} spent[] = {
  { "", RATE, -1 },
  { "x-ratelimit-limit-requests-day: 50\nx-ratelimit-remaining-requests-day: 0\n"
    "x-ratelimit-reset-requests-day: 1800", DAILY, HOUR / 2 },
  { "x-ratelimit-limit-requests-day: 50\nx-ratelimit-remaining-requests-day: 9\n"
    "x-ratelimit-limit-requests-minute: 5\nx-ratelimit-remaining-requests-minute: 0\n"
    "x-ratelimit-reset-requests-minute: 30", RATE, 30 * SECOND },
  /* Both: nothing is served before the longer one ends. */
  { "x-ratelimit-limit-req-minute: 5\nx-ratelimit-remaining-req-minute: 0\n"
    "x-ratelimit-limit-req-day: 50\nx-ratelimit-remaining-req-day: 0", DAILY, -1 },
  { "x-ratelimit-limit: 50\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1800018030", RATE,
    30 * SECOND },
  { "x-ratelimit-limit: 50\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1800025200", DAILY,
    2 * HOUR },
  { "x-ratelimit-limit: 50\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1800025200\n"
    "retry-after: 9", RATE, 9 * SECOND },
  { "ratelimit: \"day\";r=0;t=3600\nratelimit-policy: \"day\";q=50;w=86400", DAILY, HOUR },
  { "ratelimit: \"api\";r=0;t=52\nratelimit-policy: \"fixed window\";\"api\";q=500;w=300", RATE,
    52 * SECOND },
  { "ratelimit-limit: 10\nratelimit-remaining: 0\nratelimit-reset: 17", RATE, 17 * SECOND },
};

START_TEST (headers_tell_the_limit_of_an_answer_that_does_not)
{
  judge_answer (&g, NOW, 429, 0, spent[_i].headers, "{\"error\":\"Too Many Requests\"}", &j);
  ck_assert_msg (j.outcome == spent[_i].outcome && j.wait_ms == spent[_i].wait_ms,
                 "%s\n%s, %" PRId64 " ms; should be %s, %" PRId64 " ms", spent[_i].headers,
                 kw_verdict_name ((int) j.outcome), j.wait_ms,
                 kw_verdict_name ((int) spent[_i].outcome), spent[_i].wait_ms);
}
END_TEST

static Suite *
compatible_headers_suite (void)
{
  Suite *s = suite_create ("compatible-headers");
  TCase *tc = tcase_create ("compatible-headers");

  tcase_add_checked_fixture (tc, open_compatible, close_it);
  tcase_add_loop_test (tc, headers_that_many_share_show_buckets, 0, N (buckets));
  tcase_add_loop_test (tc, headers_tell_the_limit_of_an_answer_that_does_not, 0, N (spent));
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (compatible_headers_suite)
