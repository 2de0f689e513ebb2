/* test_call - a call stepped through by hand with canned answers: what no
 * simulator can be made to do at the right moment. */
#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "clientkit.h"

#include "call.h"

static struct kwi_call call;

static void
begin (const char *primary, const char *backups, const char *options)
{
  kit.virtual_time = 1;
  kit_keys (primary, backups);
  kit_open (options);
  memset (&call, 0, sizeof call);
  call.provider = kwi_client_find (kit.client, NULL);
  call.method = "POST";
  call.path = "/chat/completions";
  call.body = "{}";
  call.body_len = 2;
  call.only_key = KWI_NO_KEY;
  call.err = &kit.err;
  call.lane = kwi_lane_take (kit.client->transport); /* to be woken on */
  ck_assert_ptr_nonnull (call.lane);
  call.sink.instance = call.provider->instance;
  (void) memccpy (call.model, "m", '\0', sizeof call.model);
  kwi_call_begin (&call, 0);
}

static void
end (void)
{
  kwi_call_clear (&call);
  if (call.lane != NULL) {
    kwi_call_leave_lane (&call);
    kwi_lane_give (kit.client->transport, call.lane);
  }
  call.lane = NULL;
}

/* The answer to the attempt under way. */
static void
answer (int status, const char *body)
{
  kwi_answer_reset (&call.answer);
  call.answer.status = status;
  call.answer.received_ms = KIT_EPOCH + kit.now_ms;
  ck_assert_int_eq (kwi_answer_add_header (&call.answer, "content-type", 12,
                                           "application/json", 16), 0);
  ck_assert_int_eq (kwi_answer_add_body (&call.answer, body, strlen (body)), 0);
  kwi_call_answered (&call);
}

#define SERVED "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}"
#define DAY(wait)                                                       \
  "{\"error\":{\"message\":\"Rate limit reached for model `m` in "      \
  "organization `org_1` on requests per day (RPD): Limit 10, Used 10, " \
  "Requested 1." wait "\",\"type\":\"requests\",\"code\":"              \
  "\"rate_limit_exceeded\"}}"
#define MINUTE                                                          \
  "{\"error\":{\"message\":\"Rate limit reached for model `m` on "      \
  "requests per minute (RPM): Limit 30, Used 30, Requested 1. Please "  \
  "try again in 2s.\",\"code\":\"rate_limit_exceeded\"}}"

/* Another caller finds out that key's day is over. */
static void
park_behind_its_back (size_t key)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_DAILY_LIMIT,
                             .scope = KW_SCOPE_KEY_MODEL, .wait_ms = 3600000,
                             .reason = "requests_per_day" };
  struct kwi_hold hold = { .key = key };
  struct kwi_effect e;

  kwi_keyring_report (call.provider->ring, &hold, "m", 999, NULL, &j, 1, -1,
                      KIT_EPOCH + kit.now_ms, KIT_EPOCH + kit.now_ms, &e);
}

START_TEST (a_retry_whose_key_was_parked_meanwhile_moves_on)
{
  begin ("sk-a", "sk-b", "");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (429, MINUTE);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_WAIT);
  ck_assert_int_eq (call.wait_ms, 2000);
  kit.now_ms += 2000;
  park_behind_its_back (0);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  ck_assert_uint_eq (call.hold.key, 1);
  ck_assert_int_eq (call.state.switches, 1);
  ck_assert_int_eq (call.attempts[1].why, KW_WHY_SWITCH);
  ck_assert_int_eq (call.state.waited_ms, 2000);
  answer (200, SERVED);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, 0);
  end ();
}
END_TEST

START_TEST (moving_on_counts_against_max_switches)
{
  begin ("sk-a", "sk-b", "max_switches = 0");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (429, MINUTE);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_WAIT);
  kit.now_ms += 2000;
  park_behind_its_back (0);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_SWITCHES);
  end ();
}
END_TEST

START_TEST (a_denied_switch_gives_no_probe_away)
{
  struct kwi_pick p;

  begin ("sk-a", "sk-b", "max_switches = 0");
  park_behind_its_back (1);
  kit.now_ms += 3600000;
  kwi_call_begin (&call, 0);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (429, DAY (" Please try again in 1h."));
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_SWITCHES);
  /* backup-1 is half-open, and whoever comes next may probe it. */
  kwi_keyring_pick (call.provider->ring, "m", KWI_NO_KEY, 5, NULL, NULL,
                    KIT_EPOCH + kit.now_ms, &p);
  ck_assert_int_eq (p.picked, KWI_PICK_KEY);
  ck_assert_uint_eq (p.hold.key, 1);
  ck_assert_int_eq (p.probe, 1);
  end ();
}
END_TEST

START_TEST (the_bound_with_nothing_left_reads_as_exhausted)
{
  begin ("sk-a", NULL, "max_switches = 0");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (429, DAY (" Please try again in 1h."));
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_EXHAUSTED);
  ck_assert_ptr_nonnull (strstr (kit.err.message,
                                 "\"primary\" comes back in 1h0m0s (15:03:11Z)"));
  end ();
}
END_TEST

START_TEST (a_day_without_a_reset_is_tried_again_in_an_hour)
{
  begin ("sk-a", NULL, "");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (429, "{\"error\":{\"message\":\"Rate limit reached for model `m` on "
               "tokens per day (TPD)\",\"code\":\"rate_limit_exceeded\"}}");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_EXHAUSTED);
  ck_assert_int_eq (kit.err.retry_at_ms, KIT_EPOCH + 3600000);
  end ();
}
END_TEST

START_TEST (a_network_block_burns_no_other_key)
{
  begin ("sk-a", "sk-b", "");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (403, "{\"error\":{\"message\":\"Access denied. Please check your "
               "network settings.\"}}");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_REFUSED);
  ck_assert_ptr_nonnull (strstr (kit.err.message, "network settings"));
  end ();
}
END_TEST

START_TEST (a_key_that_the_provider_echoes_is_masked)
{
  begin ("sk-a-long-enough-secret", NULL, "");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (401, "{\"error\":{\"message\":\"Incorrect API key provided: "
               "sk-a-long-enough-secret.\",\"code\":\"invalid_api_key\"}}");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_AUTH);
  ck_assert_ptr_null (strstr (kit.err.message, "sk-a-long"));
  ck_assert_ptr_nonnull (strstr (kit.err.message, "provided: [key primary]"));
  end ();
}
END_TEST

START_TEST (a_key_echoed_as_a_code_or_an_account_is_masked)
{
  int i;

  begin ("sk-a-long-enough-secret", NULL, "on_auth = switch");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (401, "{\"error\":{\"message\":\"no\",\"code\":"
               "\"sk-a-long-enough-secret\"}}");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_AUTH);
  ck_assert_ptr_null (strstr (kit.err.message, "sk-a-long"));
  ck_assert_ptr_null (strstr (kit.err.attempt[0].reason, "sk-a-long"));
  for (i = 0; i < kit.n_events; i++)
    ck_assert_ptr_null (strstr (kit.event[i].text, "sk-a-long"));
  end ();
}
END_TEST

START_TEST (switches_are_counted_when_they_are_made)
{
  begin ("sk-a", NULL, "");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (429, DAY (" Please try again in 1h."));
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (kit.err.switches, 0);
  ck_assert_int_eq (kit_count (KW_EVENT_SWITCH, NULL), 0);
  end ();
}
END_TEST

START_TEST (a_wait_that_a_cancel_cuts_is_booked_as_it_was)
{
  begin ("sk-a", NULL, "");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (429, MINUTE);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_WAIT);
  kit.now_ms += 300;
  kwi_call_cancel (&call);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (kit.err.waited_ms, 300);
  ck_assert_int_eq (kit.err.attempt[0].waited_ms, 300);
  end ();
}
END_TEST

/* Another call probes primary; backup-1's time comes meanwhile. */
START_TEST (who_waits_for_a_probe_looks_again_when_another_key_is_due)
{
  struct kwi_pick p;

  begin ("sk-a", "sk-b", "deadline = 24h");
  park_behind_its_back (0);
  kit.now_ms += 2000;
  park_behind_its_back (1);
  kit.now_ms += 3598000;        /* primary is due, backup-1 in two seconds */
  kwi_keyring_pick (call.provider->ring, "m", KWI_NO_KEY, 999, NULL, NULL,
                    KIT_EPOCH + kit.now_ms, &p);
  ck_assert_int_eq (p.probe, 1);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_WAIT);
  ck_assert_int_eq (call.wake_only, 1);
  ck_assert_int_eq (call.wait_ms, 2000);
  kit.now_ms += 2000;
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  ck_assert_uint_eq (call.hold.key, 1);
  ck_assert_int_eq (call.state.waited_ms, 2000);
  end ();
}
END_TEST

START_TEST (all_invalid_is_no_exhaustion)
{
  begin ("sk-a", "sk-b", "on_auth = switch");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (401, "{}");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (401, "{}");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_AUTH);
  ck_assert_ptr_nonnull (strstr (kit.err.message, "all 2 groq keys are invalid"));
  end ();
}
END_TEST

START_TEST (on_billing_fail_fails_every_time)
{
  begin ("sk-a", "sk-b", "on_billing = fail");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (400, "{\"error\":{\"message\":\"m\",\"code\":"
               "\"spend_limit_reached\"}}");
  ck_assert_int_eq (call.code, KW_ERR_BILLING);
  end ();
  call.done = 0;
  call.n_attempts = call.attempts_size = 0;
  kwi_call_begin (&call, 0);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  ck_assert_uint_eq (call.hold.key, 0);
  end ();
}
END_TEST

START_TEST (limited_before_the_first_attempt_names_the_key_and_why)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_RATE_LIMIT,
                             .scope = KW_SCOPE_KEY_MODEL, .wait_ms = 600000 };
  struct kwi_hold hold = { .key = 0 };
  struct kwi_effect e;

  begin ("sk-a", NULL, "on_rate_limit = switch");
  kwi_keyring_report (call.provider->ring, &hold, "m", 999, NULL, &j, 1, -1, KIT_EPOCH,
                      KIT_EPOCH, &e);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_RATE_LIMIT);
  ck_assert_msg (strstr (kit.err.message, "groq key \"primary\" is rate limited "
                         "(found_before), and the wait of 10m0s") != NULL, "%s",
                 kit.err.message);
  end ();
}
END_TEST

START_TEST (turning_to_a_key_that_is_limited_for_less_is_a_switch)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_RATE_LIMIT,
                             .scope = KW_SCOPE_KEY_MODEL, .wait_ms = 1500 };
  struct kwi_hold hold = { .key = 0 };
  struct kwi_effect e;

  begin ("sk-a", "sk-b", "on_rate_limit = switch");
  kwi_keyring_report (call.provider->ring, &hold, "m", 999, NULL, &j, 1, -1, KIT_EPOCH,
                      KIT_EPOCH, &e);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  ck_assert_uint_eq (call.hold.key, 1);
  answer (429, MINUTE);         /* two seconds */
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_WAIT);
  ck_assert_int_eq (call.wait_ms, 1500);
  ck_assert_int_eq (call.state.switches, 1);
  ck_assert_int_eq (kit_count (KW_EVENT_SWITCH, "backup-1"), 1);
  kit.now_ms += 1500;
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  ck_assert_uint_eq (call.hold.key, 0);
  ck_assert_int_eq (call.state.switches, 1);
  end ();
}
END_TEST

START_TEST (a_cancel_from_outside_ends_it)
{
  begin ("sk-a", NULL, "");
  kwi_call_cancel (&call);
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_CANCELLED);
  end ();
}
END_TEST

START_TEST (a_deadline_that_passes_between_two_attempts_ends_it)
{
  begin ("sk-a", "sk-b", "deadline = 1m");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (503, "{}");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_WAIT);
  kit.now_ms += 60000;
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (call.code, KW_ERR_DEADLINE);
  end ();
}
END_TEST

START_TEST (the_record_keeps_the_first_attempts_when_there_are_many)
{
  int i;

  begin ("sk-a", NULL, "max_retries = 40\ndeadline = 24h");
  for (i = 0; i < 40; i++) {
    ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
    answer (503, "{}");
    ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_WAIT);
    kit.now_ms += call.wait_ms;
  }
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_SEND);
  answer (503, "{}");
  ck_assert_int_eq (kwi_call_next (&call), KWI_STEP_DONE);
  ck_assert_int_eq (kit.err.attempts, 41);
  ck_assert_int_eq (kit.err.attempt[KW_ERROR_ATTEMPTS - 1].verdict,
                    KW_VERDICT_TRANSIENT);
  ck_assert_int_gt (kit.err.waited_ms, 0);
  end ();
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("call");
  TCase *tc = tcase_create ("call");

  tcase_add_checked_fixture (tc, kit_setup, kit_teardown);
  tcase_add_test (tc, a_retry_whose_key_was_parked_meanwhile_moves_on);
  tcase_add_test (tc, moving_on_counts_against_max_switches);
  tcase_add_test (tc, a_denied_switch_gives_no_probe_away);
  tcase_add_test (tc, the_bound_with_nothing_left_reads_as_exhausted);
  tcase_add_test (tc, a_day_without_a_reset_is_tried_again_in_an_hour);
  tcase_add_test (tc, a_network_block_burns_no_other_key);
  tcase_add_test (tc, a_key_that_the_provider_echoes_is_masked);
  tcase_add_test (tc, a_key_echoed_as_a_code_or_an_account_is_masked);
  tcase_add_test (tc, switches_are_counted_when_they_are_made);
  tcase_add_test (tc, a_wait_that_a_cancel_cuts_is_booked_as_it_was);
  tcase_add_test (tc, who_waits_for_a_probe_looks_again_when_another_key_is_due);
  tcase_add_test (tc, all_invalid_is_no_exhaustion);
  tcase_add_test (tc, on_billing_fail_fails_every_time);
  tcase_add_test (tc, limited_before_the_first_attempt_names_the_key_and_why);
  tcase_add_test (tc, turning_to_a_key_that_is_limited_for_less_is_a_switch);
  tcase_add_test (tc, a_cancel_from_outside_ends_it);
  tcase_add_test (tc, a_deadline_that_passes_between_two_attempts_ends_it);
  tcase_add_test (tc, the_record_keeps_the_first_attempts_when_there_are_many);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
