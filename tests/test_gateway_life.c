/* keywheel serve as a process: where it listens, what its signals do, how it
 * ends, and what many clients leave behind. */
#include "gatekit.h"

/* ---- Listening ------------------------------------------------------------------ */

START_TEST (an_address_that_is_wrong_is_told)
{
  static const struct { const char *address, *text; } cases[] = {
    { "8787", "\"8787\" is no address; allowed: HOST:PORT, [V6]:PORT or unix:PATH" },
    { "127.0.0.1:", "is no address" },
    { "127.0.0.1:99999", "a port is 0 to 65535" },
    { "127.0.0.1:8x", "is no address" },
    { "::1:8787", "is no address" },
    { "0.0.0.0:0", "can be reached from outside this machine" },
    { "[::]:0", "can be reached from outside this machine" },
    { "unix:", "is no address" },
    { "unix:/nonexistent/socket", "unix:/nonexistent/socket: No such file" },
    { "127.0.0.1:0,0.0.0.0:0", "can be reached from outside this machine" },
  };

  ini_only ("");
  run ("serve", "--listen", cases[_i].address, NULL);
  ENDS_WITH (2);
  SAYS (cases[_i].text);
  PRINTS ("");
}
END_TEST

START_TEST (a_port_that_is_taken_is_told)
{
  ini_only ("");
  gateway_start ();
  run ("serve", "--listen", format ("127.0.0.1:%d", gateway_port), NULL);
  ENDS_WITH (2);
  SAYS ("Address already in use");
}
END_TEST

START_TEST (the_address_of_the_configuration_is_taken)
{
  const char *const argv[] = { program, "serve", NULL };

  ini_only ("listen = 127.0.0.1:0");
  gateway = proc_start (argv, environment);
  read_port ();
  ask ("GET", "/nothing", NULL);
  is_error (404, "unknown_url");
}
END_TEST

START_TEST (a_unix_socket_is_for_its_owner_and_goes_with_the_gateway)
{
  char path[128];
  struct stat st;
  int fd;

  ck_assert_int_lt (snprintf (path, sizeof path, "%s/gate", dir), (int) sizeof path);
  ini_only ("");
  for (int round = 0; round < 2; round++) {
    const char *const argv[] = { program, "serve", "--listen", format ("unix:%s", path),
                                 NULL };
    gateway = proc_start (argv, environment);
    ck_assert_str_eq (proc_read_line (gateway, PATIENCE_MS),
                      format ("listening on unix:%s", path));
    ck_assert_int_eq (stat (path, &st), 0);
    ck_assert_int_eq (st.st_mode & 0777, 0600);
    fd = connect_unix (path);
    say_text (fd, "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    answer_clear ();
    finish_answer (fd);
    is_error (404, "unknown_url");
    run ("serve", "--listen", format ("unix:%s", path), NULL);
    ENDS_WITH (2);
    SAYS ("another server listens there");
    /* What is left of one that was killed is in nobody's way. */
    if (round == 0) {
      proc_signal (gateway, SIGKILL);
      proc_result_clear (&got);
      proc_finish (gateway, &got, PATIENCE_MS);
      ck_assert_int_eq (stat (path, &st), 0);
    }
  }
  gateway_stop ();
  ck_assert_int_ne (stat (path, &st), 0);
}
END_TEST

/* systemd's way: LISTEN_PID is the process's own, so a shell sets it; the socket
 * comes to it as the child inherits it. */
START_TEST (a_socket_that_is_passed_is_taken)
{
  struct sockaddr_in at = { .sin_family = AF_INET,
                            .sin_addr = { htonl (INADDR_LOOPBACK) } };
  socklen_t size = sizeof at;
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  const char *const argv[] = {
    "sh", "-c", format ("LISTEN_PID=$$; export LISTEN_PID; exec \"$0\" serve %s3<&%d",
                        _i == 0 ? "" : "--listen 127.0.0.1:0 ", fd), program, NULL
  };

  ini_only ("");
  set_env ("LISTEN_FDS=1");
  ck_assert_int_eq (bind (fd, (struct sockaddr *) &at, sizeof at), 0);
  ck_assert_int_eq (listen (fd, 8), 0);
  ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &at, &size), 0);
  gateway = proc_start (argv, environment);
  read_port ();
  ck_assert_int_eq (gateway_port, ntohs (at.sin_port));
  (void) close (fd);
  ask ("GET", "/nothing", NULL);
  is_error (404, "unknown_url");
}
END_TEST

/* ---- Ending ----------------------------------------------------------------------- */

static int
try_to_connect (void)
{
  const struct sockaddr_in at = { .sin_family = AF_INET,
                                  .sin_port = htons ((uint16_t) gateway_port),
                                  .sin_addr = { htonl (INADDR_LOOPBACK) } };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int r = connect (fd, (const struct sockaddr *) &at, sizeof at);

  (void) close (fd);
  return r;
}

START_TEST (sigterm_lets_what_is_under_way_come_to_its_end)
{
  int fd, idle, up;

  gateway_with_hand ("", "");
  idle = client_connect ();
  say_request (idle, "GET", "/nothing", "", NULL);
  hear_until (idle, &taken, "}}");
  fd = stream_begin ("", &up);
  proc_signal (gateway, SIGTERM);
  ck_assert (proc_expect (gateway, 2, "ending: 1 request under way", PATIENCE_MS));
  ck_assert_int_ne (try_to_connect (), 0);              /* nor does it wait in vain */
  ck_assert_uint_eq (hear_some (idle, &taken), 0);  /* what is idle ends at once */
  provider_word (up, "two");
  hear_until (fd, &a.heard, "two");
  provider_end_stream (up);
  hear_until (fd, &a.heard, "[DONE]");
  hear_all (fd, &a.heard);
  gateway_stop ();
  (void) close (idle);
  (void) close (fd);
}
END_TEST

START_TEST (a_second_sigterm_or_the_drain_timeout_ends_it_at_once)
{
  int fd, up;

  gateway_with_hand ("", _i == 0 ? "drain_timeout = 1h" : "drain_timeout = 0");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  proc_signal (gateway, SIGTERM);
  ck_assert (proc_expect (gateway, 2, "ending: 1 request under way", PATIENCE_MS));
  if (_i == 0)
    proc_signal (gateway, SIGTERM);
  finish_answer (fd);
  is_error (503, "shutting_down");
  provider_expect_close (up);
}
END_TEST

/* With half a head, or half a body, which might take for ever. */
START_TEST (no_client_holds_it_up_when_its_patience_is_over)
{
  int fd, up = -1;

  gateway_with_hand ("", "drain_timeout = 0\nidle_timeout = 1h\nheader_timeout = 1h");
  fd = client_connect ();
  if (_i == 0)
    say_text (fd, "GET /healthz HTTP/1.1\r\nX: ");
  else {
    say_request (fd, "POST", "/v1/audio/transcriptions", "Content-Type: multipart/form-data; "
                 "boundary=x7\r\nContent-Length: 200000\r\n", NULL);
    say_text (fd, "--x7\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x7\r\n");
    up = provider_take ("--x7");
  }
  for (int i = 0; i < 2; i++)
    ask ("GET", "/healthz", NULL);      /* until it has been read, surely */
  proc_signal (gateway, SIGTERM);
  proc_result_clear (&got);
  proc_finish (gateway, &got, PATIENCE_MS);
  gateway = NULL;
  ck_assert (!got.timed_out);
  ENDS_WITH (0);
  (void) close (fd);
  if (up >= 0)
    (void) close (up);
}
END_TEST

/* ---- Reading the configuration again -------------------------------------------------- */

START_TEST (sighup_drops_no_request_and_the_next_has_the_new_configuration)
{
  int fd, up;

  gateway_with_hand ("", "");
  fd = stream_begin ("", &up);
  sim = simctl_startl ("--key", SECRET "a,name=a", NULL);
  write_gateway_ini (simctl_base_url (sim), "", "");
  proc_signal (gateway, SIGHUP);
  ck_assert (proc_expect (gateway, 2, "the configuration was read again", PATIENCE_MS));
  provider_word (up, "two");
  provider_end_stream (up);
  hear_until (fd, &a.heard, "[DONE]");
  answer_clear ();
  ask ("POST", CHAT, HELLO);
  ck_assert_int_eq (a.status, 200);
  ck_assert_uint_eq (simctl_count (sim, "a", "ok"), 1);
  (void) close (fd);
}
END_TEST

START_TEST (a_wrong_configuration_leaves_the_old_one_in_force)
{
  static const char wrong[] = "[gateway]\nmax_bodi = 3\n";

  gateway_with_sim ("", "");
  write_file ("keywheel.ini", wrong, sizeof wrong - 1);
  proc_signal (gateway, SIGHUP);
  ck_assert (proc_expect (gateway, 2, "unknown option \"max_bodi\" in [gateway]; did you mean "
                          "\"max_body\"?", PATIENCE_MS));
  ck_assert (proc_expect (gateway, 2, "the one in force stays", PATIENCE_MS));
  ask ("POST", CHAT, HELLO);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

/* ---- systemd ------------------------------------------------------------------------------ */

static int notify_fd;

/* The next datagram, good until the next one; the watchdog's are skipped unless
 * they are wanted. */
static const char *
next_notice (int watchdog)
{
  static char text[256];
  struct pollfd p = { .fd = notify_fd, .events = POLLIN };
  ssize_t n;

  do {
    ck_assert_msg (poll (&p, 1, PATIENCE_MS) == 1, "systemd is told nothing any more");
    n = recv (notify_fd, text, sizeof text - 1, 0);
    ck_assert_int_gt (n, 0);
    text[n] = '\0';
  } while (!watchdog && strcmp (text, "WATCHDOG=1") == 0);
  return text;
}

START_TEST (systemd_is_told_how_it_is)
{
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  int n = snprintf (at.sun_path, sizeof at.sun_path, "%s/notify", dir);
  socklen_t size = (socklen_t) (offsetof (struct sockaddr_un, sun_path) + (size_t) n);

  ck_assert_int_gt (n, 0);
  if (_i == 1)
    set_env (format ("NOTIFY_SOCKET=@%s", at.sun_path));
  else
    set_env (format ("NOTIFY_SOCKET=%s", at.sun_path));
  set_env ("WATCHDOG_USEC=1000000");
  if (_i == 1) {                /* the same name, in no folder */
    memmove (at.sun_path + 1, at.sun_path, (size_t) n);
    at.sun_path[0] = '\0';
    size++;
  }
  notify_fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq (bind (notify_fd, (struct sockaddr *) &at, size), 0);
  ini_only ("");
  gateway_start ();
  ck_assert_str_eq (next_notice (0), "READY=1");
  ck_assert_str_eq (next_notice (1), "WATCHDOG=1");
  proc_signal (gateway, SIGHUP);
  ck_assert_int_eq (strncmp (next_notice (0), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
  ck_assert_str_eq (next_notice (0), "READY=1");
  write_file ("keywheel.ini", "[x]\n", 4);
  proc_signal (gateway, SIGHUP);
  ck_assert_int_eq (strncmp (next_notice (0), "RELOADING=1\n", 12), 0);
  ck_assert_str_eq (next_notice (0), "READY=1");
  proc_signal (gateway, SIGTERM);
  ck_assert_str_eq (next_notice (0), "STOPPING=1");
  (void) close (notify_fd);
}
END_TEST

/* ---- Many ------------------------------------------------------------------------------- */

#define CLIENTS 200

/* A request on each of two loops: the one that has fewer connections gets the
 * next, and but for the last one before nobody has any; so three are enough. */
static void
ask_both (void)
{
  int fds[3];

  for (;;) {
    ask ("GET", "/metrics", NULL);
    if (strstr (a.heard.bytes, "\nkeywheel_connections 1\n") != NULL)
      break;
    (void) poll (NULL, 0, 10);
  }
  for (int i = 0; i < 3; i++)
    fds[i] = client_connect ();
  for (int i = 0; i < 3; i++) {
    say_request (fds[i], "POST", CHAT, "Connection: close\r\n", HELLO);
    answer_clear ();
    finish_answer (fds[i]);
  }
}

START_TEST (two_hundred_clients_at_once_are_served_and_leave_nothing)
{
  int fds[CLIENTS], before, n = kwtest_scaled (CLIENTS);

  gateway_with_sim ("", "loops = 2");
  ask_both ();
  before = count_descriptors ();
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < n; i++)
      fds[i] = client_connect ();
    for (int i = 0; i < n; i++)
      say_request (fds[i], "POST", CHAT, "Connection: close\r\n", i % 2 ? HELLO : STREAM);
    for (int i = 0; i < n; i++) {
      answer_clear ();
      finish_answer (fds[i]);
      ck_assert_msg (a.status == 200 && !a.cut, "client %d: %s", i, a.heard.bytes);
    }
  }
  ck_assert_uint_eq (simctl_count (sim, NULL, "ok"), 2 * (size_t) n + 3);
  /* Connections to the provider are kept for later; up to as many as were. */
  simctl_stop (sim);
  sim = NULL;
  ask_both ();
  is_error (502, "provider_unavailable");
  descriptors_fall_to (before);
}
END_TEST

/* libmicrohttpd overlooks the end of a few of them, where it comes at the wrong
 * moment. */
START_TEST (clients_that_vanish_in_the_middle_leave_nothing)
{
  static char body[1000];
  int before, n = kwtest_scaled (4000);

  memset (body, ' ', sizeof body);
  gateway_with_sim ("", "loops = 2\nidle_timeout = 1h\nheader_timeout = 1h");
  ask_both ();
  before = count_descriptors ();
  for (int i = 0; i < n; i++) {
    int fd = client_connect ();
    say_text (fd, "POST " CHAT " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20000\r\n\r\n");
    if (i % 2)
      say (fd, body, (size_t) i % sizeof body);
    (void) close (fd);
  }
  ask ("POST", CHAT, HELLO);
  descriptors_fall_to (before);
  settle ();
}
END_TEST

/* ---- The slow ------------------------------------------------------------------------------ */

START_TEST (a_head_that_trickles_in_ends_its_connection)
{
  struct pollfd p;
  int fd, ended = 0;

  gateway_with_sim ("", "header_timeout = 1s");
  fd = client_connect ();
  say_text (fd, "GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ");
  p = (struct pollfd) { .fd = fd, .events = POLLIN };
  for (int i = 0; i < 600 && !ended; i++)
    ended = poll (&p, 1, 100) == 1 || send (fd, "x", 1, MSG_NOSIGNAL) != 1;
  ck_assert_msg (ended, "whoever sends a byte at a time may stay for ever");
  (void) close (fd);
}
END_TEST

static Suite *
gateway_life_suite (void)
{
  Suite *s = suite_create ("gateway_life");
  TCase *t = tcase_create ("gateway_life");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_loop_test (t, an_address_that_is_wrong_is_told, 0, 10);
  tcase_add_test (t, a_port_that_is_taken_is_told);
  tcase_add_test (t, the_address_of_the_configuration_is_taken);
  tcase_add_test (t, a_unix_socket_is_for_its_owner_and_goes_with_the_gateway);
  tcase_add_loop_test (t, a_socket_that_is_passed_is_taken, 0, 2);
  tcase_add_test (t, sigterm_lets_what_is_under_way_come_to_its_end);
  tcase_add_loop_test (t, a_second_sigterm_or_the_drain_timeout_ends_it_at_once, 0, 2);
  tcase_add_loop_test (t, no_client_holds_it_up_when_its_patience_is_over, 0, 2);
  tcase_add_test (t, sighup_drops_no_request_and_the_next_has_the_new_configuration);
  tcase_add_test (t, a_wrong_configuration_leaves_the_old_one_in_force);
  tcase_add_loop_test (t, systemd_is_told_how_it_is, 0, 2);
  tcase_add_test (t, two_hundred_clients_at_once_are_served_and_leave_nothing);
  tcase_add_test (t, clients_that_vanish_in_the_middle_leave_nothing);
  tcase_add_test (t, a_head_that_trickles_in_ends_its_connection);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_life_suite)
