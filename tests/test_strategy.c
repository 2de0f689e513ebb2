/* test_strategy - which key each strategy picks, that no key makes up for what it
 * missed, how many requests are on one at once, and that in steady state
 * nothing is allocated.  Time is a number. */
#include <stdatomic.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "keyring.h"
#include "kwtest.h"

#define DAY INT64_C (86400000)

static atomic_uint_fast64_t seq;
static struct kwi_keyring *r;
static uint64_t calls;
static int woken;

static void
wake (struct kwi_waiter *w)
{
  (void) w;
  woken++;
}

/* Keys a, b, c, ... with those weights; 0 ends. */
static void
ring (enum kwi_strategy strategy, int max_concurrency, const uint32_t *weights)
{
  char name[2] = "a";
  size_t i;

  r = kwi_keyring_new (&seq, wake);
  kwi_keyring_strategy (r, strategy, max_concurrency);
  for (i = 0; weights[i] != 0; i++, name[0]++) {
    ck_assert_int_eq (kwi_keyring_add (r, name, name), 0);
    kwi_keyring_weigh (r, i, weights[i]);
  }
  woken = 0;
}

static void
teardown (void)
{
  kwi_keyring_free (r);
  r = NULL;
}

static const uint32_t three[] = { 1, 1, 1, 0 };

static struct kwi_pick
pick (size_t prefer, int64_t tokens, int64_t now)
{
  struct kwi_size size = { .tokens = tokens };
  struct kwi_want want = { .size = &size, .left_ms = 1000 };
  struct kwi_pick p;

  kwi_keyring_pick (r, "m", prefer, ++calls, NULL, &want, now, &p);
  return p;
}

static void
report (struct kwi_hold *hold, uint32_t outcome, int64_t tokens, int64_t wait_ms,
        int64_t now)
{
  struct kwi_judgement j = { .outcome = outcome, .scope = KW_SCOPE_KEY_MODEL,
                             .wait_ms = wait_ms, .input_tokens = tokens,
                             .output_tokens = 0 };
  struct kwi_size size = { .tokens = tokens };
  struct kwi_effect e;

  kwi_keyring_report (r, hold, "m", calls, &size, &j,
                      outcome == KW_OUTCOME_DAILY_LIMIT, -1, now, now, &e);
}

static void
park (size_t key, int64_t ms, int64_t now)
{
  struct kwi_hold hold = { .key = key };

  report (&hold, KW_OUTCOME_DAILY_LIMIT, 1, ms, now);
}

/* The keys that n requests of so many tokens go to, one after the other. */
static void
expect (const char *keys, int64_t tokens, int64_t now)
{
  char got[64];
  size_t i;

  for (i = 0; keys[i] != '\0' && i + 1 < sizeof got; i++) {
    struct kwi_pick p = pick (KWI_NO_KEY, tokens, now);
    got[i] = '-';
    if (p.picked != KWI_PICK_KEY)
      continue;
    got[i] = (char) ('a' + p.hold.key);
    report (&p.hold, KW_OUTCOME_OK, tokens, -1, now);
  }
  got[i] = '\0';
  ck_assert_str_eq (got, keys);
}

START_TEST (round_robin_goes_round_and_over_those_that_are_parked)
{
  ring (KWI_ROUND_ROBIN, 0, three);
  expect ("abcab", 1, 0);
  park (0, 5000, 0);
  expect ("cbcbc", 1, 0);
  expect ("abcabc", 1, 9000);
}
END_TEST

START_TEST (a_retry_stays_and_moves_no_turn)
{
  struct kwi_pick p;

  ring (KWI_ROUND_ROBIN, 0, three);
  expect ("a", 1, 0);
  p = pick (0, 1, 0);
  ck_assert_uint_eq (p.hold.key, 0);
  report (&p.hold, KW_OUTCOME_OK, 1, -1, 0);
  expect ("bca", 1, 0);
}
END_TEST

START_TEST (weights_are_kept_evenly)
{
  static const struct { uint32_t weights[4]; const char *keys; } cases[] = {
    { { 2, 1, 0, 0 }, "abaabaaba" },
    { { 1, 2, 0, 0 }, "abbabbabb" },
    { { 1, 1, 1, 0 }, "abcabc" },
    { { 3, 1, 0, 0 }, "abaaabaa" },
  };
  size_t i;

  for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ring (KWI_WEIGHTED, 0, cases[i].weights);
    expect (cases[i].keys, 1, 0);
    teardown ();
  }
}
END_TEST

START_TEST (who_was_parked_gets_its_share_and_no_more)
{
  static const uint32_t weights[] = { 2, 1, 0 };

  ring (KWI_WEIGHTED, 0, weights);
  expect ("aba", 1, 0);
  park (0, 5000, 0);
  expect ("bbbbbbbbbb", 1, 0);
  expect ("abaabaaba", 1, 9000);
}
END_TEST

START_TEST (the_least_used_serves_by_tokens)
{
  ring (KWI_LEAST_USED, 0, three);
  expect ("a", 100, 0);
  expect ("b", 10, 0);
  expect ("c", 30, 0);
  expect ("bbc", 15, 0);        /* 10, 25, 30 to 40; b and c are behind a */
}
END_TEST

START_TEST (those_in_flight_count_by_their_estimate)
{
  struct kwi_pick a, b;

  ring (KWI_LEAST_USED, 0, three);
  a = pick (KWI_NO_KEY, 500, 0);
  b = pick (KWI_NO_KEY, 100, 0);
  ck_assert_uint_eq (a.hold.key, 0);
  ck_assert_uint_eq (b.hold.key, 1);
  expect ("c", 300, 0);
  expect ("b", 300, 0);
  /* It was far less, or nothing: then it is that which counts. */
  report (&a.hold, KW_OUTCOME_OK, 5, -1, 0);
  expect ("a", 600, 0);
  kwi_keyring_leave (r, &b.hold, "m", calls, NULL);
  expect ("bc", 300, 0);
}
END_TEST

START_TEST (the_least_used_catches_up_with_nothing)
{
  ring (KWI_LEAST_USED, 0, three);
  expect ("abc", 100, 0);
  park (0, 5000, 0);
  expect ("bcbcbcbc", 100, 0);
  expect ("abcabc", 100, 9000);
}
END_TEST

/* A minute's bucket of 1000 tokens, of which so many are left. */
static void
show (struct kwi_hold *hold, int64_t remaining, int64_t now)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_OK, .scope = KW_SCOPE_REQUEST,
                             .wait_ms = -1, .input_tokens = 10,
                             .output_tokens = 0, .n_buckets = 1 };
  struct kwi_size size = { .tokens = 10 };
  struct kwi_effect e;

  j.bucket[0] = (struct kwi_bucket) {
    .scope = KW_SCOPE_KEY_MODEL, .rolling = 1, .limit = 1000,
    .remaining = remaining, .window_ms = 60000, .dimension = "tokens_per_minute",
    .have = KW_HAVE_LIMIT | KW_HAVE_REMAINING | KW_HAVE_WINDOW,
  };
  kwi_keyring_report (r, hold, "m", calls, &size, &j, 0, -1, now, now, &e);
}

START_TEST (the_most_remaining_is_what_buckets_show)
{
  static const int64_t remaining[] = { 300, 900, 500 };
  struct kwi_pick p;
  int i;

  ring (KWI_MOST_REMAINING, 0, three);
  for (i = 0; i < 3; i++) {
    p = pick (KWI_NO_KEY, 10, 0);
    ck_assert_uint_eq (p.hold.key, (size_t) i); /* not known is full */
    show (&p.hold, remaining[i], 0);
  }
  p = pick (KWI_NO_KEY, 10, 0);
  ck_assert_uint_eq (p.hold.key, 1);
  show (&p.hold, 400, 0);
  p = pick (KWI_NO_KEY, 10, 0);
  ck_assert_uint_eq (p.hold.key, 2);
  show (&p.hold, 100, 0);
  /* Half a minute refills 500 of each. */
  p = pick (KWI_NO_KEY, 10, 30000);
  ck_assert_uint_eq (p.hold.key, 1);
  show (&p.hold, 0, 30000);
  p = pick (KWI_NO_KEY, 10, 30000);
  ck_assert_uint_eq (p.hold.key, 0);
}
END_TEST

START_TEST (a_full_key_is_passed_over_and_then_waited_for)
{
  static const uint32_t two[] = { 1, 1, 0 };
  struct kwi_waiter w = { 0 };
  struct kwi_pick p[4], last;
  int i;

  ring (KWI_PRIORITY, 2, two);
  for (i = 0; i < 4; i++) {
    p[i] = pick (KWI_NO_KEY, 1, 0);
    ck_assert_uint_eq (p[i].hold.key, (size_t) i / 2);
  }
  kwi_keyring_pick (r, "m", KWI_NO_KEY, 99, &w, NULL, 0, &last);
  ck_assert_int_eq (last.picked, KWI_PICK_BUSY);
  ck_assert_int_eq (last.full, 1);
  ck_assert_int_eq (woken, 0);
  report (&p[2].hold, KW_OUTCOME_OK, 1, -1, 0);
  ck_assert_int_eq (woken, 1);
  kwi_keyring_pick (r, "m", KWI_NO_KEY, 99, &w, NULL, 0, &last);
  ck_assert_int_eq (last.picked, KWI_PICK_KEY);
  ck_assert_uint_eq (last.hold.key, 1);
}
END_TEST

START_TEST (a_place_is_given_back_once_whichever_way_a_call_ends)
{
  struct kwi_pick p, q;
  int i;

  ring (KWI_PRIORITY, 1, three);
  p = pick (KWI_NO_KEY, 1, 0);
  report (&p.hold, KW_OUTCOME_TRANSIENT, 1, -1, 0);
  q = pick (KWI_NO_KEY, 1, 0);
  ck_assert_uint_eq (q.hold.key, 0);
  for (i = 0; i < 3; i++)       /* the first call's end, told again */
    kwi_keyring_leave (r, &p.hold, "m", 1, NULL);
  ck_assert_uint_eq (pick (KWI_NO_KEY, 1, 0).hold.key, 1);
  kwi_keyring_leave (r, &q.hold, "m", 2, NULL);
  ck_assert_uint_eq (pick (KWI_NO_KEY, 1, 0).hold.key, 0);
}
END_TEST

START_TEST (a_retry_waits_for_its_own_full_key)
{
  struct kwi_pick p, q;

  ring (KWI_PRIORITY, 1, three);
  p = pick (KWI_NO_KEY, 1, 0);
  q = pick (0, 1, 0);
  ck_assert_int_eq (q.picked, KWI_PICK_BUSY);
  report (&p.hold, KW_OUTCOME_OK, 1, -1, 0);
  ck_assert_uint_eq (pick (0, 1, 0).hold.key, 0);
}
END_TEST

/* ---- Memory ------------------------------------------------------------------- */

void *__real_malloc (size_t);
void *__real_calloc (size_t, size_t);
void *__real_realloc (void *, size_t);
void *__wrap_malloc (size_t);
void *__wrap_calloc (size_t, size_t);
void *__wrap_realloc (void *, size_t);

static unsigned long allocations;

void *
__wrap_malloc (size_t n)
{
  allocations++;
  return __real_malloc (n);
}

void *
__wrap_calloc (size_t n, size_t size)
{
  allocations++;
  return __real_calloc (n, size);
}

void *
__wrap_realloc (void *p, size_t n)
{
  allocations++;
  return __real_realloc (p, n);
}

/* Some of every kind of answer, a limit's end and its probe among them. */
static void
a_round (int64_t now)
{
  static const uint32_t outcomes[] = { KW_OUTCOME_OK, KW_OUTCOME_OK,
                                       KW_OUTCOME_DAILY_LIMIT, KW_OUTCOME_OK,
                                       KW_OUTCOME_TRANSIENT };
  size_t i;

  for (i = 0; i < 200; i++) {
    struct kwi_pick p = pick (KWI_NO_KEY, 10, now + (int64_t) i * 100);
    if (p.picked == KWI_PICK_KEY)
      report (&p.hold, outcomes[i % 5], 10, 2000, now + (int64_t) i * 100);
  }
}

START_TEST (steady_state_allocates_nothing)
{
  unsigned long before;

  ring ((enum kwi_strategy) _i, 4, three);
  a_round (0);
  before = allocations;
  a_round (100000);
  ck_assert_msg (allocations == before, "strategy %d: %lu allocations", _i,
                 allocations - before);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("strategy");
  TCase *tc = tcase_create ("strategy");

  tcase_add_checked_fixture (tc, NULL, teardown);
  tcase_add_test (tc, round_robin_goes_round_and_over_those_that_are_parked);
  tcase_add_test (tc, a_retry_stays_and_moves_no_turn);
  tcase_add_test (tc, weights_are_kept_evenly);
  tcase_add_test (tc, who_was_parked_gets_its_share_and_no_more);
  tcase_add_test (tc, the_least_used_serves_by_tokens);
  tcase_add_test (tc, those_in_flight_count_by_their_estimate);
  tcase_add_test (tc, the_least_used_catches_up_with_nothing);
  tcase_add_test (tc, the_most_remaining_is_what_buckets_show);
  tcase_add_test (tc, a_full_key_is_passed_over_and_then_waited_for);
  tcase_add_test (tc, a_place_is_given_back_once_whichever_way_a_call_ends);
  tcase_add_test (tc, a_retry_waits_for_its_own_full_key);
  tcase_add_loop_test (tc, steady_state_allocates_nothing, KWI_PRIORITY,
                       KWI_MOST_REMAINING + 1);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
