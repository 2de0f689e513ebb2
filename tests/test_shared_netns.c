/* test_shared_netns - the whole product on three machines with addresses of their
 * own that share a state on Redis, one of which is cut off from it for a while:
 * nothing of what anybody found out is lost, nobody who could know of it sends a
 * request in vain, and the one that was cut off goes on.
 *
 * Only Redis is behind the cables.  The simulator listens on the loopback that the
 * test is on; each machine's own has a door to it. */
#include "clikit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "netnskit.h"
#include "rediskit.h"
#include "sharekit.h"

enum { MACHINES = 3, CUT = 2 };
/* Longer than the second after which a call to the store is given up, and than the
 * first five tries behind it (200, 400, 800, 1600, 3200 ms). */
enum { CUT_MS = 10000 };

#define ONE "llama-3.3-70b-versatile"
#define OTHER "llama-3.1-8b-instant"

static struct proc *machine[MACHINES];

/* ---- Doors to the simulator ---------------------------------------------------------- */

static int
listen_on (struct sockaddr_in *at)
{
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (bind (fd, (struct sockaddr *) at, sizeof *at), 0);
  ck_assert_int_eq (listen (fd, 16), 0);
  return fd;
}

/* 1: moved what there was; 0: one side has closed. */
static int
move (int from, int to)
{
  char buf[16384];
  ssize_t n = read (from, buf, sizeof buf), at = 0, m;

  for (; at < n; at += m)
    if ((m = send (to, buf + at, (size_t) (n - at), MSG_NOSIGNAL)) < 0)
      return 0;
  return n > 0;
}

static void
pass (int a, const struct sockaddr_in *to)
{
  int b = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct pollfd p[2] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };

  if (connect (b, (const struct sockaddr *) to, sizeof *to) != 0)
    return;
  while (poll (p, 2, -1) > 0)
    if ((p[0].revents != 0 && !move (a, b)) || (p[1].revents != 0 && !move (b, a)))
      return;
}

/* A socket stays in the network that it was made in, whoever accepts from it. */
static void
open_doors (void)
{
  struct sockaddr_in at = { .sin_family = AF_INET };
  struct pollfd p[MACHINES];
  const char *port = strrchr (simctl_base_url (sim), ':');

  at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  at.sin_port = htons ((uint16_t) strtoul (port + 1, NULL, 10));
  for (int i = 0; i < MACHINES; i++) {
    netnskit_enter (i);
    p[i] = (struct pollfd) { listen_on (&at), POLLIN, 0 };
  }
  netnskit_enter (-1);
  pid_t test = getpid (), pid = fork ();
  ck_assert_int_ge (pid, 0);
  if (pid > 0) {
    for (int i = 0; i < MACHINES; i++)
      (void) close (p[i].fd);
    return;
  }
  (void) sigaction (SIGCHLD, &(struct sigaction) { .sa_handler = SIG_IGN }, NULL);
  while (getppid () == test && poll (p, MACHINES, 200) >= 0)
    for (int i = 0; i < MACHINES; i++)
      if (p[i].revents != 0) {
        int fd = accept (p[i].fd, NULL, NULL);
        if (fork () == 0) {
          pass (fd, &at);
          _exit (0);
        }
        (void) close (fd);
      }
  _exit (0);
}

/* ---- The machines ---------------------------------------------------------------------- */

static void
begin (void)
{
  static const char *const open_to_all[] = { "--protected-mode", "no", NULL };

  set_up ();
  netnskit_open (MACHINES);
  rediskit_start (&(struct rediskit_how) { .bind = netnskit_address (-1), .real_clock = 1,
                                           .options = open_to_all });
  /* 2 + 32 tokens a request: two of each model, and the next is refused. */
  sim = simctl_startl ("--key", SECRET "a,name=a,tpd=68", "--key", SECRET "b,name=b", NULL);
  open_doors ();
  set_env (ini);
  set_env ("KEY_A=" SECRET "a");
  set_env ("KEY_B=" SECRET "b");
  const char *text = format (
    "[keywheel]\nstate = %s\n[provider groq]\nbase_url = %s\nbackoff_initial = 1ms\n"
    "[key groq/a]\nenv = KEY_A\n[key groq/b]\nenv = KEY_B\n", rediskit_spec (),
    simctl_base_url (sim));
  write_file ("keywheel.ini", text, strlen (text));
  for (int i = 0; i < MACHINES; i++) {
    const char *argv[] = { format ("%s/tests/sharer", kwtest_builddir ()),
                           format ("%s/keywheel.ini", dir), "-",
                           format ("%s/log-%d", dir, i), NULL };
    netnskit_enter (i);
    machine[i] = proc_start (argv, environment);
    netnskit_enter (-1);
    ck_assert_str_eq (proc_read_line (machine[i], PATIENCE_MS), "ready");
  }
}

static void
end (void)
{
  for (int i = 0; i < MACHINES; i++)
    if (machine[i] != NULL)
      proc_finish (machine[i], NULL, PATIENCE_MS);
  tear_down ();
  rediskit_end ();
}

/* A request, and which key served it.  What it is told meanwhile is passed over. */
static const char *
ask (int i, const char *model)
{
  const char *line;

  proc_write (machine[i], model, strlen (model));
  proc_write (machine[i], "\n", 1);
  do {
    line = proc_read_line (machine[i], PATIENCE_MS);
    ck_assert_msg (line != NULL, "machine %d does not answer", i);
  }
  while (strncmp (line, "told ", 5) == 0);
  return line;
}

#define SERVED_BY(key, i, model) ck_assert_str_eq (ask ((i), (model)), (key))

static void
is_told (int i, const char *what)
{
  ck_assert_msg (proc_expect (machine[i], 1, format ("told %s\n", what), PATIENCE_MS),
                 "machine %d is not told that %s is out", i, what);
}

static void
forget_moments (struct json_object *o)
{
  static const char *const moments[] = { "in_seconds", "now", "next_ready_in_seconds",
                                         "full_in_seconds", "remaining" };

  for (size_t m = 0; m < sizeof moments / sizeof moments[0]; m++)
    json_object_object_del (o, moments[m]);
}

/* What keywheel status says on a machine, without what depends on the moment. */
static const char *
status_on (int i)
{
  static const char *const lists[] = { "limits", "buckets" };
  struct json_object *o, *keys, *list;

  netnskit_enter (i);
  for (int n = 0; n == 0 || (n < 10 && got.err[0] != '\0'); n++)       /* no answer in time */
    run ("status", "--json", NULL);
  netnskit_enter (-1);
  ENDS_WITH (0);
  ck_assert_str_eq (got.err, "");
  o = printed_json ();
  keys = member (o, "keys");
  for (size_t k = 0; k < json_object_array_length (keys); k++)
    for (size_t which = 0; which < 2; which++) {
      list = member (json_object_array_get_idx (keys, k), lists[which]);
      for (size_t l = 0; l < json_object_array_length (list); l++)
        forget_moments (json_object_array_get_idx (list, l));
    }
  forget_moments (o);
  const char *text = format ("%s", json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  json_object_put (o);
  return text;
}

static int64_t
now_ms (void)
{
  struct timespec ts;

  (void) clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

START_TEST (one_of_three_is_cut_off_from_redis_while_keys_run_out)
{
  const struct timespec pace = { 0, 50000000 };
  int64_t healed_at;
  const char *first;

  for (int i = 0; i < MACHINES; i++)
    if (i != CUT)
      SERVED_BY ("a", i, ONE);
  netnskit_cut (CUT, 1);
  healed_at = now_ms () + CUT_MS;
  /* It runs out for the others; one finds it out, the other is told. */
  SERVED_BY ("b", 0, ONE);
  is_told (1, "a " ONE);
  SERVED_BY ("b", 1, ONE);
  ck_assert_uint_eq (simctl_count (sim, "a", "tpd"), 1);
  /* And, for another model, for the one that is cut off. */
  SERVED_BY ("a", CUT, OTHER);
  SERVED_BY ("a", CUT, OTHER);
  SERVED_BY ("b", CUT, OTHER);
  ck_assert_uint_eq (simctl_count (sim, "a", "tpd"), 2);
  while (now_ms () < healed_at) {
    (void) nanosleep (&pace, NULL);
    SERVED_BY ("b", CUT, OTHER);
    SERVED_BY ("b", 0, ONE);
    SERVED_BY ("b", 1, ONE);
  }
  ck_assert (proc_expect (machine[CUT], 2, "the state is not shared for now: ", 1));
  ck_assert (!proc_expect (machine[0], 1, "told a " OTHER, 1));
  netnskit_cut (CUT, 0);
  is_told (CUT, "a " ONE);
  for (int i = 0; i < MACHINES; i++) {
    if (i != CUT)
      is_told (i, "a " OTHER);
    SERVED_BY ("b", i, ONE);
    SERVED_BY ("b", i, OTHER);
  }
  /* Nobody had to find it out again. */
  ck_assert_uint_eq (simctl_count (sim, "a", "tpd"), 2);
  for (int i = 0; i < MACHINES; i++) {
    struct proc_result r;
    proc_finish (machine[i], &r, PATIENCE_MS);
    machine[i] = NULL;
    ck_assert_msg (r.status == 0, "machine %d ended with %d: %s", i, r.status, r.err);
    int n_away = sharekit_times_away (i, r.err, 0);
    ck_assert_msg (i != CUT || n_away > 0, "machine %d said: %s", i, r.err);
    proc_result_clear (&r);
  }
  first = status_on (0);
  ck_assert_ptr_nonnull (strstr (first, ONE));
  ck_assert_ptr_nonnull (strstr (first, OTHER));
  /* Each request of each is in the counts once. */
  ck_assert_ptr_nonnull (strstr (first, format ("\"requests\":%zu",
                                                simctl_count (sim, "b", "ok"))));
  for (int i = 1; i < MACHINES; i++)
    ck_assert_str_eq (first, status_on (i));
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("shared_netns");
  TCase *t = tcase_create ("netns");

  tcase_add_checked_fixture (t, begin, end);
  tcase_set_timeout (t, 120);
  tcase_add_test (t, one_of_three_is_cut_off_from_redis_while_keys_run_out);
  suite_add_tcase (s, t);
  return s;
}

int
main (void)
{
  const char *missing = netnskit_missing ();

  if (rediskit_program () == NULL)
    return rediskit_skip (REDISKIT_NO_PROGRAM);
  if (missing != NULL) {        /* no installation mends that, so KW_NO_SKIP is no help */
    printf ("skipped: %s\n", missing);
    return 77;
  }
  return rediskit_run (make_suite ());
}
