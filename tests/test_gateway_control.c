/* keywheel serve: what it tells of itself: /healthz, /readyz, /status,
 * /metrics. */
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

/* With one loop each request is counted before the next is begun. */
START_TEST (the_metrics_tell_what_was_done)
{
  gateway_with_sim (",rpd=1", "loops = 1");
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

/* One byte that is no UTF-8, and Prometheus takes nothing of it. */
START_TEST (a_models_name_is_cut_between_its_characters)
{
  static const char x61[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

  gateway_with_sim ("", "");
  ask ("POST", CHAT, format ("{\"model\":\"%sx\xc3\xa9\",\"messages\":[]}", x61));
  ask ("POST", CHAT, format ("{\"model\":\"%s\xc3\xa9!\",\"messages\":[]}", x61));
  ask ("POST", CHAT, "{\"model\":\"a\\\"b\\\\\",\"messages\":[]}");
  look ("/metrics");
  HAS (format ("model=\"%sx\",", x61));
  HAS (format ("model=\"%s\xc3\xa9\",", x61));
  HAS ("model=\"a\\\"b\\\\\",");
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
  settle ();
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

START_TEST (when_nobody_knows_until_when_it_is_no_number)
{
  sim = simctl_startl ("--key", SECRET "a,name=a,restricted", NULL);
  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env (ini);
  write_gateway_ini (simctl_base_url (sim), "", "");
  gateway_start ();
  ask ("POST", CHAT, HELLO);
  is_error (429, "keys_exhausted");
  look ("/metrics");
  HAS ("\nkeywheel_next_key_seconds{provider=\"groq\"} NaN\n");
}
END_TEST

/* Whatever models clients invent. */
START_TEST (the_number_of_labels_is_bounded)
{
  size_t n = 0;

  gateway_with_sim ("", "");
  for (int i = 0; i < 70; i++)
    ask ("POST", CHAT, format ("{\"model\":\"m\\\"%d\",\"messages\":[]}", i));
  settle ();
  look ("/metrics");
  for (const char *at = a.body; (at = strstr (at, "\nkeywheel_requests_total{")) != NULL; at++)
    n++;
  ck_assert_uint_eq (n, 65);
  HAS ("model=\"m\\\"7\"");
  HAS ("model=\"other\",code=\"provider_refused\"} 6\n");
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
  tcase_add_test (t, a_models_name_is_cut_between_its_characters);
  tcase_add_test (t, who_has_the_whole_answer_is_not_counted_as_gone);
  tcase_add_test (t, when_every_key_is_out_the_metrics_say_until_when);
  tcase_add_test (t, when_nobody_knows_until_when_it_is_no_number);
  tcase_add_test (t, the_number_of_labels_is_bounded);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_control_suite)
