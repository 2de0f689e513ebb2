/* test_examples - the programs of examples/ that plug a client into an event loop,
 * as a reader would run them: several questions at once, streams, a switch, a
 * failure.  Those whose loop was not there to build with are in no list. */
#include "clikit.h"

static const char *const loops[] = {
  "epoll",
#ifdef HAVE_LIBUV
  "libuv",
#endif
#ifdef HAVE_LIBEVENT
  "libevent",
#endif
};
enum { LOOPS = sizeof loops / sizeof loops[0] };

static void
ask (size_t which, const char *const questions[])
{
  const char *argv[ARGS_MAX + 1];
  char *top = realpath (kwtest_builddir (), NULL);
  size_t n;

  ck_assert_ptr_nonnull (top);
  argv[0] = format ("%s/examples/%s", top, loops[which]);
  free (top);
  for (n = 1; questions[n - 1] != NULL; n++)
    argv[n] = questions[n - 1];
  argv[n] = NULL;
  run_argv (argv, NULL, 0);
}

static size_t
count (const char *text, const char *what)
{
  size_t n = 0;

  for (text = strstr (text, what); text != NULL; text = strstr (text + 1, what))
    n++;
  return n;
}

START_TEST (each_answer_comes_as_a_stream_to_its_question)
{
  static const char *const questions[] = { "one?", "two?", "three?", NULL };
  struct simctl_log log = { 0 };

  three_keys ("");
  ask ((size_t) _i, questions);
  ENDS_WITH (0);
  for (int i = 1; i <= 3; i++) {
    const char *end = format ("%d: (by key primary)\n", i);
    ck_assert_msg (count (got.out, end) == 1, "%s: no \"%s\" in:\n%s", loops[_i], end,
                   got.out);
    ck_assert_msg (count (got.out, format ("%d: ", i)) > 2,
                   "%s: question %d's answer came in one piece:\n%s", loops[_i], i,
                   got.out);
  }
  simctl_read_log (sim, &log);
  ck_assert_uint_eq (log.count, 3);
  for (size_t i = 0; i < log.count; i++)
    ck_assert_int_eq (log.entries[i].stream, 1);
  simctl_log_clear (&log);
}
END_TEST

/* The wheel turns in the loop's own thread: wait, back-off and switch are the
 * client's time-outs. */
START_TEST (a_day_used_up_and_a_stumble_are_not_seen)
{
  static const char *const questions[] = { "one?", "two?", "three?", "four?", NULL };

  three_keys (",rpd=1");
  simctl_fault (sim, "status=503,key=b,count=2");
  ask ((size_t) _i, questions);
  ENDS_WITH (0);
  ck_assert_uint_eq (count (got.out, "(by key primary)"), 1);
  ck_assert_uint_eq (count (got.out, "(by key backup-1)"), 3);
  ck_assert_uint_eq (simctl_count (sim, "b", "fault:status"), 2);
}
END_TEST

START_TEST (a_failure_is_told_and_the_program_ends)
{
  static const char *const questions[] = { "one?", "two?", NULL }, *const none[] = { NULL };

  three_keys ("");
  simctl_fault (sim, "status=400");
  ask ((size_t) _i, questions);
  ENDS_WITH (1);
  PRINTS ("");
  SAYS ("1: ");
  SAYS ("2: ");
  ask ((size_t) _i, none);
  ENDS_WITH (2);
  SAYS ("what is to be asked?");
}
END_TEST

static Suite *
examples_suite (void)
{
  Suite *s = suite_create ("examples");
  TCase *t = tcase_create ("loops");

  tcase_add_checked_fixture (t, set_up, tear_down);
  tcase_set_timeout (t, 60);
  tcase_add_loop_test (t, each_answer_comes_as_a_stream_to_its_question, 0, LOOPS);
  tcase_add_loop_test (t, a_day_used_up_and_a_stumble_are_not_seen, 0, LOOPS);
  tcase_add_loop_test (t, a_failure_is_told_and_the_program_ends, 0, LOOPS);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (examples_suite)
