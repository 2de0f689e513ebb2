/* Answers of a provider that speaks a format of its own, through the client: whole
 * and as streams, and what a caller sees of what goes wrong. */
#include "canned.h"
#include "clientkit.h"
#include "got.h"

#define N(a) ((int) (sizeof (a) / sizeof (a)[0]))

#define HEAD(type) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\n"
#define JSON HEAD ("application/json")
#define LENGTH(n) "Content-Length: " #n "\r\n\r\n"
/* Ends with the connection, so that the network sees nothing wrong. */
#define STREAM HEAD ("text/event-stream") "X-Id: 7\r\n\r\n"
#define WHOLE JSON LENGTH (29) "{\"text\":\"hi\",\"in\":1,\"out\":2}\n"

#define E(name, data) "event: " name "\ndata: " data "\n\n"
#define CHUNK(key, value) "data: {\"choices\":[{\"index\":0,\"delta\":{\"" key "\":\"" \
  value "\"},\"finish_reason\":null}],\"usage\":null}\n\n"
#define GOOD STREAM E ("hello", "x") E ("word", "one ") E ("word", "two") E ("end", "x")
#define GOOD_OUT CHUNK ("role", "assistant") CHUNK ("content", "one ")             \
  CHUNK ("content", "two") "data: {\"choices\":[{\"index\":0,\"delta\":{},"        \
  "\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{"             \
  "\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n"

static struct canned *server;

/* With these answers, and options (retries wait a millisecond). */
static void
begin (const char *options, const char *first, const char *second)
{
  char lines[256];
  int n = snprintf (lines, sizeof lines, "backoff_initial = 1ms\nbackoff_max = 1ms\n%s",
                    options);

  ck_assert (n > 0 && (size_t) n < sizeof lines);
  server = canned_start_each (first, second, NULL, NULL);
  kit.url = canned_url (server);
  kit.plugin = "translate";
  kit.vars[0] = "TOY_API_KEY";
  kit.vars[1] = "sk-a";
  kit.vars[2] = "TOY_API_KEY_BACKUP";
  kit.vars[3] = "sk-b";
  kit_open (lines);
}

static int
served (void)
{
  int n = canned_stop (server, NULL, 0);

  server = NULL;
  return n;
}

/* Each stream that was begun was ended, once. */
static int
streams_ended (void)
{
  int begun = 0, ended = 0;

  for (int i = 0; i < kit.n_events; i++) {
    begun += strcmp (kit.event[i].text, "begins for m") == 0;
    ended += strcmp (kit.event[i].text, "ends for m") == 0;
  }
  ck_assert_int_eq (begun, ended);
  return ended;
}

static int
ask (struct got *g, int stream, int data, int text, kw_reply **ret)
{
  kw_request rq = KW_REQUEST_INIT;

  rq.prompt = "hi";
  rq.stream = stream;
  rq.on_data = data ? on_data : NULL;
  rq.on_text = text ? on_text : NULL;
  rq.user = g;
  *ret = NULL;
  return kw_chat (kit.client, &rq, ret, &kit.err);
}

static int
is_said (const char *words)
{
  return strstr (kit.err.message, words) != NULL;
}

/* ---- Whole ------------------------------------------------------------------------- */

START_TEST (a_whole_answer_is_a_chat_completion)
{
  static const char text[] = "\"message\":{\"role\":\"assistant\",\"content\":\"hi\"}";
  struct got g = { .texts = 0 };
  kw_reply *r;

  /* Asked for a stream or not: the server may not stream. */
  begin ("", WHOLE, WHOLE);
  ck_assert_msg (ask (&g, _i, _i, _i, &r) == 0, "%s", kit.err.message);
  ck_assert_str_eq (kw_reply_text (r), "hi");
  ck_assert_ptr_nonnull (strstr (kw_reply_body (r, NULL), text));
  ck_assert_ptr_null (strstr (kw_reply_body (r, NULL), "\"text\""));
  ck_assert_str_eq (kw_reply_content_type (r), "application/json");
  ck_assert_int_eq (kw_reply_input_tokens (r), 1);
  ck_assert_int_eq (kw_reply_output_tokens (r), 2);
  if (_i == 1) {
    ck_assert_str_eq (g.text, "hi");
    ck_assert_str_eq (g.data, kw_reply_body (r, NULL));
  }
  kw_reply_free (r);
  ck_assert_int_eq (streams_ended (), 0);
  ck_assert_int_eq (served (), 1);
}
END_TEST

static const struct { const char *options, *answer, *words; int code; } wrong[] = {
  { "max_retries = 1", JSON LENGTH (6) "{\"a\":1",
    "200 not_json: its answer is no JSON", KW_ERR_UNAVAILABLE },
  { "max_retries = 1", JSON LENGTH (7) "{\"a\":1}",
    "200 not_translatable: plugin \"toy\" cannot translate the answer: there is "
    "no text in it", KW_ERR_UNAVAILABLE },
  { "max_retries = 1\nhow = nothing", WHOLE,
    "200 not_translatable: plugin \"toy\" cannot translate the answer: it output "
    "nothing", KW_ERR_UNAVAILABLE },
  { "max_retries = 1\nhow = no-json", WHOLE, "is no JSON", KW_ERR_UNAVAILABLE },
  { "max_response = 2KB\nhow = much", WHOLE,
    "the answer of translate is larger than max_response (2048 bytes)",
    KW_ERR_TOO_LARGE },
  { "how = long-note", WHOLE, "a note of 4097 bytes; at most 4096", KW_ERR_REFUSED },
};

START_TEST (an_answer_that_cannot_be_translated_was_not_served)
{
  kw_reply *r;
  int code;

  begin (wrong[_i].options, wrong[_i].answer, wrong[_i].answer);
  code = ask (NULL, 0, 0, 0, &r);
  ck_assert_msg (code == wrong[_i].code && is_said (wrong[_i].words), "%d: %s", code,
                 code != 0 ? kit.err.message : "served");
  ck_assert_int_eq (served (), code == KW_ERR_UNAVAILABLE ? 2
                               : code == KW_ERR_TOO_LARGE);
}
END_TEST

START_TEST (an_answer_that_cannot_be_translated_is_asked_for_again)
{
  kw_reply *r;

  begin ("", JSON LENGTH (7) "{\"a\":1}", WHOLE);
  ck_assert_msg (ask (NULL, 0, 0, 0, &r) == 0, "%s", kit.err.message);
  ck_assert_str_eq (kw_reply_text (r), "hi");
  ck_assert_uint_eq (kw_reply_attempts (r), 2);
  ck_assert_str_eq (kw_reply_attempt (r, 0)->reason, "not_translatable");
  ck_assert_int_eq (kw_reply_attempt (r, 0)->verdict, KW_VERDICT_TRANSIENT);
  kw_reply_free (r);
  ck_assert_int_eq (served (), 2);
}
END_TEST

START_TEST (an_error_of_the_provider_is_the_providers)
{
  kw_reply *r;

  begin ("", "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\n"
             "Content-Length: 35\r\n\r\n{\"error\":{\"message\":\"no such toy\"}}\n", NULL);
  ck_assert_int_eq (ask (NULL, 0, 0, 0, &r), KW_ERR_REFUSED);
  ck_assert_msg (is_said ("no such toy"), "%s", kit.err.message);
  ck_assert_int_eq (served (), 1);
}
END_TEST

START_TEST (a_key_that_is_tried_needs_no_stream)
{
  begin ("how = native", WHOLE, NULL);  /* its probe, which is none's to read */
  ck_assert_msg (kw_probe (kit.client, NULL, "primary", &kit.err) == 0, "%s",
                 kit.err.message);
  ck_assert_int_eq (served (), 1);
}
END_TEST

/* ---- Streams ------------------------------------------------------------------------- */

START_TEST (a_stream_comes_translated_as_text_and_as_bytes)
{
  int data = _i & 1, text = _i >> 1;
  struct got g = { .texts = 0 };
  size_t len;
  kw_reply *r;

  begin ("", GOOD, NULL);
  ck_assert_msg (ask (&g, 1, data, text, &r) == 0, "%s", kit.err.message);
  ck_assert_str_eq (g.data, data ? GOOD_OUT : "");
  ck_assert_str_eq (g.text, text ? "one two" : "");
  ck_assert_str_eq (kw_reply_body (r, &len), data || text ? "" : GOOD_OUT);
  ck_assert_uint_eq (len, strlen (kw_reply_body (r, NULL)));
  ck_assert_str_eq (kw_reply_text (r), "");
  ck_assert_str_eq (kw_reply_content_type (r), "text/event-stream");
  ck_assert_int_eq (kw_reply_input_tokens (r), 3);
  ck_assert_int_eq (kw_reply_output_tokens (r), 4);
  kw_reply_free (r);
  ck_assert_int_eq (streams_ended (), 1);
  ck_assert_int_eq (served (), 1);
}
END_TEST

/* What ends an attempt before content, and the word for it. */
static const struct { const char *answer, *reason; int begun; } early[] = {
  { STREAM E ("hello", "x"), "stream_broken", 1 },
  { STREAM E ("quiet", "x"), "stream_empty", 1 },
  { STREAM, "not_json", 0 },    /* no byte of a stream came */
  { HEAD ("text/event-stream") LENGTH (1000) E ("hello", "x"), "", 1 },
  { STREAM E ("hello", "x") E ("fail", "x"), "not_translatable", 1 },
  { STREAM E ("hello", "x") E ("nul", "x"), "not_translatable", 1 },
  { STREAM E ("hello", "x") E ("error", "{\"error\":{\"code\":\"busy\"}}"), "", 1 },
  { STREAM E ("hello", "x") E ("error", "{\"error\":{\"code\":\"day\"}}"), "", 1 },
  { "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", "", 0 },
};

START_TEST (what_breaks_before_the_first_content_is_sent_again_unseen)
{
  struct got g = { .texts = 0 };
  kw_reply *r;

  begin ("", early[_i].answer, GOOD);
  ck_assert_msg (ask (&g, 1, 1, 1, &r) == 0, "%s", kit.err.message);
  ck_assert_str_eq (g.data, GOOD_OUT);
  ck_assert_str_eq (g.text, "one two");
  ck_assert_uint_eq (kw_reply_attempts (r), 2);
  ck_assert_str_eq (kw_reply_attempt (r, 0)->reason, early[_i].reason);
  ck_assert_str_eq (kw_reply_key (r), strstr (early[_i].answer, "day") != NULL
                                        ? "backup-1" : "primary");
  kw_reply_free (r);
  ck_assert_int_eq (streams_ended (), 1 + early[_i].begun);
  ck_assert_int_eq (served (), 2);
}
END_TEST

START_TEST (a_stream_that_nobody_takes_is_asked_again_after_content_too)
{
  kw_reply *r;

  begin ("", STREAM E ("hello", "x") E ("word", "half"), GOOD);
  ck_assert_msg (ask (NULL, 1, 0, 0, &r) == 0, "%s", kit.err.message);
  ck_assert_str_eq (kw_reply_body (r, NULL), GOOD_OUT);
  kw_reply_free (r);
  ck_assert_int_eq (streams_ended (), 2);
  ck_assert_int_eq (served (), 2);
}
END_TEST

static const struct { const char *options, *answer, *words; int code; } late[] = {
  { "", STREAM E ("word", "half"), "broke after it had begun (200 stream_broken)",
    KW_ERR_UNAVAILABLE },
  { "", HEAD ("text/event-stream") LENGTH (1000) E ("word", "half"),
    "broke after it had begun", KW_ERR_UNAVAILABLE },
  { "", STREAM E ("word", "half") E ("fail", "x"),
    "broke after it had begun (200 not_translatable: plugin \"toy\" cannot translate "
    "the answer: no event like it)", KW_ERR_UNAVAILABLE },
  { "how = fails-last", STREAM E ("word", "half"),
    "(200 not_translatable: plugin \"toy\" cannot translate the answer: the end is "
    "missing)", KW_ERR_UNAVAILABLE },
  { "", STREAM E ("word", "half") E ("error", "{\"error\":{\"code\":\"busy\","
    "\"message\":\"all toys are out\"}}"), "all toys are out", KW_ERR_UNAVAILABLE },
  { "max_response = 2KB", STREAM E ("word", "half") E ("much", "x"),
    "larger than max_response (2048 bytes)", KW_ERR_TOO_LARGE },
  { "max_response = 2KB\nhow = much-last", STREAM E ("word", "half"),
    "larger than max_response (2048 bytes)", KW_ERR_TOO_LARGE },
};

START_TEST (what_breaks_after_the_first_content_ends_with_an_error)
{
  struct got g = { .texts = 0 };
  kw_reply *r;
  int code;

  begin (late[_i].options, late[_i].answer, GOOD);
  code = ask (&g, 1, 1, 1, &r);
  ck_assert_msg (code == late[_i].code && is_said (late[_i].words), "%d: %s", code,
                 code != 0 ? kit.err.message : "served");
  ck_assert_str_eq (g.data, CHUNK ("content", "half"));
  ck_assert_int_eq (streams_ended (), 1);
  ck_assert_int_eq (served (), 1);
}
END_TEST

/* Two: of its last text the caller is told when the exchange is over. */
static const struct { const char *options, *answer; int stop_after; } stops[] = {
  { "", GOOD, 1 },
  { "how = says-last", STREAM E ("word", "a"), 2 },
};

START_TEST (the_caller_can_stop_a_stream)
{
  struct got g = { .stop_after = stops[_i].stop_after };
  kw_reply *r;

  begin (stops[_i].options, stops[_i].answer, NULL);
  ck_assert_int_eq (ask (&g, 1, 1, 1, &r), KW_ERR_CANCELLED);
  ck_assert_int_eq (g.texts, stops[_i].stop_after);
  ck_assert_int_eq (streams_ended (), 1);
  ck_assert_int_eq (served (), 1);
}
END_TEST

static int
cancel (void *user, const char *text, size_t len)
{
  (void) text, (void) len;
  kw_client_cancel (user);
  return 0;
}

START_TEST (a_cancelled_client_ends_a_stream)
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;

  server = canned_start_forever (STREAM E ("word", "a"), E ("word", "b"));
  kit.url = canned_url (server);
  kit.plugin = "translate";
  kit.vars[0] = "TOY_API_KEY";
  kit.vars[1] = "sk-a";
  kit_open ("");
  rq.prompt = "hi";
  rq.stream = 1;
  rq.on_text = cancel;
  rq.user = kit.client;
  ck_assert_int_eq (kw_chat (kit.client, &rq, &r, &kit.err), KW_ERR_CANCELLED);
  ck_assert_int_eq (streams_ended (), 1);
  ck_assert_int_eq (served (), 1);
}
END_TEST

/* No lock of the plugin's is held while a callback runs, whatever its model. */
static int
ask_again (void *user, const char *text, size_t len)
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;
  int *depth = user;

  (void) text, (void) len;
  if ((*depth)++ > 0)
    return 0;
  rq.prompt = "hi";
  ck_assert_msg (kw_chat (kit.client, &rq, &r, &kit.err) == 0, "%s", kit.err.message);
  ck_assert_str_eq (kw_reply_text (r), "hi");
  kw_reply_free (r);
  return 0;
}

START_TEST (a_callback_may_come_back_into_the_core)
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;
  int depth = 0;

  begin ("", GOOD, WHOLE);
  rq.prompt = "hi";
  rq.stream = 1;
  rq.on_text = ask_again;
  rq.user = &depth;
  ck_assert_msg (kw_chat (kit.client, &rq, &r, &kit.err) == 0, "%s", kit.err.message);
  ck_assert_int_eq (depth, 2);
  kw_reply_free (r);
  ck_assert_int_eq (served (), 2);
}
END_TEST

static void
teardown (void)
{
  kit_teardown ();
  if (server != NULL)
    (void) served ();
}

static Suite *
suite (void)
{
  Suite *all = suite_create ("chat_translate");
  TCase *tc = tcase_create ("chat_translate");

  tcase_add_checked_fixture (tc, kit_setup, teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, a_whole_answer_is_a_chat_completion, 0, 2);
  tcase_add_loop_test (tc, an_answer_that_cannot_be_translated_was_not_served, 0,
                       N (wrong));
  tcase_add_test (tc, an_answer_that_cannot_be_translated_is_asked_for_again);
  tcase_add_test (tc, an_error_of_the_provider_is_the_providers);
  tcase_add_test (tc, a_key_that_is_tried_needs_no_stream);
  tcase_add_loop_test (tc, a_stream_comes_translated_as_text_and_as_bytes, 0, 4);
  tcase_add_loop_test (tc, what_breaks_before_the_first_content_is_sent_again_unseen, 0,
                       N (early));
  tcase_add_test (tc, a_stream_that_nobody_takes_is_asked_again_after_content_too);
  tcase_add_loop_test (tc, what_breaks_after_the_first_content_ends_with_an_error, 0,
                       N (late));
  tcase_add_loop_test (tc, the_caller_can_stop_a_stream, 0, N (stops));
  tcase_add_test (tc, a_cancelled_client_ends_a_stream);
  tcase_add_test (tc, a_callback_may_come_back_into_the_core);
  suite_add_tcase (all, tc);
  return all;
}

KW_MAIN (suite)
