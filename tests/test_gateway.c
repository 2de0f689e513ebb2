/* keywheel serve: what goes through it, both ways, and what it says itself where
 * nothing can. */
#include "flood.h"

#include <time.h>

/* ---- Going through ------------------------------------------------------------- */

START_TEST (a_request_and_its_answer_go_through_byte_for_byte)
{
  static const char body[] = "{ \"model\" :\"" MODEL "\",\"x\":[1e3, \"\\u00e4\"],\n"
                             "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}] } ";
  static const char reply[] = "{\"choices\": [ {\"message\":{\"role\":\"assistant\","
                              "\"content\":\"\\u0041\"}} ],\n\"odd\":1.0 }\n";
  int fd, up;

  gateway_with_hand ("", "");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\nAuthorization: Bearer mine\r\n", body);
  up = provider_take ("}] } ");
  ck_assert_ptr_nonnull (strstr (taken.bytes, "POST /v1/chat/completions HTTP/1.1\r\n"));
  ck_assert_ptr_nonnull (strstr (taken.bytes, "Authorization: Bearer " SECRET "a\r\n"));
  ck_assert_ptr_null (strstr (taken.bytes, "mine"));
  ck_assert_str_eq (strstr (taken.bytes, "\r\n\r\n") + 4, body);
  say_text (up, format ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s", strlen (reply), reply));
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  ck_assert_str_eq (a.body, reply);
  ck_assert_str_eq (field_of ("Content-Type"), "application/json");
  ck_assert_str_eq (field_of ("x-keywheel-key"), "primary");
  ck_assert_str_eq (field_of ("x-keywheel-attempts"), "1");
  ck_assert_str_eq (field_of ("x-keywheel-switches"), "0");
  ck_assert_str_eq (field_of ("x-keywheel-waited-ms"), "0");
  (void) close (up);
}
END_TEST

START_TEST (a_key_that_runs_out_is_not_noticed)
{
  gateway_with_sim (",rpd=2", "");
  for (int i = 0; i < 4; i++) {
    ask ("POST", CHAT, HELLO);
    ck_assert_int_eq (a.status, 200);
    ck_assert_str_eq (field_of ("x-keywheel-key"), i < 2 ? "primary" : "backup-1");
    ck_assert_str_eq (field_of ("x-keywheel-attempts"), i == 2 ? "2" : "1");
    ck_assert_str_eq (field_of ("x-keywheel-switches"), i == 2 ? "1" : "0");
  }
}
END_TEST

START_TEST (a_stream_goes_through_as_it_comes)
{
  int fd, up;

  gateway_with_hand ("", "");
  fd = stream_begin ("Connection: close\r\n", &up);
  for (int i = 0; i < 20; i++) {
    provider_word (up, format ("word-%d.", i));
    hear_until (fd, &a.heard, format ("word-%d.", i));
  }
  provider_end_stream (up);
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  ck_assert_int_eq (a.cut, 0);
  ck_assert_str_eq (field_of ("Content-Type"), "text/event-stream");
  ck_assert_ptr_nonnull (strstr (a.body, "data: [DONE]\n\n"));
}
END_TEST

START_TEST (a_provider_that_breaks_off_is_told_within_the_stream)
{
  int fd, up;

  gateway_with_hand ("", "");
  fd = stream_begin ("Connection: close\r\n", &up);
  (void) close (up);
  finish_answer (fd);
  ck_assert_int_eq (a.cut, 1);
  ck_assert_msg (strstr (a.body, "data: {\"error\":{") != NULL, "%s", a.body);
  ck_assert_ptr_nonnull (strstr (a.body, "\"code\":\"provider_unavailable\""));
}
END_TEST

START_TEST (a_client_that_hangs_up_ends_its_call)
{
  int fd, up;

  gateway_with_hand ("", "");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "", _i == 0 ? HELLO : STREAM);
  up = provider_take ("}]}");
  if (_i == 2) {
    provider_begin_stream (up);
    provider_word (up, "half");
    hear_until (fd, &a.heard, "half");
  }
  (void) close (fd);
  provider_expect_close (up);
}
END_TEST

static int64_t
processor_ms (void)
{
  clockid_t clock;
  struct timespec t;

  ck_assert_int_eq (clock_getcpuclockid (proc_pid (gateway), &clock), 0);
  ck_assert_int_eq (clock_gettime (clock, &t), 0);
  return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Before the answer's head, and in the middle of a stream. */
START_TEST (who_waits_for_a_provider_costs_no_processor)
{
  int64_t began;
  int fd, up;

  gateway_with_hand ("", "");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "", _i == 0 ? HELLO : STREAM);
  up = provider_take ("}]}");
  if (_i == 2) {
    provider_begin_stream (up);
    provider_word (up, "half");
    hear_until (fd, &a.heard, "half");
  }
  began = processor_ms ();
  ck_assert_int_eq (poll (&(struct pollfd) { .fd = up, .events = POLLIN }, 1, 500), 0);
  ck_assert_int_lt (processor_ms () - began, 100);
  (void) close (fd);
  provider_expect_close (up);
}
END_TEST

/* A provider's time is not the client's. */
START_TEST (a_provider_may_take_longer_than_a_client)
{
  int fd, up;

  gateway_with_hand ("", "idle_timeout = 1s");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  ck_assert_int_eq (poll (&(struct pollfd) { .fd = up, .events = POLLIN }, 1, 2300), 0);
  say_text (up, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                "Content-Length: 10\r\n\r\n{\"late\":1}");
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  ck_assert_str_eq (a.body, "{\"late\":1}");
}
END_TEST

START_TEST (a_slow_client_stops_the_provider)
{
  struct flood f;
  int fd, up;

  gateway_with_hand ("", "");
  fd = stream_begin ("Connection: close\r\n", &up);
  flood_until_full (&f, up);
  flood_finish (&f, up, fd);
  provider_end_stream (up);
  finish_answer (fd);
  ck_assert_int_eq (a.cut, 0);
  ck_assert_uint_eq (flood_events (), f.sent / f.len);
}
END_TEST

/* ---- Its own words ----------------------------------------------------------------- */

START_TEST (what_is_not_there_is_told)
{
  static const struct { const char *method, *path; int status; const char *code; } cases[] = {
    { "GET", "/nothing", 404, "unknown_url" },
    { "POST", "/v1", 404, "unknown_url" },
    { "POST", "/v1/", 404, "unknown_url" },
    { "POST", "/nobody/v1/chat/completions", 404, "unknown_provider" },
    { "POST", "/groq/v2/chat/completions", 404, "unknown_url" },
    { "POST", "/v1/../v1/chat/completions", 404, "unknown_url" },
    { "POST", "/v1/chat/%2E%2e/completions", 404, "unknown_url" },
    { "POST", "/v1/chat/.", 404, "unknown_url" },
    { "POST", "/v1/chat/..?x=/v1", 404, "unknown_url" },
    { "POST", "//v1/chat/completions", 404, "unknown_url" },
  };

  gateway_with_sim ("", "");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ask (cases[i].method, cases[i].path, HELLO);
    is_error (cases[i].status, cases[i].code);
  }
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

START_TEST (each_route_leads_to_its_provider)
{
  static const char *const paths[] = {
    "/v1/chat/completions", "/openai/v1/chat/completions", "/groq/v1/chat/completions",
    "/groq/openai/v1/chat/completions",
  };

  gateway_with_sim ("", "");
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    ask ("POST", paths[i], HELLO);
    ck_assert_msg (a.status == 200, "%s: %s", paths[i], a.heard.bytes);
  }
  ck_assert_uint_eq (simctl_count (sim, "a", "ok"), 4);
}
END_TEST

/* A client that reads UTF-8 strictly would not even see that it is an error. */
START_TEST (an_error_is_utf8_whatever_was_asked)
{
  gateway_with_sim ("", "");
  ask ("GET", "/\xc3(\xff\xc3\xa9", NULL);
  is_error (404, "unknown_url");
  ck_assert_ptr_nonnull (strstr (a.body, " GET /?(?\xc3\xa9; "));
}
END_TEST

/* Its path is also what a base URL of Groq's ends in, for the default one. */
START_TEST (a_provider_named_openai_has_its_own_path)
{
  gateway_with_hand ("", "[provider openai]\nplugin = groq\nbase_url = http://127.0.0.1:9/v1\n"
                         "max_retries = 0\n");
  ask ("GET", "/openai/v1/models", NULL);
  is_error (502, "provider_unavailable");
  ck_assert_str_eq (field_of ("x-keywheel-provider"), "openai");
}
END_TEST

/* Some servers see a slash in %2F, some one in a backslash. */
START_TEST (no_path_leads_out_of_the_base_url)
{
  static const char *const paths[] = {
    "/v1/../x", "/v1/x/..", "/v1/%2e%2E/x", "/v1/x/.%2e", "/v1/./x", "/groq/v1/../x",
    "/v1/..%2fx", "/v1/x%2f..%2F..%2fx", "/v1/x\\..\\..\\x", "/v1/x%5c..%5Cx", "/v1/..;/x",
  };

  gateway_with_sim ("", "");
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    ask ("GET", paths[i], NULL);
    ck_assert_msg (a.status == 404, "%s: %s", paths[i], a.heard.bytes);
    is_error (404, "unknown_url");
  }
  ck_assert_uint_eq (simctl_count (sim, NULL, NULL), 0);
}
END_TEST

static Suite *
gateway_suite (void)
{
  Suite *s = suite_create ("gateway");
  TCase *t = tcase_create ("gateway");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_test (t, a_request_and_its_answer_go_through_byte_for_byte);
  tcase_add_test (t, a_key_that_runs_out_is_not_noticed);
  tcase_add_test (t, a_stream_goes_through_as_it_comes);
  tcase_add_test (t, a_provider_that_breaks_off_is_told_within_the_stream);
  tcase_add_loop_test (t, a_client_that_hangs_up_ends_its_call, 0, 3);
  tcase_add_loop_test (t, who_waits_for_a_provider_costs_no_processor, 0, 3);
  tcase_add_test (t, a_provider_may_take_longer_than_a_client);
  tcase_add_test (t, a_slow_client_stops_the_provider);
  tcase_add_test (t, what_is_not_there_is_told);
  tcase_add_test (t, each_route_leads_to_its_provider);
  tcase_add_test (t, a_provider_named_openai_has_its_own_path);
  tcase_add_test (t, an_error_is_utf8_whatever_was_asked);
  tcase_add_test (t, no_path_leads_out_of_the_base_url);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_suite)
