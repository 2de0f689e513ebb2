/* test_client - the behaviour that defines keywheel, through the public API,
 * against the simulator, in virtual time. */
#include "clientkit.h"

/* ---- A day's limit --------------------------------------------------------- */

START_TEST (a_days_limit_switches_and_the_caller_notices_nothing)
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;

  kit_sim ("--key", "sk-a,name=A,tpd=40", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  rq.prompt = "hi";
  ck_assert_int_eq (kw_chat (kit.client, &rq, &r, &kit.err), 0);
  ck_assert_str_eq (kw_reply_key (r), "backup-1");
  ck_assert_ptr_nonnull (strstr (kw_reply_text (r), "key B"));
  ck_assert_int_eq (kw_reply_switches (r), 1);
  ck_assert_uint_eq (kw_reply_attempts (r), 2);
  ck_assert_str_eq (kw_reply_attempt (r, 0)->key, "primary");
  ck_assert_int_eq (kw_reply_attempt (r, 0)->verdict, KW_VERDICT_DAILY_LIMIT);
  ck_assert_str_eq (kw_reply_attempt (r, 0)->reason, "tokens_per_day");
  ck_assert_int_eq (kw_reply_attempt (r, 0)->http_status, 429);
  ck_assert_int_eq (kw_reply_attempt (r, 1)->why, KW_WHY_SWITCH);
  ck_assert_ptr_null (kw_reply_attempt (r, 2));
  ck_assert_int_gt (kw_reply_input_tokens (r), 0);
  ck_assert_int_eq (kit_count (KW_EVENT_SWITCH, "primary"), 1);
  ck_assert_int_eq (kit_count (KW_EVENT_EXHAUSTED, "primary"), 1);
  kw_reply_free (r);
  /* Known now: no request is wasted on it. */
  kit_served_by ("backup-1");
  ck_assert_uint_eq (simctl_count (kit.sim, "A", "tpd"), 1);
}
END_TEST

START_TEST (a_limit_on_one_model_leaves_the_keys_others_alone)
{
  char key[KW_NAME_MAX];

  kit_sim ("--key", "sk-a,name=A,tpd=40", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  ck_assert_int_eq (kit_chat_on ("other", key), 0);
  ck_assert_str_eq (key, "primary");
}
END_TEST

START_TEST (all_exhausted_says_how_many_why_and_when)
{
  kit_sim ("--key", "sk-a,name=A,rpd=2", "--key", "sk-b,name=B,rpd=1");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  kit_fails_with (KW_ERR_EXHAUSTED,
                  "all 2 groq keys are exhausted for m; \"primary\" comes back "
                  "in 12h0m");
  ck_assert_ptr_nonnull (strstr (kit.err.message, "why: 2 daily limit"));
  ck_assert_int_ge (kit.err.retry_at_ms, KIT_EPOCH + 43200 * 1000);
  ck_assert_int_le (kit.err.retry_at_ms, KIT_EPOCH + 43202 * 1000);
  ck_assert_int_eq (kit.err.attempts, 1);
  ck_assert_int_eq (kw_error_exit_code (kit.err.code), 4);
  /* The second time nothing is sent at all. */
  kit_fails_with (KW_ERR_EXHAUSTED, "all 2 groq keys");
  ck_assert_int_eq (kit.err.attempts, 0);
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, "rpd"), 2);
}
END_TEST

START_TEST (a_key_comes_back_when_its_reset_has_passed)
{
  int64_t at = 0;

  kit_sim ("--key", "sk-a,name=A,rpd=1");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  kit_served_by ("primary");
  kit_fails_with (KW_ERR_EXHAUSTED, "the only groq key is exhausted for m");
  ck_assert_int_eq (kw_next_ready (kit.client, NULL, NULL, 0, &at), 0);
  ck_assert_int_ge (at, KIT_EPOCH + INT64_C (86400) * 1000);
  ck_assert_int_le (at, KIT_EPOCH + INT64_C (86402) * 1000);
  kit_advance (86399 * 1000);
  kit_fails_with (KW_ERR_EXHAUSTED, "comes back in");
  kit_advance (5000);
  kit_served_by ("primary");
  ck_assert_int_eq (kit_count (KW_EVENT_REVIVED, "primary"), 1);
  ck_assert_uint_eq (simctl_count (kit.sim, "A", "rpd"), 1);
}
END_TEST

START_TEST (a_reset_frees_at_once)
{
  kit_sim ("--key", "sk-a,name=A,rpd=1", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  ck_assert_int_eq (kw_reset (kit.client, "groq", "primary"), 0);
  kit_served_by ("backup-1");
  ck_assert_uint_eq (simctl_count (kit.sim, "A", "rpd"), 2);
  ck_assert_int_eq (kw_reset (kit.client, NULL, NULL), 0);
  ck_assert_int_eq (kw_reset (kit.client, "groq", "nobody"), KW_ERR_USAGE);
  ck_assert_int_eq (kw_reset (kit.client, "nobody", NULL), KW_ERR_USAGE);
}
END_TEST

/* ---- Accounts --------------------------------------------------------------- */

START_TEST (keys_of_one_account_are_learnt_and_spared)
{
  kw_status_info *st = NULL;

  kit_sim ("--key", "sk-a,name=A,org=org_x,rpd=2", "--key", "sk-b,name=B",
           "--key", "sk-c,name=C,org=org_x");
  kit_keys ("sk-a", "sk-c,sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("primary");
  kit_served_by ("backup-2");
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, "rpd"), 2);
  ck_assert_int_eq (kit_count (KW_EVENT_ACCOUNT, NULL), 2);
  /* The account comes back, is used up again by A, and C is not even asked. */
  kit_advance (86400 * 1000);
  kit_served_by ("primary");
  kit_served_by ("primary");
  kit_served_by ("backup-2");
  ck_assert_uint_eq (simctl_count (kit.sim, "A", "rpd"), 2);
  ck_assert_uint_eq (simctl_count (kit.sim, "C", "rpd"), 1);
  ck_assert_int_eq (kw_status (kit.client, NULL, &st), 0);
  ck_assert_uint_eq (st->n_accounts, 1);
  ck_assert_str_eq (st->accounts[0].name, "org_x");
  ck_assert_uint_eq (st->accounts[0].n_keys, 2);
  ck_assert_uint_eq (st->exhausted_keys, 2);
  kw_status_free (st);
}
END_TEST

/* ---- A minute's limit ------------------------------------------------------- */

START_TEST (a_minutes_limit_is_waited_out_on_the_same_key)
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;

  kit_sim ("--key", "sk-a,name=A,rpm=1", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  rq.prompt = "hi";
  ck_assert_int_eq (kw_chat (kit.client, &rq, &r, &kit.err), 0);
  ck_assert_str_eq (kw_reply_key (r), "primary");
  ck_assert_int_eq (kw_reply_switches (r), 0);
  ck_assert_int_ge (kw_reply_waited_ms (r), 59000);
  ck_assert_int_le (kw_reply_waited_ms (r), 60000);
  ck_assert_int_eq (kw_reply_attempt (r, 0)->waited_ms, kw_reply_waited_ms (r));
  ck_assert_int_eq (kw_reply_attempt (r, 1)->why, KW_WHY_RETRY);
  ck_assert_int_eq (kit_count (KW_EVENT_SWITCH, NULL), 0);
  kw_reply_free (r);
}
END_TEST

START_TEST (a_wait_beyond_the_deadline_is_not_begun)
{
  kit_sim ("--key", "sk-a,name=A,rpm=1");
  kit_keys ("sk-a", NULL);
  kit_open ("deadline = 30s");
  kit_served_by ("primary");
  kit_fails_with (KW_ERR_RATE_LIMIT,
                  "is rate limited (requests_per_minute), and the wait of 1m0s "
                  "would outlast the deadline of 30s; tried: primary "
                  "RATE_LIMIT");
  ck_assert_int_eq (kw_error_exit_code (kit.err.code), 5);
  ck_assert_int_eq (kit.err.waited_ms, 0);
  ck_assert_int_gt (kit.err.retry_at_ms, KIT_EPOCH + 59000);
}
END_TEST

START_TEST (retries_end_with_an_error_that_says_so)
{
  kit_sim ("--key", "sk-a,name=A", "--fault",
           "status=429,retry-after=1");
  kit_keys ("sk-a", NULL);
  kit_open ("max_retries = 3");
  kit_fails_with (KW_ERR_RATE_LIMIT, "after 3 retries (max_retries = 3)");
  ck_assert_int_eq (kit.err.attempts, 4);
  ck_assert_int_eq (kit.err.attempt[3].verdict, KW_VERDICT_RATE_LIMIT);
}
END_TEST

START_TEST (with_on_rate_limit_switch_the_next_key_takes_over_and_all_wait)
{
  kit_sim ("--key", "sk-a,name=A,rpm=1", "--key", "sk-b,name=B,rpm=1");
  kit_keys ("sk-a", "sk-b");
  kit_open ("on_rate_limit = switch");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  ck_assert_int_eq (kit_count (KW_EVENT_WAIT, NULL), 0);
  /* Both are limited for a minute: not exhausted, but worth a wait. */
  kit_served_by ("primary");
  ck_assert_int_eq (kit_count (KW_EVENT_WAIT, NULL), 1);
}
END_TEST

/* ---- Wrong keys, no credit, wrong requests ---------------------------------- */

START_TEST (a_wrong_key_fails_at_once)
{
  kit_sim ("--key", "sk-b,name=B");
  kit_keys ("sk-wrong", "sk-b");
  kit_open ("");
  kit_fails_with (KW_ERR_AUTH,
                  "groq does not accept key \"primary\" (401 invalid_api_key: "
                  "Invalid API Key)");
  ck_assert_int_eq (kit.err.attempts, 1);
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), 1);
}
END_TEST

START_TEST (with_on_auth_switch_a_wrong_key_is_parked_and_told_of_loudly)
{
  kw_status_info *st = NULL;
  int i;

  kit_sim ("--key", "sk-b,name=B");
  kit_keys ("sk-wrong", "sk-b");
  kit_open ("on_auth = switch");
  kit_served_by ("backup-1");
  kit_served_by ("backup-1");
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, "auth"), 1);
  for (i = 0; i < kit.n_events; i++)
    if (kit.event[i].type == KW_EVENT_EXHAUSTED)
      ck_assert_ptr_nonnull (strstr (kit.event[i].text, "AUTH"));
  ck_assert_int_eq (kw_status (kit.client, NULL, &st), 0);
  ck_assert_str_eq (st->keys[0].state, "invalid");
  ck_assert_int_eq (st->keys[0].limits[0].in_ms, -1);
  kw_status_free (st);
}
END_TEST

START_TEST (a_restricted_account_is_out_for_every_model)
{
  char key[KW_NAME_MAX];

  kit_sim ("--key", "sk-a,name=A,restricted", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("backup-1");
  ck_assert_int_eq (kit_chat_on ("other", key), 0);
  ck_assert_str_eq (key, "backup-1");
  ck_assert_uint_eq (simctl_count (kit.sim, "A", NULL), 1);
}
END_TEST

START_TEST (with_on_billing_fail_it_stops)
{
  kit_sim ("--key", "sk-a,name=A,spend", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("on_billing = fail");
  kit_fails_with (KW_ERR_BILLING, "cannot be charged (400 spend_limit_reached");
}
END_TEST

START_TEST (a_request_larger_than_the_limit_fails_whatever_wait_is_stated)
{
  kit_sim ("--key", "sk-a,name=A,tpm=10", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_fails_with (KW_ERR_REFUSED, "groq refused the request (413");
  ck_assert_int_eq (kit.err.http_status, 413);
  ck_assert_int_eq (kit.err.attempts, 1);
}
END_TEST

START_TEST (a_wrong_request_costs_no_key)
{
  kit_sim ("--key", "sk-a,name=A", "--model", "other");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  kit_fails_with (KW_ERR_REFUSED, "(404 model_not_found: The model");
  ck_assert_int_eq (kit_count (KW_EVENT_EXHAUSTED, NULL), 0);
}
END_TEST

/* ---- Bounds ------------------------------------------------------------------ */

START_TEST (max_switches_ends_with_an_error_of_its_own)
{
  kit_sim ("--key", "sk-a,name=A,rpd=1", "--key", "sk-b,name=B,rpd=1", "--key",
           "sk-c,name=C,rpd=1", "--key", "sk-d,name=D");
  kit_keys ("sk-a", "sk-b,sk-c,sk-d");
  kit_open ("max_switches = 2");
  /* All but D are used up behind the client's back. */
  {
    static const char *const secrets[] = { "sk-a", "sk-b", "sk-c" };
    size_t i;
    for (i = 0; i < 3; i++) {
      struct simctl_reply r;
      simctl_call (kit.sim, "POST", "/v1/chat/completions", secrets[i],
                   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                   "\"content\":\"x\"}]}", &r);
      ck_assert_int_eq (r.status, 200);
      simctl_reply_clear (&r);
    }
  }
  kit_fails_with (KW_ERR_SWITCHES,
                  "gave up after 2 switches (max_switches = 2)");
  ck_assert_int_eq (kit.err.switches, 2);
  ck_assert_int_eq (kit.err.attempts, 3);
  ck_assert_str_eq (kit.err.attempt[2].key, "backup-2");
  /* What was learnt stays learnt. */
  kit_served_by ("backup-3");
}
END_TEST

/* ---- Status ------------------------------------------------------------------ */

START_TEST (status_tells_what_is_known)
{
  kw_status_info *st = NULL;
  const kw_limit_info *l;

  kit_sim ("--key", "sk-a,name=A,tpd=40", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  ck_assert_int_eq (kw_status (kit.client, "groq", &st), 0);
  ck_assert_str_eq (st->provider, "groq");
  ck_assert_str_eq (st->plugin, "groq");
  ck_assert_uint_eq (st->total_keys, 2);
  ck_assert_uint_eq (st->available_keys, 1);
  ck_assert_uint_eq (st->exhausted_keys, 1);
  ck_assert_uint_eq (st->current_key_index, 1);
  ck_assert_str_eq (st->keys[0].name, "primary");
  ck_assert_str_eq (st->keys[0].state, "exhausted");
  ck_assert_str_eq (st->keys[0].account, "org_A");
  ck_assert_uint_eq (strlen (st->keys[0].fingerprint), 16);
  ck_assert_uint_eq (st->keys[0].requests, 1);
  ck_assert_uint_gt (st->keys[0].tokens, 0);
  ck_assert_uint_eq (st->keys[0].n_limits, 1);
  l = &st->keys[0].limits[0];
  ck_assert_str_eq (l->model, "m");
  ck_assert_str_eq (l->dimension, "tokens_per_day");
  ck_assert_int_eq (l->limit, 40);
  ck_assert_int_gt (l->used, 0);
  ck_assert_int_eq (l->until_ms, st->now_ms + l->in_ms);
  ck_assert_int_eq (l->verdict, KW_VERDICT_DAILY_LIMIT);
  ck_assert_int_eq (l->account_wide, 1);
  ck_assert_str_eq (st->keys[1].state, "available");
  ck_assert_uint_eq (st->keys[1].n_limits, 0);
  ck_assert_int_eq (kw_status (kit.client, "nobody", &st), KW_ERR_USAGE);
  kw_status_free (st);
}
END_TEST

START_TEST (events_have_their_texts_up_to_a_level)
{
  static const struct { int level, each_call, each_switch; } rows[] = {
    { 3, 1, 1 }, { 2, 0, 1 }, { 1, 0, 0 }, { -1, 0, 0 }, { 99, 1, 1 },
  };

  kit_sim ("--key", "sk-a,name=A,rpd=1", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kw_client_observe_texts (kit.client, rows[_i].level);
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  ck_assert_int_eq (kit_count (KW_EVENT_ATTEMPT, NULL), 3);
  ck_assert_int_eq (kit_count (KW_EVENT_VERDICT, NULL), 3);
  ck_assert_int_eq (kit_count (KW_EVENT_SWITCH, NULL), 1);
  for (int i = 0; i < kit.n_events; i++) {
    int type = kit.event[i].type;
    int has = type == KW_EVENT_SWITCH || type == KW_EVENT_EXHAUSTED ? rows[_i].each_switch
                                                                  : rows[_i].each_call;
    ck_assert_msg ((kit.event[i].text[0] != '\0') == has,
                   "row %d, an event of type %d: \"%s\"", _i, type, kit.event[i].text);
  }
}
END_TEST

START_TEST (two_clients_never_meet)
{
  kw_client *first;

  kit_sim ("--key", "sk-a,name=A,rpd=1", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  kit_served_by ("backup-1");
  first = kit.client;
  kit_open ("");
  kit_served_by ("backup-1");
  ck_assert_uint_eq (simctl_count (kit.sim, "A", "rpd"), 2);
  kw_client_close (first);
}
END_TEST

START_TEST (a_probe_tries_one_key_once)
{
  kit_sim ("--key", "sk-a,name=A,rpd=1");
  kit_keys ("sk-a", "sk-wrong");
  kit_open ("on_auth = switch");
  ck_assert_int_eq (kw_probe (kit.client, NULL, "primary", &kit.err), 0);
  ck_assert_int_eq (kw_probe (kit.client, NULL, "backup-1", &kit.err),
                    KW_ERR_AUTH);
  ck_assert_msg (strstr (kit.err.message, "groq key \"backup-1\" is not accepted "
                         "(401 invalid_api_key: Invalid API Key)") != NULL, "%s",
                 kit.err.message);
  ck_assert_int_eq (kw_probe (kit.client, NULL, "primary", &kit.err),
                    KW_ERR_EXHAUSTED);
  ck_assert_msg (strstr (kit.err.message, "groq key \"primary\" is exhausted (429 "
                         "requests_per_day") != NULL
                   && strstr (kit.err.message, "; back in 1d0h0m (") != NULL,
                 "%s", kit.err.message);
  ck_assert_int_eq (kw_probe (kit.client, NULL, "nobody", &kit.err),
                    KW_ERR_USAGE);
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), 3);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("client");
  TCase *tc = tcase_create ("client");

  tcase_add_checked_fixture (tc, kit_setup, kit_teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, a_days_limit_switches_and_the_caller_notices_nothing);
  tcase_add_test (tc, a_limit_on_one_model_leaves_the_keys_others_alone);
  tcase_add_test (tc, all_exhausted_says_how_many_why_and_when);
  tcase_add_test (tc, a_key_comes_back_when_its_reset_has_passed);
  tcase_add_test (tc, a_reset_frees_at_once);
  tcase_add_test (tc, keys_of_one_account_are_learnt_and_spared);
  tcase_add_test (tc, a_minutes_limit_is_waited_out_on_the_same_key);
  tcase_add_test (tc, a_wait_beyond_the_deadline_is_not_begun);
  tcase_add_test (tc, retries_end_with_an_error_that_says_so);
  tcase_add_test (tc, with_on_rate_limit_switch_the_next_key_takes_over_and_all_wait);
  tcase_add_test (tc, a_wrong_key_fails_at_once);
  tcase_add_test (tc, with_on_auth_switch_a_wrong_key_is_parked_and_told_of_loudly);
  tcase_add_test (tc, a_restricted_account_is_out_for_every_model);
  tcase_add_test (tc, with_on_billing_fail_it_stops);
  tcase_add_test (tc, a_request_larger_than_the_limit_fails_whatever_wait_is_stated);
  tcase_add_test (tc, a_wrong_request_costs_no_key);
  tcase_add_test (tc, max_switches_ends_with_an_error_of_its_own);
  tcase_add_test (tc, status_tells_what_is_known);
  tcase_add_loop_test (tc, events_have_their_texts_up_to_a_level, 0, 5);
  tcase_add_test (tc, two_clients_never_meet);
  tcase_add_test (tc, a_probe_tries_one_key_once);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
