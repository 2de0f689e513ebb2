/* test_pass - requests of other programs that are passed on: what goes out of
 * them, and how their answers, and errors, are handed over. */
#include "passkit.h"

START_TEST (a_get_has_no_body_and_what_headers_may_go)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .body = "{\"data\":[]}",
      .headers = "Content-Type: application/json\r\nX-Request-ID: r1\r\n"
                 "X-RateLimit-Limit-Tokens: 9\r\nSome-Processing-Ms: 3\r\n"
                 "Set-Cookie: a=b\r\nAlt-Svc: h3\r\nSome-Organization: org\r\n" } };
  static const kw_field fields[] = {
    { "Accept", "application/json" }, { "Some-Beta", "v2" }, { "Idempotency-Key", "k" },
    { "Authorization", "Bearer theirs" }, { "Host", "evil" }, { "Cookie", "c" },
    { "Connection", "close" }, { "Accept-Encoding", "theirs" }, { "Some-Organization", "o" },
    { "Content-Length", "7" }, { "Transfer-Encoding", "chunked" } };
  kw_request rq = request ("GET", "/models?limit=2&after=x");
  const char *head = provider.seen[0].head;

  pass_start (steps, "");
  rq.fields = fields;
  rq.n_fields = 11;
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_int_eq (pass_stop (), 1);
  ck_assert_msg (strncmp (head, "GET /v1/models?limit=2&after=x HTTP/1.1\r\n", 41) == 0,
                 "%s", head);
  ck_assert_msg (strstr (head, "\r\nAccept: application/json\r\n") != NULL, "%s", head);
  ck_assert_ptr_nonnull (strstr (head, "\r\nSome-Beta: v2\r\n"));
  ck_assert_ptr_nonnull (strstr (head, "\r\nIdempotency-Key: k\r\n"));
  ck_assert_ptr_nonnull (strstr (head, "\r\nAuthorization: Bearer sk-aaaaaaaaaa\r\n"));
  ck_assert_msg (strstr (head, "theirs") == NULL && strstr (head, "evil") == NULL
                   && strstr (head, "Cookie") == NULL && strstr (head, "chunked") == NULL
                   && strstr (head, "Organization") == NULL
                   && strstr (head, "Content-") == NULL
                   && strstr (head, "Transfer-") == NULL
                   && strstr (head, "Connection") == NULL, "%s", head);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_int_eq (passed.status, 200);
  ck_assert_str_eq (passed.type, "application/json");
  ck_assert_str_eq (passed.fields, "x-request-id=r1\nx-ratelimit-limit-tokens=9\n"
                              "some-processing-ms=3\n");
  ck_assert_str_eq (passed.model, "");
  ck_assert_str_eq (passed.key, "primary");
  ck_assert_int_eq (passed.length, 11);
  ck_assert_int_eq (passed.attempts, 1);
  ck_assert_str_eq (passed.data, "{\"data\":[]}");
}
END_TEST

/* A key that is out for a model serves what is for none. */
START_TEST (a_request_for_no_model_keeps_a_key_that_is_out_for_one)
{
  static const struct pass_step steps[] = {
    { .status = "429 Too Many", .headers = "Content-Type: application/json\r\n",
      .body = PASS_DAY },
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n",
      .body = PASS_CHAT },
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n", .body = "{}" } };
  static struct passed second;
  kw_request rq = chat ("{\"model\":\"m\",\"messages\":[]}");

  pass_start (steps, "");
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_str_eq (passed.key, "backup-1");
  ck_assert_int_eq (passed.attempts, 2);
  ck_assert_int_eq (passed.switches, 1);
  rq = request ("GET", "/models");
  pass_run (&second, &rq);
  ck_assert_str_eq (second.key, "primary");
  ck_assert_int_eq (pass_stop (), 3);
}
END_TEST

START_TEST (methods_without_a_body_to_answer)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n" },
    { .status = "204 No Content", .headers = "Content-Type: application/json\r\n" },
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n", .body = "{}" } };
  static const char *const methods[] = { "HEAD", "DELETE", "POST" };

  pass_start (steps, "");
  for (int i = 0; i < 3; i++) {
    kw_request rq = request (methods[i], "/files/f-1");
    memset (&passed, 0, sizeof passed);
    pass_run (&passed, &rq);
    ck_assert_msg (passed.code == 0, "%s: %s", methods[i], passed.why);
    ck_assert_int_eq (passed.n_start, 1);
    ck_assert_int_eq (passed.status, i == 1 ? 204 : 200);
    ck_assert_uint_eq (passed.data_len, i == 2 ? 2 : 0);
  }
  ck_assert_int_eq (pass_stop (), 3);
  ck_assert_ptr_nonnull (strstr (provider.seen[1].head, "DELETE /v1/files/f-1 "));
  ck_assert_ptr_nonnull (strstr (provider.seen[2].head, "Content-Length: 0\r\n"));
}
END_TEST

START_TEST (an_answer_of_50_MB_is_held_nowhere)
{
  enum { BIG = 50 << 20 };
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: audio/mpeg\r\n"
                                     "Content-Disposition: attachment\r\n", .big = BIG },
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n", .big = BIG } };
  long before, after;

  pass_start (steps, "max_response = 1MB");
  for (int i = 0; i < 2; i++) {
    kw_request rq = request ("GET", "/files/f-1/content");
    before = pass_peak_kb ();
    memset (&passed, 0, sizeof passed);
    pass_run (&passed, &rq);
    after = pass_peak_kb ();
    ck_assert_msg (passed.code == 0, "%d: %s", i, passed.why);
    ck_assert_int_eq (passed.length, BIG);
    ck_assert_uint_eq (passed.data_len, BIG);
    ck_assert_int_eq (passed.is_pattern, 1);
    ck_assert_msg (after - before < 8192, "%d: grew by %ld KB", i, after - before);
  }
  ck_assert_int_eq (pass_stop (), 2);
}
END_TEST

START_TEST (a_consumer_that_pauses_is_given_nothing)
{
  enum { BIG = 4 << 20 };
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: audio/mpeg\r\n", .big = BIG } };
  kw_request rq = request ("GET", "/files/f-1/content");
  int n;

  pass_start (steps, "");
  passed.pause = 1;
  pass_begin (&passed, &rq);
  PASS_UNTIL (passed.n_data > 0);
  for (int i = 0; i < 5 && !passed.ended; i++) {
    pass_turn_until_quiet ();
    n = passed.n_data;
    pass_turn_until_quiet ();
    ck_assert_int_eq (passed.n_data, n);
    kw_handle_resume (passed.handle);
    PASS_UNTIL (passed.n_data > n || passed.ended);
  }
  ck_assert_int_eq (passed.ended, 0);
  while (!passed.ended) {
    kw_handle_resume (passed.handle);
    pass_turn ();
  }
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_uint_eq (passed.data_len, BIG);
  ck_assert_int_eq (passed.is_pattern, 1);
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

/* The held part is taken as a piece of its own. */
START_TEST (long_json_may_be_paused_at_every_piece)
{
  enum { BIG = 1 << 20 };
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n", .big = BIG } };
  kw_request rq = request ("GET", "/files/f-1/content");

  pass_start (steps, "");
  passed.pause = 1;
  pass_begin (&passed, &rq);
  while (!passed.ended) {
    pass_turn ();
    if (passed.handle != NULL)
      kw_handle_resume (passed.handle);
  }
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_uint_eq (passed.data_len, BIG);
  ck_assert_int_eq (passed.is_pattern, 1);
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

START_TEST (a_cancel_in_the_middle_of_an_answer)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: audio/mpeg\r\n", .big = 1 << 20,
      .halfway = 1 },
    { .status = "200 OK", .headers = "Content-Type: audio/mpeg\r\n", .big = 1 << 20 } };
  static struct passed second;
  kw_request rq = request ("GET", "/files/f-1/content");

  pass_start (steps, "");
  pass_begin (&passed, &rq);
  PASS_UNTIL (passed.n_data > 0);
  kw_handle_cancel (passed.handle);
  PASS_UNTIL (passed.ended);
  ck_assert_int_eq (passed.code, KW_ERR_CANCELLED);
  pass_open ();
  second.stop = 1;              /* and by what on_data says */
  pass_run (&second, &rq);
  ck_assert_int_eq (second.code, KW_ERR_CANCELLED);
  ck_assert_int_eq (second.n_data, 1);
  ck_assert_int_eq (pass_stop (), 2);
}
END_TEST

/* A file with a line of JSON each is not JSON; a page that is a file is none. */
START_TEST (lines_of_json_are_a_file_like_any_other)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: application/jsonl\r\n",
      .body = "{\"a\":1}\n{\"a\":2}\n" } };
  kw_request rq = request ("GET", "/files/f-1/content");

  pass_start (steps, "");
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_str_eq (passed.data, "{\"a\":1}\n{\"a\":2}\n");
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

/* {"a":1} as gzip(1) makes it. */
#define PACKED "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\x4a\x54\xb2\x32" \
               "\xac\x05\x00\xaf\xac\x1b\x56\x07\x00\x00\x00"

START_TEST (a_packed_answer_is_unpacked_unless_nobody_asked)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .body = PACKED, .body_len = sizeof PACKED - 1,
      .headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n" },
    { .status = "200 OK", .body = PACKED, .body_len = sizeof PACKED - 1,
      .headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n" } };
  static struct passed second;
  kw_request rq = chat ("{\"model\":\"m\"}");

  pass_start (steps, "");
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_str_eq (passed.data, "{\"a\":1}");
  ck_assert_str_eq (passed.fields, "");
  ck_assert_int_eq (passed.length, 7);
  rq = chat ("{\"model\":\"m\",\"stream\":true}");
  pass_run (&second, &rq);
  ck_assert_msg (second.code == 0, "%s", second.why);
  ck_assert_uint_eq (second.data_len, sizeof PACKED - 1);
  ck_assert_int_eq (memcmp (second.data, PACKED, sizeof PACKED - 1), 0);
  ck_assert_str_eq (second.fields, "content-encoding=gzip\n");
  ck_assert_int_eq (second.length, sizeof PACKED - 1);
  ck_assert_int_eq (pass_stop (), 2);
  ck_assert_ptr_nonnull (strcasestr (provider.seen[0].head, "gzip"));
  ck_assert_ptr_null (strcasestr (provider.seen[1].head, "gzip"));
}
END_TEST

#define EVENTS(first, second)                                           \
  "event: a\ndata: {\"type\":\"response.created\"}\n\n" first "data: " second "\n\n"

START_TEST (an_event_stream_comes_byte_for_byte)
{
  static const char events[]
    = EVENTS (": a comment\n\n", "{\"type\":\"response.output_text.delta\",\"delta\":\"x\"}")
      "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1}}}\n\n";
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: text/event-stream\r\n",
      .body = EVENTS ("", "{\"error\":{\"code\":\"x\",\"message\":\"it broke\"}}") },
    { .status = "200 OK", .body = events,
      .headers = "Content-Type: text/event-stream\r\nX-Request-Id: r2\r\n" } };
  kw_request rq = request ("POST", "/responses");

  pass_start (steps, "backoff_initial = 1ms");
  rq.body = "{\"model\":\"m\",\"stream\":true,\"input\":\"hi\"}";
  rq.body_len = strlen (rq.body);
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_int_eq (passed.attempts, 2);
  ck_assert_str_eq (passed.fields, "x-request-id=r2\n");
  ck_assert_str_eq (passed.type, "text/event-stream");
  ck_assert_str_eq (passed.data, events);
  ck_assert_int_eq (pass_stop (), 2);
}
END_TEST

/* It does not wait for the end of what is no chat. */
START_TEST (a_stream_of_another_shape_begins_with_its_content)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK",
      .headers = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n",
      .body = "52\r\n" EVENTS ("", "{\"type\":\"x.delta\",\"delta\":\"y\"}") } };
  kw_request rq = request ("POST", "/responses");

  pass_start (steps, "");
  rq.body = "{\"model\":\"m\",\"stream\":true}";
  rq.body_len = strlen (rq.body);
  pass_run (&passed, &rq);           /* the end never comes */
  ck_assert_int_eq (passed.code, KW_ERR_UNAVAILABLE);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_msg (strstr (passed.data, "delta") != NULL, "%s", passed.data);
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

/* What nobody here knows is not held until its end. */
START_TEST (a_stream_of_an_unknown_shape_begins_at_once)
{
  static const char *const events[] = {
    "ff\r\ndata: {\"foo\":1}\n\n", "ff\r\ndata: [1,2]\n\n", "ff\r\ndata: plain text\n\n",
    "ff\r\ndata: 7\n\n"
  };
  struct pass_step steps[] = {
    { .status = "200 OK", .body = events[_i],
      .headers = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n" } };
  kw_request rq = request ("POST", "/responses");

  pass_start (steps, "");
  rq.body = "{\"model\":\"m\",\"stream\":true}";
  rq.body_len = strlen (rq.body);
  pass_run (&passed, &rq);           /* the end never comes */
  ck_assert_int_eq (passed.code, KW_ERR_UNAVAILABLE);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_str_eq (passed.data, events[_i] + strlen ("ff\r\n"));
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

/* Also where the caller waits, and of a request of its own. */
START_TEST (kw_chat_tells_of_the_beginning_too)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: audio/mpeg\r\n", .big = 100000 },
    { .status = "404 Not Found", .headers = "Content-Type: text/plain\r\n", .body = "no" },
    { .status = "200 OK", .headers = "Content-Type: application/json\r\n",
      .body = PASS_CHAT } };
  kw_request rq = request ("POST", "/audio/speech");
  kw_reply *reply = NULL;
  size_t len;

  pass_start (steps, "");
  rq.pass = 1;
  rq.on_upload = pass_on_upload;
  rq.on_start = pass_on_start;
  rq.on_data = pass_on_data;
  rq.user = &passed;
  rq.content_type = "audio/wav";
  passed.upload_len = 5000;
  ck_assert_int_eq (kw_chat (kit.client, &rq, &reply, &kit.err), 0);
  ck_assert_int_eq (passed.is_pattern, 1);
  ck_assert_uint_eq (passed.data_len, 100000);
  ck_assert_str_eq (kw_reply_text (reply), "");
  (void) kw_reply_body (reply, &len);
  ck_assert_uint_eq (len, 0);
  kw_reply_free (reply);
  rq.on_upload = NULL;
  memset (&passed, 0, sizeof passed);
  ck_assert_int_eq (kw_chat (kit.client, &rq, &reply, &kit.err), KW_ERR_REFUSED);
  ck_assert_int_eq (passed.status, 404);
  ck_assert_str_eq (passed.data, "no");
  memset (&passed, 0, sizeof passed);
  rq = (kw_request) KW_REQUEST_INIT;
  rq.prompt = "hi";
  rq.on_start = pass_on_start;
  rq.user = &passed;
  ck_assert_int_eq (kw_chat (kit.client, &rq, &reply, &kit.err), 0);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_str_eq (passed.model, "m");
  kw_reply_free (reply);
  ck_assert_int_eq (pass_stop (), 3);
  ck_assert_int_eq (provider.seen[0].is_pattern, 1);
  ck_assert_uint_eq (provider.seen[0].body_len, 5000);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("pass");
  TCase *tc = tcase_create ("pass");

  tcase_add_checked_fixture (tc, pass_setup, kit_teardown);
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, a_get_has_no_body_and_what_headers_may_go);
  tcase_add_test (tc, a_request_for_no_model_keeps_a_key_that_is_out_for_one);
  tcase_add_test (tc, methods_without_a_body_to_answer);
  tcase_add_test (tc, an_answer_of_50_MB_is_held_nowhere);
  tcase_add_test (tc, a_consumer_that_pauses_is_given_nothing);
  tcase_add_test (tc, long_json_may_be_paused_at_every_piece);
  tcase_add_test (tc, a_cancel_in_the_middle_of_an_answer);
  tcase_add_test (tc, lines_of_json_are_a_file_like_any_other);
  tcase_add_test (tc, a_packed_answer_is_unpacked_unless_nobody_asked);
  tcase_add_test (tc, an_event_stream_comes_byte_for_byte);
  tcase_add_test (tc, a_stream_of_another_shape_begins_with_its_content);
  tcase_add_loop_test (tc, a_stream_of_an_unknown_shape_begins_at_once, 0, 4);
  tcase_add_test (tc, kw_chat_tells_of_the_beginning_too);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
