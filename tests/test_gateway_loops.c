/* test_gateway_loops - a gateway with several loops: who is on which, and what
 * they have in common. */
#include "gatekit.h"

enum { LOOPS = 3 };

static void
with_loops (const char *limits, const char *section)
{
  gateway_with_sim (limits, format ("loops = %d\n%s", LOOPS, section));
}

/* ---- Threads -------------------------------------------------------------------- */

/* How long a thread has run; ns. */
static long long
run_ns (const char *task)
{
  FILE *f = fopen (format ("/proc/%d/task/%s/schedstat", (int) proc_pid (gateway), task),
                   "re");
  long long ns = -1;

  if (f != NULL) {
    if (fscanf (f, "%lld", &ns) != 1)
      ns = -1;
    (void) fclose (f);
  }
  return ns;
}

struct task {
  char name[32];
  long long ran;
};

static int
tasks (struct task ret[16])
{
  DIR *listed = opendir (format ("/proc/%d/task", (int) proc_pid (gateway)));
  const struct dirent *entry;
  int n = 0;

  ck_assert_ptr_nonnull (listed);
  while ((entry = readdir (listed)) != NULL && n < 16)
    if (entry->d_name[0] != '.') {
      (void) memccpy (ret[n].name, entry->d_name, '\0', sizeof ret[n].name);
      ret[n].ran = run_ns (entry->d_name);
      n++;
    }
  (void) closedir (listed);
  return n;
}

/* The next answer on a connection that stays. */
static void
hear_answer (int fd)
{
  const char *length;

  answer_clear ();
  hear_until (fd, &a.heard, "\r\n\r\n");
  answer_parse ();
  length = strcasestr (a.heard.bytes, "content-length: ");
  ck_assert_ptr_nonnull (length);
  while (a.len < strtoul (length + 16, NULL, 10)) {
    ck_assert_uint_gt (hear_some (fd, &a.heard), 0);
    answer_parse ();
    length = strcasestr (a.heard.bytes, "content-length: ");
  }
}

/* Which thread serves it: the one that runs while it asks. */
static int
server_of (int fd, struct task *of, int n)
{
  long long most = 0;
  int found = -1;

  for (int i = 0; i < n; i++)
    of[i].ran = run_ns (of[i].name);
  for (int i = 0; i < 40; i++) {
    say_text (fd, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    hear_answer (fd);
    ck_assert_int_eq (a.status, 200);
  }
  for (int i = 0; i < n; i++) {
    long long more = run_ns (of[i].name) - of[i].ran;
    if (more > most) {
      most = more;
      found = i;
    }
  }
  ck_assert_int_ge (found, 0);
  return found;
}

START_TEST (each_connection_goes_to_the_loop_that_has_fewest)
{
  int fds[2 * LOOPS], n, served[16] = { 0 };
  struct task of[16];

  with_loops ("", "");
  n = tasks (of);
  ck_assert_int_ge (n, LOOPS);
  for (int i = 0; i < 2 * LOOPS; i++)
    fds[i] = client_connect ();
  for (int i = 0; i < 2 * LOOPS; i++)
    served[server_of (fds[i], of, n)]++;
  for (int i = 0; i < n; i++)
    ck_assert_msg (served[i] == 0 || served[i] == 2, "thread %d has %d", i, served[i]);
  for (int i = 0; i < 2 * LOOPS; i++)
    (void) close (fds[i]);
}
END_TEST

START_TEST (one_loop_is_one_thread_of_requests)
{
  struct task of[16];
  int fds[2];

  gateway_with_sim ("", "loops = 1");
  for (int i = 0; i < 2; i++)
    fds[i] = client_connect ();
  (void) tasks (of);
  for (int i = 0; i < 2; i++) {
    int n = tasks (of);
    ck_assert_str_eq (of[server_of (fds[i], of, n)].name,
                      format ("%d", (int) proc_pid (gateway)));
    (void) close (fds[i]);
  }
}
END_TEST

/* ---- What they have in common ------------------------------------------------------ */

/* As many requests at once as there are connections, each a request's. */
static void
ask_on_all (int n, const char *fields, int *statuses)
{
  int fds[64];

  ck_assert_int_le (n, 64);
  for (int i = 0; i < n; i++)
    fds[i] = client_connect ();
  for (int i = 0; i < n; i++)
    say_request (fds[i], "POST", CHAT, format ("Connection: close\r\n%s", fields), HELLO);
  for (int i = 0; i < n; i++) {
    answer_clear ();
    finish_answer (fds[i]);
    statuses[a.status == 200 ? 0 : a.status == 429 ? 1 : 2]++;
  }
}

START_TEST (a_key_that_runs_out_on_one_is_left_by_all)
{
  int statuses[3] = { 0 };

  with_loops (",rpd=20", "");
  for (int i = 0; i < 4; i++)
    ask_on_all (30, "", statuses);
  ck_assert_int_eq (statuses[0], 120);
  /* Nobody asks it again but those that were on their way. */
  ck_assert_uint_le (simctl_count (sim, "a", "rpd"), 30);
  statuses[0] = 0;
  ask_on_all (30, "", statuses);
  ck_assert_int_eq (statuses[0], 30);
  ck_assert_uint_le (simctl_count (sim, "a", "rpd"), 30);
}
END_TEST

START_TEST (a_clients_bound_is_over_all_loops)
{
  int statuses[3] = { 0 };

  with_loops ("", "requests_per_minute = 25");
  for (int i = 0; i < 2; i++)
    ask_on_all (24, "", statuses);
  ck_assert_int_eq (statuses[2], 0);
  /* What a minute has, and what has come back meanwhile. */
  ck_assert_int_ge (statuses[0], 25);
  ck_assert_int_le (statuses[0], 35);
}
END_TEST

START_TEST (connections_are_counted_over_all_loops)
{
  int fds[6];
  struct pollfd p;

  with_loops ("", "max_connections = 5");
  for (int i = 0; i < 6; i++) {
    fds[i] = client_connect ();
    say_request (fds[i], "GET", "/healthz", "", NULL);
    if (i < 5)
      hear_answer (fds[i]);
  }
  p = (struct pollfd) { .fd = fds[5], .events = POLLIN };
  ck_assert_int_eq (poll (&p, 1, 300), 0);
  (void) close (fds[1]);
  hear_answer (fds[5]);
  say_request (fds[5], "GET", "/metrics", "", NULL);
  hear_answer (fds[5]);
  ck_assert_ptr_nonnull (strstr (a.heard.bytes, "\nkeywheel_connections 5\n"));
  for (int i = 0; i < 6; i++)
    if (i != 1)
      (void) close (fds[i]);
}
END_TEST

START_TEST (the_figures_are_those_of_all)
{
  int statuses[3] = { 0 };

  with_loops ("", "");
  ask_on_all (30, "", statuses);
  ck_assert_int_eq (statuses[0], 30);
  settle ();
  ask ("GET", "/metrics", NULL);
  ck_assert_msg (strstr (a.body, format ("keywheel_requests_total{provider=\"groq\",model=\""
                                         MODEL "\",code=\"ok\"} 30\n")) != NULL,
                 "%s", a.body);
}
END_TEST

/* ---- Coming and going ------------------------------------------------------------------ */

START_TEST (a_reload_reaches_every_loop)
{
  int fds[LOOPS], served = 0;

  with_loops ("", "");
  for (int i = 0; i < LOOPS; i++)
    fds[i] = client_connect ();
  write_gateway_ini (simctl_base_url (sim), "",
                     format ("loops = %d\nrequests_per_minute = 1", LOOPS));
  proc_signal (gateway, SIGHUP);
  ck_assert (proc_expect (gateway, 2, "was read again", PATIENCE_MS));
  /* A loop hears of it in its next turn, which has begun when this one's request is
   * answered; one with the old bounds would serve what comes then. */
  for (int i = 0; i < LOOPS; i++) {
    say_request (fds[i], "GET", "/healthz", "", NULL);
    hear_answer (fds[i]);
    say_request (fds[i], "POST", CHAT, "", HELLO);
    hear_answer (fds[i]);
    served += a.status == 200;
    (void) close (fds[i]);
  }
  ck_assert_int_eq (served, 1);
}
END_TEST

/* Everything that the loops share, at once; a watched build has its say. */
START_TEST (all_at_once_and_nothing_is_lost)
{
  const int rounds = 40;
  int statuses[3] = { 0 }, watching[2];

  with_loops (",rpd=50", "access_log = access.log");
  for (int i = 0; i < 2; i++) {
    watching[i] = client_connect ();
    say_request (watching[i], "GET", "/events", "", NULL);
  }
  for (int i = 0; i < rounds; i++) {
    if (i % 5 == 1)
      proc_signal (gateway, SIGHUP);
    ask_on_all (24, "", statuses);
    if (i % 3 == 0)
      ask ("POST", "/reset", NULL);
    ask ("GET", i % 2 ? "/status" : "/metrics", NULL);
    ck_assert_int_eq (a.status, 200);
  }
  ck_assert_int_eq (statuses[0], 24 * rounds);
  for (int i = 0; i < 2; i++) {
    struct heard h = { .bytes = NULL };
    hear_until (watching[i], &h, "event: ");
    (void) close (watching[i]);
    free (h.bytes);
  }
  gateway_stop ();
  ck_assert_uint_eq (simctl_count (sim, NULL, "ok"), 24 * (size_t) rounds);
}
END_TEST

START_TEST (each_loop_drains_and_then_all_is_over)
{
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                               "Connection: close\r\nContent-Length: 2\r\n\r\n{}";
  int fds[2 * LOOPS], ups[2 * LOOPS];

  gateway_with_hand ("", format ("loops = %d", LOOPS));
  for (int i = 0; i < 2 * LOOPS; i++) {
    fds[i] = client_connect ();
    say_request (fds[i], "POST", CHAT, "", HELLO);
    ups[i] = provider_take ("}]}");
  }
  proc_signal (gateway, SIGTERM);
  ck_assert (proc_expect (gateway, 2, format ("ending: %d requests under way", 2 * LOOPS),
                          PATIENCE_MS));
  for (int i = 0; i < 2 * LOOPS; i++) {
    say_text (ups[i], answer);
    (void) close (ups[i]);
    answer_clear ();
    finish_answer (fds[i]);
    ck_assert_msg (a.status == 200, "%d: %s", i, a.heard.bytes);
    ck_assert_str_eq (a.body, "{}");
  }
  proc_result_clear (&got);
  proc_finish (gateway, &got, PATIENCE_MS);
  gateway = NULL;
  ck_assert (!got.timed_out);
  ENDS_WITH (0);
}
END_TEST

/* Its answer did not say that the connection ends, as it began before the end. */
START_TEST (who_has_had_his_answer_is_not_kept_waiting_for_others)
{
  struct heard h = { .bytes = NULL };
  int fds[2], ups[2], first = _i, second = 1 - _i;

  gateway_with_hand ("", "loops = 2\ndrain_timeout = 1h\nidle_timeout = 1h");
  for (int i = 0; i < 2; i++) {
    answer_clear ();            /* or it would have heard the first word already */
    fds[i] = stream_begin ("", &ups[i]);
  }
  proc_signal (gateway, SIGTERM);
  ck_assert (proc_expect (gateway, 2, "ending: 2 requests under way", PATIENCE_MS));
  provider_end_stream (ups[first]);
  hear_all (fds[first], &h);            /* to the connection's end */
  ck_assert_msg (strstr (h.bytes, "[DONE]\n\n\r\n0\r\n\r\n") != NULL, "%s", h.bytes);
  provider_end_stream (ups[second]);
  answer_clear ();
  hear_all (fds[second], &a.heard);
  ck_assert_ptr_nonnull (strstr (a.heard.bytes, "[DONE]\n\n\r\n0\r\n\r\n"));
  free (h.bytes);
  for (int i = 0; i < 2; i++)
    (void) close (fds[i]);
}
END_TEST

static Suite *
gateway_loops_suite (void)
{
  Suite *s = suite_create ("gateway_loops");
  TCase *t = tcase_create ("loops");

  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_set_timeout (t, 120);
  tcase_add_test (t, each_connection_goes_to_the_loop_that_has_fewest);
  tcase_add_test (t, one_loop_is_one_thread_of_requests);
  tcase_add_test (t, a_key_that_runs_out_on_one_is_left_by_all);
  tcase_add_test (t, a_clients_bound_is_over_all_loops);
  tcase_add_test (t, connections_are_counted_over_all_loops);
  tcase_add_test (t, the_figures_are_those_of_all);
  tcase_add_test (t, a_reload_reaches_every_loop);
  tcase_add_test (t, all_at_once_and_nothing_is_lost);
  tcase_add_test (t, each_loop_drains_and_then_all_is_over);
  tcase_add_loop_test (t, who_has_had_his_answer_is_not_kept_waiting_for_others, 0, 2);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_loops_suite)
