/* test_waiting - calls that wait for a limit are served in order of arrival, and not
 * all at once: against the simulator, in virtual time. */
#include <poll.h>

#include "waitkit.h"

static int
count_served (void)
{
  int i, n = 0;

  for (i = 0; i < n_over; i++)
    n += ends[i].code == 0;
  return n;
}

/* The simulator served them in the order in which they arrived. */
static void
check_order (void)
{
  struct simctl_log log;
  long last = -1;
  size_t i;

  simctl_read_log (kit.sim, &log);
  for (i = 0; i < log.count; i++)
    if (log.entries[i].status == 200 && log.entries[i].tag[0] != '\0') {
      long tag = strtol (log.entries[i].tag, NULL, 10);
      ck_assert_msg (tag > last, "call %ld was served before %ld", last, tag);
      last = tag;
    }
  simctl_log_clear (&log);
}

static void
check_waiting (size_t n)
{
  kw_status_info *st = NULL;

  ck_assert_int_eq (kw_status (kit.client, NULL, &st), 0);
  ck_assert_uint_eq (kw_status_waiting (st), n);
  kw_status_free (st);
}

/* Fifty in half a second, where a minute has room for thirty, and thirty more, one
 * a second.  Before there was a line 50 of the 80 were served, out of order, and
 * 255 requests were refused (switch: 210); the other 30 calls failed with their
 * retries used up.  Now it is 80, and 20: as many as were on their way when the
 * first refusal came. */
START_TEST (fifty_calls_at_a_minutes_limit_are_served_in_order)
{
  size_t refused;
  int i;

  kit_sim ("--key", "sk-a,name=A,rpm=30");
  open_calls (_i == 0 ? "deadline = 10m" : "deadline = 10m\non_rate_limit = switch");
  for (i = 0; i < 50; i++)
    (void) add (i * 10, 0);
  for (i = 0; i < 30; i++)
    (void) add (1000 + i * 1000, 0);
  run (INT64_MAX);
  refused = simctl_count (kit.sim, "A", "rpm");
  printf ("%d served, %zu refused, after %lld s\n", count_served (), refused,
          (long long) kit.now_ms / 1000);
  ck_assert_int_eq (count_served (), 80);
  check_order ();
  ck_assert_uint_le (refused, 22);
  /* One in two seconds is what the limit admits. */
  ck_assert_int_le (kit.now_ms, 105000);
  close_calls ();
}
END_TEST

/* Three in the first moment, of which the limit admits one: it comes back every
 * ten seconds. */
static void
three_at_a_limit (const char *options)
{
  int i;

  kit_sim ("--key", "sk-a,name=A,rpm=6");
  open_calls (options);
  for (i = 0; i < 6; i++)
    kit_served_by ("primary");
  for (i = 0; i < 3; i++)
    (void) add (i * 300, 0);
  run (1000);
  ck_assert_int_eq (n_over, 0);
  check_waiting (3);
}

/* Its key was free when the first was sent: who came later was never sent. */
START_TEST (who_was_never_sent_has_made_no_retry)
{
  three_at_a_limit (_i == 0 ? "" : "on_rate_limit = switch");
  run (INT64_MAX);
  ck_assert_int_eq (count_served (), 3);
  check_order ();
  ck_assert_int_eq (flights[0].sent, 2);
  ck_assert_int_eq (flights[0].call.state.retries, 1);
  ck_assert_int_eq (flights[2].sent, 1);
  ck_assert_int_eq (flights[2].call.state.retries, 0);
  ck_assert_int_ge (flights[2].call.state.waited_ms, 28000);
  close_calls ();
}
END_TEST

START_TEST (events_tell_how_many_came_before)
{
  int i;

  three_at_a_limit ("");
  for (i = 0; i < kit.n_events; i++)
    if (strcmp (kit.event[i].text, "waiting for key \"primary\", behind 2 calls that "
                "came before: RATE_LIMIT found_before") == 0)
      break;
  ck_assert_int_lt (i, kit.n_events);
  ck_assert_int_eq (kit_count (KW_EVENT_WAIT, "primary"), 3);
  run (INT64_MAX);
  close_calls ();
}
END_TEST

START_TEST (whoever_is_cancelled_lets_the_next_go)
{
  three_at_a_limit ("");
  cancel (&flights[0]);         /* the first of those that wait */
  run (10300);
  ck_assert_int_eq (flights[1].event, ANSWER);
  cancel (&flights[1]);         /* it is being sent */
  run (INT64_MAX);
  ck_assert_int_eq (count_served (), 1);
  ck_assert_int_eq (flights[2].code, 0);
  close_calls ();
}
END_TEST

START_TEST (a_reset_lets_one_try_and_the_others_follow)
{
  three_at_a_limit (_i == 0 ? "" : "on_rate_limit = switch");
  simctl_advance (kit.sim, 60000); /* the provider's allowance is whole again */
  ck_assert_int_eq (kw_reset (kit.client, NULL, NULL), 0);
  run (kit.now_ms);
  ck_assert_int_eq (flights[0].event, ANSWER);
  ck_assert_int_eq (flights[1].event, TIMER);
  run (INT64_MAX);
  ck_assert_int_eq (count_served (), 3);
  ck_assert_int_le (kit.now_ms, 2000);
  check_order ();
  close_calls ();
}
END_TEST

START_TEST (a_wait_that_would_outlast_the_deadline_is_not_begun)
{
  struct flight *f;

  three_at_a_limit (_i == 0 ? "" : "on_rate_limit = switch");
  f = add (1000, 5000);
  run (1001);
  ck_assert_int_eq (f->code, KW_ERR_RATE_LIMIT);
  ck_assert_int_eq (f->sent, 0);
  ck_assert_msg (strstr (f->err.message, "groq key \"primary\" is rate limited "
                         "(found_before), and the wait of 9.") != NULL
                   && strstr (f->err.message, "would outlast the deadline of 5s")
                        != NULL, "%s", f->err.message);
  /* This one's time could have come, but for those before it. */
  f = add (1000, 15000);
  run (INT64_MAX);
  ck_assert_int_eq (f->code, KW_ERR_RATE_LIMIT);
  ck_assert_msg (strstr (f->err.message, "and the deadline of 15s passed before it was "
                         "this call's turn") != NULL, "%s", f->err.message);
  ck_assert_int_eq (count_served (), 3);
  close_calls ();
}
END_TEST

START_TEST (another_model_and_a_named_key_are_not_held_up)
{
  struct flight *f;
  size_t before;

  three_at_a_limit (_i == 0 ? "" : "on_rate_limit = switch");
  f = add (1000, 0);
  (void) memccpy (f->call.model, "n", '\0', sizeof f->call.model);
  memcpy (strstr (f->body, "\"m\""), "\"n\"", 3);
  run (1300);
  ck_assert_int_eq (f->event, NOTHING);
  ck_assert_int_eq (f->code, 0);
  before = simctl_count (kit.sim, "A", NULL);
  ck_assert_int_eq (kw_probe (kit.client, NULL, "primary", &kit.err),
                    KW_ERR_RATE_LIMIT);
  ck_assert_uint_eq (simctl_count (kit.sim, "A", NULL), before + 1);
  ck_assert_int_eq (n_over, 1);
  run (INT64_MAX);
  close_calls ();
}
END_TEST

START_TEST (max_waiting_bounds_the_line)
{
  struct flight *f;

  three_at_a_limit (_i == 0 ? "max_waiting = 3"
                    : "max_waiting = 3\non_rate_limit = switch");
  f = add (1000, 0);
  run (1001);
  ck_assert_int_eq (f->code, KW_ERR_RATE_LIMIT);
  ck_assert_msg (strstr (f->err.message, "3 calls are waiting for groq already "
                         "(max_waiting); the first key comes back in 9.") != NULL
                   && strstr (f->err.message, "(14:03:") != NULL, "%s", f->err.message);
  ck_assert_int_gt (f->err.retry_at_ms, KIT_EPOCH + 9000);
  /* Those that wait go on, also when they are sent and refused again. */
  run (INT64_MAX);
  ck_assert_int_eq (count_served (), 3);
  close_calls ();
}
END_TEST

START_TEST (who_has_waited_comes_back_whatever_came_since)
{
  three_at_a_limit ("max_waiting = 3");
  simctl_fault (kit.sim, "status=429,count=1");
  (void) add (10250, 0);        /* while the first is on its way */
  run (10300);
  ck_assert_int_eq (flights[0].event, ANSWER);
  check_waiting (3);
  run (11000);
  check_waiting (4);
  run (INT64_MAX);
  ck_assert_int_eq (count_served (), 4);
  close_calls ();
}
END_TEST

START_TEST (max_waiting_bounds_the_buckets_line)
{
  struct flight *f;
  int i;

  kit_sim ("--key", "sk-a,name=A,rpm=6");
  open_calls ("pace = on\nmax_waiting = 2\ndeadline = 10m");
  for (i = 0; i < 7; i++)
    kit_served_by ("primary");
  for (i = 0; i < 2; i++)
    (void) add (kit.now_ms, 0);
  f = add (kit.now_ms, 0);
  run (kit.now_ms);
  check_waiting (2);
  ck_assert_int_eq (f->code, KW_ERR_RATE_LIMIT);
  ck_assert_ptr_nonnull (strstr (f->err.message, "2 calls are waiting for groq already "
                                 "(max_waiting)"));
  run (INT64_MAX);
  ck_assert_int_eq (count_served (), 2);
  check_waiting (0);
  close_calls ();
}
END_TEST

/* ---- By the public functions, each on the loop --------------------------------- */

static int n_ended;

static void
on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  ck_assert_msg (code == 0, "call %d: %s", (int) (intptr_t) user, err->message);
  ck_assert_int_eq ((int) (intptr_t) user, n_ended);
  n_ended++;
  kw_reply_free (reply);
}

START_TEST (asynchronous_calls_are_woken_in_order)
{
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request rq = KW_REQUEST_INIT;
  struct pollfd p;
  intptr_t i;

  kit_sim ("--key", "sk-a,name=A,rpm=6");
  kit_keys ("sk-a", NULL);
  /* One at a time, as a wait moves the clock at once. */
  kit_open (_i == 0 ? "deadline = 10m\nmax_concurrency = 1"
            : "deadline = 10m\nmax_concurrency = 1\non_rate_limit = switch");
  for (i = 0; i < 6; i++)
    kit_served_by ("primary");
  on.on_end = on_end;
  rq.prompt = "hi";
  n_ended = 0;
  for (i = 0; i < 12; i++)
    ck_assert_ptr_nonnull (kw_submit (kit.client, &rq, &on, (void *) i));
  p = (struct pollfd) { .fd = kw_client_fd (kit.client), .events = POLLIN };
  while (kw_client_process (kit.client) > 0)
    ck_assert_int_ge (poll (&p, 1, kw_client_timeout (kit.client)), 0);
  ck_assert_int_eq (n_ended, 12);
  printf ("%zu refused\n", simctl_count (kit.sim, "A", "rpm"));
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("waiting");
  TCase *tc = tcase_create ("waiting");

  tcase_add_checked_fixture (tc, kit_setup, kit_teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, fifty_calls_at_a_minutes_limit_are_served_in_order, 0, 2);
  tcase_add_loop_test (tc, who_was_never_sent_has_made_no_retry, 0, 2);
  tcase_add_test (tc, events_tell_how_many_came_before);
  tcase_add_test (tc, whoever_is_cancelled_lets_the_next_go);
  tcase_add_loop_test (tc, a_reset_lets_one_try_and_the_others_follow, 0, 2);
  tcase_add_loop_test (tc, a_wait_that_would_outlast_the_deadline_is_not_begun, 0, 2);
  tcase_add_loop_test (tc, another_model_and_a_named_key_are_not_held_up, 0, 2);
  tcase_add_loop_test (tc, max_waiting_bounds_the_line, 0, 2);
  tcase_add_test (tc, who_has_waited_comes_back_whatever_came_since);
  tcase_add_test (tc, max_waiting_bounds_the_buckets_line);
  tcase_add_loop_test (tc, asynchronous_calls_are_woken_in_order, 0, 2);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
