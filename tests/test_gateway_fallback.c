/* keywheel serve: from one provider to the next. */
#include "failkit.h"

/* ---- When ---------------------------------------------------------------------------- */

static const struct {
  const char *key, *options, *fault, *reason;
} reasons[] = {
  { ",rpd=1", "", NULL, "keys_exhausted" },
  { ",rpd=1", "max_switches = 0", NULL, "too_many_switches" },
  { ",restricted", "on_billing = fail", NULL, "billing" },
  { ",rpm=1", "deadline = 30s", NULL, "rate_limited" },
  { "", "", "drop", "provider_unavailable" },
  { "", "", "status=503", "provider_unavailable" },
  { "", "attempt_timeout = 100ms\nmax_retries = 0", "delay=60000", "provider_timeout" },
  { ",revoked", "on_auth = switch", NULL, "provider_key_refused" },
};

START_TEST (each_trouble_of_the_provider_leads_to_the_next)
{
  start_two (reasons[_i].key, reasons[_i].options);
  if (reasons[_i].fault != NULL)
    simctl_fault (sim, reasons[_i].fault);
  if (strncmp (reasons[_i].key, ",rp", 3) == 0) {
    ask ("POST", CHAT, HELLO);      /* the last that the key has */
    is_served_by ("groq", "");
  }
  ask ("POST", CHAT, HELLO);
  is_served_by ("other", format ("groq=%s", reasons[_i].reason));
  ck_assert_str_eq (field_of ("x-keywheel-key"), "other-key");
  ck_assert_uint_eq (simctl_count (other, "o", "ok"), 1);
  metric_is (format ("keywheel_fallbacks_total{from=\"groq\",to=\"other\",reason=\"%s\"} 1\n",
                     reasons[_i].reason));
}
END_TEST

static const struct {
  const char *key, *options, *fault, *code;
  int status;
} stays[] = {
  { "", "", "status=400", NULL, 400 },
  { "", "", "status=413", NULL, 413 },
  { ",revoked", "", NULL, "provider_key_refused", 502 },
  { "", "deadline = 100ms", "delay=60000", "deadline_exceeded", 504 },
};

START_TEST (what_is_the_requests_or_the_keys_own_fault_stays)
{
  start_two (stays[_i].key, stays[_i].options);
  if (stays[_i].fault != NULL)
    simctl_fault (sim, stays[_i].fault);
  ask ("POST", CHAT, HELLO);
  ck_assert_msg (a.status == stays[_i].status, "%s", a.heard.bytes);
  if (stays[_i].code != NULL)
    is_error (stays[_i].status, stays[_i].code);
  ck_assert_str_eq (field_of ("x-keywheel-fallback"), "");
  ck_assert_uint_eq (n_asked (other), 0);
}
END_TEST

START_TEST (without_fallback_nobody_else_is_asked)
{
  struct json_object *one;

  other = sim_serving (OTHER_MODEL);
  start_gateway (",rpd=1", "", "", section_of ("other", simctl_base_url (other), MAPPED));
  for (int i = 0; i < 2; i++)
    ask ("POST", CHAT, HELLO);
  is_error (429, "keys_exhausted");
  ck_assert_str_eq (field_of ("x-keywheel-provider"), "groq");
  ck_assert_uint_eq (n_asked (other), 0);
  simctl_fault (sim, "drop");
  for (int i = 0; i < 5; i++)
    ask ("POST", "/v1/embeddings", "{\"model\":\"e\",\"input\":\"x\"}");
  is_error (502, "provider_unavailable");   /* nor is there a breaker */
  one = state_of ("groq");
  ck_assert_ptr_null (member (one, "breaker"));
  ck_assert_uint_eq (json_object_array_length (member (one, "fallback")), 0);
  json_object_put (one);
}
END_TEST

START_TEST (only_what_asks_a_model_goes_on)
{
  static const struct { const char *method, *path, *body; } rows[] = {
    { "GET", "/v1/models", NULL },
    { "DELETE", "/v1/files/f", NULL },
    { "POST", "/v1/fine_tuning/jobs", "{\"model\":\"" MODEL "\"}" },
    { "POST", CHAT, "{\"messages\":[]}" },
    { "POST", CHAT, "{\"model\":\"unmapped\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" },
  };

  start_two ("", "breaker_failures = 0");
  simctl_fault (sim, "drop");
  ask (rows[_i].method, rows[_i].path, rows[_i].body);
  is_error (502, "provider_unavailable");
  ck_assert_uint_eq (n_asked (other), 0);
}
END_TEST

/* ---- What is sent ----------------------------------------------------------------------- */

#define BEFORE "{ \"x\": 1.50e0,\t\"messages\":[{\"role\":\"user\",\"content\":\"\\u0041 " MODEL \
               "\"}],\n\"model\" : \""
#define AFTER "\" , \"stop\":[ ]}\n"

START_TEST (only_the_models_name_changes_in_json)
{
  int fd, up;

  start_with_other_by_hand ("", "", "");
  simctl_fault (sim, "drop");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", BEFORE MODEL AFTER);
  up = provider_take ("\"stop\":[ ]}\n");
  ck_assert_str_eq (strstr (taken.bytes, "\r\n\r\n") + 4, BEFORE OTHER_MODEL AFTER);
  ck_assert_ptr_nonnull (strstr (taken.bytes, "Authorization: Bearer " SECRET "o\r\n"));
  ck_assert_ptr_null (strstr (taken.bytes, SECRET "a"));
  answer_by_hand (up, "{\"choices\":[]}");
  finish_answer (fd);
  is_served_by ("other", "groq=provider_unavailable");
  ck_assert_str_eq (a.body, "{\"choices\":[]}");
  ck_assert_str_eq (field_of ("x-keywheel-attempts"), "4");
}
END_TEST

#define ESCAPED "{\"model\":\"vendor\\/m\",\"messages\":[]}"

START_TEST (without_a_map_the_body_is_the_same)
{
  int fd, up;

  start_gateway ("", "fallback = other", "", section_of ("other", provider_listen (), ""));
  simctl_fault (sim, "drop");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", ESCAPED);
  up = provider_take (":[]}");
  ck_assert_str_eq (strstr (taken.bytes, "\r\n\r\n") + 4, ESCAPED);
  answer_by_hand (up, "{}");
  finish_answer (fd);
  is_served_by ("other", "groq=provider_unavailable");
}
END_TEST

#define FORM_TO(model) "--x7\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n" \
  "\r\n" MODEL "\r\n--x7\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" model \
  "\r\n--x7--\r\n"

static void
say_form (int fd, size_t length)
{
  say_text (fd, format ("POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Connection: close\r\nContent-Type: multipart/form-data; "
                        "boundary=x7\r\nContent-Length: %zu\r\n\r\n", length));
}

START_TEST (only_the_models_field_changes_in_a_form)
{
  int fd, up;

  start_with_other_by_hand ("", "", "");
  simctl_fault (sim, "drop");
  fd = client_connect ();
  say_form (fd, strlen (FORM_TO (MODEL)));
  say_text (fd, FORM_TO (MODEL));
  up = provider_take ("--x7--\r\n");
  ck_assert_str_eq (strstr (taken.bytes, "\r\n\r\n") + 4, FORM_TO (OTHER_MODEL));
  ck_assert_ptr_nonnull (strstr (taken.bytes, "Content-Type: multipart/form-data; boundary=x7\r\n"));
  answer_by_hand (up, "{\"text\":\"w\"}");
  finish_answer (fd);
  is_served_by ("other", "groq=provider_unavailable");
}
END_TEST

/* A body that is sent on while it comes: the first provider fails before all of it is
 * there, the next one gets it whole. */
START_TEST (a_body_under_way_is_waited_for)
{
  const size_t size = 300 * 1024;
  char *body = malloc (size + 1);
  const char *begin = "{\"model\":\"" MODEL "\",\"messages\":[{\"role\":\"user\",\"content\":\"";
  int fd, up;

  ck_assert_ptr_nonnull (body);
  memset (body, 'w', size);
  memcpy (body, begin, strlen (begin));
  memcpy (body + size - 4, "\"}]}", 5);
  start_with_other_by_hand ("", "breaker_failures = 1\nbreaker_open = 1h\n"
                            "breaker_open_max = 1h\nmax_retries = 0", "");
  simctl_fault (sim, "drop");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");       /* from now on groq is not asked */
  answer_by_hand (up, "{}");
  finish_answer (fd);
  is_served_by ("other", "groq=provider_unavailable");
  answer_clear ();
  fd = client_connect ();
  say_text (fd, format ("POST " CHAT " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size));
  say (fd, body, size / 2);
  say (fd, body + size / 2, size - size / 2);
  up = provider_take ("w\"}]}");
  ck_assert_uint_eq (taken.len - (size_t) (strstr (taken.bytes, "\r\n\r\n") + 4 - taken.bytes),
                     size - strlen (MODEL) + strlen (OTHER_MODEL));
  ck_assert_ptr_nonnull (strstr (taken.bytes, "\"model\":\"" OTHER_MODEL "\",\"messages\""));
  answer_by_hand (up, "{}");
  finish_answer (fd);
  is_served_by ("other", "groq=circuit_open");
  ck_assert_uint_eq (n_asked (sim), 1);
  free (body);
}
END_TEST

START_TEST (a_body_over_replay_limit_is_not_sent_again)
{
  const size_t size = 100 * 1024;
  char *body = malloc (size + 1);
  const char *begin = "{\"model\":\"" MODEL "\",\"messages\":[{\"role\":\"user\",\"content\":\"";
  int fd;

  ck_assert_ptr_nonnull (body);
  memset (body, 'w', size);
  memcpy (body, begin, strlen (begin));
  memcpy (body + size - 4, "\"}]}", 5);
  other = sim_serving (OTHER_MODEL);
  start_gateway ("", "fallback = other\nbreaker_failures = 1\nbreaker_open = 1h\n"
                 "breaker_open_max = 1h", "replay_limit = 80KB",
                 section_of ("other", simctl_base_url (other), MAPPED));
  simctl_fault (sim, "drop");
  for (int i = 0; i < 2; i++) {
    fd = client_connect ();
    answer_clear ();
    say_text (fd, format ("POST " CHAT " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size));
    say (fd, body, size);
    finish_answer (fd);
    is_error (i == 0 ? 502 : 503, i == 0 ? "provider_unavailable" : "circuit_open");
    ck_assert_msg (strstr (a.body, "larger than replay_limit, so no other provider was asked")
                   != NULL, "%s", a.body);
  }
  ck_assert_uint_eq (n_asked (sim), 1);
  ck_assert_uint_eq (n_asked (other), 0);
  free (body);
}
END_TEST

/* It is waited for, and turns out too large for anybody. */
START_TEST (a_body_over_max_body_is_not_sent_on)
{
  static char block[65536];
  int fd;

  memset (block, ' ', sizeof block);
  other = sim_serving (OTHER_MODEL);
  start_gateway ("", "fallback = other\nbreaker_failures = 1\nbreaker_open = 1h\n"
                 "breaker_open_max = 1h\nmax_retries = 0", "max_body = 100KB",
                 section_of ("other", simctl_base_url (other), MAPPED));
  simctl_fault (sim, "drop");
  ask ("POST", CHAT, HELLO);
  fd = client_connect ();
  answer_clear ();
  say_text (fd, "POST " CHAT " HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
                "Connection: close\r\nContent-Type: application/json\r\n\r\n");
  say_text (fd, format ("%zx\r\n" HELLO "\r\n", strlen (HELLO)));
  for (int i = 0; i < 2; i++) {
    say_text (fd, "10000\r\n");
    say (fd, block, sizeof block);
    say_text (fd, "\r\n");
  }
  say_text (fd, "0\r\n\r\n");
  finish_answer (fd);
  is_error (413, "request_too_large");
  ck_assert_uint_eq (n_asked (other), 1);
}
END_TEST

/* ---- Streams ---------------------------------------------------------------------------- */

START_TEST (a_stream_goes_on_before_its_first_content_only)
{
  start_two ("", "breaker_failures = 0");
  simctl_fault (sim, _i == 1 ? "sse-break=3" : "status=503");
  if (_i == 2)
    simctl_fault (other, "sse-break=3");
  ask ("POST", CHAT, STREAM);
  ck_assert_int_eq (a.status, 200);
  if (_i == 0) {
    is_served_by ("other", "groq=provider_unavailable");
    ck_assert_ptr_nonnull (strstr (a.body, "data: [DONE]"));
    return;
  }
  ck_assert_str_eq (field_of ("x-keywheel-provider"), _i == 1 ? "groq" : "other");
  ck_assert_int_eq (a.cut, 1);
  ck_assert_ptr_nonnull (strstr (a.body, "\"delta\":"));
  ck_assert_uint_eq (n_asked (other), _i == 1 ? 0 : 1);
}
END_TEST

/* ---- Several ------------------------------------------------------------------------------- */

/* "other" has no such model: it is passed over; "third" has all of them. */
START_TEST (a_provider_without_the_model_is_passed_over)
{
  other = sim_serving (OTHER_MODEL);
  third = sim_serving ("any");
  start_gateway ("", "fallback = other, third", "access_log = stderr",
                 format ("%s%s", section_of ("other", simctl_base_url (other),
                                             "model_map = x -> y"),
                         section_of ("third", simctl_base_url (third),
                                     "model_map = y -> x, * -> any")));
  simctl_fault (sim, "drop");
  ask ("POST", CHAT, HELLO);
  is_served_by ("third", "groq=provider_unavailable");
  ck_assert_uint_eq (n_asked (other), 0);
  ck_assert (proc_expect (gateway, 2, "\"provider\":\"third\",\"fallback\":"
                          "\"groq=provider_unavailable\"", PATIENCE_MS));
}
END_TEST

START_TEST (a_provider_without_the_path_is_passed_over)
{
  third = sim_serving ("e");
  start_gateway ("", "fallback = other, third", "",
                 format ("[provider other]\nplugin = anthropic\nbase_url = %s\n"
                         "[key other/k]\nenv = OTHER_KEY\n%s", simctl_base_url (third),
                         section_of ("third", simctl_base_url (third), "")));
  simctl_fault (sim, "drop");
  ask ("POST", "/v1/embeddings", "{\"model\":\"e\",\"input\":\"x\"}");
  ck_assert_str_eq (field_of ("x-keywheel-fallback"),
                    "groq=provider_unavailable, other=provider_refused");
  ck_assert_str_eq (field_of ("x-keywheel-provider"), "third");
  ck_assert_uint_eq (n_asked (third), 1);
}
END_TEST

START_TEST (the_third_follows_the_second)
{
  other = sim_serving (OTHER_MODEL);
  third = sim_serving (MODEL);
  start_gateway (",rpd=1", "fallback = other third", "",
                 format ("%s%s", section_of ("other", simctl_base_url (other), MAPPED),
                         section_of ("third", simctl_base_url (third), "")));
  ask ("POST", CHAT, HELLO);
  simctl_fault (other, "drop");
  ask ("POST", CHAT, HELLO);
  is_served_by ("third", "groq=keys_exhausted, other=provider_unavailable");
  ask ("POST", "/other" CHAT, HELLO);
  is_error (502, "provider_unavailable");   /* it has no fallback itself */
}
END_TEST

START_TEST (when_nobody_can_the_first_ones_error_is_told_with_all_reasons)
{
  start_two (",rpd=1", "");
  ask ("POST", CHAT, HELLO);
  simctl_fault (other, "status=503");
  ask ("POST", CHAT, HELLO);
  is_error (429, "keys_exhausted");
  ck_assert_int_gt (strtol (field_of ("Retry-After"), NULL, 10), 3600);
  ck_assert_ptr_nonnull (strstr (a.body, "exhausted"));
  ck_assert_ptr_nonnull (strstr (a.body, "; other: "));
  ck_assert_str_eq (field_of ("x-keywheel-provider"), "other");
}
END_TEST

/* The other one never answers, and its own deadline is two minutes. */
START_TEST (the_deadline_is_over_all_of_it)
{
  struct pollfd p[2];
  int fd, up = -1;

  start_with_other_by_hand ("", "deadline = 2s", "");
  simctl_fault (sim, "drop");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  /* On a machine that stood still the other one is not asked any more. */
  p[0] = (struct pollfd) { .fd = provider_fd, .events = POLLIN };
  p[1] = (struct pollfd) { .fd = fd, .events = POLLIN };
  ck_assert_int_gt (poll (p, 2, PATIENCE_MS), 0);
  if (p[1].revents == 0)
    up = provider_take ("}]}");
  finish_answer (fd);
  is_error (504, "deadline_exceeded");
  if (up >= 0)
    (void) close (up);
}
END_TEST

START_TEST (two_may_stand_in_for_each_other)
{
  other = sim_serving (OTHER_MODEL);
  start_gateway (",rpd=1", "fallback = other\nmodel_map = " OTHER_MODEL " -> " MODEL, "",
                 section_of ("other", simctl_base_url (other), "fallback = groq\n" MAPPED));
  simctl_fault (other, "drop");
  ask ("POST", "/other" CHAT,
       "{\"model\":\"" OTHER_MODEL "\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
  is_served_by ("groq", "other=provider_unavailable");
  ask ("POST", CHAT, HELLO);        /* neither of them, and it ends */
  is_error (429, "keys_exhausted");
}
END_TEST

static Suite *
gateway_fallback_suite (void)
{
  Suite *s = suite_create ("gateway_fallback");
  TCase *t = tcase_create ("gateway_fallback");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, clear);
  tcase_add_loop_test (t, each_trouble_of_the_provider_leads_to_the_next, 0,
                       (int) (sizeof reasons / sizeof reasons[0]));
  tcase_add_loop_test (t, what_is_the_requests_or_the_keys_own_fault_stays, 0,
                       (int) (sizeof stays / sizeof stays[0]));
  tcase_add_test (t, without_fallback_nobody_else_is_asked);
  tcase_add_loop_test (t, only_what_asks_a_model_goes_on, 0, 5);
  tcase_add_test (t, only_the_models_name_changes_in_json);
  tcase_add_test (t, without_a_map_the_body_is_the_same);
  tcase_add_test (t, only_the_models_field_changes_in_a_form);
  tcase_add_test (t, a_body_under_way_is_waited_for);
  tcase_add_test (t, a_body_over_replay_limit_is_not_sent_again);
  tcase_add_test (t, a_body_over_max_body_is_not_sent_on);
  tcase_add_loop_test (t, a_stream_goes_on_before_its_first_content_only, 0, 3);
  tcase_add_test (t, a_provider_without_the_model_is_passed_over);
  tcase_add_test (t, a_provider_without_the_path_is_passed_over);
  tcase_add_test (t, the_third_follows_the_second);
  tcase_add_test (t, when_nobody_can_the_first_ones_error_is_told_with_all_reasons);
  tcase_add_test (t, the_deadline_is_over_all_of_it);
  tcase_add_test (t, two_may_stand_in_for_each_other);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_fallback_suite)
