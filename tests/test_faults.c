/* test_faults - a provider that breaks down: what is retried, what is not, and
 * what each bound ends with.  Virtual time, except where a time-out of the
 * network is the thing. */
#include "clientkit.h"

/* ---- Retried unseen ---------------------------------------------------------- */

static const char *const transient[] = {
  "status=503,count=2", "status=500,count=2", "status=502,count=2",
  "status=498,count=2", "drop,count=2", "truncate,count=2", "html,count=2",
  "garbage,count=2", "empty,count=2", "html=200,count=2",
};

START_TEST (what_is_the_providers_fault_is_tried_again_on_the_same_key)
{
  kit_sim ("--key", "sk-a,name=A", "--key", "sk-b,name=B", "--fault",
           transient[_i]);
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  ck_assert_msg (kit_count (KW_EVENT_WAIT, "primary") == 2, "%s: %d waits",
                 transient[_i], kit_count (KW_EVENT_WAIT, "primary"));
  ck_assert_int_eq (kit_count (KW_EVENT_SWITCH, NULL), 0);
  ck_assert_int_eq (kit_count (KW_EVENT_EXHAUSTED, NULL), 0);
  ck_assert_int_gt (kit.now_ms, 0);
}
END_TEST

START_TEST (retries_run_out_with_the_last_answer_in_the_error)
{
  kit_sim ("--key", "sk-a,name=A", "--fault", "status=503");
  kit_keys ("sk-a", NULL);
  kit_open ("max_retries = 2");
  kit_fails_with (KW_ERR_UNAVAILABLE,
                  "is not available after 2 retries (max_retries = 2): 503");
  ck_assert_int_eq (kit.err.attempts, 3);
  ck_assert_int_eq (kw_error_exit_code (kit.err.code), 7);
}
END_TEST

START_TEST (nobody_listens)
{
  kit.virtual_time = 0;
  kit_keys ("sk-a", NULL);
  kit_open ("max_retries = 1\nbackoff_initial = 1ms\nbackoff_max = 2ms");
  kit_fails_with (KW_ERR_UNAVAILABLE, "no answer");
}
END_TEST

START_TEST (a_wait_that_the_provider_states_is_kept)
{
  kit_sim ("--key", "sk-a,name=A", "--fault",
           "status=503,retry-after=7,count=1");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  kit_served_by ("primary");
  ck_assert_int_eq (kit.now_ms, 7000);
}
END_TEST

START_TEST (the_deadline_ends_backing_off)
{
  kit_sim ("--key", "sk-a,name=A", "--fault", "status=503,retry-after=50");
  kit_keys ("sk-a", NULL);
  kit_open ("deadline = 2m");
  kit_fails_with (KW_ERR_DEADLINE,
                  "the wait of 50s before the next try would outlast the "
                  "deadline of 2m0s");
  ck_assert_int_eq (kit.err.attempts, 3);
}
END_TEST

/* ---- Not retried -------------------------------------------------------------- */

START_TEST (a_redirect_is_not_followed_with_the_key)
{
  kit_sim ("--key", "sk-a,name=A", "--fault", "redirect");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  kit_fails_with (KW_ERR_REFUSED, "redirects the request (302 to "
                  "http://other-host.invalid/");
  ck_assert_int_eq (kit.err.attempts, 1);
}
END_TEST

START_TEST (an_answer_over_max_response_ends_the_call)
{
  kit_sim ("--key", "sk-a,name=A", "--fault", "body-size=200000");
  kit_keys ("sk-a", NULL);
  kit_open ("max_response = 100KB");
  kit_fails_with (KW_ERR_TOO_LARGE, "larger than max_response");
  ck_assert_int_eq (kit.err.attempts, 1);
  kw_client_close (kit.client);
  kit_open ("max_response = 1MB");
  kit_served_by ("primary");
}
END_TEST

/* ---- The network's time-outs, in real time -------------------------------------- */

START_TEST (an_attempt_that_takes_too_long_is_retried_then_says_so)
{
  kit_sim_real ("--key", "sk-a,name=A", "--fault", "delay=60000");
  kit_keys ("sk-a", NULL);
  kit_open ("attempt_timeout = 30ms\nmax_retries = 2\nbackoff_initial = 1ms\n"
            "backoff_max = 1ms");
  kit_fails_with (KW_ERR_TIMEOUT,
                  "did not answer within attempt_timeout (30ms), after 2 "
                  "retries");
  ck_assert_int_eq (kit.err.attempt[0].verdict, KW_VERDICT_TRANSIENT);
  kit_drop ();
}
END_TEST

START_TEST (the_deadline_ends_an_exchange)
{
  kit_sim_real ("--key", "sk-a,name=A", "--fault", "delay=60000");
  kit_keys ("sk-a", NULL);
  kit_open ("deadline = 1s");   /* for the exchange to begin, too */
  kit_fails_with (KW_ERR_DEADLINE, "the deadline of 1s passed");
  ck_assert_int_eq (kit.err.attempts, 1);
  kit_drop ();
}
END_TEST

/* ---- Cancel --------------------------------------------------------------------- */

static void
cancel_at_wait (void *user, const kw_event *e)
{
  if (e->type == KW_EVENT_WAIT)
    kw_client_cancel (user);
}

START_TEST (cancel_ends_a_wait_at_once)
{
  kit_sim_real ("--key", "sk-a,name=A", "--fault", "status=429,retry-after=3600");
  kit_keys ("sk-a", NULL);
  kit_open ("deadline = 2h");
  kw_client_observe (kit.client, cancel_at_wait, kit.client);
  kit_fails_with (KW_ERR_CANCELLED, "cancelled; tried: primary RATE_LIMIT");
  ck_assert_int_eq (kw_error_exit_code (kit.err.code), 130);
  /* And every later call. */
  kit_fails_with (KW_ERR_CANCELLED, "cancelled");
}
END_TEST

static void *
cancel_later (void *user)
{
  /* Until the request has arrived: the simulator logs it before the delay. */
  struct simctl_log log = { 0 };
  do {
    simctl_log_clear (&log);
    simctl_read_log (kit.sim, &log);
  } while (log.count == 0);
  simctl_log_clear (&log);
  kw_client_cancel (user);
  return NULL;
}

START_TEST (cancel_ends_an_exchange_at_once)
{
  pthread_t t;

  kit_sim_real ("--key", "sk-a,name=A", "--fault", "delay=60000");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  ck_assert_int_eq (pthread_create (&t, NULL, cancel_later, kit.client), 0);
  kit_fails_with (KW_ERR_CANCELLED, "cancelled");
  ck_assert_int_eq (pthread_join (t, NULL), 0);
  kit_drop ();
}
END_TEST

/* ---- Bodies ---------------------------------------------------------------------- */

START_TEST (a_body_of_20_mb_is_sent_unchanged_and_answered)
{
  enum { SIZE = 20 * 1024 * 1024 };
  static const char head[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                             "\"content\":\"";
  kw_request rq = KW_REQUEST_INIT;
  struct simctl_log log;
  kw_reply *r = NULL;
  char *body = malloc (SIZE);

  ck_assert_ptr_nonnull (body);
  memset (body, 'x', SIZE);
  memcpy (body, head, sizeof head - 1);
  memcpy (body + SIZE - 4, "\"}]}", 4);
  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  rq.body = body;
  rq.body_len = SIZE;
  ck_assert_msg (kw_chat (kit.client, &rq, &r, &kit.err) == 0, "%s",
                 kit.err.message);
  simctl_read_log (kit.sim, &log);
  ck_assert_uint_eq (log.count, 1);
  ck_assert_int_eq (log.entries[0].bytes, SIZE);
  ck_assert_int_eq (log.entries[0].status, 200);
  simctl_log_clear (&log);
  kw_reply_free (r);
  free (body);
}
END_TEST

START_TEST (a_wrong_request_is_refused_before_anything_is_sent)
{
  static const struct { const char *body, *prompt, *path, *provider, *text; }
  wrong[] = {
    { "{\"model\":", NULL, NULL, NULL, "is not valid JSON" },
    { "{}", "hi", NULL, NULL, "either a body or a prompt" },
    { NULL, NULL, NULL, NULL, "no prompt, no messages and no body" },
    { NULL, "\xff", NULL, NULL, "is not UTF-8" },
    { NULL, "hi", "chat", NULL, "does not begin with '/'" },
    { NULL, "hi", "/a b", NULL, "byte 0x20" },
    { NULL, "hi", NULL, "nobody", "there is no provider \"nobody\"" },
  };
  size_t i;

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    kw_request rq = KW_REQUEST_INIT;
    kw_reply *r = NULL;
    rq.body = wrong[i].body;
    rq.body_len = wrong[i].body != NULL ? strlen (wrong[i].body) : 0;
    rq.prompt = wrong[i].prompt;
    rq.path = wrong[i].path;
    rq.provider = wrong[i].provider;
    ck_assert_int_eq (kw_chat (kit.client, &rq, &r, &kit.err), KW_ERR_USAGE);
    ck_assert_msg (strstr (kit.err.message, wrong[i].text) != NULL,
                   "\"%s\" is not in: %s", wrong[i].text, kit.err.message);
  }
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), 0);
}
END_TEST

START_TEST (another_endpoint_is_reached_by_its_path)
{
  static const char body[] = "{\"model\":\"m\",\"input\":\"text\"}";
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  rq.path = "/embeddings";
  rq.body = body;
  rq.body_len = sizeof body - 1;
  ck_assert_msg (kw_chat (kit.client, &rq, &r, &kit.err) == 0, "%s",
                 kit.err.message);
  ck_assert_ptr_null (kw_reply_text (r));
  ck_assert_ptr_nonnull (strstr (kw_reply_body (r, NULL), "\"embedding\""));
  kw_reply_free (r);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("faults");
  TCase *tc = tcase_create ("faults");

  tcase_add_checked_fixture (tc, kit_setup, kit_teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc,
                       what_is_the_providers_fault_is_tried_again_on_the_same_key,
                       0, (int) (sizeof transient / sizeof transient[0]));
  tcase_add_test (tc, retries_run_out_with_the_last_answer_in_the_error);
  tcase_add_test (tc, nobody_listens);
  tcase_add_test (tc, a_wait_that_the_provider_states_is_kept);
  tcase_add_test (tc, the_deadline_ends_backing_off);
  tcase_add_test (tc, a_redirect_is_not_followed_with_the_key);
  tcase_add_test (tc, an_answer_over_max_response_ends_the_call);
  tcase_add_test (tc, an_attempt_that_takes_too_long_is_retried_then_says_so);
  tcase_add_test (tc, the_deadline_ends_an_exchange);
  tcase_add_test (tc, cancel_ends_a_wait_at_once);
  tcase_add_test (tc, cancel_ends_an_exchange_at_once);
  tcase_add_test (tc, a_body_of_20_mb_is_sent_unchanged_and_answered);
  tcase_add_test (tc, a_wrong_request_is_refused_before_anything_is_sent);
  tcase_add_test (tc, another_endpoint_is_reached_by_its_path);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
