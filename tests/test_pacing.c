/* test_pacing - admission = exact and pace = on through the public API, against
 * the simulator, in virtual time. */
#include "clientkit.h"

static char text[32768];

/* A request of about that many tokens; 0 or a KW_ERR_*. */
static int
chat (int tokens, int64_t deadline_ms)
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *reply = NULL;
  int code;

  memset (text, 'x', sizeof text);
  text[tokens * 4] = '\0';
  rq.prompt = text;
  rq.deadline_ms = deadline_ms;
  code = kw_chat (kit.client, &rq, &reply, &kit.err);
  kw_reply_free (reply);
  return code;
}

struct day {
  int served;
  size_t refused;
};

/* Every two minutes of a day a request, most of them short. */
static struct day
spend_a_day (const char *options)
{
  struct day d = { 0 };
  int i;

  kit_sim ("--key", "sk-a,name=A,tpd=50000,tpm=6000");
  kit_keys ("sk-a", NULL);
  kit_open (options);
  for (i = 0; i < 720; i++) {
    d.served += chat (i % 8 == 0 ? 2500 : 50, 1000) == 0;
    kit_advance (120000);
  }
  d.refused = simctl_count (kit.sim, "A", "tpd") + simctl_count (kit.sim, "A", "tpm");
  kit_drop ();
  return d;
}

START_TEST (exact_serves_more_with_no_more_refusals)
{
  struct day stated = spend_a_day ("admission = stated");
  struct day exact = spend_a_day ("admission = exact");

  printf ("a day of 720 requests: stated %d served, %zu refused; exact %d, %zu\n",
          stated.served, stated.refused, exact.served, exact.refused);
  ck_assert_int_gt (exact.served, stated.served * 21 / 20);
  ck_assert_uint_le (exact.refused, stated.refused);
}
END_TEST

static size_t
send_many (const char *options)
{
  size_t refused;
  int i;

  kit_sim ("--key", "sk-a,name=A,tpm=6000,rpm=30");
  kit_keys ("sk-a", NULL);
  kit_open (options);
  for (i = 0; i < 100; i++)
    ck_assert_msg (chat (i % 5 == 0 ? 2000 : 300, 600000) == 0, "request %d: %s", i,
                   kit.err.message);
  refused = simctl_count (kit.sim, "A", "tpm") + simctl_count (kit.sim, "A", "rpm");
  kit_drop ();
  return refused;
}

START_TEST (with_pace_hardly_any_request_is_refused)
{
  size_t off = send_many ("pace = off"), on = send_many ("pace = on");

  printf ("100 requests in a row: %zu refused without pace, %zu with\n", off, on);
  ck_assert_uint_ge (off, 50);
  ck_assert_uint_le (on, 3);
}
END_TEST

START_TEST (a_paced_wait_is_told_and_bounded_by_the_deadline)
{
  int i;

  kit_sim ("--key", "sk-a,name=A,tpm=6000");
  kit_keys ("sk-a", NULL);
  kit_open ("pace = on");
  ck_assert_int_eq (chat (5000, 600000), 0);
  ck_assert_int_eq (chat (5000, 10000), KW_ERR_RATE_LIMIT);
  ck_assert_msg (strstr (kit.err.message, "key \"primary\" is rate limited "
                         "(tokens_per_minute), and the wait of ") != NULL
                   && strstr (kit.err.message, "would outlast the deadline of 10s")
                        != NULL, "%s", kit.err.message);
  ck_assert_int_eq (kit.err.attempts, 0);
  ck_assert_int_gt (kit.err.retry_at_ms, KIT_EPOCH + 30000);
  ck_assert_int_eq (chat (5000, 600000), 0);
  for (i = 0; i < kit.n_events; i++)
    if (kit.event[i].type == KW_EVENT_WAIT)
      break;
  ck_assert_int_lt (i, kit.n_events);
  ck_assert_msg (strstr (kit.event[i].text, "until key \"primary\" has room for this "
                         "request: tokens_per_minute") != NULL, "%s", kit.event[i].text);
  ck_assert_uint_eq (simctl_count (kit.sim, "A", "tpm"), 0);
}
END_TEST

START_TEST (next_ready_is_of_the_size_that_is_asked_for)
{
  int64_t any = 0, little = 0, much = 0;

  kit_sim ("--key", "sk-a,name=A,tpd=10000");
  kit_keys ("sk-a", NULL);
  kit_open ("admission = exact");
  ck_assert_int_eq (chat (8000, 0), 0);
  ck_assert_int_eq (chat (8000, 0), KW_ERR_EXHAUSTED);
  ck_assert_int_eq (kw_next_ready (kit.client, NULL, NULL, 0, &any), 0);
  ck_assert_int_eq (kw_next_ready (kit.client, NULL, NULL, 1000, &little), 0);
  ck_assert_int_eq (kw_next_ready (kit.client, NULL, NULL, 9000, &much), 0);
  ck_assert_int_eq (any, KIT_EPOCH + kit.now_ms);
  ck_assert_int_eq (little, KIT_EPOCH + kit.now_ms);
  ck_assert_int_gt (much, KIT_EPOCH + INT64_C (16) * 3600 * 1000);
  ck_assert_int_lt (much, KIT_EPOCH + INT64_C (18) * 3600 * 1000);
}
END_TEST

START_TEST (a_simulators_short_days_are_believed)
{
  kit_sim ("--key", "sk-a,name=A,tpd=10000", "--time-scale", "86400");
  kit_keys ("sk-a", NULL);
  kit_open ("admission = exact");
  ck_assert_int_eq (chat (8000, 0), 0);
  ck_assert_int_eq (chat (8000, 0), KW_ERR_EXHAUSTED);
  ck_assert_int_lt (kit.err.retry_at_ms, KIT_EPOCH + kit.now_ms + 5000);
  kit_advance (5000);
  ck_assert_int_eq (chat (8000, 0), 0);
}
END_TEST

/* ---- Many at once --------------------------------------------------------------- */

enum { THREADS = 8, EACH = 20 };

static void *
send_each (void *arg)
{
  int *served = arg, i;

  for (i = 0; i < EACH; i++) {
    kw_request rq = KW_REQUEST_INIT;
    kw_reply *reply = NULL;
    struct kw_error err = KW_ERROR_INIT;

    rq.prompt = text;
    rq.deadline_ms = 60000;
    if (kw_chat (kit.client, &rq, &reply, &err) == 0)
      ++*served;
    else
      printf ("not served: %s\n", err.message);
    kw_reply_free (reply);
  }
  return NULL;
}

START_TEST (many_threads_stand_in_one_line)
{
  pthread_t thread[THREADS];
  int served[THREADS] = { 0 }, i, all = 0;
  size_t refused;

  /* Some 48,000 tokens: what is over comes back at 750 a second.  In real time
   * and a real minute: a minute that the simulator shortens is waited for as
   * the minute that it is called. */
  kit_sim_real ("--key", "sk-a,name=A,tpm=45000");
  kit_keys ("sk-a", NULL);
  kit_open ("pace = on\nmax_retries = 100");
  memset (text, 'x', 1200);
  text[1200] = '\0';
  for (i = 0; i < THREADS; i++)
    ck_assert_int_eq (pthread_create (&thread[i], NULL, send_each, &served[i]), 0);
  for (i = 0; i < THREADS; i++) {
    ck_assert_int_eq (pthread_join (thread[i], NULL), 0);
    all += served[i];
  }
  refused = simctl_count (kit.sim, "A", "tpm");
  printf ("%d threads: %d served, %zu refused\n", THREADS, all, refused);
  ck_assert_int_eq (all, THREADS * EACH);
  ck_assert_uint_le (refused, 20);
}
END_TEST

static Suite *
pacing_suite (void)
{
  Suite *s = suite_create ("pacing");
  TCase *tc = tcase_create ("pacing");

  tcase_add_checked_fixture (tc, kit_setup, kit_teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, exact_serves_more_with_no_more_refusals);
  tcase_add_test (tc, with_pace_hardly_any_request_is_refused);
  tcase_add_test (tc, a_paced_wait_is_told_and_bounded_by_the_deadline);
  tcase_add_test (tc, next_ready_is_of_the_size_that_is_asked_for);
  tcase_add_test (tc, a_simulators_short_days_are_believed);
  tcase_add_test (tc, many_threads_stand_in_one_line);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (pacing_suite)
