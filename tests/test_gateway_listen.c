/* keywheel serve: sockets that are somebody else's, or none that it can use. */
#include "gatekit.h"

/* One that was not there to answer when it was asked, say. */
START_TEST (a_unix_socket_of_another_server_stays)
{
  char path[128], full[128];
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  struct proc *second;
  struct stat st;
  int busy = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), waits;

  ck_assert_int_lt (snprintf (path, sizeof path, "%s/gate", dir), (int) sizeof path);
  ck_assert_int_lt (snprintf (full, sizeof full, "%s/full", dir), (int) sizeof full);
  ini_only ("");
  const char *const argv[] = { program, "serve", "--listen", format ("unix:%s", path), NULL };
  gateway = proc_start (argv, environment);
  ck_assert_ptr_nonnull (proc_read_line (gateway, PATIENCE_MS));
  ck_assert_int_eq (unlink (path), 0);
  second = proc_start (argv, environment);
  ck_assert_ptr_nonnull (proc_read_line (second, PATIENCE_MS));
  gateway_stop ();
  ck_assert_int_eq (stat (path, &st), 0);
  gateway = second;
  gateway_stop ();
  ck_assert_int_ne (stat (path, &st), 0);
  /* One that takes no connection for now is waited for by connect. */
  ck_assert_ptr_nonnull (memccpy (at.sun_path, full, '\0', sizeof at.sun_path));
  ck_assert_int_eq (bind (busy, (struct sockaddr *) &at, sizeof at), 0);
  ck_assert_int_eq (listen (busy, 0), 0);
  waits = connect_unix (full);
  run ("serve", "--listen", format ("unix:%s", full), NULL);
  ENDS_WITH (2);
  SAYS ("another server listens there");
  ck_assert_int_eq (stat (full, &st), 0);
  (void) close (waits);
  (void) close (busy);
}
END_TEST

/* What a unit with Accept=yes passes, or with ListenDatagram. */
START_TEST (a_passed_socket_that_does_not_listen_is_told)
{
  int fd = socket (AF_INET, _i == 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
  const char *const argv[] = {
    "sh", "-c", format ("LISTEN_PID=$$; export LISTEN_PID; exec \"$0\" serve 3<&%d", fd),
    program, NULL
  };

  ini_only ("");
  set_env ("LISTEN_FDS=1");
  run_argv (argv, NULL, 0);
  ENDS_WITH (2);
  SAYS ("descriptor 3 is no socket that listens");
  (void) close (fd);
}
END_TEST

/* ---- Descriptors ------------------------------------------------------------------ */

/* One connection more to the provider for each: who has none yet waits. */
START_TEST (who_finds_no_descriptor_waits_for_one)
{
  enum { MANY = 60 };
  const char *const argv[] = {
    "sh", "-c", "ulimit -n 64; exec \"$0\" serve --listen 127.0.0.1:0", program, NULL
  };
  int fds[MANY];

  sim = simctl_startl ("--key", SECRET "a,name=a", "--fault", "delay=50", NULL);
  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env (ini);
  write_gateway_ini (simctl_base_url (sim), "max_retries = 0\n", "");
  gateway = proc_start (argv, environment);
  read_port ();
  ck_assert (proc_expect (gateway, 2, "there are descriptors for ", PATIENCE_MS));
  for (int i = 0; i < MANY; i++) {
    fds[i] = client_connect ();
    say_request (fds[i], "POST", CHAT, "Connection: close\r\n", HELLO);
  }
  for (int i = 0; i < MANY; i++) {
    answer_clear ();
    finish_answer (fds[i]);
    ck_assert_msg (a.status == 200, "%d: %s", i, a.heard.bytes);
  }
}
END_TEST

static Suite *
gateway_listen_suite (void)
{
  Suite *s = suite_create ("gateway_listen");
  TCase *t = tcase_create ("gateway_listen");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_test (t, a_unix_socket_of_another_server_stays);
  tcase_add_loop_test (t, a_passed_socket_that_does_not_listen_is_told, 0, 2);
  tcase_add_test (t, who_finds_no_descriptor_waits_for_one);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_listen_suite)
