/* dotenv and keysource, where the bytes of keys come from: what an env_file may
 * look like, and what is said of one that does not; files and commands. */
#include <fcntl.h>
#include <signal.h>

#include "clock.h"
#include "confkit.h"
#include "dotenv.h"
#include "keysource.h"

static struct kwi_dotenv *dotenv;
static struct kwi_mistakes mistakes;

static void
begin (void)
{
  kit_begin ();
  dotenv = NULL;
}

static void
end (void)
{
  kwi_dotenv_free (dotenv);
  kit_end ();
}

static void
parse_bytes (const char *bytes, size_t len)
{
  const char *path = kit_write_bytes (".env", bytes, len);

  kwi_dotenv_free (dotenv);
  kit_forget ();
  mistakes = (struct kwi_mistakes) { .reporter = &kit_reporter };
  ck_assert_int_eq (kwi_dotenv_read (path, "keywheel.ini:3", &mistakes,
                                     &dotenv), 0);
}

static void
parse (const char *text)
{
  parse_bytes (text, strlen (text));
}

START_TEST (values)
{
  static const struct { const char *text, *value; } cases[] = {
    { "A=x", "x" }, { "A=x\n", "x" }, { "A=x\r\n", "x" }, { "A=x\r", "x" },
    { "export A=x\n", "x" }, { "export \t A = x\n", "x" },
    { "  A  =  x y  \n", "x y" }, { "A=\n", "" }, { "A=", "" },
    { "A= \t\n", "" }, { "A=x # comment\n", "x" }, { "A=x#y\n", "x#y" },
    { "A=#x\n", "#x" }, { "A= # comment\n", "" }, { "A=x\t#c\n", "x" },
    { "A='x'\n", "x" }, { "A=\"x\"\n", "x" }, { "A=\"\"\n", "" },
    { "A=' x # y ' # c\n", " x # y " }, { "A=\"x\" \t\r\n", "x" },
    { "A='a\\nb\"c$D'\n", "a\\nb\"c$D" },
    { "A=\"a\\nb\\rc\\td\\\"e\\\\f\\$g\"\n", "a\nb\rc\td\"e\\f$g" },
    { "A=\"a\\xb'c$D\"\n", "a\\xb'c$D" }, { "A=\"a\\\\\"\n", "a\\" },
    { "A=\"one\ntwo\"\n", "one\ntwo" }, { "A='one\ntwo'\n", "one\ntwo" },
    { "A=a\"b\"c\n", "a\"b\"c" }, { "A=a=b\n", "a=b" }, { "A=$B\n", "$B" },
    { "\xef\xbb\xbf" "A=x\n", "x" }, { "# c\n\n \t\n  # d\nA=x\n", "x" },
    { "export=y\nA=x\n", "x" }, { "B=1\nA=x\nC=2\n", "x" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    parse (cases[i].text);
    const char *value = kwi_dotenv_get (dotenv, "A");
    ck_assert_msg (value != NULL && strcmp (value, cases[i].value) == 0,
                   "%s: %s", cases[i].text, value != NULL ? value : "none");
    ck_assert_msg (kit.n_reports == 0, "%s%s", cases[i].text, kit_all ());
  }
}
END_TEST

START_TEST (neighbours_are_left_alone)
{
  parse ("export=y\nB=1\nA=x\nLONG=\"p\nq\"\nC=3\nempty=\nD=4");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "export"), "y");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "B"), "1");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "LONG"), "p\nq");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "C"), "3");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "empty"), "");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "D"), "4");
  ck_assert_ptr_null (kwi_dotenv_get (dotenv, "E"));
  ck_assert_ptr_null (kwi_dotenv_get (dotenv, "a"));
  ck_assert_ptr_null (kwi_dotenv_get (NULL, "A"));
}
END_TEST

START_TEST (of_a_repeated_name_the_last_counts)
{
  parse ("A=1\nB=2\nA=3\nA=4\n");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "A"), "4");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "B"), "2");
  kit_expect ("warning: .env: A is there more than once; the last one counts");
}
END_TEST

START_TEST (bad_lines)
{
#define FORM "this is no NAME=value; allowed: NAME=value, export NAME=value, " \
  "# comment"
#define TAIL "text behind the closing quote; a comment needs a blank before " \
  "its #"
  static const struct { int line; const char *text, *wrong; } cases[] = {
    { 1, "LEAK\n", FORM }, { 2, "A=x\nexport LEAK\n", FORM },
    { 1, "2A=LEAK\n", FORM }, { 1, "=LEAK\n", FORM }, { 1, "A B=LEAK", FORM },
    { 1, "A-B=LEAK\n", FORM }, { 1, "export\n", FORM },
    { 3, "\n\nA=\"LEAK\n\n", "the quote that opens here is never closed" },
    { 1, "A='LEAK", "the quote that opens here is never closed" },
    { 1, "A=\"LEAK\\\"", "the quote that opens here is never closed" },
    { 1, "A=\"LEAK\\", "the quote that opens here is never closed" },
    { 1, "A='x'LEAK\n", TAIL }, { 1, "A='x' LEAK\n", TAIL },
    { 1, "A='x'# LEAK\n", TAIL }, { 4, "B='\n\n'\nA='x'LEAK\nC=y\n", TAIL },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[256];
    parse (cases[i].text);
    ck_assert_int_gt (snprintf (text, sizeof text, "error: .env:%d: %s",
                                cases[i].line, cases[i].wrong), 0);
    ck_assert_msg (kit_reported (text) && mistakes.n == 1,
                   "%s\nexpected: %s\ngot:%s", cases[i].text, text, kit_all ());
    ck_assert_ptr_null (strstr (kit_all (), "LEAK"));
  }
}
END_TEST

START_TEST (every_bad_line_is_told_and_the_others_are_read)
{
  parse ("A=1\nbad\nB=2\nworse\nC=3");
  ck_assert_uint_eq (mistakes.n, 2);
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "B"), "2");
  ck_assert_str_eq (kwi_dotenv_get (dotenv, "C"), "3");
}
END_TEST

START_TEST (a_byte_of_nothing)
{
  static const char text[] = "A=1\nB=\0x\n";

  parse_bytes (text, sizeof text - 1);
  kit_expect ("error: .env:2: a NUL byte; this is no text file");
  ck_assert_ptr_null (kwi_dotenv_get (dotenv, "A"));
}
END_TEST

START_TEST (files_that_are_not_there_or_no_files)
{
  mistakes = (struct kwi_mistakes) { .reporter = &kit_reporter };
  ck_assert_int_eq (kwi_dotenv_read (kit_path ("gone"), "keywheel.ini:3",
                                     &mistakes, &dotenv), 0);
  ck_assert_ptr_null (dotenv);
  kit_expect_count (0);
  kit_folder ("folder");
  ck_assert_int_eq (kwi_dotenv_read (kit_path ("folder"), "keywheel.ini:3",
                                     &mistakes, &dotenv), 0);
  ck_assert_ptr_null (dotenv);
  kit_expect ("error: keywheel.ini:3: cannot read env_file folder: Is a "
              "directory");
}
END_TEST

START_TEST (an_empty_file)
{
  parse ("");
  ck_assert_ptr_nonnull (dotenv);
  ck_assert_ptr_null (kwi_dotenv_get (dotenv, "A"));
  kit_expect_count (0);
}
END_TEST

START_TEST (an_env_file_that_is_a_fifo_is_refused_at_once)
{
  ck_assert_int_eq (mkfifo (kit_path ("pipe"), 0600), 0);
  mistakes = (struct kwi_mistakes) { .reporter = &kit_reporter };
  ck_assert_int_eq (kwi_dotenv_read (kit_path ("pipe"), "keywheel.ini:2", &mistakes,
                                     &dotenv), 0);
  ck_assert_ptr_null (dotenv);
  kit_expect ("error: keywheel.ini:2: cannot read env_file pipe: it is no file "
              "but a pipe or a device, and reading it might never end");
}
END_TEST

/* ---- Files and commands ------------------------------------------------ */

/* A clock on which half a minute passes between two looks at it. */
static int64_t
hasty_ms (void *ctx)
{
  int64_t *now = ctx;
  return *now += 31000;
}

START_TEST (a_command_that_does_not_end_is_ended)
{
  int64_t now = 0;
  const struct kwi_clock clock = { .mono_ms = hasty_ms, .ctx = &now };
  struct kwi_text text;
  char why[128];

  ck_assert_int_eq (kwi_keysource_command ("while :; do read x; done",
                                           &clock, &text, why, sizeof why), 1);
  ck_assert_str_eq (why, "its command did not end within 30 seconds, and was "
                    "killed");
}
END_TEST

START_TEST (a_command_is_over_when_its_shell_is)
{
  static const char *const commands[] = {
    /* a child of it holds its output open until this test lets go */
    "printf abc; cat <&9 & exit 0",
    "printf abc; exec 1>&-; exit 0",
    "cat; printf abc",          /* its input is empty */
  };
  int ends[2];

  ck_assert_int_eq (pipe2 (ends, O_CLOEXEC), 0);
  ck_assert_int_eq (dup2 (ends[0], 9), 9);
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    struct kwi_text text = { NULL, 0, 0 };
    char why[128] = "";
    int r = kwi_keysource_command (commands[i], &kwi_clock_system, &text, why,
                                   sizeof why);
    ck_assert_msg (r == 0 && text.len == 3, "%s: %d %s", commands[i], r, why);
    kwi_text_free (&text);
  }
  close (9);
  close (ends[0]);
  close (ends[1]);
}
END_TEST

START_TEST (a_command_does_not_inherit_what_we_ignore_or_block)
{
  static const struct { const char *command, *why; } cases[] = {
    { "kill -PIPE $$; echo survived", "its command was ended by signal 13" },
    { "kill -TERM $$; echo survived", "its command was ended by signal 15" },
  };
  const struct sigaction ignore = { .sa_handler = SIG_IGN };
  sigset_t term;

  ck_assert_int_eq (sigaction (SIGPIPE, &ignore, NULL), 0);
  sigemptyset (&term);
  sigaddset (&term, SIGTERM);
  ck_assert_int_eq (sigprocmask (SIG_BLOCK, &term, NULL), 0);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct kwi_text text = { NULL, 0, 0 };
    char why[128] = "";
    ck_assert_int_eq (kwi_keysource_command (cases[i].command, &kwi_clock_system,
                                             &text, why, sizeof why), 1);
    ck_assert_str_eq (why, cases[i].why);
  }
}
END_TEST

/* A key that the shell hands over: keywheel -c <(...), file = /dev/fd/3. */
START_TEST (a_pipe_that_is_open_already_may_hold_a_key)
{
  struct kwi_text text = { NULL, 0, 0 };
  char path[40], why[128] = "";
  int ends[2];

  ck_assert_int_eq (pipe2 (ends, O_CLOEXEC), 0);
  ck_assert_int_eq (write (ends[1], "sk-piped\n", 9), 9);
  close (ends[1]);
  ck_assert_int_gt (snprintf (path, sizeof path, "/dev/fd/%d", ends[0]), 0);
  ck_assert_msg (kwi_keysource_file (path, &text, why, sizeof why) == 0, "%s", why);
  ck_assert_str_eq (text.bytes, "sk-piped\n");
  kwi_text_free (&text);
  close (ends[0]);
}
END_TEST

static Suite *
dotenv_suite (void)
{
  Suite *s = suite_create ("dotenv");
  TCase *t = tcase_create ("dotenv");

  tcase_add_checked_fixture (t, begin, end);
  tcase_add_test (t, values);
  tcase_add_test (t, neighbours_are_left_alone);
  tcase_add_test (t, of_a_repeated_name_the_last_counts);
  tcase_add_test (t, bad_lines);
  tcase_add_test (t, every_bad_line_is_told_and_the_others_are_read);
  tcase_add_test (t, a_byte_of_nothing);
  tcase_add_test (t, files_that_are_not_there_or_no_files);
  tcase_add_test (t, an_empty_file);
  tcase_add_test (t, an_env_file_that_is_a_fifo_is_refused_at_once);
  suite_add_tcase (s, t);

  t = tcase_create ("sources");
  tcase_add_checked_fixture (t, begin, end);
  tcase_add_test (t, a_command_that_does_not_end_is_ended);
  tcase_add_test (t, a_command_is_over_when_its_shell_is);
  tcase_add_test (t, a_command_does_not_inherit_what_we_ignore_or_block);
  tcase_add_test (t, a_pipe_that_is_open_already_may_hold_a_key);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (dotenv_suite)
