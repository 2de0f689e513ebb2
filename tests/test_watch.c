/* test_watch - keywheel status --watch on a terminal, which is a pseudo-terminal
 * here: what is drawn fits, q and Ctrl-C end it, and the terminal is as before. */
#include "clikit.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>

static int terminal, line;      /* the test's end, and the program's          */
static pid_t pid;
static char said[1 << 20];
static size_t n_said;
static struct termios before;

static void
resize (int rows, int columns)
{
  struct winsize size = { .ws_row = (unsigned short) rows,
                          .ws_col = (unsigned short) columns };

  ck_assert_int_eq (ioctl (terminal, TIOCSWINSZ, &size), 0);
}

static void
exec_program (const char *const argv[])
{
  ck_assert_int_ge (setsid (), 0);
  ck_assert_int_eq (ioctl (line, TIOCSCTTY, 0), 0);
  for (int fd = 0; fd < 3; fd++)
    ck_assert_int_eq (dup2 (line, fd), fd);
  for (size_t i = 0; i < n_environment; i++)
    if (strchr (environment[i], '=') != NULL)
      (void) putenv ((char *) (uintptr_t) environment[i]);
    else
      (void) unsetenv (environment[i]);
  (void) execv (argv[0], (char *const *) (uintptr_t) argv);
  _exit (127);
}

/* keywheel status --watch, and more arguments up to a NULL. */
static void
watch (const char *const more[])
{
  const char *argv[ARGS_MAX] = { program, "status", "--watch" };

  for (size_t i = 0; more != NULL && more[i] != NULL; i++)
    argv[3 + i] = more[i];
  terminal = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  ck_assert_int_ge (terminal, 0);
  ck_assert_int_eq (grantpt (terminal), 0);
  ck_assert_int_eq (unlockpt (terminal), 0);
  line = open (ptsname (terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ck_assert_int_ge (line, 0);
  ck_assert_int_eq (tcgetattr (line, &before), 0);
  resize (24, 200);
  n_said = 0;
  pid = fork ();
  ck_assert_int_ge (pid, 0);
  if (pid == 0) {
    (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
    exec_program (argv);
  }
}

/* Reads until text has come behind what was there at from; where it ends. */
static size_t
expect (const char *text, size_t from)
{
  struct pollfd p = { terminal, POLLIN, 0 };
  const char *at;

  while ((at = memmem (said + from, n_said - from, text, strlen (text))) == NULL) {
    ssize_t n;
    ck_assert_msg (poll (&p, 1, PATIENCE_MS) == 1, "no \"%s\" in: %s", text, said + from);
    n = read (terminal, said + n_said, sizeof said - 1 - n_said);
    ck_assert_msg (n > 0, "it ended without \"%s\": %s", text, said + from);
    n_said += (size_t) n;
    said[n_said] = '\0';
  }
  return (size_t) (at - said) + strlen (text);
}

static void
type (const char *keys)
{
  ck_assert_int_eq (write (terminal, keys, strlen (keys)), (ssize_t) strlen (keys));
}

/* The whole of the next drawing; how many lines it has. */
static size_t
next_drawing (char *ret, size_t size)
{
  size_t begin = expect ("\033[H", n_said), end = expect ("\033[J", begin), lines = 1;

  ck_assert_uint_lt (end - begin, size);
  memcpy (ret, said + begin, end - begin);
  ret[end - begin] = '\0';
  for (const char *p = ret; (p = strchr (p, '\n')) != NULL; p++)
    lines++;
  return lines;
}

/* The next one that has so many: one may be under way when the size changes. */
static void
draws_lines (size_t lines, char *ret, size_t size)
{
  while (next_drawing (ret, size) != lines)
    ;
}

static void
ends_with (int code)
{
  struct termios after;
  int status;

  (void) expect ("\033[?1049l", 0);
  ck_assert_ptr_nonnull (memmem (said, n_said, "\033[?25h", 6));
  ck_assert_ptr_nonnull (memmem (said, n_said, "\033[?7h", 5));
  ck_assert_int_eq (waitpid (pid, &status, 0), pid);
  ck_assert_msg (WIFEXITED (status) && WEXITSTATUS (status) == code, "status 0x%x", status);
  ck_assert_int_eq (tcgetattr (line, &after), 0);
  ck_assert_uint_eq (after.c_lflag, before.c_lflag);
  ck_assert_uint_eq (after.c_iflag, before.c_iflag);
  ck_assert_uint_eq (after.c_oflag, before.c_oflag);
  ck_assert_mem_eq (after.c_cc, before.c_cc, sizeof before.c_cc);
  ck_assert_ptr_null (memmem (said, n_said, SECRET, strlen (SECRET)));
  (void) close (line);
  (void) close (terminal);
}

static void
many_keys (size_t n)
{
  char text[32768];
  size_t len;

  sim = simctl_startl ("--key", SECRET "a,name=a", NULL);
  len = (size_t) snprintf (text, sizeof text, "[provider groq]\nbase_url = %s\n",
                           simctl_base_url (sim));
  for (size_t i = 0; i < n; i++) {
    len += (size_t) snprintf (text + len, sizeof text - len,
                              "[key groq/k%zu]\nfile = key%zu\n", i, i);
    ck_assert_uint_lt (len, sizeof text);
    const char *secret = format (SECRET "%zu", i);
    write_file (format ("key%zu", i), secret, strlen (secret));
  }
  write_file ("keywheel.ini", text, len);
  set_env (ini);
}

START_TEST (it_draws_and_q_ends_it)
{
  char drawn[16384];
  struct termios during;

  three_keys ("");
  watch (NULL);
  (void) expect ("\033[?1049h", 0);
  (void) expect ("groq: 3 of 3 keys available, 0 exhausted", 0);
  (void) expect ("q quits", 0);
  ck_assert_int_eq (tcgetattr (line, &during), 0);
  ck_assert_uint_eq (during.c_lflag & (ICANON | ECHO), 0);
  /* Another one, without being asked. */
  (void) next_drawing (drawn, sizeof drawn);
  ck_assert_ptr_nonnull (strstr (drawn, "backup-2"));
  type ("x");                   /* which is nothing */
  (void) next_drawing (drawn, sizeof drawn);
  type ("q");
  ends_with (0);
}
END_TEST

START_TEST (ctrl_c_ends_it_with_130)
{
  three_keys ("");
  watch (NULL);
  (void) expect ("q quits", 0);
  type ("\032\034");            /* Ctrl-Z and Ctrl-\: would leave all as it is */
  (void) expect ("\033[H", n_said);
  type ("\003");
  ends_with (130);
}
END_TEST

START_TEST (sigterm_leaves_the_terminal_as_it_was_too)
{
  three_keys ("");
  watch (NULL);
  (void) expect ("q quits", 0);
  (void) kill (pid, SIGTERM);
  ends_with (130);
}
END_TEST

START_TEST (what_does_not_fit_is_counted)
{
  char drawn[65536];

  many_keys (200);
  watch (NULL);
  (void) expect ("more; q quits", 0);
  ck_assert_uint_eq (next_drawing (drawn, sizeof drawn), 24);
  /* 3 lines of head, the titles, 200 keys, a blank one, the state: 206. */
  ck_assert_msg (strstr (drawn, "\n\033[K... 183 more; q quits\033[J") != NULL, "%s", drawn);
  ck_assert_ptr_nonnull (strstr (drawn, "  k18 "));
  ck_assert_ptr_null (strstr (drawn, "  k19 "));
  resize (10, 40);
  draws_lines (10, drawn, sizeof drawn);
  ck_assert_ptr_nonnull (strstr (drawn, "... 197 more; q quits"));
  resize (1, 1);
  draws_lines (1, drawn, sizeof drawn);
  resize (300, 200);
  draws_lines (207, drawn, sizeof drawn);
  ck_assert_ptr_nonnull (strstr (drawn, "  k199 "));
  ck_assert_ptr_nonnull (strstr (drawn, "\n\033[Kq quits\033[J"));
  type ("Q");
  ends_with (0);
}
END_TEST

START_TEST (a_mistake_is_told_where_it_stays)
{
  static const char *const more[] = { "-p", "grok", NULL };
  int status;

  three_keys ("");
  watch (more);
  (void) expect ("did you mean \"groq\"", 0);
  ck_assert_int_eq (waitpid (pid, &status, 0), pid);
  ck_assert (WIFEXITED (status) && WEXITSTATUS (status) == 2);
  ck_assert_ptr_null (memmem (said, n_said, "\033[", 2));
  (void) close (line);
  (void) close (terminal);
}
END_TEST

START_TEST (that_the_state_is_away_stays_on_the_page)
{
  char drawn[16384];

  if (access (format ("%s/stores/.libs/sqlite.so", kwtest_builddir ()), F_OK) != 0) {
    printf ("skipped: there is no sqlite in this build\n");
    return;
  }
  sim = simctl_startl ("--key", SECRET "a,name=a", NULL);
  set_keys ();
  set_env (ini);
  const char *text = format ("[keywheel]\nstate = sqlite:%s/db\n[provider groq]\nbase_url = %s\n",
                             dir, simctl_base_url (sim));
  write_file ("keywheel.ini", text, strlen (text));
  watch (NULL);
  (void) expect ("q quits", 0);
  /* It is gone, and a folder is in its place. */
  ck_assert_int_eq (unlink (format ("%s/db", dir)), 0);
  ck_assert_int_eq (mkdir (format ("%s/db", dir), 0700), 0);
  (void) expect ("the state is not shared for now: ", 0);
  (void) next_drawing (drawn, sizeof drawn);
  ck_assert_ptr_nonnull (strstr (drawn, "the state is not shared for now: "));
  type ("q");
  ends_with (0);
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("watch");
  TCase *t = tcase_create ("terminal");

  tcase_add_checked_fixture (t, set_up, tear_down);
  tcase_set_timeout (t, 60);
  tcase_add_test (t, it_draws_and_q_ends_it);
  tcase_add_test (t, ctrl_c_ends_it_with_130);
  tcase_add_test (t, sigterm_leaves_the_terminal_as_it_was_too);
  tcase_add_test (t, what_does_not_fit_is_counted);
  tcase_add_test (t, a_mistake_is_told_where_it_stays);
  tcase_add_test (t, that_the_state_is_away_stays_on_the_page);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)
