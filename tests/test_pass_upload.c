/* test_pass_upload - bodies that their caller gives piece by piece: what goes
 * out when, what is sent again, and how they end. */
#include "passkit.h"

START_TEST (a_body_of_50_MB_is_held_nowhere)
{
  enum { BIG = 50 << 20 };
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = JSON, .body = "{}" },
    { .status = "200 OK", .headers = JSON, .body = "{}" } };
  long before, after;

  pass_start (steps, "");
  for (int i = 0; i < 2; i++) {
    kw_request rq = upload ("/files", "application/octet-stream");
    before = pass_peak_kb ();
    memset (&passed, 0, sizeof passed);
    pass_upload (&passed, NULL, BIG);
    rq.upload_len = i == 0 ? BIG : -1;
    rq.replay_limit = 1 << 20;
    pass_run (&passed, &rq);
    after = pass_peak_kb ();
    ck_assert_msg (passed.code == 0, "%d: %s", i, passed.why);
    ck_assert_str_eq (passed.model, "m");
    ck_assert_msg (after - before < 8192, "%d: grew by %ld KB", i, after - before);
  }
  ck_assert_int_eq (pass_stop (), 2);
  for (int i = 0; i < 2; i++) {
    ck_assert_uint_eq (provider.seen[i].body_len, BIG);
    ck_assert_int_eq (provider.seen[i].is_pattern, 1);
    ck_assert_ptr_nonnull (strstr (provider.seen[i].head,
                                   "Content-Type: application/octet-stream\r\n"));
    ck_assert_ptr_null (strstr (provider.seen[i].head, "Expect"));
  }
  ck_assert_ptr_nonnull (strstr (provider.seen[0].head, "Content-Length: 52428800\r\n"));
  ck_assert_ptr_nonnull (strstr (provider.seen[1].head, "Transfer-Encoding: chunked\r\n"));
}
END_TEST

START_TEST (what_is_kept_is_sent_again_after_a_switch)
{
  enum { SIZE = 3 << 20 };
  static const struct pass_step steps[] = {
    { .status = "429 Too Many", .headers = JSON, .body = PASS_DAY },
    { .status = "200 OK", .headers = JSON, .body = "{}" } };
  kw_request rq = upload ("/files", "application/octet-stream");

  pass_start (steps, "");
  pass_upload (&passed, NULL, SIZE);
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_str_eq (passed.key, "backup-1");
  ck_assert_int_eq (passed.switches, 1);
  ck_assert_int_eq (passed.n_start, 1);
  ck_assert_uint_eq (passed.uploaded, SIZE); /* taken from its caller once */
  ck_assert_int_eq (pass_stop (), 2);
  for (int i = 0; i < 2; i++) {
    ck_assert_uint_eq (provider.seen[i].body_len, SIZE);
    ck_assert_int_eq (provider.seen[i].is_pattern, 1);
  }
}
END_TEST

START_TEST (what_is_larger_is_sent_once_and_its_error_handed_over)
{
  enum { LIMIT = 100000 };
  static const struct pass_step steps[] = {
    { .status = "429 Too Many", .headers = JSON, .body = PASS_DAY },
    { .status = "503 Busy", .headers = "Content-Type: text/plain\r\n", .body = "busy" },
    { .status = NULL },
    { .status = "200 OK", .headers = JSON, .body = "{}" } };
  static const struct { uint64_t len; int code, status; const char *key; } rows[] = {
    { LIMIT + 1, KW_ERR_EXHAUSTED, 429, "primary" },
    { LIMIT + 1, KW_ERR_UNAVAILABLE, 503, "backup-1" }, /* the first is parked */
    { 10 * LIMIT, KW_ERR_UNAVAILABLE, 0, "" },
    { LIMIT + 1, 0, 200, "backup-1" },
  };

  pass_start (steps, "backoff_initial = 1ms");
  for (int i = 0; i < 4; i++) {
    kw_request rq = upload ("/files", "application/octet-stream");
    memset (&passed, 0, sizeof passed);
    pass_upload (&passed, NULL, rows[i].len);
    rq.replay_limit = LIMIT;
    pass_run (&passed, &rq);
    ck_assert_msg (passed.code == rows[i].code, "%d: %d %s", i, passed.code, passed.why);
    ck_assert_int_eq (passed.status, rows[i].status);
    ck_assert_str_eq (passed.key, rows[i].key);
    ck_assert_int_eq (passed.n_start, rows[i].status != 0);
    if (passed.code != 0) {
      ck_assert_msg (strstr (passed.why, "over replay_limit (100000 bytes)") != NULL, "%s", passed.why);
      ck_assert_int_eq (passed.error_attempts, 1);
    }
    if (i == 0)
      ck_assert_str_eq (passed.data, PASS_DAY);
  }
  ck_assert_int_eq (pass_stop (), 4);
}
END_TEST

/* All of it, to the last byte of the limit, can be sent again. */
START_TEST (what_is_as_large_as_the_limit_is_sent_again)
{
  enum { LIMIT = 100000 };
  static const struct pass_step steps[] = {
    { .status = "503 Busy", .headers = JSON, .body = "{}" },
    { .status = "200 OK", .headers = JSON, .body = "{}" } };
  kw_request rq = upload ("/files", "application/octet-stream");

  pass_start (steps, "backoff_initial = 1ms");
  pass_upload (&passed, NULL, LIMIT);
  rq.upload_len = LIMIT;
  rq.replay_limit = LIMIT;
  pass_run (&passed, &rq);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_int_eq (pass_stop (), 2);
  ck_assert_uint_eq (provider.seen[1].body_len, LIMIT);
  ck_assert_int_eq (provider.seen[1].is_pattern, 1);
}
END_TEST

/* An answer may come while the body does not. */
START_TEST (an_upload_that_has_paused_is_retried_and_goes_on)
{
  static const struct pass_step steps[] = {
    { .status = "503 Busy", .headers = JSON, .body = "{}", .early = 1,
      .gated = 1 },
    { .status = "200 OK", .headers = JSON, .body = "{}" } };
  kw_request rq = upload ("/files", "application/octet-stream");

  pass_start (steps, "backoff_initial = 1ms");
  pass_upload (&passed, NULL, 50000);
  passed.pause_at = 20000;
  pass_begin (&passed, &rq);
  PASS_UNTIL (passed.paused);
  pass_open ();
  PASS_UNTIL_THERE (atomic_load (&provider.n_seen) == 2);
  ck_assert_int_eq (passed.ended, 0);
  passed.paused = 0;
  kw_handle_resume_upload (passed.handle);
  PASS_UNTIL (passed.ended);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_int_eq (passed.attempts, 2);
  ck_assert_int_eq (pass_stop (), 2);
  ck_assert_uint_eq (provider.seen[1].body_len, 50000);
  ck_assert_int_eq (provider.seen[1].is_pattern, 1);
}
END_TEST

/* Turns for longer than the provider may be silent. */
static void
turn_for_ms (int64_t ms)
{
  int64_t end = kwi_clock_system.mono_ms (NULL) + ms;

  while (kwi_clock_system.mono_ms (NULL) < end) {
    struct pollfd f = { .fd = kw_client_fd (kit.client), .events = POLLIN };
    (void) poll (&f, 1, 100);
    ck_assert_int_ge (kw_client_process (kit.client), 0);
  }
}

/* Neither side's pause is taken for the provider's silence.  That may be long: the
 * machine may be busy. */
START_TEST (a_pause_is_no_silence)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: audio/mpeg\r\n", .big = 1 << 20 } };
  kw_request rq = upload ("/audio", "application/octet-stream");

  pass_start (steps, "attempt_timeout = 2s");
  pass_upload (&passed, NULL, 50000);
  passed.pause_at = 20000;
  passed.pause = 1;
  pass_begin (&passed, &rq);
  PASS_UNTIL (passed.paused);
  turn_for_ms (2500);
  passed.paused = 0;
  kw_handle_resume_upload (passed.handle);
  PASS_UNTIL (passed.n_data > 0);
  turn_for_ms (2500);
  while (!passed.ended) {
    kw_handle_resume (passed.handle);
    pass_turn ();
  }
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_int_eq (passed.is_pattern, 1);
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

/* The answer has begun, and neither side goes on with the other. */
START_TEST (each_way_pauses_for_itself)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = "Content-Type: audio/mpeg\r\n", .big = 4 << 20,
      .early = 1 } };
  kw_request rq = upload ("/audio", "application/octet-stream");
  int n;

  pass_start (steps, "");
  pass_upload (&passed, NULL, 50000);
  passed.pause_at = 20000;
  passed.pause = 1;
  pass_begin (&passed, &rq);
  PASS_UNTIL (passed.paused && passed.n_data > 0);
  pass_turn_until_quiet ();
  n = passed.n_data;
  passed.paused = 0;
  kw_handle_resume_upload (passed.handle);
  PASS_UNTIL (passed.uploaded == 50000);
  pass_turn_until_quiet ();
  ck_assert_int_eq (passed.n_data, n);
  while (!passed.ended) {
    kw_handle_resume (passed.handle);
    pass_turn ();
  }
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_uint_eq (passed.data_len, 4 << 20);
  ck_assert_int_eq (passed.is_pattern, 1);
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

START_TEST (a_provider_that_does_not_read_is_not_read_for)
{
  enum { BIG = 40 << 20 };
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = JSON, .body = "{}", .gated = 1 } };
  kw_request rq = upload ("/files", "application/octet-stream");

  pass_start (steps, "");
  pass_upload (&passed, NULL, BIG);
  rq.replay_limit = 1 << 20;
  pass_begin (&passed, &rq);
  PASS_UNTIL (passed.uploaded > 1 << 20);
  pass_wait_for_head ();
  pass_turn_until_quiet ();
  ck_assert_uint_lt (passed.uploaded, BIG / 2); /* what the system's buffers hold */
  pass_open ();
  PASS_UNTIL (passed.ended);
  ck_assert_msg (passed.code == 0, "%s", passed.why);
  ck_assert_int_eq (pass_stop (), 1);
  ck_assert_uint_eq (provider.seen[0].body_len, BIG);
  ck_assert_int_eq (provider.seen[0].is_pattern, 1);
}
END_TEST

START_TEST (an_upload_that_ends_badly)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK" }, { .status = "200 OK" }, { .status = "200 OK" } };
  static const struct { const char *type; int64_t says, declared; int code; } rows[] = {
    { "application/octet-stream", -1, 0, KW_ERR_CANCELLED },
    { "application/octet-stream", 1 << 30, 0, KW_ERR_CANCELLED }, /* more than asked for */
    { "application/octet-stream", 0, 70000, KW_ERR_USAGE },
    { "application/json", -1, 0, KW_ERR_CANCELLED }, /* before anything is sent */
    { "application/json", 0, 70000, KW_ERR_USAGE },
  };

  pass_start (steps, "");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    kw_request rq = upload ("/files", rows[i].type);
    memset (&passed, 0, sizeof passed);
    pass_upload (&passed, NULL, 50000);
    rq.upload_len = rows[i].declared;
    passed.pause_at = 30000;
    pass_begin (&passed, &rq);
    PASS_UNTIL (passed.paused);
    if (i < 3)
      pass_wait_for_head ();
    if (rows[i].says != 0)
      passed.says = rows[i].says;
    passed.paused = 0;
    kw_handle_resume_upload (passed.handle);
    PASS_UNTIL (passed.ended);
    ck_assert_msg (passed.code == rows[i].code, "%zu: %d %s", i, passed.code, passed.why);
    ck_assert_int_eq (passed.n_start, 0);
    if (passed.code == KW_ERR_USAGE)
      ck_assert_msg (strstr (passed.why, "ended after 50000 of 70000 bytes") != NULL, "%s", passed.why);
  }
  ck_assert_int_eq (pass_stop (), 3);
}
END_TEST

START_TEST (a_cancel_in_the_middle_of_an_upload)
{
  static const struct pass_step steps[] = { { .status = "200 OK" } };
  static const char *const types[] = { "application/octet-stream", "application/json" };

  pass_start (steps, "");
  for (int i = 0; i < 2; i++) {
    kw_request rq = upload ("/files", types[i]);
    memset (&passed, 0, sizeof passed);
    pass_upload (&passed, NULL, 50000);
    passed.pause_at = 20000;
    pass_begin (&passed, &rq);
    PASS_UNTIL (passed.paused);
    if (i == 0)
      pass_wait_for_head ();
    kw_handle_cancel (passed.handle);
    kw_handle_resume_upload (passed.handle);
    PASS_UNTIL (passed.ended);
    ck_assert_int_eq (passed.code, KW_ERR_CANCELLED);
    ck_assert_int_eq (passed.n_start, 0);
  }
  ck_assert_int_eq (pass_stop (), 1);
}
END_TEST

START_TEST (a_body_that_does_not_come_ends_at_the_deadline)
{
  static const struct pass_step steps[] = { { .status = "200 OK" } };
  kw_request rq = upload ("/chat/completions", NULL);

  pass_start (steps, "");
  pass_upload (&passed, "{\"model\":\"m\"}", 0);
  passed.pause_at = 3;
  rq.deadline_ms = 100;
  pass_run (&passed, &rq);
  ck_assert_int_eq (passed.code, KW_ERR_DEADLINE);
  ck_assert_msg (strstr (passed.why, "nothing was sent") != NULL, "%s", passed.why);
  ck_assert_int_eq (pass_stop (), 0);
}
END_TEST

/* A connection that serves one, and then the other way, and back. */
START_TEST (a_handle_goes_from_one_kind_to_the_next)
{
  static const struct pass_step steps[] = {
    { .status = "200 OK", .headers = JSON, .body = "{}" },
    { .status = "200 OK", .headers = JSON, .body = PASS_CHAT },
    { .status = "200 OK", .headers = JSON, .body = "{}" },
    { .status = "200 OK", .headers = JSON, .body = "{}" },
    { .status = "200 OK", .headers = JSON, .body = PASS_CHAT } };
  kw_request up = upload ("/files", "text/plain"), get = KW_REQUEST_INIT;
  kw_request chat = KW_REQUEST_INIT;

  pass_start (steps, "");
  get.method = "GET";
  get.path = "/files";
  chat.body = "{\"model\":\"m\"}";
  chat.body_len = strlen (chat.body);
  for (int i = 0; i < 5; i++) {
    memset (&passed, 0, sizeof passed);
    if (i % 2 == 0 && i < 4)
      pass_upload (&passed, NULL, 70000);
    if (i == 2)
      up.method = "PUT";
    pass_run (&passed, i % 2 == 0 && i < 4 ? &up : i == 3 ? &get : &chat);
    ck_assert_msg (passed.code == 0, "%d: %s", i, passed.why);
  }
  ck_assert_int_eq (pass_stop (), 5);
  ck_assert_int_eq (strncmp (provider.seen[0].head, "POST ", 5), 0);
  ck_assert_uint_eq (provider.seen[0].body_len, 70000);
  ck_assert_str_eq (provider.seen[1].body, "{\"model\":\"m\"}");
  ck_assert_int_eq (strncmp (provider.seen[2].head, "PUT ", 4), 0);
  ck_assert_uint_eq (provider.seen[2].body_len, 70000);
  ck_assert_int_eq (strncmp (provider.seen[3].head, "GET ", 4), 0);
  ck_assert_ptr_null (strstr (provider.seen[3].head, "chunked"));
  ck_assert_str_eq (provider.seen[4].body, "{\"model\":\"m\"}");
  ck_assert_ptr_null (strstr (provider.seen[4].head, "chunked"));
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("pass_upload");
  TCase *tc = tcase_create ("pass_upload");

  tcase_add_checked_fixture (tc, pass_setup, kit_teardown);
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, a_body_of_50_MB_is_held_nowhere);
  tcase_add_test (tc, what_is_kept_is_sent_again_after_a_switch);
  tcase_add_test (tc, what_is_larger_is_sent_once_and_its_error_handed_over);
  tcase_add_test (tc, what_is_as_large_as_the_limit_is_sent_again);
  tcase_add_test (tc, an_upload_that_has_paused_is_retried_and_goes_on);
  tcase_add_test (tc, a_pause_is_no_silence);
  tcase_add_test (tc, each_way_pauses_for_itself);
  tcase_add_test (tc, a_provider_that_does_not_read_is_not_read_for);
  tcase_add_test (tc, an_upload_that_ends_badly);
  tcase_add_test (tc, a_cancel_in_the_middle_of_an_upload);
  tcase_add_test (tc, a_body_that_does_not_come_ends_at_the_deadline);
  tcase_add_test (tc, a_handle_goes_from_one_kind_to_the_next);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
