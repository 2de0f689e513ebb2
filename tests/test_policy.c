/* test_policy - the table of verdicts and the bounds, in virtual time: the
 * clock is a number. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "kwtest.h"
#include "policy.h"

static const struct kwi_policy defaults = KWI_POLICY_DEFAULTS;

static struct kwi_decision
judge (const struct kwi_policy *p, struct kwi_policy_state *st,
       uint32_t outcome, int64_t stated_ms, int64_t now)
{
  return kwi_policy_verdict (p, st, outcome, stated_ms, 0, now, 0);
}

/* ---- Each verdict's default answer -------------------------------------- */

static const struct row {
  uint32_t outcome;
  enum kwi_reaction on_rate_limit, on_billing, on_auth;
  enum kwi_action action;
  int code;
} rows[] = {
  { KW_OUTCOME_OK, 0, 0, 0, KWI_ACCEPT, 0 },
  { KW_OUTCOME_DAILY_LIMIT, 0, 0, 0, KWI_SWITCH, 0 },
  { KW_OUTCOME_RATE_LIMIT, 0, 0, 0, KWI_WAIT, 0 },
  { KW_OUTCOME_RATE_LIMIT, KWI_ON_SWITCH, 0, 0, KWI_SWITCH, 0 },
  { KW_OUTCOME_AUTH, 0, 0, 0, KWI_GIVE_UP, KW_ERR_AUTH },
  { KW_OUTCOME_AUTH, 0, 0, KWI_ON_SWITCH, KWI_SWITCH, 0 },
  { KW_OUTCOME_BILLING, 0, 0, 0, KWI_SWITCH, 0 },
  { KW_OUTCOME_BILLING, 0, KWI_ON_FAIL, 0, KWI_GIVE_UP, KW_ERR_BILLING },
  { KW_OUTCOME_REQUEST, 0, 0, 0, KWI_GIVE_UP, KW_ERR_REFUSED },
  { KW_OUTCOME_TRANSIENT, 0, 0, 0, KWI_WAIT, 0 },
};

START_TEST (each_verdict_has_its_answer)
{
  const struct row *r = &rows[_i];
  struct kwi_policy p = defaults;
  struct kwi_policy_state st;
  struct kwi_decision d;

  if (r->on_rate_limit != 0)
    p.on_rate_limit = r->on_rate_limit;
  if (r->on_billing != 0)
    p.on_billing = r->on_billing;
  if (r->on_auth != 0)
    p.on_auth = r->on_auth;
  kwi_policy_begin (&p, &st, 0, 1000);
  d = judge (&p, &st, r->outcome, -1, 1000);
  ck_assert_msg (d.action == r->action && d.code == r->code,
                 "row %d: outcome %u gave action %d code %d, wanted %d %d", _i,
                 r->outcome, (int) d.action, d.code, (int) r->action, r->code);
}
END_TEST

/* ---- Bounds -------------------------------------------------------------- */

START_TEST (ten_switches_and_no_eleventh)
{
  struct kwi_policy_state st;
  struct kwi_decision d;
  int i;

  kwi_policy_begin (&defaults, &st, 0, 0);
  for (i = 0; i < 10; i++) {
    d = judge (&defaults, &st, KW_OUTCOME_DAILY_LIMIT, 5000, i);
    ck_assert_int_eq (d.action, KWI_SWITCH);
    kwi_policy_switched (&st);
  }
  d = judge (&defaults, &st, KW_OUTCOME_DAILY_LIMIT, 5000, 10);
  ck_assert_int_eq (d.action, KWI_GIVE_UP);
  ck_assert_int_eq (d.code, KW_ERR_SWITCHES);
  ck_assert_int_eq (st.switches, 10);
}
END_TEST

START_TEST (retries_are_bounded_over_all_keys)
{
  struct kwi_policy p = defaults;
  struct kwi_policy_state st;
  struct kwi_decision d;

  p.max_retries = 2;
  kwi_policy_begin (&p, &st, 0, 0);
  ck_assert_int_eq (judge (&p, &st, KW_OUTCOME_TRANSIENT, -1, 0).action, KWI_WAIT);
  ck_assert_int_eq (judge (&p, &st, KW_OUTCOME_DAILY_LIMIT, -1, 0).action,
                    KWI_SWITCH);
  ck_assert_int_eq (judge (&p, &st, KW_OUTCOME_RATE_LIMIT, 5, 0).action, KWI_WAIT);
  d = judge (&p, &st, KW_OUTCOME_TRANSIENT, -1, 0);
  ck_assert_int_eq (d.action, KWI_GIVE_UP);
  ck_assert_int_eq (d.code, KW_ERR_UNAVAILABLE);
  d = judge (&p, &st, KW_OUTCOME_RATE_LIMIT, 7, 0);
  ck_assert_int_eq (d.code, KW_ERR_RATE_LIMIT);
  ck_assert_int_eq (d.past_deadline, 0);
  ck_assert_int_eq (d.wait_ms, 7);
  d = kwi_policy_verdict (&p, &st, KW_OUTCOME_TRANSIENT, -1, 1, 0, 0);
  ck_assert_int_eq (d.code, KW_ERR_TIMEOUT);
}
END_TEST

START_TEST (a_wait_that_outlasts_the_deadline_is_not_begun)
{
  struct kwi_policy_state st;
  struct kwi_decision d;

  kwi_policy_begin (&defaults, &st, 10000, 500);
  d = judge (&defaults, &st, KW_OUTCOME_RATE_LIMIT, 9999, 500);
  ck_assert_int_eq (d.action, KWI_WAIT);
  ck_assert_int_eq (d.wait_ms, 9999);
  kwi_policy_begin (&defaults, &st, 10000, 500);
  d = judge (&defaults, &st, KW_OUTCOME_RATE_LIMIT, 10000, 500);
  ck_assert_int_eq (d.action, KWI_GIVE_UP);
  ck_assert_int_eq (d.code, KW_ERR_RATE_LIMIT);
  ck_assert_int_eq (d.past_deadline, 1);
  ck_assert_int_eq (d.wait_ms, 10000);
  ck_assert_int_eq (st.retries, 0);
  d = judge (&defaults, &st, KW_OUTCOME_TRANSIENT, 10000, 500);
  ck_assert_int_eq (d.code, KW_ERR_DEADLINE);
  ck_assert_int_eq (d.past_deadline, 1);
}
END_TEST

START_TEST (no_switch_after_the_deadline)
{
  struct kwi_policy_state st;
  struct kwi_decision d;

  kwi_policy_begin (&defaults, &st, 1000, 0);
  ck_assert_int_eq (kwi_policy_left (&st, 400), 600);
  ck_assert_int_eq (kwi_policy_left (&st, 1400), 0);
  d = judge (&defaults, &st, KW_OUTCOME_DAILY_LIMIT, -1, 1000);
  ck_assert_int_eq (d.action, KWI_GIVE_UP);
  ck_assert_int_eq (d.code, KW_ERR_DEADLINE);
}
END_TEST

/* ---- Backoff -------------------------------------------------------------- */

START_TEST (the_providers_own_wait_comes_first)
{
  struct kwi_policy_state st;

  kwi_policy_begin (&defaults, &st, 0, 0);
  ck_assert_int_eq (kwi_policy_verdict (&defaults, &st, KW_OUTCOME_RATE_LIMIT,
                                        7660, 0, 0, UINT64_MAX).wait_ms, 7660);
  /* Stated as nothing at all it would be a busy loop. */
  ck_assert_int_ge (judge (&defaults, &st, KW_OUTCOME_RATE_LIMIT, 0, 0).wait_ms, 1);
}
END_TEST

START_TEST (backoff_doubles_up_to_its_maximum_with_full_jitter)
{
  static const int64_t ceilings[] = { 500, 1000, 2000, 4000, 8000, 16000, 30000,
                                      30000 };
  struct kwi_policy p = defaults;
  struct kwi_policy_state st;
  size_t i;

  p.max_retries = 1000;
  kwi_policy_begin (&p, &st, INT64_MAX, 0);
  for (i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++) {
    struct kwi_policy_state low = st, high = st;
    int64_t a = kwi_policy_verdict (&p, &low, KW_OUTCOME_TRANSIENT, -1, 0, 0,
                                    0).wait_ms;
    int64_t b = kwi_policy_verdict (&p, &high, KW_OUTCOME_TRANSIENT, -1, 0, 0,
                                    (uint64_t) ceilings[i] - 1).wait_ms;
    ck_assert_int_eq (a, 1);
    ck_assert_msg (b == ceilings[i], "backoff %zu: at most %lld, wanted %lld",
                   i, (long long) b, (long long) ceilings[i]);
    st = high;
  }
  /* A new key starts over. */
  ck_assert_int_eq (judge (&p, &st, KW_OUTCOME_DAILY_LIMIT, -1, 0).action,
                    KWI_SWITCH);
  kwi_policy_switched (&st);
  ck_assert_int_eq (kwi_policy_verdict (&p, &st, KW_OUTCOME_TRANSIENT, -1, 0, 0,
                                        499).wait_ms, 500);
}
END_TEST

START_TEST (huge_backoffs_do_not_overflow)
{
  struct kwi_policy p = defaults;
  struct kwi_policy_state st;
  int i;

  p.backoff_initial_ms = INT64_MAX / 3;
  p.backoff_max_ms = INT64_MAX;
  p.max_retries = 1000;
  kwi_policy_begin (&p, &st, INT64_MAX, INT64_MAX / 2);
  ck_assert_int_gt (st.deadline_at, INT64_MAX / 2);
  st.backoffs = 100;
  for (i = 0; i < 3; i++)
    ck_assert_int_ge (kwi_policy_verdict (&p, &st, KW_OUTCOME_TRANSIENT, -1, 0,
                                          INT64_MAX / 2, UINT64_MAX).wait_ms, 1);
}
END_TEST

START_TEST (parked_keys_are_waited_for_within_the_bounds)
{
  struct kwi_policy p = defaults;
  struct kwi_policy_state st;
  struct kwi_decision d;

  p.max_retries = 1;
  kwi_policy_begin (&p, &st, 5000, 0);
  d = kwi_policy_parked (&p, &st, 2000, 0);
  ck_assert_int_eq (d.action, KWI_WAIT);
  ck_assert_int_eq (d.wait_ms, 2000);
  d = kwi_policy_parked (&p, &st, 2000, 2000);
  ck_assert_int_eq (d.action, KWI_GIVE_UP);
  ck_assert_int_eq (d.code, KW_ERR_RATE_LIMIT);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("policy");
  TCase *tc = tcase_create ("policy");

  tcase_add_loop_test (tc, each_verdict_has_its_answer, 0,
                       (int) (sizeof rows / sizeof rows[0]));
  tcase_add_test (tc, ten_switches_and_no_eleventh);
  tcase_add_test (tc, retries_are_bounded_over_all_keys);
  tcase_add_test (tc, a_wait_that_outlasts_the_deadline_is_not_begun);
  tcase_add_test (tc, no_switch_after_the_deadline);
  tcase_add_test (tc, the_providers_own_wait_comes_first);
  tcase_add_test (tc, backoff_doubles_up_to_its_maximum_with_full_jitter);
  tcase_add_test (tc, huge_backoffs_do_not_overflow);
  tcase_add_test (tc, parked_keys_are_waited_for_within_the_bounds);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
