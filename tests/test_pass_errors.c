/* test_pass_errors - requests of other programs whose answers are none, or not
 * the caller's, or break; and requests that are wrong themselves. */
#include "passkit.h"

START_TEST (an_answer_that_breaks_off_is_an_error_behind_its_beginning)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: audio/mpeg\r\n", .big = 1 << 20,
      .cut = 100000 } };
  kw_request rq = request ("POST", "/audio/speech");

  pass_start (steps, "");
  pass_run (&passed, &rq);
  ck_assert_int_eq (passed.code, KW_ERR_UNAVAILABLE);
  ck_assert_msg (strstr (passed.why, "broke after it had begun") != NULL, "%s", passed.why);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_uint_ge (passed.data_len, 100000);
  ck_assert_int_eq (passed.is_pattern, 1);
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

START_TEST (nonsense_where_json_should_be_is_retried_unseen)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n", .body = "{\"a\":" },
    { .status = "200 OK", .headers = "Content-Type: text/html\r\n", .body = "<html>" },
    { .status = "200 OK", .body = "oops" },
    { .status = "503 Busy", .headers = "Content-Type: application/json\r\n", .body = "{}" },
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n",
      .body = PASS_CHAT } };
  kw_request rq = chat ("{\"model\":\"m\",\"messages\":[]}");

  pass_start (steps, "backoff_initial = 1ms");
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_int_eq (passed.status, 200);
  ck_assert_int_eq (passed.attempts, 5);
  ck_assert_str_eq (passed.data, PASS_CHAT);
  ck_assert_int_ge (passed.first_byte, passed.waited);
  ck_assert_int_eq (pass_stop (), 5);
}
END_TEST

/* Also where no JSON is expected: somebody in between has answered. */
START_TEST (a_page_is_no_file)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: text/html\r\n", .body = "<html>" },
    { .status = "200 OK", .headers = "Content-Type: text/plain\r\n", .body = "a file" } };
  kw_request rq = request ("GET", "/files/f-1/content");

  pass_start (steps, "backoff_initial = 1ms");
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_str_eq (passed.data, "a file");
  ck_assert_int_eq (pass_stop (), 2);
}
END_TEST

START_TEST (an_error_of_the_request_is_handed_over_whole)
{
  static const char body[] = "{ \"error\": {\"message\":\"no sk-aaaaaaaaaa here\","
                             "\"type\":\"invalid_request_error\"} }\n";
  static const char without[] = "{ \"error\": {\"message\":\"no [key primary] here\","
                                "\"type\":\"invalid_request_error\"} }\n";
  static const struct pass_step steps[] = {
    { .status = "404 Not Found", .body = body,
      .headers = "Content-Type: application/json\r\nX-Request-Id: sk-aaaaaaaaaa\r\n"
                 "Retry-After: 3\r\n" },
    { .status = "503 Busy", .body = "<html>", .headers = "Content-Type: text/html\r\n" },
    { .status = "503 Busy", .body = "<html>", .headers = "Content-Type: text/html\r\n" } };
  static struct passed second;
  kw_request rq = request ("POST", "/nothing");

  pass_start (steps, "max_retries = 1\nbackoff_initial = 1ms");
  pass_run (&passed, &rq);
  ck_assert_int_eq (passed.code, KW_ERR_REFUSED);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_int_eq (passed.status, 404);
  ck_assert_int_eq (passed.error_status, 404);
  ck_assert_str_eq (passed.type, "application/json");
  ck_assert_str_eq (passed.fields, "x-request-id=*************\nretry-after=3\n");
  ck_assert_str_eq (passed.data, without);
  ck_assert_int_eq (passed.length, (int) strlen (without));
  pass_run (&second, &rq);      /* the provider's own, after the retries */
  ck_assert_int_eq (second.code, KW_ERR_UNAVAILABLE);
  ck_assert_int_eq (second.n_start, 1);
  ck_assert_int_eq (second.status, 503);
  ck_assert_int_eq (second.attempts, 2);
  ck_assert_str_eq (second.data, "<html>");
  ck_assert_int_eq (pass_stop (), 3);
}
END_TEST

/* Limits, keys, money and redirects are told in the error alone. */
START_TEST (an_error_that_is_not_the_callers_is_not_handed_over)
{
  static const struct pass_step steps[] = {
    { .status = "401 Unauthorized", .headers = "Content-Type: application/json\r\n",
      .body = "{\"error\":{\"message\":\"Invalid API Key\",\"code\":\"invalid_api_key\"}}" },
    { .status = "302 Found", .headers = "Location: /elsewhere\r\n", .body = "x" },
    { .status = "429 Too Many", .headers = "Content-Type: application/json\r\n",
      .body = PASS_DAY },
    { .status = "429 Too Many", .headers = "Content-Type: application/json\r\n",
      .body = PASS_DAY } };
  static const int codes[] = { KW_ERR_AUTH, KW_ERR_REFUSED, KW_ERR_EXHAUSTED };
  kw_request rq = chat ("{\"model\":\"m\",\"messages\":[]}");

  pass_start (steps, "");
  for (int i = 0; i < 3; i++) {
    memset (&passed, 0, sizeof passed);
    pass_run (&passed, &rq);
    ck_assert_msg (passed.code == codes[i], "%d: %d %s", i, passed.code, passed.why);
    ck_assert_int_eq (passed.n_start, 0);
    ck_assert_int_eq (passed.n_data, 0);
  }
  ck_assert_int_gt (passed.error_retry_at, 0);
  ck_assert_int_eq (pass_stop (), 4);
}
END_TEST

static int
count_text (void *user, const char *text, size_t len)
{
  (void) user, (void) text, (void) len;
  return 0;
}

START_TEST (what_does_not_go_together_is_told)
{
  static const kw_field nameless[] = { { NULL, "x" } };
  struct { const char *text; kw_request rq; } rows[] = {
    { "pass = 1", { .method = "GET" } },
    { "pass = 1", { .content_type = "a/b", .prompt = "x" } },
    { "no prompt", { .pass = 1, .prompt = "x" } },
    { "\"BREW\"", { .pass = 1, .method = "BREW" } },
    { "either a body or on_upload", { .pass = 1, .body = "x", .body_len = 1,
                                      .on_upload = pass_on_upload } },
    { "go with on_upload", { .pass = 1, .upload_len = 7 } },
    { "replay_limit is -1", { .pass = 1, .on_upload = pass_on_upload,
                              .replay_limit = -1 } },
    { "header 1", { .pass = 1, .fields = nameless, .n_fields = 1 } },
    { "does not begin with", { .pass = 1, .path = "models" } },
  };
  kw_reply *reply = NULL;

  kit_keys ("sk-aaaaaaaaaa", NULL);
  kit_open ("");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    rows[i].rq.struct_size = sizeof rows[i].rq;
    ck_assert_int_eq (kw_chat (kit.client, &rows[i].rq, &reply, &kit.err), KW_ERR_USAGE);
    ck_assert_msg (strstr (kit.err.message, rows[i].text) != NULL, "row %zu: %s", i,
                   kit.err.message);
  }
  for (int i = 0; i < 3; i++) { /* those of a kw_submit belong elsewhere */
    kw_callbacks on = KW_CALLBACKS_INIT;
    kw_request rq = KW_REQUEST_INIT;
    on.on_end = pass_on_end;
    rq.prompt = "x";
    rq.on_upload = i == 0 ? pass_on_upload : NULL;
    rq.on_start = i == 1 ? pass_on_start : NULL;
    rq.on_text = i == 2 ? count_text : NULL;
    memset (&passed, 0, sizeof passed);
    ck_assert_ptr_nonnull (kw_submit (kit.client, &rq, &on, &passed));
    PASS_UNTIL (passed.ended);
    ck_assert_int_eq (passed.code, KW_ERR_USAGE);
  }
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("pass_errors");
  TCase *tc = tcase_create ("pass_errors");

  tcase_add_checked_fixture (tc, pass_setup, kit_teardown);
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, an_answer_that_breaks_off_is_an_error_behind_its_beginning);
  tcase_add_test (tc, nonsense_where_json_should_be_is_retried_unseen);
  tcase_add_test (tc, a_page_is_no_file);
  tcase_add_test (tc, an_error_of_the_request_is_handed_over_whole);
  tcase_add_test (tc, an_error_that_is_not_the_callers_is_not_handed_over);
  tcase_add_test (tc, what_does_not_go_together_is_told);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
