/* test_keyring - which key is picked, what answers do to it and its siblings,
 * probes, and 64 threads at once.  Time is a number. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "keyring.h"
#include "kwtest.h"

#define DAY INT64_C (86400000)

static atomic_uint_fast64_t seq;
static int woken;
static struct kwi_hold holds[3];  /* as last picked */
static struct kwi_keyring *r;

static void
wake (struct kwi_waiter *waiter)
{
  (void) waiter;
  woken++;
}

static void
setup (void)
{
  atomic_store (&seq, 0);
  woken = 0;
  memset (holds, 0, sizeof holds);
  r = kwi_keyring_new (&seq, wake);
  ck_assert_int_eq (kwi_keyring_add (r, "primary", "aaaa"), 0);
  ck_assert_int_eq (kwi_keyring_add (r, "backup-1", "bbbb"), 0);
  ck_assert_int_eq (kwi_keyring_add (r, "backup-2", "cccc"), 0);
}

static void
teardown (void)
{
  kwi_keyring_free (r);
}

static struct kwi_judgement
verdict (uint32_t outcome, uint32_t scope, int64_t wait_ms, const char *account)
{
  struct kwi_judgement j = { .outcome = outcome, .scope = scope,
                             .wait_ms = wait_ms, .input_tokens = -1,
                             .output_tokens = -1 };

  memccpy (j.account, account, '\0', sizeof j.account);
  memccpy (j.reason, "tokens_per_day", '\0', sizeof j.reason);
  return j;
}

static struct kwi_effect
report (size_t key, const char *model, uint64_t call,
        const struct kwi_judgement *j, int64_t now)
{
  struct kwi_effect e;

  holds[key].key = key;
  kwi_keyring_report (r, &holds[key], model, call, NULL, j,
                      j->outcome == KW_OUTCOME_DAILY_LIMIT
                        || j->outcome == KW_OUTCOME_BILLING
                        || j->outcome == KW_OUTCOME_RATE_LIMIT,
                      -1, now, now, &e);
  return e;
}

static struct kwi_pick
pick (const char *model, uint64_t call, int64_t now)
{
  struct kwi_pick p;

  kwi_keyring_pick (r, model, KWI_NO_KEY, call, NULL, NULL, now, &p);
  if (p.picked == KWI_PICK_KEY)
    holds[p.hold.key] = p.hold;
  return p;
}

START_TEST (keys_are_used_in_order_and_per_model)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    1000, "");

  ck_assert_uint_eq (pick ("m", 1, 0).hold.key, 0);
  ck_assert_int_eq (report (0, "m", 1, &j, 0).newly_parked, 1);
  ck_assert_uint_eq (pick ("m", 1, 0).hold.key, 1);
  ck_assert_uint_eq (pick ("other", 2, 0).hold.key, 0);
}
END_TEST

START_TEST (siblings_of_an_account_are_exhausted_together)
{
  struct kwi_judgement j
    = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL, 5000, "org_1");
  struct kwi_judgement ok = verdict (KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "org_1");
  struct kwi_effect e = report (2, "m", 1, &ok, 0);

  ck_assert_int_eq (e.account_learnt, 1);
  ck_assert_str_eq (e.members, "backup-2");
  e = report (0, "m", 2, &j, 0);
  ck_assert_int_eq (e.account_learnt, 1);
  ck_assert_str_eq (e.members, "primary and backup-2");
  ck_assert_uint_eq (pick ("m", 3, 0).hold.key, 1);
  e = report (1, "m", 3, &j, 1);
  ck_assert_int_eq (e.account_learnt, 1);
  ck_assert_str_eq (e.members, "primary, backup-1 and backup-2");
  ck_assert_uint_eq (e.n_members, 3);
  /* Said once: the account was parked by the first. */
  ck_assert_int_eq (report (1, "m", 3, &j, 1).newly_parked, 0);
  ck_assert_int_eq (pick ("m", 4, 1).picked, KWI_PICK_NONE);
}
END_TEST

START_TEST (all_exhausted_names_the_earliest_and_why)
{
  struct kwi_judgement late = verdict (KW_OUTCOME_DAILY_LIMIT,
                                       KW_SCOPE_KEY_MODEL, DAY, "");
  struct kwi_judgement soon = verdict (KW_OUTCOME_DAILY_LIMIT,
                                       KW_SCOPE_KEY_MODEL, 4000, "");
  struct kwi_judgement broke = verdict (KW_OUTCOME_BILLING, KW_SCOPE_KEY, -1, "");
  struct kwi_pick p;

  (void) report (0, "m", 1, &late, 0);
  (void) report (1, "m", 1, &soon, 0);
  (void) report (2, "m", 1, &broke, 0);
  p = pick ("m", 2, 10);
  ck_assert_int_eq (p.picked, KWI_PICK_NONE);
  ck_assert_uint_eq (p.ready_key, 1);
  ck_assert_int_eq (p.ready_ms, 4000);
  ck_assert_uint_eq (p.n_by_verdict[KW_OUTCOME_DAILY_LIMIT], 2);
  ck_assert_uint_eq (p.n_by_verdict[KW_OUTCOME_BILLING], 1);
  ck_assert_int_eq (p.limited_ready_ms, KWI_NEVER);
  ck_assert_int_eq (kwi_keyring_next_ready (r, "m", NULL, 10), 4000);
  /* Billing took the whole key, the days only their model. */
  ck_assert_uint_eq (pick ("other", 3, 10).hold.key, 0);
}
END_TEST

START_TEST (one_probes_the_others_keep_to_what_is_proven)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    1000, "");
  struct kwi_judgement ok = verdict (KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "");
  struct kwi_pick p;

  (void) report (0, "m", 1, &j, 0);
  p = pick ("m", 2, 1000);
  ck_assert_uint_eq (p.hold.key, 0);
  ck_assert_int_eq (p.probe, 1);
  ck_assert_uint_eq (pick ("m", 3, 1000).hold.key, 1);
  ck_assert_int_eq (report (0, "m", 2, &ok, 1001).revived, 1);
  p = pick ("m", 4, 1001);
  ck_assert_uint_eq (p.hold.key, 0);
  ck_assert_int_eq (p.probe, 0);
}
END_TEST

START_TEST (a_call_that_ends_gives_its_probe_back)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    1000, "");

  (void) report (0, "m", 1, &j, 0);
  ck_assert_int_eq (pick ("m", 2, 1000).probe, 1);
  kwi_keyring_leave (r, &holds[0], "m", 2, NULL);
  ck_assert_int_eq (pick ("m", 3, 1000).probe, 1);
}
END_TEST

START_TEST (a_probe_ends_though_the_answer_names_another_account)
{
  struct kwi_judgement j
    = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL, 1000, "org_old");
  struct kwi_judgement ok = verdict (KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "org_new");

  (void) report (1, "m", 1, &j, 0);
  (void) report (0, "m", 1, &j, 0);
  ck_assert_uint_eq (pick ("m", 2, 1000).hold.key, 0);
  ck_assert_int_eq (report (0, "m", 2, &ok, 1001).revived, 1);
  ck_assert_int_eq (pick ("m", 4, 1001).probe, 0);
  ck_assert_int_eq (kwi_keyring_next_ready (r, "m", NULL, 1001), 1001);
}
END_TEST

START_TEST (a_limit_that_is_over_at_once_parks_for_a_moment)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    0, "");

  (void) report (0, "m", 1, &j, 5000);
  ck_assert_uint_eq (pick ("m", 1, 5000).hold.key, 1);
  ck_assert_uint_eq (pick ("m", 1, 6000).hold.key, 0);
}
END_TEST

START_TEST (a_look_takes_nothing)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    1000, "");
  struct kwi_pick p;

  (void) report (0, "m", 1, &j, 0);
  kwi_keyring_pick (r, "m", KWI_NO_KEY, 0, NULL, NULL, 1000, &p);
  ck_assert_int_eq (p.probe, 1);
  ck_assert_int_eq (pick ("m", 2, 1000).probe, 1);
}
END_TEST

START_TEST (who_waits_for_a_probe_is_woken_by_its_end)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    1000, "");
  struct kwi_judgement ok = verdict (KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "");
  struct kwi_waiter waiter = { 0 };
  struct kwi_pick p;
  size_t i;

  for (i = 0; i < 3; i++)
    (void) report (i, "m", 1, &j, 0);
  /* Staggered: the first alone is back at 1000. */
  ck_assert_int_eq (pick ("m", 2, 1000).probe, 1);
  kwi_keyring_pick (r, "m", KWI_NO_KEY, 3, &waiter, NULL, 1000, &p);
  ck_assert_int_eq (p.picked, KWI_PICK_BUSY);
  ck_assert_int_eq (woken, 0);
  (void) report (0, "m", 2, &ok, 1001);
  ck_assert_int_eq (woken, 1);
  kwi_keyring_pick (r, "m", KWI_NO_KEY, 3, &waiter, NULL, 1001, &p);
  ck_assert_int_eq (p.picked, KWI_PICK_KEY);
  ck_assert_uint_eq (p.hold.key, 0);
}
END_TEST

START_TEST (a_retry_stays_unless_its_key_was_parked_meanwhile)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    1000, "");
  struct kwi_pick p;

  kwi_keyring_pick (r, "m", 1, 1, NULL, NULL, 0, &p);
  ck_assert_uint_eq (p.hold.key, 1);
  (void) report (1, "m", 2, &j, 0);
  kwi_keyring_pick (r, "m", 1, 1, NULL, NULL, 0, &p);
  ck_assert_uint_eq (p.hold.key, 0);
}
END_TEST

START_TEST (an_inner_model_parks_itself_and_the_one_asked_for)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    1000, "");

  memccpy (j.model, "inner", '\0', sizeof j.model);
  (void) report (0, "agent", 1, &j, 0);
  ck_assert_uint_eq (pick ("agent", 2, 0).hold.key, 1);
  ck_assert_uint_eq (pick ("inner", 2, 0).hold.key, 1);
  ck_assert_uint_eq (pick ("third", 2, 0).hold.key, 0);
}
END_TEST

START_TEST (a_providers_block_parks_every_key)
{
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_PROVIDER,
                                    1000, "");

  (void) report (0, "m", 1, &j, 0);
  ck_assert_int_eq (pick ("m", 2, 0).picked, KWI_PICK_NONE);
}
END_TEST

START_TEST (a_reset_frees_the_key_and_its_account_at_once)
{
  struct kwi_judgement j
    = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL, DAY, "org_1");

  (void) report (0, "m", 1, &j, 0);
  (void) report (1, "m", 1, &j, 0);
  ck_assert_uint_eq (pick ("m", 2, 0).hold.key, 2);
  kwi_keyring_reset (r, 1, 0);
  ck_assert_uint_eq (pick ("m", 2, 0).hold.key, 0);
  (void) report (2, "m", 1, &j, 0);
  kwi_keyring_reset (r, kwi_keyring_count (r), 0);
  ck_assert_uint_eq (pick ("m", 2, 0).hold.key, 0);
  ck_assert_int_eq (pick ("m", 2, 0).probe, 0);
}
END_TEST

START_TEST (a_view_shows_what_blocks_each_key)
{
  struct kwi_judgement j
    = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL, DAY, "org_1");
  struct kwi_judgement ok = verdict (KW_OUTCOME_OK, KW_SCOPE_REQUEST, -1, "");
  struct kwi_ring_view v;

  ok.input_tokens = 10;
  ok.output_tokens = 5;
  (void) report (0, "m", 1, &j, 0);
  (void) report (1, "m", 1, &ok, 0);
  ck_assert_int_eq (kwi_keyring_view (r, "m", 0, &v), 0);
  ck_assert_uint_eq (v.n_keys, 3);
  ck_assert_uint_eq (v.current, 1);
  ck_assert_str_eq (v.keys[0].account, "org_1");
  ck_assert_uint_eq (v.keys[0].n_facts, 1);
  ck_assert_str_eq (v.facts[0].model, "m");
  ck_assert_int_eq (v.facts[0].account_wide, 1);
  ck_assert_uint_eq (v.keys[1].n_facts, 0);
  ck_assert_uint_eq (v.keys[1].tokens, 15);
  ck_assert_uint_eq (v.keys[1].requests, 1);
  kwi_ring_view_clear (&v);
}
END_TEST

/* ---- 64 callers ----------------------------------------------------------- */

enum { CALLERS = 64, ROUNDS = 200 };

static pthread_barrier_t barrier;
static atomic_int told, switched;

/* All pick the first key before anyone reports; then all report its day over. */
static void *
caller (void *user)
{
  uint64_t call = (uint64_t) (uintptr_t) user;
  struct kwi_judgement j = verdict (KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL,
                                    DAY, "");
  char model[16];
  int i;

  for (i = 0; i < ROUNDS; i++) {
    struct kwi_pick p;
    struct kwi_effect e;
    if (snprintf (model, sizeof model, "m%d", i) < 0)
      return "snprintf";
    kwi_keyring_pick (r, model, KWI_NO_KEY, call, NULL, NULL, 0, &p);
    if (p.hold.key != 0)
      return "the first key was not picked";
    (void) pthread_barrier_wait (&barrier);
    kwi_keyring_report (r, &p.hold, model, call, NULL, &j, 1, -1, 0, 0, &e);
    atomic_fetch_add (&told, e.newly_parked);
    kwi_keyring_pick (r, model, KWI_NO_KEY, call, NULL, NULL, 0, &p);
    if (p.picked != KWI_PICK_KEY || p.hold.key != 1)
      return "the second key was not picked";
    atomic_fetch_add (&switched, 1);
    (void) pthread_barrier_wait (&barrier);
  }
  return NULL;
}

START_TEST (a_key_hit_by_64_callers_is_marked_once)
{
  pthread_t t[CALLERS];
  size_t i;

  ck_assert_int_eq (pthread_barrier_init (&barrier, NULL, CALLERS), 0);
  atomic_store (&told, 0);
  atomic_store (&switched, 0);
  for (i = 0; i < CALLERS; i++)
    ck_assert_int_eq (pthread_create (&t[i], NULL, caller,
                                      (void *) (uintptr_t) (i + 1)), 0);
  for (i = 0; i < CALLERS; i++) {
    void *said;
    ck_assert_int_eq (pthread_join (t[i], &said), 0);
    ck_assert_msg (said == NULL, "caller %zu: %s", i, (const char *) said);
  }
  ck_assert_int_eq (atomic_load (&told), ROUNDS);
  ck_assert_int_eq (atomic_load (&switched), ROUNDS * CALLERS);
  (void) pthread_barrier_destroy (&barrier);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("keyring");
  TCase *tc = tcase_create ("keyring");

  tcase_add_checked_fixture (tc, setup, teardown);
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, keys_are_used_in_order_and_per_model);
  tcase_add_test (tc, siblings_of_an_account_are_exhausted_together);
  tcase_add_test (tc, all_exhausted_names_the_earliest_and_why);
  tcase_add_test (tc, one_probes_the_others_keep_to_what_is_proven);
  tcase_add_test (tc, a_call_that_ends_gives_its_probe_back);
  tcase_add_test (tc, a_probe_ends_though_the_answer_names_another_account);
  tcase_add_test (tc, a_limit_that_is_over_at_once_parks_for_a_moment);
  tcase_add_test (tc, a_look_takes_nothing);
  tcase_add_test (tc, who_waits_for_a_probe_is_woken_by_its_end);
  tcase_add_test (tc, a_retry_stays_unless_its_key_was_parked_meanwhile);
  tcase_add_test (tc, an_inner_model_parks_itself_and_the_one_asked_for);
  tcase_add_test (tc, a_providers_block_parks_every_key);
  tcase_add_test (tc, a_reset_frees_the_key_and_its_account_at_once);
  tcase_add_test (tc, a_view_shows_what_blocks_each_key);
  tcase_add_test (tc, a_key_hit_by_64_callers_is_marked_once);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
