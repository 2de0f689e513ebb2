/* keywheel serve: requests that are no chats, of any size, both ways; and errors,
 * the provider's own and the gateway's. */
#include "gatekit.h"

/* ---- Any request ------------------------------------------------------------------ */

START_TEST (each_method_path_and_query_go_through)
{
  static const struct { const char *method, *path; } cases[] = {
    { "GET", "/models" }, { "GET", "/files?purpose=batch&limit=2" },
    { "DELETE", "/files/file-1" }, { "GET", "/models/a%2Fb" },
  };
  int fd, up;

  gateway_with_hand ("", "");
  fd = client_connect ();
  say_request (fd, cases[_i].method, format ("/v1%s", cases[_i].path),
               "Connection: close\r\nCookie: c=1\r\nOpenAI-Organization: org-mine\r\n"
               "Idempotency-Key: ik-1\r\n", NULL);
  up = provider_take ("\r\n\r\n");
  ck_assert_msg (strstr (taken.bytes, format ("%s /v1%s HTTP/1.1\r\n", cases[_i].method,
                                          cases[_i].path)) == taken.bytes, "%s", taken.bytes);
  ck_assert_ptr_nonnull (strstr (taken.bytes, "dempotency-Key: ik-1\r\n"));
  ck_assert_ptr_null (strcasestr (taken.bytes, "\r\nCookie:"));
  ck_assert_ptr_null (strstr (taken.bytes, "org-mine"));
  ck_assert_ptr_null (strcasestr (taken.bytes, "Content-Type:"));
  say_text (up, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: rq-7\r\n"
                "Set-Cookie: x=y\r\nContent-Length: 2\r\n\r\n{}");
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  ck_assert_str_eq (a.body, "{}");
  ck_assert_str_eq (field_of ("X-Request-Id"), "rq-7");
  ck_assert_str_eq (field_of ("Set-Cookie"), "");
  (void) close (up);
}
END_TEST

/* The length of what GET would have got, and not a byte more. */
START_TEST (a_head_is_answered_by_a_head)
{
  static const struct { const char *path, *says, *length; } cases[] = {
    { "/v1/files/f/content", "Content-Length: 12345\r\n", "12345" },
    { "/v1/files/f/content", "Content-Length: 0\r\n", "0" },
    { "/v1/files/f/content", "Transfer-Encoding: chunked\r\n", "" },
    { "/events", NULL, "" },
  };
  int fd, up;

  gateway_with_hand ("", "");
  fd = client_connect ();
  say_request (fd, "HEAD", cases[_i].path, cases[_i].says == NULL ? "" : "Connection: close\r\n",
               NULL);
  if (cases[_i].says != NULL) {
    up = provider_take ("\r\n\r\n");
    ck_assert_int_eq (strncmp (taken.bytes, "HEAD ", 5), 0);
    say_text (up, format ("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                          "%s\r\n", cases[_i].says));
    (void) close (up);
  }
  answer_clear ();
  finish_answer (fd);
  ck_assert_int_eq (a.status, 200);
  ck_assert_str_eq (field_of ("Content-Length"), cases[_i].length);
  ck_assert_str_eq (field_of ("Transfer-Encoding"), "");
  ck_assert_uint_eq (a.heard.len, (size_t) (a.body - a.heard.bytes));
}
END_TEST

START_TEST (an_answer_of_any_kind_and_size_goes_through)
{
  const size_t size = 8 * 1024 * 1024;
  char *bytes = malloc (size);
  int fd, up;

  ck_assert_ptr_nonnull (bytes);
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char) (i * 7 + i / 251);
  gateway_with_hand ("max_response = 1MB", "");
  fd = client_connect ();
  say_request (fd, "GET", "/v1/files/file-1/content", "Connection: close\r\n", NULL);
  up = provider_take ("\r\n\r\n");
  say_text (up, format ("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                        "Content-Length: %zu\r\n\r\n", size));
  for (size_t at = 0; at < size; at += 65536) {
    say (up, bytes + at, 65536);
    while (at > 512 * 1024 && a.heard.len < at - 512 * 1024)
      ck_assert_uint_gt (hear_some (fd, &a.heard), 0);
  }
  finish_answer (fd);
  ck_assert_str_eq (field_of ("Content-Type"), "application/octet-stream");
  ck_assert_uint_eq (a.len, size);
  ck_assert (memcmp (a.body, bytes, size) == 0);
  (void) close (up);
  free (bytes);
}
END_TEST

/* ---- Uploads ------------------------------------------------------------------------- */

#define FORM "multipart/form-data; boundary=x7"
#define FORM_HEAD "--x7\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n" \
                  "--x7\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"" \
                  "\r\n\r\n"
#define FORM_TAIL "\r\n--x7--\r\n"
#define BLOCK 65536

START_TEST (an_upload_goes_through_while_it_comes)
{
  static char block[BLOCK];
  const size_t n_blocks = 512, size = strlen (FORM_HEAD) + n_blocks * BLOCK
                                      + strlen (FORM_TAIL);
  size_t seen;
  int fd, up;

  memset (block, 'w', sizeof block);
  gateway_with_hand ("", "");
  fd = client_connect ();
  say_text (fd, format ("POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Connection: close\r\nContent-Type: " FORM "\r\n"
                        "Content-Length: %zu\r\n\r\n" FORM_HEAD, size));
  say (fd, block, sizeof block);
  say (fd, block, sizeof block);
  up = provider_take ("wwww");      /* and there is much to come */
  ck_assert_ptr_nonnull (strstr (taken.bytes, "Content-Type: " FORM "\r\n"));
  seen = taken.len - (size_t) (strstr (taken.bytes, "\r\n\r\n") + 4 - taken.bytes);
  for (size_t i = 2; i < n_blocks; i++) {
    say (fd, block, sizeof block);
    while (seen + 1024 * 1024 < i * BLOCK) {
      taken.len = 0;
      seen += hear_some (up, &taken);
    }
  }
  say_text (fd, FORM_TAIL);
  while (seen < size) {
    taken.len = 0;
    ck_assert_uint_gt (hear_some (up, &taken), 0);
    seen += taken.len;
  }
  ck_assert_uint_eq (seen, size);
  ck_assert_str_eq (taken.bytes + taken.len - strlen (FORM_TAIL), FORM_TAIL);
  say_text (up, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n"
                "\r\n{\"text\":\"w\"}\n");
  finish_answer (fd);
  ck_assert_str_eq (a.body, "{\"text\":\"w\"}\n");
  (void) close (up);
}
END_TEST

START_TEST (a_slow_provider_stops_an_upload)
{
  static char block[BLOCK];
  struct pollfd p;
  size_t sent = 0;
  int fd, up;

  memset (block, 'w', sizeof block);
  gateway_with_hand ("", "");
  fd = client_connect ();
  say_text (fd, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Content-Type: " FORM "\r\nContent-Length: 1000000000\r\n\r\n" FORM_HEAD);
  p = (struct pollfd) { .fd = fd, .events = POLLOUT };
  while (sent < 64 * 1024 * 1024 && poll (&p, 1, 500) == 1) {
    ssize_t n = send (fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
    ck_assert_int_gt (n, 0);
    sent += (size_t) n;
  }
  ck_assert_msg (sent < 64 * 1024 * 1024, "the gateway takes all, whatever goes on");
  up = provider_take ("wwww");
  (void) close (fd);
  provider_expect_close (up);
}
END_TEST

START_TEST (an_upload_in_chunks_goes_through_up_to_max_body)
{
  static char block[BLOCK];
  int fd, up;

  memset (block, ' ', sizeof block);
  gateway_with_hand ("", "max_body = 1MB");
  fd = client_connect ();
  say_text (fd, "POST " CHAT " HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
                "Connection: close\r\nContent-Type: application/json\r\n\r\n");
  say_text (fd, format ("%zx\r\n" HELLO "\r\n", strlen (HELLO)));
  for (int i = 0; i < (_i == 0 ? 15 : 17); i++) {
    say_text (fd, format ("%x\r\n", BLOCK));
    say (fd, block, sizeof block);
    say_text (fd, "\r\n");
  }
  say_text (fd, "0\r\n\r\n");
  if (_i == 0) {
    up = provider_take ("}]}");
    say_text (up, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                  "\r\n{}");
    finish_answer (fd);
    ck_assert_int_eq (a.status, 200);
    (void) close (up);
  } else {
    finish_answer (fd);
    is_error (413, "request_too_large");
  }
}
END_TEST

START_TEST (a_body_over_max_body_is_refused_before_it_comes)
{
  int fd;

  gateway_with_sim ("", "max_body = 1MB");
  fd = client_connect ();
  say_text (fd, "POST " CHAT " HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n"
                "Content-Type: application/json\r\nContent-Length: 1048577\r\n\r\n");
  finish_answer (fd);
  is_error (413, "request_too_large");
}
END_TEST

/* ---- Large heads --------------------------------------------------------------------- */

/* Of both there is one for each size: somewhere there is no more room for both. */
START_TEST (what_has_no_room_in_an_answers_head_is_left_out)
{
  static char large[16384], asks[16384];
  int fd, up;

  gateway_with_hand ("", "");
  for (size_t size = 1000; size < 16000; size += 3000) {
    memset (large, 'v', sizeof large - 1);
    large[size] = '\0';
    memset (asks, 'a', sizeof asks - 1);
    asks[16000 - size] = '\0';
    fd = client_connect ();
    say_text (fd, "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX: ");
    say_text (fd, asks);
    say_text (fd, "\r\n\r\n");
    up = provider_take ("\r\n\r\n");
    say_text (up, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: ");
    say_text (up, large);
    say_text (up, "\r\nX-Model-Version: 7\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    answer_clear ();
    finish_answer (fd);
    ck_assert_int_eq (a.status, 200);
    ck_assert_str_eq (a.body, "{}");
    ck_assert_str_eq (field_of ("X-Model-Version"), "7");
    (void) close (up);
  }
}
END_TEST

START_TEST (the_last_of_many_fields_goes_through)
{
  int fd, up;

  gateway_with_hand ("", "");
  fd = client_connect ();
  say_text (fd, "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
  for (int i = 0; i < 150; i++)
    say_text (fd, format ("X-%d: x\r\n", i));
  say_text (fd, "Idempotency-Key: ik-9\r\n\r\n");
  up = provider_take ("\r\n\r\n");
  ck_assert_ptr_nonnull (strstr (taken.bytes, "dempotency-Key: ik-9\r\n"));
  say_text (up, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  answer_clear ();
  finish_answer (fd);
  ck_assert_str_eq (field_of ("Content-Type"), "application/json");
  (void) close (up);
}
END_TEST

/* Up to max_header, whatever is asked: the answer's head has room of its own. */
START_TEST (a_head_up_to_max_header_is_answered)
{
  static char large[16384 + 8192];
  static const struct { size_t more; int status; } cases[] = {
    { 15000, 200 }, { 15800, 200 }, { 16200, 200 }, { 16384, 431 }, { 20000, 431 },
  };

  gateway_with_sim ("", "");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    memset (large, 'a', sizeof large - 1);
    large[cases[i].more] = '\0';
    int fd = client_connect ();
    say_text (fd, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX: ");
    say_text (fd, large);
    say_text (fd, "\r\n\r\n");
    answer_clear ();
    finish_answer (fd);
    ck_assert_msg (a.status == cases[i].status, "%zu: %d", cases[i].more, a.status);
    if (a.status == 431)
      is_error (431, "header_too_large");
  }
}
END_TEST

/* ---- Errors ------------------------------------------------------------------------------ */

START_TEST (the_providers_own_refusal_goes_through)
{
  static const char refusal[] = "{\"error\": {\"message\":\"no such thing\", \"code\":\"x1\"}}\n";
  int fd, up;

  gateway_with_hand ("", "");
  fd = client_connect ();
  say_request (fd, "POST", CHAT, "Connection: close\r\n", HELLO);
  up = provider_take ("}]}");
  say_text (up, format ("HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
                        "X-Request-Id: rq-8\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen (refusal), refusal));
  finish_answer (fd);
  ck_assert_int_eq (a.status, 404);
  ck_assert_str_eq (a.body, refusal);
  ck_assert_str_eq (field_of ("X-Request-Id"), "rq-8");
  ck_assert_str_eq (field_of ("x-keywheel-key"), "primary");
  (void) close (up);
}
END_TEST

/* What a provider may do, and what the client hears of it. */
static const struct {
  const char *key, *provider, *fault;
  int status, wait_s;
  const char *code, *should_retry;
} troubles[] = {
  { ",revoked", "", NULL, 502, 0, "provider_key_refused", "false" },
  { ",rpd=1", "max_switches = 0", NULL, 429, 0, "too_many_switches", "" },
  { "", "", "drop", 502, 0, "provider_unavailable", "" },
  { ",restricted", "on_billing = fail", NULL, 429, 0, "billing", "false" },
  { ",rpm=1", "deadline = 20s", NULL, 429, 60, "rate_limited", "" },
};

START_TEST (each_trouble_has_its_status_and_code)
{
  sim = simctl_startl ("--clock", "manual", "--key",
                       format (SECRET "a,name=a%s", troubles[_i].key),
                       "--key", SECRET "b,name=b", NULL);
  if (troubles[_i].fault != NULL)
    simctl_fault (sim, troubles[_i].fault);
  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env ("GROQ_API_KEY_BACKUP=" SECRET "b");
  set_env (ini);
  write_gateway_ini (simctl_base_url (sim), troubles[_i].provider, "");
  gateway_start ();
  for (int i = 0; i < 2; i++)
    ask ("POST", CHAT, HELLO);
  is_error (troubles[_i].status, troubles[_i].code);
  if (troubles[_i].wait_s > 0) {
    long told = strtol (field_of ("Retry-After"), NULL, 10);
    ck_assert_int_le (told, troubles[_i].wait_s);
    ck_assert_int_gt (told, troubles[_i].wait_s / 2);   /* it may have taken its time */
  } else
    ck_assert_str_eq (field_of ("Retry-After"), "");
  ck_assert_str_eq (field_of ("x-should-retry"), troubles[_i].should_retry);
}
END_TEST

START_TEST (an_error_that_stays_is_the_providers_own)
{
  gateway_with_sim ("", "");
  simctl_fault (sim, "status=503");
  ask ("POST", CHAT, HELLO);
  ck_assert_int_eq (a.status, 503);
  ck_assert_ptr_nonnull (strstr (a.body, "currently over capacity"));
  ck_assert_str_eq (field_of ("x-keywheel-attempts"), "3");
}
END_TEST

START_TEST (when_every_key_is_out_the_first_return_is_told)
{
  sim = simctl_startl ("--clock", "manual", "--key", SECRET "a,name=a,rpd=1", NULL);
  set_env ("GROQ_API_KEY=" SECRET "a");
  set_env (ini);
  write_gateway_ini (simctl_base_url (sim), "", "");
  gateway_start ();
  ask ("POST", CHAT, HELLO);
  ck_assert_int_eq (a.status, 200);
  ask ("POST", CHAT, HELLO);
  is_error (429, "keys_exhausted");
  ck_assert_int_gt (strtol (field_of ("Retry-After"), NULL, 10), 3600);
  /* The SDKs would wait a second and ask in vain. */
  ck_assert_str_eq (field_of ("x-should-retry"), "false");
}
END_TEST

static Suite *
gateway_pass_suite (void)
{
  Suite *s = suite_create ("gateway_pass");
  TCase *t = tcase_create ("gateway_pass");

  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, set_up, gateway_tear_down);
  tcase_add_loop_test (t, each_method_path_and_query_go_through, 0, 4);
  tcase_add_loop_test (t, a_head_is_answered_by_a_head, 0, 4);
  tcase_add_test (t, an_answer_of_any_kind_and_size_goes_through);
  tcase_add_test (t, an_upload_goes_through_while_it_comes);
  tcase_add_test (t, a_slow_provider_stops_an_upload);
  tcase_add_loop_test (t, an_upload_in_chunks_goes_through_up_to_max_body, 0, 2);
  tcase_add_test (t, a_body_over_max_body_is_refused_before_it_comes);
  tcase_add_test (t, what_has_no_room_in_an_answers_head_is_left_out);
  tcase_add_test (t, the_last_of_many_fields_goes_through);
  tcase_add_test (t, a_head_up_to_max_header_is_answered);
  tcase_add_test (t, the_providers_own_refusal_goes_through);
  tcase_add_loop_test (t, each_trouble_has_its_status_and_code, 0,
                       (int) (sizeof troubles / sizeof troubles[0]));
  tcase_add_test (t, an_error_that_stays_is_the_providers_own);
  tcase_add_test (t, when_every_key_is_out_the_first_return_is_told);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (gateway_pass_suite)
