/* keywheel serve: what it tells of itself: /healthz, /readyz, /status, /metrics,
 * the access log. */
#include "gatekit.h"

/* The answer told no secret, as nothing may. */
static void
look (const char *path)
{
  ask ("GET", path, NULL);
  ck_assert_int_eq (a.status, 200);
  ck_assert_ptr_null (memmem (a.body, a.len, SECRET, strlen (SECRET)));
}

#define HAS(text)                                                       \
  ck_assert_msg (strstr (a.body, (text)) != NULL, "no \"%s\" in\n%.3000s", (text), a.body)

START_TEST (health_and_readiness_are_told)
{
  int fd, probe, up;

  gateway_with_hand ("", "loops = 1");
  look ("/healthz");
  ck_assert_str_eq (a.body, "ok\n");
  look ("/readyz?verbose");
  ck_assert_str_eq (a.body, "ready\n");
  ask ("HEAD", "/healthz", NULL);
  ck_assert_int_eq (a.status, 200);
  ck_assert_uint_eq (a.len, 0);
  ck_assert_str_eq (field_of ("Content-Length"), "3");
  ask ("POST", "/healthz", "{}");
  is_error (405, "method_not_allowed");
  ck_assert_str_eq (field_of ("Allow"), "GET, HEAD, OPTIONS");
  /* One that is asked while the gateway ends: its request had begun. */
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "", HELLO);
  up = provider_take ("}]}");
  probe = client_connect ();
  say_text (probe, "GET /readyz HTTP/1.1\r\n");
  for (int i = 0; i < 2; i++)
    look ("/healthz");          /* until its first line has been read, surely */
  proc_signal (gateway, SIGTERM);
  ck_assert (proc_expect (gateway, 2, "ending:", PATIENCE_MS));
  say_text (probe, "Host: localhost\r\n\r\n");
  answer_clear ();
  finish_answer (probe);
  ck_assert_int_eq (a.status, 503);
  ck_assert_str_eq (a.body, "ending\n");
  (void) close (fd);
  provider_expect_close (up);
}
END_TEST

START_TEST (the_status_is_that_of_the_command_for_all_providers)
{
  struct json_object *object, *providers, *one, *bucket;

  gateway_with_sim (",rpd=1", "");
  for (int i = 0; i < 2; i++)
    ask ("POST", CHAT, HELLO);
  look ("/status");
  ck_assert_str_eq (field_of ("Content-Type"), "application/json");
  object = json_tokener_parse (a.body);
  ck_assert_ptr_nonnull (object);
  providers = member (object, "providers");
  ck_assert_uint_eq (json_object_array_length (providers), 1);
  one = json_object_array_get_idx (providers, 0);
  ck_assert_str_eq (json_object_get_string (member (one, "provider")), "groq");
  ck_assert_int_eq (json_object_get_int (member (one, "available_keys")), 2);
  ck_assert_int_eq (json_object_get_int (member (one, "current_key_index")), 1);
  one = json_object_array_get_idx (member (one, "keys"), 0);
  bucket = json_object_array_get_idx (member (one, "buckets"), 0);
  ck_assert_str_eq (json_object_get_string (member (bucket, "dimension")), "requests_per_day");
  ck_assert_int_eq (json_object_get_int (member (bucket, "limit")), 1);
  ck_assert_int_eq (json_object_get_int (member (bucket, "remaining")), 0);
  ck_assert_int_ge (json_object_get_int (member (member (object, "gateway"),
                                                 "uptime_seconds")), 0);
  json_object_put (object);
}
END_TEST

START_TEST (the_metrics_tell_what_was_done)
{
  gateway_with_sim (",rpd=1", "");
  for (int i = 0; i < 3; i++)
    ask ("POST", CHAT, i == 2 ? STREAM : HELLO);
  ask ("POST", "/nobody/v1/chat/completions", HELLO);
  simctl_fault (sim, "status=503,count=1");
  ask ("POST", CHAT, HELLO);
  look ("/metrics");
  ck_assert_str_eq (field_of ("Content-Type"),
                    "text/plain; version=0.0.4; charset=utf-8");
  HAS ("\nkeywheel_requests_total{provider=\"groq\",model=\"" MODEL "\",code=\"ok\"} 4\n");
  HAS ("\nkeywheel_attempts_total{provider=\"groq\",model=\"" MODEL "\",key=\"primary\","
       "verdict=\"OK\"} 1\n");
  HAS ("\nkeywheel_attempts_total{provider=\"groq\",model=\"" MODEL "\",key=\"primary\","
       "verdict=\"DAILY_LIMIT\"} 1\n");
  HAS ("\nkeywheel_attempts_total{provider=\"groq\",model=\"" MODEL "\",key=\"backup-1\","
       "verdict=\"OK\"} 3\n");
  HAS ("\nkeywheel_attempts_total{provider=\"groq\",model=\"" MODEL "\",key=\"backup-1\","
       "verdict=\"TRANSIENT\"} 1\n");
  HAS ("\nkeywheel_switches_total{provider=\"groq\"} 1\n");
  HAS ("\nkeywheel_waits_total{provider=\"groq\"} 1\n");
  HAS ("\nkeywheel_waited_seconds_total{provider=\"groq\"} 0.0");
  HAS ("\nkeywheel_client_requests_total{client=\"local\",code=\"ok\"} 4\n");
  HAS ("\nkeywheel_client_requests_total{client=\"local\",code=\"unknown_provider\"} 1\n");
  HAS ("\nkeywheel_request_duration_seconds_count{provider=\"groq\"} 4\n");
  HAS ("\nkeywheel_request_duration_seconds_bucket{provider=\"groq\",le=\"+Inf\"} 4\n");
  HAS ("\nkeywheel_time_to_first_byte_seconds_count{provider=\"groq\"} 4\n");
  HAS ("\nkeywheel_keys{provider=\"groq\"} 3\n");
  HAS ("\nkeywheel_keys_available{provider=\"groq\"} 2\n");
  HAS ("\nkeywheel_next_key_seconds{provider=\"groq\"} 0\n");
  HAS ("\nkeywheel_requests_under_way 1\n");
}
END_TEST

/* They close in the moment in which they have the last byte. */
START_TEST (who_has_the_whole_answer_is_not_counted_as_gone)
{
  enum { MANY = 100 };

  gateway_with_sim ("", "");
  for (int i = 0; i < MANY; i++) {
    struct heard h = { .bytes = NULL };
    int fd = client_connect ();
    say_request (fd, "POST", CHAT, "", HELLO);
    hear_until (fd, &h, "\"req_");       /* the answer's end */
    hear_until (fd, &h, "}}");
    (void) close (fd);
    free (h.bytes);
  }
  look ("/metrics");
  HAS ("\nkeywheel_requests_total{provider=\"groq\",model=\"" MODEL "\",code=\"ok\"} 100\n");
}
END_TEST

START_TEST (when_every_key_is_out_the_metrics_say_until_when)
{
  char *at;

  gateway_with_sim (",rpd=1", "");
  simctl_stop (sim);
  sim = simctl_startl ("--clock", "manual", "--key", SECRET "a,name=a,rpd=1",
                       "--key", SECRET "b,name=b,rpd=1", "--key", SECRET "c,name=c,rpd=1",
                       NULL);
  write_gateway_ini (simctl_base_url (sim), "", "");
  proc_signal (gateway, SIGHUP);
  ck_assert (proc_expect (gateway, 2, "read again", PATIENCE_MS));
  for (int i = 0; i < 4; i++)
    ask ("POST", CHAT, HELLO);
  is_error (429, "keys_exhausted");
  look ("/metrics");
  HAS ("\nkeywheel_keys_available{provider=\"groq\"} 0\n");
  at = strstr (a.body, "\nkeywheel_next_key_seconds{provider=\"groq\"} ");
  ck_assert_ptr_nonnull (at);
  ck_assert (strtod (strchr (at, ' '), NULL) > 3600);
}
END_TEST

/* Whatever models clients invent. */
START_TEST (the_number_of_labels_is_bounded)
{
  size_t n = 0;

  gateway_with_sim ("", "");
  for (int i = 0; i < 70; i++)
    ask ("POST", CHAT, format ("{\"model\":\"m\\\"%d\",\"messages\":[]}", i));
  look ("/metrics");
  for (const char *at = a.body; (at = strstr (at, "\nkeywheel_requests_total{")) != NULL; at++)
    n++;
  ck_assert_uint_eq (n, 65);
  HAS ("model=\"m\\\"7\"");
  HAS ("model=\"other\",code=\"provider_refused\"} 6\n");
}
END_TEST

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

  gateway_with_sim (",rpd=1", "access_log = access.log");
  ask ("POST", CHAT "?x=secret", HELLO);
  ask ("POST", CHAT, STREAM);
  ask ("GET", "/no\"thing\\\x80", NULL);
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
  line = log_line (1);
  ck_assert_str_eq (text_in (line, "key"), "backup-1");
  ck_assert_int_eq (json_object_get_int (member (line, "attempts")), 2);
  ck_assert_int_eq (json_object_get_int (member (line, "switches")), 1);
  json_object_put (line);
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

static Suite *
gateway_control_suite (void)
{
  Suite *s = suite_create ("gateway_control");
  TCase *t = tcase_create ("gateway_control");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_test (t, health_and_readiness_are_told);
  tcase_add_test (t, the_status_is_that_of_the_command_for_all_providers);
  tcase_add_test (t, the_metrics_tell_what_was_done);
  tcase_add_test (t, who_has_the_whole_answer_is_not_counted_as_gone);
  tcase_add_test (t, when_every_key_is_out_the_metrics_say_until_when);
  tcase_add_test (t, the_number_of_labels_is_bounded);
  tcase_add_test (t, each_request_has_a_line_in_the_access_log);
  tcase_add_test (t, a_client_that_was_gone_is_in_the_log);
  tcase_add_test (t, who_was_gone_in_an_upload_is_in_the_log_with_what_it_asked);
  tcase_add_test (t, a_log_that_cannot_be_written_is_told);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_control_suite)
