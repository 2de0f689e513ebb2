/* test_cli_errors - keywheel(1) from end to end, when things go wrong: every exit
 * code, what is said about it and where, and that bad input is refused before
 * anything is sent. */
#include "clikit.h"

#include <signal.h>
#include <sys/stat.h>

/* ---- The words of the command line ------------------------------------------- */

static const struct {
  const char *args[6];
  const char *says;
} wrong_usage[] = {
  { { NULL }, "which command?" },
  { { "chta" }, "did you mean \"chat\"?" },
  { { "xyzzy" }, "there are chat, send, serve, token, status, reset, check and plugins" },
  { { "help", "chta" }, "did you mean \"chat\"?" },
  { { "-c", "x", "chat" }, "options go behind it" },
  { { "serve", "groq" }, "it takes options only" },
  { { "serve", "--listen" }, "--listen wants a value: --listen ADDR" },
  { { "chat", "--josn", "hi" }, "did you mean --json?" },
  { { "chat", "hi", "--josn" }, "did you mean --json?" },
  { { "chat", "--s", "hi" }, "--s may be --system or --stream" },
  { { "chat", "--live", "hi" }, "takes no --live" },
  { { "status", "-m", "x" }, "takes no -m (--model)" },
  { { "chat", "-q", "hi" }, "unknown option -q" },
  { { "chat", "-m" }, "--model wants a value: --model MODEL" },
  { { "chat", "--json=1", "hi" }, "--json takes no value" },
  { { "chat", "--config=", "hi" }, "--config is empty; it wants a FILE" },
  { { "--verson" }, "did you mean --version?" },
  { { "--hlep" }, "did you mean --help?" },
  { { "--json", "chat" }, "options go behind it" },
  { { "chat", "" }, "the prompt is empty" },
  { { "chat", " ", "\t\n" }, "the prompt is empty" },
  { { "chat" }, "the prompt is empty" },
  { { "send" }, "the body is empty" },
  { { "send", "a", "b" }, "\"b\" is the second" },
  { { "send", "--path", "embeddings", "x" }, "must begin with a slash" },
  { { "send", "/nonexistent/body" }, "cannot open /nonexistent/body: No such file" },
  { { "send", "/" }, "cannot read /: Is a directory" },
  { { "status", "groq" }, "it takes options only" },
  { { "chat", "-c", "/nonexistent/x.ini", "hi" }, "/nonexistent/x.ini" },
};

START_TEST (wrong_usage_is_told_and_ends_with_2)
{
  const char *argv[8] = { program };

  memcpy (argv + 1, wrong_usage[_i].args, sizeof wrong_usage[_i].args);
  run_argv (argv, NULL, 0);
  ENDS_WITH (2);
  SAYS (wrong_usage[_i].says);
  ck_assert_int_eq (strncmp (got.err, "keywheel: ", 10), 0);
  PRINTS ("");
}
END_TEST

static const struct {
  const char *bytes;
  size_t len;
  size_t offset;
} no_text[] = {
  { "a\xff", 2, 1 },
  { "\xc0\xaf", 2, 0 },                 /* overlong                        */
  { "ok \xe0\x9f\xbf", 6, 3 },          /* overlong                        */
  { "ab\xed\xa0\x80", 5, 2 },           /* a surrogate                     */
  { "\xf4\x90\x80\x80", 4, 0 },         /* past U+10FFFF                   */
  { "z\xe2\x82", 3, 1 },                /* cut short                       */
  { "a\0b", 3, 1 },
};

START_TEST (a_prompt_that_is_no_text_is_refused_with_the_offset)
{
  three_keys ("");
  run_input (no_text[_i].bytes, no_text[_i].len, "chat", "-", NULL);
  ENDS_WITH (2);
  SAYS (format ("at offset %zu", no_text[_i].offset));
  PRINTS ("");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

static const char *const broken[] = {
  "{", "{\"model\":\"m\"", "hello", "[1,2]", "{} {}", "{\"a\":\"\xff\"}", "\n"
};

START_TEST (send_refuses_broken_json_before_anything_is_sent)
{
  three_keys ("");
  run_input (broken[_i], strlen (broken[_i]), "send", NULL);
  ENDS_WITH (2);
  SAYS ("JSON");
  PRINTS ("");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

START_TEST (a_stream_that_breaks_leaves_what_came_and_ends_with_7)
{
  three_keys ("");
  simctl_fault (sim, "sse-break=3");
  run ("chat", "--stream", "hi", NULL);
  ENDS_WITH (7);
  PRINTS ("Hello from\n");
  SAYS ("broke");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 1);
}
END_TEST

/* ---- Every exit code ------------------------------------------------------------ */

/* One request to a provider that has a fault. */
static const struct {
  const char *fault;
  const char *options;          /* of the INI */
  int ends_with;
  size_t requests;
  const char *says;
} failures[] = {
  { "status=400", "", 6, 1, "refused the request (400" },
  { "status=404", "", 6, 1, "refused the request (404" },
  { "status=401", "", 3, 1, "does not accept key \"primary\"" },
  { "status=503", "", 7, 3, "after 2 retries (max_retries = 2)" },
  { "html=502", "", 7, 3, "after 2 retries" },
  { "drop", "", 7, 3, "after 2 retries" },
  { "truncate", "", 7, 3, "after 2 retries" },
  { "garbage", "", 7, 3, "JSON" },
  { "empty", "", 7, 3, "after 2 retries" },
  { "body-size=100000", "max_response = 65536", 7, 1, "max_response (65536 bytes)" },
  { "status=429,retry-after=3600", "", 5, 1, "would outlast the deadline" },
  { "status=429,retry-after=0", "", 5, 3, "after 2 retries" },
};

START_TEST (a_failure_ends_with_the_exit_code_of_its_kind)
{
  three_keys ("");
  write_ini ("%s", failures[_i].options);
  simctl_fault (sim, failures[_i].fault);
  run ("chat", "-v", "hi", NULL);
  ENDS_WITH (failures[_i].ends_with);
  PRINTS ("");
  SAYS (failures[_i].says);
  SAYS ("keywheel:   attempt 1: primary: ");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), failures[_i].requests);
}
END_TEST

START_TEST (every_key_exhausted_ends_with_4_and_says_when_one_comes_back)
{
  sim = simctl_startl ("--clock", "manual", "--key", SECRET "a,name=a,rpd=1", NULL);
  set_env ("GROQ_API_KEY=" SECRET "a");
  write_ini ("%s", "");
  set_env (ini);
  run ("chat", "hi", NULL);
  ENDS_WITH (0);
  run ("chat", "hi", NULL);
  ENDS_WITH (4);
  PRINTS ("");
  SAYS ("exhausted");
  SAYS ("\"primary\" comes back in ");
}
END_TEST

START_TEST (a_switch_too_many_ends_with_4)
{
  sim = simctl_startl ("--clock", "manual", "--key", SECRET "a,name=a,restricted",
                       "--key", SECRET "b,name=b,restricted",
                       "--key", SECRET "c,name=c", NULL);
  set_keys ();
  write_ini ("max_switches = 1\n");
  set_env (ini);
  run ("chat", "hi", NULL);
  ENDS_WITH (4);
  SAYS ("max_switches = 1");
  ck_assert_uint_eq (simctl_count (sim, "c", NULL), 0);
}
END_TEST

START_TEST (a_provider_that_is_not_there_ends_with_7)
{
  three_keys ("");
  simctl_kill (sim);
  sim = NULL;
  run ("chat", "hi", NULL);
  ENDS_WITH (7);
  SAYS ("not available");
}
END_TEST

static const int interrupts[] = { SIGINT, SIGTERM };

START_TEST (a_signal_in_the_middle_of_a_wait_ends_with_130_at_once)
{
  const char *const argv[] = { program, "chat", "-v", "hi", NULL };
  struct proc *p;

  three_keys ("");
  write_ini ("deadline = 2h\n");
  simctl_fault (sim, "status=429,retry-after=3600");
  p = proc_start (argv, environment);
  ck_assert_int_eq (proc_expect (p, 2, "keywheel: waiting 1h", PATIENCE_MS), 1);
  proc_signal (p, interrupts[_i]);
  proc_result_clear (&got);
  proc_finish (p, &got, PATIENCE_MS);
  ck_assert_int_eq (got.timed_out, 0);
  ENDS_WITH (130);
  PRINTS ("");
  SAYS ("cancelled");           /* it ended itself, no signal killed it    */
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 1);
}
END_TEST

/* The program with its stdout as a shell makes it. */
static void
run_redirected (const char *where)
{
  const char *const argv[] = {
    "/bin/sh", "-c", format ("exec \"$0\" chat hi %s", where), program, NULL
  };

  run_argv (argv, NULL, 0);
}

START_TEST (a_reply_that_cannot_be_written_ends_with_1)
{
  three_keys ("");
  run_redirected (">/dev/full");
  ENDS_WITH (1);
  SAYS ("cannot write to stdout: No space left on device");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 1);
}
END_TEST

START_TEST (a_closed_stdout_is_seen_before_anything_is_sent)
{
  three_keys ("");
  run_redirected (">&-");
  ENDS_WITH (1);
  SAYS ("stdout is closed");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

START_TEST (a_reader_that_has_left_is_told_and_no_signal_kills)
{
  /* A pipe whose reading end is closed before the program starts. */
  const char *const argv[] = {
    "/bin/sh", "-c", "exec 3<>\"$1\"; exec 4>\"$1\"; exec 3>&-; "
    "exec \"$0\" chat hi >&4 4>&-", program, format ("%s/pipe", dir), NULL
  };

  three_keys ("");
  ck_assert_int_eq (mkfifo (format ("%s/pipe", dir), 0600), 0);
  run_argv (argv, NULL, 0);
  ENDS_WITH (1);
  SAYS ("cannot write to stdout: Broken pipe");
}
END_TEST

/* ---- Wrong configurations --------------------------------------------------------- */

START_TEST (no_key_at_all_names_the_variables)
{
  run ("chat", "hi", NULL);
  ENDS_WITH (2);
  SAYS ("GROQ_API_KEY");
  SAYS ("XAI_API_KEY");
  SAYS ("further ones of each provider");
}
END_TEST

START_TEST (a_key_with_a_newline_in_it_is_refused)
{
  three_keys ("");
  set_env ("GROQ_API_KEY=" SECRET "a\nX-Evil: 1");
  run ("chat", "hi", NULL);
  ENDS_WITH (2);
  SAYS ("GROQ_API_KEY");
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

static const char *const bad_urls[] = {
  "localhost/v1", "ftp://127.0.0.1/v1", "http://", "http://me:" SECRET "x@127.0.0.1/v1",
  "http://127.0.0.1/v1?key=1", "http://127.0.0.1:99999/v1"
};

START_TEST (a_wrong_base_url_is_refused_with_its_place)
{
  const char *text = format ("[provider groq]\n\nbase_url = %s\n", bad_urls[_i]);

  set_keys ();
  write_file ("keywheel.ini", text, strlen (text));
  set_env (ini);
  run ("chat", "hi", NULL);
  ENDS_WITH (2);
  SAYS ("keywheel.ini:3: ");
  SAYS ("base_url");
  set_env ("KEYWHEEL_CONFIG");
  set_env (format ("KEYWHEEL_BASE_URL=%s", bad_urls[_i]));
  run ("chat", "hi", NULL);
  ENDS_WITH (2);
  SAYS ("KEYWHEEL_BASE_URL");
}
END_TEST

START_TEST (check_tells_every_mistake_with_its_line)
{
  static const char text[] =
    "[keywheel]\n"
    "log_levle = warn\n"
    "[provider groq]\n"
    "max_switches = many\n"
    "deadline = 2 fortnights\n"
    "[key groq/primary]\n"
    "env = GROQ_API_KEY\n"
    "[porvider other]\n";
  static const char *const expected[] = {
    "keywheel.ini:2: ", "\"log_level\"", "keywheel.ini:4: ", "keywheel.ini:5: ",
    "keywheel.ini:8: "
  };

  set_keys ();
  write_file ("keywheel.ini", text, sizeof text - 1);
  set_env (ini);
  run ("check", NULL);
  ENDS_WITH (2);
  PRINTS ("");
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
    SAYS (expected[i]);
  SAYS ("4 mistakes, 0 warnings");
  run ("chat", "hi", NULL);
  ENDS_WITH (2);
  SAYS ("keywheel.ini:2: ");
}
END_TEST

/* A command may ask somebody for a password: not again, once it has failed. */
START_TEST (check_runs_each_command_once_where_one_fails)
{
  const char *text = format ("[key groq/a]\ncommand = echo a >> %s/runs; echo x\n"
                             "[key groq/b]\ncommand = echo b >> %s/runs; exit 3\n",
                             dir, dir);
  char runs[16] = "";
  FILE *f;

  write_file ("keywheel.ini", text, strlen (text));
  set_env (ini);
  run ("check", NULL);
  ENDS_WITH (2);
  SAYS ("keywheel.ini:3: [key groq/b]: its command failed with exit code 3");
  SAYS (": 1 mistake, 0 warnings\n");
  f = fopen (format ("%s/runs", dir), "r");
  ck_assert_ptr_nonnull (f);
  ck_assert_uint_eq (fread (runs, 1, sizeof runs - 1, f), 4);
  ck_assert_str_eq (runs, "a\nb\n");
  ck_assert_int_eq (fclose (f), 0);
}
END_TEST

START_TEST (a_fifo_as_the_configuration_is_refused_at_once)
{
  ck_assert_int_eq (mkfifo (format ("%s/pipe", dir), 0600), 0);
  set_keys ();
  run ("status", "-c", format ("%s/pipe", dir), NULL);
  ENDS_WITH (2);
  SAYS ("no file but a pipe");
  run ("status", "-c", "/dev/null", NULL);
  ENDS_WITH (0);
  run_input ("[provider groq]\n", 16, "status", "-c", "/dev/stdin", NULL);
  ENDS_WITH (0);
  run_input ("[provider groq]\n", 16, "check", "-c", "/dev/stdin", NULL);
  ENDS_WITH (2);
  SAYS ("reads the configuration twice, and /dev/stdin is a pipe");
}
END_TEST

START_TEST (a_state_that_nobody_knows_is_refused)
{
  static const char text[] = "[keywheel]\nstate = postgres://me:secret@host\n";

  set_keys ();
  write_file ("keywheel.ini", text, sizeof text - 1);
  set_env (ini);
  run ("status", NULL);
  ENDS_WITH (2);
  SAYS ("keywheel.ini:2: state = postgres is not known; allowed: memory, sqlite, "
        "sqlite:PATH, redis://HOST:PORT/DB");
  ck_assert_ptr_null (strstr (got.err, "secret"));
}
END_TEST

START_TEST (warnings_are_told_and_are_no_errors)
{
  three_keys ("");
  set_env ("GROQ_API_KEY_BACKUP=" SECRET "b,," SECRET "b");
  run ("chat", "hi", NULL);
  ENDS_WITH (0);
  SAYS ("keywheel: warning: ");
  run ("check", NULL);
  ENDS_WITH (0);
  PRINTS_SOME ("fine: 1 provider, 2 keys, 2 warnings\n");
}
END_TEST

/* ---- The suite ------------------------------------------------------------------- */

#define LENGTH(a) ((int) (sizeof (a) / sizeof (a)[0]))

static Suite *
cli_errors_suite (void)
{
  Suite *s = suite_create ("cli_errors");
  TCase *t = tcase_create ("cli_errors");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, tear_down);
  tcase_add_loop_test (t, wrong_usage_is_told_and_ends_with_2, 0, LENGTH (wrong_usage));
  tcase_add_loop_test (t, a_prompt_that_is_no_text_is_refused_with_the_offset, 0,
                       LENGTH (no_text));
  tcase_add_loop_test (t, send_refuses_broken_json_before_anything_is_sent, 0,
                       LENGTH (broken));
  tcase_add_test (t, a_stream_that_breaks_leaves_what_came_and_ends_with_7);
  tcase_add_loop_test (t, a_failure_ends_with_the_exit_code_of_its_kind, 0,
                       LENGTH (failures));
  tcase_add_test (t, every_key_exhausted_ends_with_4_and_says_when_one_comes_back);
  tcase_add_test (t, a_switch_too_many_ends_with_4);
  tcase_add_test (t, a_provider_that_is_not_there_ends_with_7);
  tcase_add_loop_test (t, a_signal_in_the_middle_of_a_wait_ends_with_130_at_once, 0,
                       LENGTH (interrupts));
  tcase_add_test (t, a_reply_that_cannot_be_written_ends_with_1);
  tcase_add_test (t, a_closed_stdout_is_seen_before_anything_is_sent);
  tcase_add_test (t, a_reader_that_has_left_is_told_and_no_signal_kills);
  tcase_add_test (t, no_key_at_all_names_the_variables);
  tcase_add_test (t, a_key_with_a_newline_in_it_is_refused);
  tcase_add_loop_test (t, a_wrong_base_url_is_refused_with_its_place, 0,
                       LENGTH (bad_urls));
  tcase_add_test (t, check_tells_every_mistake_with_its_line);
  tcase_add_test (t, check_runs_each_command_once_where_one_fails);
  tcase_add_test (t, a_fifo_as_the_configuration_is_refused_at_once);
  tcase_add_test (t, a_state_that_nobody_knows_is_refused);
  tcase_add_test (t, warnings_are_told_and_are_no_errors);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (cli_errors_suite)
