/* A plugin at work: its life, its settings, the requests it builds, and which of
 * its calls may overlap.  What it makes of answers is in test_host.c. */
#include <pthread.h>

#include "instkit.h"

/* ---- Settings ------------------------------------------------------------------------ */

START_TEST (a_create_that_fails_is_told_in_its_own_words)
{
  load ("odd-no-start");
  ck_assert_int_eq (kwi_instance_new (plugin, "test", &hooks, &in, &err),
                    KW_ERR_SETTINGS);
  ck_assert_ptr_null (in);
  ck_assert_msg (is_said ("[provider test]: plugin \"odd\"") &&
                 is_said ("odd-no-start.so") &&
                 is_said ("cannot start: no day for it?really"), "%s", err.message);
}
END_TEST

START_TEST (a_create_that_fails_without_a_word_is_told_too)
{
  load ("odd-silent");
  ck_assert_int_eq (kwi_instance_new (plugin, "test", &hooks, &in, &err),
                    KW_ERR_SETTINGS);
  ck_assert_msg (is_said ("does not say why"), "%s", err.message);
}
END_TEST

START_TEST (an_option_is_taken_refused_or_not_known)
{
  int unknown;

  start ("odd");
  set ("build", "silent");
  ck_assert_int_eq (kwi_instance_config (in, "picky", "x\ny", &unknown, &err),
                    KW_ERR_SETTINGS);
  ck_assert_int_eq (unknown, 0);
  ck_assert_str_eq (err.message, "[provider test] picky: \"x?y\" will not do");
  ck_assert_int_eq (kwi_instance_config (in, "mute", "", &unknown, &err),
                    KW_ERR_SETTINGS);
  ck_assert_int_eq (unknown, 0);
  ck_assert_msg (is_said ("[provider test] mute: a setting"), "%s", err.message);
  ck_assert_int_eq (kwi_instance_config (in, "nope", "", &unknown, &err),
                    KW_ERR_SETTINGS);
  ck_assert_int_eq (unknown, 1);
  ck_assert_msg (is_said ("no option \"nope\""), "%s", err.message);
}
END_TEST

START_TEST (a_plugin_without_options_knows_none)
{
  int unknown = 0;

  start ("newer");
  ck_assert_int_eq (kwi_instance_config (in, "build", "x", &unknown, &err),
                    KW_ERR_SETTINGS);
  ck_assert_int_eq (unknown, 1);
  ck_assert_int_eq (kwi_instance_config_complete (in, &err), 0);
}
END_TEST

START_TEST (what_is_missing_at_the_end_is_told)
{
  start ("odd");
  set ("judge", "incomplete");
  ck_assert_int_eq (kwi_instance_config_complete (in, &err), KW_ERR_SETTINGS);
  ck_assert_str_eq (err.message, "[provider test]: region is missing");
}
END_TEST

/* ---- Requests ------------------------------------------------------------------------ */

static const struct { const char *build; int code; const char *words; } builds[] = {
  { "refuses", KW_ERR_REFUSED, "no model m here" },
  { "silent", KW_ERR_INTERNAL, "does not say why (code -1)" },
  { "nomem", KW_ERR_INTERNAL, "no memory" },
  { "no-url", KW_ERR_INTERNAL, "without a URL" },
  /* It went on after the refusal; what it wanted is not what would be sent. */
  { "injects", KW_ERR_REFUSED, "value of X-User has a control character" },
};

START_TEST (a_request_that_cannot_be_built_is_told)
{
  int rc;

  start ("odd");
  set ("build", builds[_i].build);
  rc = kwi_instance_prepare (in, &call, &r, &err);
  ck_assert_msg (rc == builds[_i].code && is_said ("plugin \"odd\"") &&
                 is_said (builds[_i].words), "%s: %d %s", builds[_i].build, rc,
                 err.message);
}
END_TEST

START_TEST (the_host_adds_what_the_plugin_left_to_it)
{
  struct kw_call bare = call;

  start ("odd");
  bare.method = NULL;
  ck_assert_int_eq (kwi_instance_prepare (in, &bare, &r, &err), 0);
  ck_assert_str_eq (r.method, "POST");
  ck_assert (has_header ("Content-Type: application/json"));
  bare.content_type = NULL;
  ck_assert_int_eq (kwi_instance_prepare (in, &bare, &r, &err), 0);
  ck_assert_uint_eq (r.n_headers, 0);
  bare.content_type = "a\r\nX-Evil: 1";
  ck_assert_int_eq (kwi_instance_prepare (in, &bare, &r, &err), KW_ERR_REFUSED);
  set ("build", "own-type");
  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  ck_assert_uint_eq (r.n_headers, 1);
  ck_assert (has_header ("content-TYPE: text/odd"));
}
END_TEST

START_TEST (a_body_of_the_plugins_own_is_copied)
{
  start ("odd");
  set ("build", "own-body");
  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  ck_assert_uint_eq (r.body_len, 9);
  ck_assert (memcmp (r.body, "{\"own\":1}", 9) == 0);
}
END_TEST

START_TEST (the_key_is_shown_only_to_a_plugin_that_says_it_needs_it)
{
  struct kw_call without = call;

  start ("odd");
  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  ck_assert (!has_header ("X-Seen: sk-secret"));
  clear ();
  fresh ();
  start ("odd-secret");
  ck_assert_int_eq (kwi_instance_prepare (in, &call, &r, &err), 0);
  ck_assert (has_header ("X-Seen: sk-secret"));
  without.secret = NULL;
  ck_assert_int_eq (kwi_instance_prepare (in, &without, &r, &err), 0);
  ck_assert (!has_header ("X-Seen: sk-secret"));
}
END_TEST

START_TEST (a_plugin_without_a_probe_has_none)
{
  start ("odd");
  ck_assert_int_eq (kwi_instance_build_probe (in, &call, &r, &err), KW_ERR_USAGE);
  ck_assert_msg (is_said ("\"odd\" has no probe"), "%s", err.message);
}
END_TEST

/* ---- Threads ------------------------------------------------------------------------- */

enum { ROUNDS = 100 };

/* Two threads begin together, or the first is done before the second is there. */
static pthread_barrier_t line;

static int
is_served (struct kw_instance *instance, struct kwi_answer *mine, const char *reason)
{
  struct kwi_judgement judged;

  kwi_instance_classify (instance, mine, &judged);
  return strcmp (judged.reason, reason) == 0;
}

/* Judges again and again; NULL if it was alone each time. */
static void *
stay_alone (void *instance)
{
  struct kwi_answer mine;

  memset (&mine, 0, sizeof mine);
  mine.status = 200;
  (void) pthread_barrier_wait (&line);
  for (int i = 0; i < ROUNDS; i++)
    if (!is_served (instance, &mine, "alone"))
      return instance;
  return NULL;
}

/* NULL if another one was in there at the same time. */
static void *
meet_another (void *instance)
{
  struct kwi_answer mine;

  memset (&mine, 0, sizeof mine);
  mine.status = 200;
  (void) pthread_barrier_wait (&line);
  return is_served (instance, &mine, "overlap") ? NULL : instance;
}

/* Each thread gives NULL if it saw what it should. */
static void
run_two (void *(*fn) (void *), void *first, void *second)
{
  pthread_t t[2];
  void *failed[2];

  ck_assert_int_eq (pthread_barrier_init (&line, NULL, 2), 0);
  ck_assert_int_eq (pthread_create (&t[0], NULL, fn, first), 0);
  ck_assert_int_eq (pthread_create (&t[1], NULL, fn, second), 0);
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq (pthread_join (t[i], &failed[i]), 0);
  (void) pthread_barrier_destroy (&line);
  ck_assert_msg (failed[0] == NULL && failed[1] == NULL, "thread %d saw it wrong",
                 failed[0] != NULL ? 0 : 1);
}

static struct kw_instance *
second_instance (void)
{
  struct kw_instance *other = NULL;

  ck_assert_int_eq (kwi_instance_new (plugin, "second", &hooks, &other, &err), 0);
  return other;
}

START_TEST (serialize_all_keeps_two_instances_apart)
{
  struct kw_instance *other;

  start ("threads-all");
  other = second_instance ();
  run_two (stay_alone, in, other);
  run_two (stay_alone, in, in);
  kwi_instance_free (other);
}
END_TEST

START_TEST (serialize_instance_keeps_calls_of_one_instance_apart)
{
  start ("threads-instance");
  run_two (stay_alone, in, in);
}
END_TEST

START_TEST (serialize_instance_lets_two_instances_overlap)
{
  struct kw_instance *other;
  int unknown;

  start ("threads-instance");
  other = second_instance ();
  set ("meet", "yes");
  ck_assert_int_eq (kwi_instance_config (other, "meet", "yes", &unknown, &err), 0);
  run_two (meet_another, in, other);
  kwi_instance_free (other);
}
END_TEST

START_TEST (parallel_lets_calls_of_one_instance_overlap)
{
  start ("threads-parallel");
  set ("meet", "yes");
  run_two (meet_another, in, in);
}
END_TEST

static void *
open_and_close (void *failed)
{
  (void) pthread_barrier_wait (&line);
  for (int i = 0; i < ROUNDS; i++) {
    struct kw_instance *mine = NULL;
    if (kwi_instance_new (plugin, "test", &hooks, &mine, NULL) != 0)
      return failed;
    kwi_instance_free (mine);
  }
  return NULL;
}

START_TEST (setup_calls_come_one_at_a_time_under_any_model)
{
  start ("threads-parallel");
  run_two (open_and_close, in, in);
}
END_TEST

/* Each thread's refusal has its own model in it. */
static void *
be_refused (void *model)
{
  struct kw_call mine = call;
  struct kw_request request;
  void *wrong = NULL;

  memset (&request, 0, sizeof request);
  mine.model = model;
  (void) pthread_barrier_wait (&line);
  for (int i = 0; i < ROUNDS && wrong == NULL; i++) {
    struct kw_error e = KW_ERROR_INIT;
    if (kwi_instance_prepare (in, &mine, &request, &e) != KW_ERR_REFUSED ||
        strstr (e.message, model) == NULL)
      wrong = model;
  }
  kwi_request_clear (&request);
  return wrong;
}

START_TEST (an_error_text_belongs_to_the_call_that_failed)
{
  static char one[] = "model-of-one", two[] = "model-of-two";

  start ("odd");
  set ("build", "refuses");
  run_two (be_refused, one, two);
}
END_TEST

START_TEST (an_instance_keeps_its_plugin_loaded)
{
  start ("frozen");
  kwi_plugin_unref (plugin);
  plugin = NULL;
  answer (200, "{}");
  classify ();
  ck_assert_uint_eq (j.outcome, KW_OUTCOME_OK);
  kwi_instance_free (NULL);
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("instance");
  TCase *t = tcase_create ("instance");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_add_test (t, a_create_that_fails_is_told_in_its_own_words);
  tcase_add_test (t, a_create_that_fails_without_a_word_is_told_too);
  tcase_add_test (t, an_option_is_taken_refused_or_not_known);
  tcase_add_test (t, a_plugin_without_options_knows_none);
  tcase_add_test (t, what_is_missing_at_the_end_is_told);
  tcase_add_loop_test (t, a_request_that_cannot_be_built_is_told, 0,
                       (int) (sizeof builds / sizeof builds[0]));
  tcase_add_test (t, the_host_adds_what_the_plugin_left_to_it);
  tcase_add_test (t, a_body_of_the_plugins_own_is_copied);
  tcase_add_test (t, the_key_is_shown_only_to_a_plugin_that_says_it_needs_it);
  tcase_add_test (t, a_plugin_without_a_probe_has_none);
  tcase_add_test (t, serialize_all_keeps_two_instances_apart);
  tcase_add_test (t, serialize_instance_keeps_calls_of_one_instance_apart);
  tcase_add_test (t, serialize_instance_lets_two_instances_overlap);
  tcase_add_test (t, parallel_lets_calls_of_one_instance_overlap);
  tcase_add_test (t, setup_calls_come_one_at_a_time_under_any_model);
  tcase_add_test (t, an_error_text_belongs_to_the_call_that_failed);
  tcase_add_test (t, an_instance_keeps_its_plugin_loaded);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)
