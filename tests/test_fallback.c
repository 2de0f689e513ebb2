/* What the core takes a verdict for: the status where the plugin does not know,
 * default scopes, waits, cleaned words. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "answer.h"
#include "fallback.h"
#include "instance.h"
#include "kwtest.h"

#define DAY INT64_C (86400000)
#define NOW INT64_C (1767362591000)

static struct kwi_answer a;
static struct kw_verdict v;
static struct kwi_judgement j;

static void
fresh (void)
{
  memset (&a, 0, sizeof a);
  memset (&v, 0, sizeof v);
  memset (&j, 0, sizeof j);
  v.struct_size = sizeof v;
  a.received_ms = NOW;
}

static void
clear (void)
{
  kwi_answer_clear (&a);
}

static void
header (const char *name, const char *value)
{
  ck_assert_int_eq (kwi_answer_add_header (&a, name, strlen (name), value,
                                           strlen (value)), 0);
}

/* What each status means, written down a second time. */
static uint32_t
expected (int status)
{
  if (status >= 200 && status < 300)
    return KW_OUTCOME_OK;
  if (status == 401 || status == 403)
    return KW_OUTCOME_AUTH;
  if (status == 402)
    return KW_OUTCOME_BILLING;
  if (status == 429)
    return KW_OUTCOME_RATE_LIMIT;
  if (status == 408 || status == 425 || status < 300 || status >= 500)
    return KW_OUTCOME_TRANSIENT;
  return KW_OUTCOME_REQUEST;
}

START_TEST (each_status_has_its_meaning)
{
  for (int status = -1; status < 1000; status++)
    ck_assert_msg (kwi_fallback_outcome (status) == expected (status),
                   "status %d: %u", status,
                   (unsigned) kwi_fallback_outcome (status));
}
END_TEST

START_TEST (an_unknown_or_impossible_outcome_falls_back)
{
  static const uint32_t said[] = { KW_OUTCOME_UNKNOWN, 8, UINT32_MAX };

  for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
    a.status = 503;
    v.outcome = said[i];
    kwi_fallback_settle (&v, &a, &j);
    ck_assert_uint_eq (j.outcome, KW_OUTCOME_TRANSIENT);
    ck_assert_uint_eq (j.fell_back, 1);
  }
}
END_TEST

START_TEST (a_known_outcome_stands_against_the_status)
{
  for (uint32_t o = KW_OUTCOME_DAILY_LIMIT; o <= KW_OUTCOME_TRANSIENT; o++) {
    a.status = 200;
    v.outcome = o;
    kwi_fallback_settle (&v, &a, &j);
    ck_assert_uint_eq (j.outcome, o);
    ck_assert_uint_eq (j.fell_back, 0);
  }
}
END_TEST

START_TEST (a_failed_classify_leaves_the_status)
{
  a.status = 401;
  kwi_fallback_settle (NULL, &a, &j);
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_AUTH);
  ck_assert_uint_eq (j.scope, KW_SCOPE_KEY);
  ck_assert_uint_eq (j.fell_back, 1);
  ck_assert_int_eq (j.wait_ms, -1);
  ck_assert_int_eq (j.input_tokens, -1);
  ck_assert_str_eq (j.reason, "");
}
END_TEST

START_TEST (an_answer_that_broke_off_is_not_served)
{
  a.status = 200;
  a.net = KW_NET_CLOSED;
  v.outcome = KW_OUTCOME_OK;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_TRANSIENT);
  ck_assert_uint_eq (j.fell_back, 1);
  v.outcome = KW_OUTCOME_UNKNOWN;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_TRANSIENT);
  a.status = 0;
  v.outcome = KW_OUTCOME_OK;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_TRANSIENT);
  /* What its head says holds without the rest. */
  a.status = 401;
  v.outcome = KW_OUTCOME_UNKNOWN;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_AUTH);
}
END_TEST

START_TEST (an_event_that_nobody_knows_does_not_end_a_stream)
{
  a.status = 200;
  a.in_stream = 1;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_OK);
  kwi_fallback_settle (NULL, &a, &j);
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_OK);
  v.outcome = KW_OUTCOME_DAILY_LIMIT;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_DAILY_LIMIT);
}
END_TEST

#define D KW_SCOPE_DEFAULT
#define R KW_SCOPE_REQUEST
#define K KW_SCOPE_KEY
#define KM KW_SCOPE_KEY_MODEL
#define AC KW_SCOPE_ACCOUNT
#define AM KW_SCOPE_ACCOUNT_MODEL
#define P KW_SCOPE_PROVIDER

static const struct { uint32_t outcome, said, named, unnamed; } scopes[] = {
  { KW_OUTCOME_DAILY_LIMIT, D, AM, KM }, { KW_OUTCOME_RATE_LIMIT, D, AM, KM },
  { KW_OUTCOME_AUTH, D, K, K },          { KW_OUTCOME_BILLING, D, AC, K },
  { KW_OUTCOME_TRANSIENT, D, R, R },     { KW_OUTCOME_REQUEST, D, R, R },
  { KW_OUTCOME_OK, D, R, R },            { KW_OUTCOME_OK, AC, R, R },
  { KW_OUTCOME_DAILY_LIMIT, R, AM, KM }, { KW_OUTCOME_BILLING, R, AC, K },
  { KW_OUTCOME_RATE_LIMIT, R, AM, KM },  { KW_OUTCOME_AUTH, R, K, K },
  { KW_OUTCOME_DAILY_LIMIT, AC, AC, K }, { KW_OUTCOME_DAILY_LIMIT, AM, AM, KM },
  { KW_OUTCOME_BILLING, K, K, K },       { KW_OUTCOME_BILLING, KM, KM, KM },
  { KW_OUTCOME_TRANSIENT, P, P, P },     { KW_OUTCOME_AUTH, AC, AC, K },
  { KW_OUTCOME_TRANSIENT, R, R, R },     { KW_OUTCOME_REQUEST, R, R, R },
  { KW_OUTCOME_RATE_LIMIT, 7, AM, KM },  { KW_OUTCOME_AUTH, UINT32_MAX, K, K },
};

START_TEST (a_scope_reaches_as_far_as_can_be_parked)
{
  a.status = 200;
  v.outcome = scopes[_i].outcome;
  v.scope = scopes[_i].said;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_msg (j.scope == scopes[_i].unnamed, "case %d, no account: %u", _i,
                 (unsigned) j.scope);
  memcpy (v.account, "org_1", sizeof "org_1");
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_msg (j.scope == scopes[_i].named, "case %d, an account: %u", _i,
                 (unsigned) j.scope);
}
END_TEST

static const struct {
  uint32_t outcome, have;
  int64_t retry, reset;
  const char *header;
  int64_t want;
} waits[] = {
  { KW_OUTCOME_DAILY_LIMIT, KW_HAVE_RETRY_AFTER, 432500, 0, "9", 432500 },
  { KW_OUTCOME_DAILY_LIMIT, KW_HAVE_RETRY_AFTER, 0, 0, "9", 0 },
  { KW_OUTCOME_DAILY_LIMIT, KW_HAVE_RETRY_AFTER, -5, 0, "9", 0 },
  { KW_OUTCOME_DAILY_LIMIT, KW_HAVE_RETRY_AFTER, INT64_MIN, 0, NULL, 0 },
  { KW_OUTCOME_DAILY_LIMIT, KW_HAVE_RETRY_AFTER, INT64_MAX, 0, NULL, 400 * DAY },
  { KW_OUTCOME_DAILY_LIMIT, KW_HAVE_RETRY_AFTER | KW_HAVE_RESET_AT, 3, NOW + 7,
    NULL, 3 },
  { KW_OUTCOME_RATE_LIMIT, KW_HAVE_RESET_AT, 3, NOW + 7, "9", 7 },
  { KW_OUTCOME_RATE_LIMIT, KW_HAVE_RESET_AT, 0, NOW - 7, "9", 0 },
  { KW_OUTCOME_RATE_LIMIT, KW_HAVE_RESET_AT, 0, INT64_MIN, NULL, 0 },
  { KW_OUTCOME_RATE_LIMIT, KW_HAVE_RESET_AT, 0, INT64_MAX, NULL, 400 * DAY },
  { KW_OUTCOME_RATE_LIMIT, 0, 3, NOW + 7, "9", 9000 },
  { KW_OUTCOME_DAILY_LIMIT, 0, 3, 0, "9", 9000 },
  { KW_OUTCOME_TRANSIENT, 0, 3, 0, "9", 9000 },
  { KW_OUTCOME_UNKNOWN, 0, 3, 0, "9", 9000 },   /* a 429 */
  { KW_OUTCOME_RATE_LIMIT, 0, 3, 0, "later", -1 },
  { KW_OUTCOME_RATE_LIMIT, 0, 3, 0, NULL, -1 },
  { KW_OUTCOME_REQUEST, 0, 3, 0, "9", -1 },
  { KW_OUTCOME_AUTH, 0, 3, 0, "9", -1 },
  { KW_OUTCOME_BILLING, 0, 3, 0, "9", -1 },
  { KW_OUTCOME_OK, 0, 3, 0, "9", -1 },
};

START_TEST (the_plugins_wait_comes_before_the_header)
{
  a.status = 429;
  v.outcome = waits[_i].outcome;
  v.have = waits[_i].have;
  v.retry_after_ms = waits[_i].retry;
  v.reset_at_ms = waits[_i].reset;
  if (waits[_i].header != NULL)
    header ("retry-after", waits[_i].header);
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_msg (j.wait_ms == waits[_i].want, "case %d: %lld, not %lld", _i,
                 (long long) j.wait_ms, (long long) waits[_i].want);
}
END_TEST

START_TEST (a_reset_against_a_clock_before_1970_does_not_overflow)
{
  a.status = 429;
  a.received_ms = INT64_MIN;
  v.outcome = KW_OUTCOME_RATE_LIMIT;
  v.have = KW_HAVE_RESET_AT;
  v.reset_at_ms = INT64_MAX;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_int_eq (j.wait_ms, 400 * DAY);
}
END_TEST

START_TEST (usage_is_taken_only_when_said_and_sane)
{
  a.status = 200;
  v.input_tokens = 5;
  v.output_tokens = 6;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_int_eq (j.input_tokens, -1);
  ck_assert_int_eq (j.output_tokens, -1);
  v.have = KW_HAVE_USAGE;
  v.output_tokens = -6;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_int_eq (j.input_tokens, 5);
  ck_assert_int_eq (j.output_tokens, -1);
}
END_TEST

START_TEST (words_are_cleaned_and_ended)
{
  a.status = 200;
  memcpy (v.reason, "Tokens Per/Day!\n\xc3\xa9", 18);
  memcpy (v.account, "org\n\x1b[1m\xff", 10);
  memset (v.model, 'm', sizeof v.model);
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_str_eq (j.reason, "tokens_per_day____");
  ck_assert_str_eq (j.account, "org??[1m?");
  ck_assert_uint_eq (strlen (j.model), sizeof j.model - 1);
}
END_TEST

START_TEST (a_bucket_keeps_what_makes_sense)
{
  struct kw_bucket b;
  struct kwi_bucket *k = &j.bucket[0];

  memset (&b, 0, sizeof b);
  b.struct_size = sizeof b;
  b.have = UINT32_MAX;
  b.rolling = 77;
  b.limit = 100;
  b.used = -1;
  b.remaining = 0;
  b.requested = 12;
  b.window_ms = 0;
  b.full_at_ms = INT64_MAX;
  memcpy (b.dimension, "Tokens/Day", sizeof "Tokens/Day");
  kwi_fallback_bucket (&b, NOW, k);
  ck_assert_uint_eq (k->have, KW_HAVE_LIMIT | KW_HAVE_REMAINING |
                              KW_HAVE_REQUESTED | KW_HAVE_FULL_AT);
  ck_assert_int_eq (k->limit, 100);
  ck_assert_int_eq (k->used, 0);
  ck_assert_int_eq (k->requested, 12);
  ck_assert_int_eq (k->full_at_ms, NOW + 400 * DAY);
  ck_assert_uint_eq (k->rolling, 1);
  ck_assert_str_eq (k->dimension, "tokens_day");

  j.n_buckets = 1;
  a.status = 200;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (k->scope, KM);
  k->scope = AC;
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (k->scope, K);
  k->scope = D;
  memcpy (v.account, "org", sizeof "org");
  kwi_fallback_settle (&v, &a, &j);
  ck_assert_uint_eq (k->scope, AM);
}
END_TEST

START_TEST (what_a_bucket_does_not_claim_is_zero)
{
  struct kw_bucket b;

  memset (&b, 0x11, sizeof b);
  b.have = 0;
  kwi_fallback_bucket (&b, NOW, &j.bucket[0]);
  ck_assert_int_eq (j.bucket[0].limit, 0);
  ck_assert_int_eq (j.bucket[0].window_ms, 0);
  ck_assert_int_eq (j.bucket[0].full_at_ms, 0);
}
END_TEST

#define LOOP(t, test, table) \
  tcase_add_loop_test (t, test, 0, (int) (sizeof table / sizeof table[0]))

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("fallback");
  TCase *t = tcase_create ("fallback");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_add_test (t, each_status_has_its_meaning);
  tcase_add_test (t, an_unknown_or_impossible_outcome_falls_back);
  tcase_add_test (t, a_known_outcome_stands_against_the_status);
  tcase_add_test (t, a_failed_classify_leaves_the_status);
  tcase_add_test (t, an_answer_that_broke_off_is_not_served);
  tcase_add_test (t, an_event_that_nobody_knows_does_not_end_a_stream);
  LOOP (t, a_scope_reaches_as_far_as_can_be_parked, scopes);
  LOOP (t, the_plugins_wait_comes_before_the_header, waits);
  tcase_add_test (t, a_reset_against_a_clock_before_1970_does_not_overflow);
  tcase_add_test (t, usage_is_taken_only_when_said_and_sane);
  tcase_add_test (t, words_are_cleaned_and_ended);
  tcase_add_test (t, a_bucket_keeps_what_makes_sense);
  tcase_add_test (t, what_a_bucket_does_not_claim_is_zero);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)
