/* keywheel serve: the access log. */
#include "gatekit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* The i-th line of the log, counted from 0, when it is there. */
static struct json_object *
log_line (int i)
{
  static char text[65536];

  for (int tries = 0; tries < 6000; tries++) {
    FILE *f = fopen (format ("%s/access.log", dir), "r");
    size_t n = f != NULL ? fread (text, 1, sizeof text - 1, f) : 0;
    char *at = text;
    if (f != NULL)
      (void) fclose (f);
    text[n] = '\0';
    for (int k = 0; k < i && at != NULL; k++)
      at = strchr (at, '\n') != NULL ? strchr (at, '\n') + 1 : NULL;
    if (at != NULL && strchr (at, '\n') != NULL) {
      *strchr (at, '\n') = '\0';
      struct json_object *object = json_tokener_parse (at);
      ck_assert_msg (object != NULL, "no JSON: %s", at);
      return object;
    }
    (void) poll (NULL, 0, 10);
  }
  ck_abort_msg ("the log has no line %d: %s", i, text);
}

static const char *
text_in (struct json_object *object, const char *name)
{
  return json_object_get_string (member (object, name));
}

START_TEST (each_request_has_a_line_in_the_access_log)
{
  struct json_object *line;

  /* Each line is waited for: on two loops the next request's may come before it. */
  gateway_with_sim (",rpd=1", "access_log = access.log");
  ask ("POST", CHAT "?x=secret", HELLO);
  line = log_line (0);
  ck_assert_str_eq (text_in (line, "path"), CHAT);
  ck_assert_str_eq (text_in (line, "method"), "POST");
  ck_assert_str_eq (text_in (line, "client"), "local");
  ck_assert_int_eq (json_object_get_int (member (line, "status")), 200);
  ck_assert_str_eq (text_in (line, "code"), "ok");
  ck_assert_str_eq (text_in (line, "key"), "primary");
  ck_assert_str_eq (text_in (line, "model"), MODEL);
  ck_assert_int_eq (json_object_get_int (member (line, "bytes_in")), (int) strlen (HELLO));
  ck_assert_int_gt (json_object_get_int (member (line, "bytes_out")), 100);
  json_object_put (line);
  ask ("POST", CHAT, STREAM);
  line = log_line (1);
  ck_assert_str_eq (text_in (line, "key"), "backup-1");
  ck_assert_int_eq (json_object_get_int (member (line, "attempts")), 2);
  ck_assert_int_eq (json_object_get_int (member (line, "switches")), 1);
  json_object_put (line);
  ask ("GET", "/no\"thing\\\x80", NULL);
  line = log_line (2);
  ck_assert_str_eq (text_in (line, "path"), "/no\"thing\\\xc2\x80");
  ck_assert_str_eq (text_in (line, "code"), "unknown_url");
  ck_assert_ptr_null (member (line, "key"));
  json_object_put (line);
  /* Rotated. */
  ck_assert_int_eq (rename (format ("%s/access.log", dir), format ("%s/old.log", dir)), 0);
  proc_signal (gateway, SIGHUP);
  ck_assert (proc_expect (gateway, 2, "read again", PATIENCE_MS));
  ask ("GET", "/healthz", NULL);
  line = log_line (0);
  ck_assert_str_eq (text_in (line, "path"), "/healthz");
  json_object_put (line);
}
END_TEST

START_TEST (a_client_that_was_gone_is_in_the_log)
{
  struct json_object *line;
  int fd, up;

  gateway_with_hand ("", "access_log = access.log");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "", HELLO);
  up = provider_take ("}]}");
  (void) close (fd);
  provider_expect_close (up);
  line = log_line (0);
  ck_assert_str_eq (text_in (line, "code"), "client_gone");
  ck_assert_int_eq (json_object_get_int (member (line, "status")), 0);
  json_object_put (line);
}
END_TEST

/* Its connection is freed before the call that it had begun is over. */
START_TEST (who_was_gone_in_an_upload_is_in_the_log_with_what_it_asked)
{
  static const char path[] = "/v1/audio/transcriptions";
  struct json_object *line;
  int fd, up;

  gateway_with_hand ("", "access_log = access.log");
  fd = client_connect ();
  say_request (fd, "POST", path, "Content-Type: multipart/form-data; boundary=x7\r\n"
               "Content-Length: 200000\r\n", NULL);
  say_text (fd, "--x7\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x7\r\n");
  up = provider_take ("--x7");
  (void) close (fd);
  provider_expect_close (up);
  line = log_line (0);
  ck_assert_str_eq (text_in (line, "code"), "client_gone");
  ck_assert_str_eq (text_in (line, "method"), "POST");
  ck_assert_str_eq (text_in (line, "path"), path);
  json_object_put (line);
}
END_TEST

START_TEST (a_log_that_cannot_be_written_is_told)
{
  set_keys ();
  set_env (ini);
  write_gateway_ini ("http://127.0.0.1:9/v1", "", "access_log = /nonexistent/log");
  run ("serve", NULL);
  ENDS_WITH (2);
  SAYS ("access_log = /nonexistent/log: No such file or directory");
}
END_TEST

/* ---- A disk that stands still ------------------------------------------------------- */

/* The gateway's log is a pipe that holds little; its end to read. */
static int
gateway_with_pipe (void)
{
  const char *path;
  int fd;

  set_keys ();
  set_env (ini);
  path = format ("%s/pipe", dir);
  ck_assert_int_eq (mkfifo (path, 0600), 0);
  fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ck_assert_int_ge (fd, 0);
  ck_assert_int_ge (fcntl (fd, F_SETPIPE_SZ, 4096), 0);
  write_gateway_ini ("http://127.0.0.1:9/v1", "", "loops = 1\naccess_log = pipe");
  gateway_start ();
  return fd;
}

/* Requests whose lines are of 3 KB, answered all. */
static void
ask_at_length (int n)
{
  char path[600];

  memset (path, 0x80, sizeof path);
  path[0] = '/';
  path[sizeof path - 1] = '\0';
  for (int i = 0; i < n; i++) {
    ask ("GET", path, NULL);
    ck_assert_int_eq (a.status, 404);
  }
}

/* How many lines come until n have. */
static size_t
take_lines (int fd, size_t n)
{
  char bytes[4096];
  size_t lines = 0;

  for (int tries = 0; lines < n && tries < 6000; tries++) {
    ssize_t came = read (fd, bytes, sizeof bytes);
    for (ssize_t i = 0; i < came; i++)
      lines += bytes[i] == '\n';
    if (came <= 0)
      (void) poll (NULL, 0, 10);
    else
      tries = 0;
  }
  return lines;
}

static size_t
lines_lost (void)
{
  static const char name[] = "\nkeywheel_access_log_lost_total ";
  const char *at;

  ask ("GET", "/metrics", NULL);
  at = strstr (a.body, name);
  ck_assert_ptr_nonnull (at);
  return strtoul (at + sizeof name - 1, NULL, 10);
}

START_TEST (a_log_that_nobody_takes_stops_nobody)
{
  int fd = gateway_with_pipe ();

  ask_at_length (100);
  ck_assert_uint_eq (lines_lost (), 0);
  ck_assert_uint_eq (take_lines (fd, 101), 101);
  (void) close (fd);
}
END_TEST

START_TEST (more_than_it_can_hold_is_lost_and_counted)
{
  int fd = gateway_with_pipe ();
  size_t n = 1, lost, taken_before;

  while ((lost = lines_lost ()) == 0) {
    ask_at_length (99);
    n += 100;
    ck_assert_uint_lt (n, 20000);
  }
  ck_assert_uint_gt (n, 2000);
  /* Of those that had been asked before the last. */
  taken_before = take_lines (fd, n - 1 - lost);
  lost = lines_lost ();
  n++;
  ck_assert_uint_eq (taken_before + take_lines (fd, n - lost - taken_before), n - lost);
  (void) close (fd);
}
END_TEST

START_TEST (a_log_that_nobody_takes_does_not_hold_the_end_up)
{
  int fd = gateway_with_pipe ();

  ask_at_length (100);
  gateway_stop ();
  ck_assert_ptr_nonnull (strstr (got.err, "access_log: nothing has been written for 5 seconds; "
                                 "what is left of it is lost"));
  (void) close (fd);
}
END_TEST

START_TEST (a_pipe_that_nobody_reads_is_told)
{
  set_keys ();
  set_env (ini);
  ck_assert_int_eq (mkfifo (format ("%s/pipe", dir), 0600), 0);
  write_gateway_ini ("http://127.0.0.1:9/v1", "", "access_log = pipe");
  run ("serve", NULL);
  ENDS_WITH (2);
  SAYS ("pipe: No such device or address");
}
END_TEST

START_TEST (a_full_disk_is_told)
{
  gateway_with_hand ("", "access_log = /dev/full");
  ask ("GET", "/healthz", NULL);
  ck_assert (proc_expect (gateway, 2, "access_log: No space left on device; its lines wait until "
                          "it can be written, and those beyond 8 MB are lost", PATIENCE_MS));
  ask ("GET", "/healthz", NULL);
  ck_assert_int_eq (a.status, 200);
}
END_TEST

static void
bound_files (rlim_t most)
{
  const struct rlimit limit = { most, RLIM_INFINITY };

  ck_assert_int_eq (prlimit (proc_pid (gateway), RLIMIT_FSIZE, &limit, NULL), 0);
}

START_TEST (when_there_is_room_again_no_line_is_lost_or_torn)
{
  struct json_object *line;
  struct stat st = { .st_size = 0 };

  gateway_with_sim ("", "loops = 1\naccess_log = access.log");
  bound_files (1000);
  for (int i = 0; i < 10; i++)
    ask ("GET", "/healthz", NULL);
  ck_assert (proc_expect (gateway, 2, "access_log: File too large", PATIENCE_MS));
  ck_assert_int_eq (stat (format ("%s/access.log", dir), &st), 0);
  ck_assert_int_eq (st.st_size, 1000);
  bound_files (RLIM_INFINITY);
  ck_assert (proc_expect (gateway, 2, "access_log: it is written again", PATIENCE_MS));
  ask ("GET", "/readyz", NULL);
  for (int i = 0; i <= 10; i++) {
    line = log_line (i);
    ck_assert_str_eq (text_in (line, "path"), i < 10 ? "/healthz" : "/readyz");
    json_object_put (line);
  }
}
END_TEST

/* ---- What is in a line -------------------------------------------------------------- */

START_TEST (a_text_stays_what_it_is)
{
  struct json_object *line;

  gateway_with_sim ("", "access_log = access.log");
  ask ("POST", CHAT, "{\"model\":\"mod\xc3\xa8le\",\"messages\":[]}");
  line = log_line (0);
  ck_assert_str_eq (text_in (line, "model"), "mod\xc3\xa8le");
  json_object_put (line);
}
END_TEST

static Suite *
gateway_log_suite (void)
{
  Suite *s = suite_create ("gateway_log");
  TCase *t = tcase_create ("gateway_log");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_test (t, each_request_has_a_line_in_the_access_log);
  tcase_add_test (t, a_client_that_was_gone_is_in_the_log);
  tcase_add_test (t, who_was_gone_in_an_upload_is_in_the_log_with_what_it_asked);
  tcase_add_test (t, a_log_that_cannot_be_written_is_told);
  tcase_add_test (t, a_log_that_nobody_takes_stops_nobody);
  tcase_add_test (t, more_than_it_can_hold_is_lost_and_counted);
  tcase_add_test (t, a_log_that_nobody_takes_does_not_hold_the_end_up);
  tcase_add_test (t, a_pipe_that_nobody_reads_is_told);
  tcase_add_test (t, a_full_disk_is_told);
  tcase_add_test (t, when_there_is_room_again_no_line_is_lost_or_torn);
  tcase_add_test (t, a_text_stays_what_it_is);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_log_suite)
