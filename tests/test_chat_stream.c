/* test_chat_stream - streams through the client: what fails before the first
 * content goes unseen, what fails after it is told; and the bytes come
 * unchanged. */
#include "canned.h"
#include "clientkit.h"
#include "got.h"

/* Asks for a stream; the key's name in key. */
static int
stream (struct got *g, char key[KW_NAME_MAX])
{
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;
  int code;

  key[0] = '\0';
  rq.prompt = "one two three";
  rq.stream = 1;
  rq.on_text = on_text;
  rq.on_data = on_data;
  rq.user = g;
  code = kw_chat (kit.client, &rq, &r, &kit.err);
  if (code == 0) {
    (void) memccpy (key, kw_reply_key (r), '\0', KW_NAME_MAX);
    ck_assert_str_eq (kw_reply_text (r), "");
    ck_assert_str_eq (kw_reply_content_type (r), "text/event-stream");
  }
  kw_reply_free (r);
  return code;
}

static void
expect (const struct got *g)
{
  const char *first;

  ck_assert_msg (strstr (g->text, "one two three") != NULL, "text: %s", g->text);
  ck_assert_ptr_nonnull (strstr (g->data, "data: [DONE]"));
  /* The first event once: nothing of a failed attempt is in it. */
  first = strstr (g->data, "\"role\":\"assistant\"");
  ck_assert_ptr_nonnull (first);
  ck_assert_ptr_null (strstr (first + 1, "\"role\":\"assistant\""));
}

START_TEST (a_stream_comes_as_text_and_as_bytes)
{
  struct got g = { .texts = 0 };
  char key[KW_NAME_MAX];

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  ck_assert_msg (stream (&g, key) == 0, "%s", kit.err.message);
  expect (&g);
  ck_assert_int_gt (g.texts, 2);
  ck_assert_str_eq (key, "primary");
}
END_TEST

START_TEST (a_days_limit_switches_a_stream_unseen)
{
  struct got g = { .texts = 0 };
  char key[KW_NAME_MAX];

  kit_sim ("--key", "sk-a,name=A,rpd=1", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  kit_served_by ("primary");
  ck_assert_int_eq (stream (&g, key), 0);
  ck_assert_str_eq (key, "backup-1");
  expect (&g);
}
END_TEST

/* Before the first content: the role's chunk may have come already. */
static const char *const early[] = {
  "sse-error,count=1", "sse-error,form=data,count=1",
  "sse-error,form=x_groq,count=1", "sse-error,after=1,count=1",
  "sse-break=0,count=1", "sse-break=1,count=1", "drop,count=1", "empty,count=1",
  "html,count=1", "status=503,count=1",
};

START_TEST (what_breaks_before_the_first_content_is_sent_again_unseen)
{
  struct got g = { .texts = 0 };
  char key[KW_NAME_MAX];
  const char *p;
  int dones = 0;

  kit_sim ("--key", "sk-a,name=A", "--fault", early[_i]);
  kit_keys ("sk-a", NULL);
  kit_open ("");
  ck_assert_msg (stream (&g, key) == 0, "%s: %s", early[_i], kit.err.message);
  expect (&g);
  for (p = g.data; (p = strstr (p, "data: [DONE]")) != NULL; p++)
    dones++;
  ck_assert_int_eq (dones, 1);
  ck_assert_msg (strstr (g.data, "\"error\"") == NULL, "%s: %s", early[_i],
                 g.data);
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), 2);
}
END_TEST

static const char *const late[] = {
  "sse-break=3", "sse-error,after=3", "sse-error,form=data,after=3",
};

START_TEST (what_breaks_after_the_first_content_ends_with_an_error)
{
  struct got g = { .texts = 0 };
  char key[KW_NAME_MAX];

  kit_sim ("--key", "sk-a,name=A", "--key", "sk-b,name=B", "--fault", late[_i]);
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  ck_assert_msg (stream (&g, key) == KW_ERR_UNAVAILABLE, "%s", late[_i]);
  ck_assert_msg (strstr (kit.err.message,
                         "broke after it had begun") != NULL, "%s",
                 kit.err.message);
  ck_assert_int_gt (g.texts, 0);
  ck_assert_uint_eq (simctl_count (kit.sim, NULL, NULL), 1);
  ck_assert_int_eq (kw_error_exit_code (kit.err.code), 7);
}
END_TEST

/* Framed by the connection's end alone, so that the network sees nothing wrong. */
START_TEST (a_stream_without_its_end_was_not_served)
{
  struct canned *server = canned_start (
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Half of a\"}}]}\n\n");
  struct got g = { .texts = 0 };
  char key[KW_NAME_MAX];

  kit.url = canned_url (server);
  kit_keys ("sk-a", NULL);
  kit_open ("max_retries = 0");
  ck_assert_int_eq (stream (&g, key), KW_ERR_UNAVAILABLE);
  ck_assert_str_eq (g.text, "Half of a");
  ck_assert_msg (strstr (kit.err.message, "broke after it had begun") != NULL,
                 "%s", kit.err.message);
  canned_stop (server, NULL, 0);
}
END_TEST

START_TEST (silence_longer_than_attempt_timeout_ends_a_stream)
{
  struct got g = { .texts = 0 };
  char key[KW_NAME_MAX];

  kit_sim_real ("--key", "sk-a,name=A", "--fault", "chunk-delay=60000");
  kit_keys ("sk-a", NULL);
  kit_open ("attempt_timeout = 40ms\nmax_retries = 0");
  ck_assert_int_ne (stream (&g, key), 0);
  ck_assert_msg (kit.err.code == KW_ERR_TIMEOUT
                   || kit.err.code == KW_ERR_UNAVAILABLE, "%s", kit.err.message);
  kit_drop ();
}
END_TEST

START_TEST (a_stream_may_last_longer_than_attempt_timeout)
{
  struct got g = { .texts = 0 };
  char key[KW_NAME_MAX];

  /* Six events and more, each a fifth of what one silence may last: longer in
   * all than that; and a silence may be long, for the machine may be busy. */
  kit_sim_real ("--key", "sk-a,name=A", "--fault", "chunk-delay=600");
  kit_keys ("sk-a", NULL);
  kit_open ("attempt_timeout = 3s\nmax_retries = 0");
  ck_assert_msg (stream (&g, key) == 0, "%s", kit.err.message);
  expect (&g);
}
END_TEST

START_TEST (the_deadline_ends_a_stream_and_says_so)
{
  struct got g = { .texts = 0 };
  char key[KW_NAME_MAX];

  /* A chunk every second, some ten of them: content comes, the end does not. */
  kit_sim_real ("--key", "sk-a,name=A", "--fault", "chunk-delay=1000");
  kit_keys ("sk-a", NULL);
  kit_open ("deadline = 2500ms");
  ck_assert_int_eq (stream (&g, key), KW_ERR_DEADLINE);
  ck_assert_msg (strstr (kit.err.message,
                         g.texts > 0 ? "in the middle of the stream"
                                     : "had answered") != NULL, "%s",
                 kit.err.message);
  kit_drop ();
}
END_TEST

START_TEST (the_caller_can_stop_a_stream)
{
  struct got g = { .stop_after = 2 };
  char key[KW_NAME_MAX];

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  ck_assert_int_eq (stream (&g, key), KW_ERR_CANCELLED);
  ck_assert_int_eq (g.texts, 2);
  /* Only that call: the client goes on. */
  kit_served_by ("primary");
}
END_TEST

START_TEST (a_body_that_asks_for_a_stream_gets_its_bytes)
{
  static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":"
                             "[{\"role\":\"user\",\"content\":\"one two three\"}]}";
  struct got g = { .texts = 0 };
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  rq.body = body;
  rq.body_len = sizeof body - 1;
  rq.on_data = on_data;
  rq.user = &g;
  ck_assert_int_eq (kw_chat (kit.client, &rq, &r, &kit.err), 0);
  ck_assert_ptr_nonnull (strstr (g.data, "data: [DONE]"));
  ck_assert_str_eq (kw_reply_body (r, NULL), "");
  kw_reply_free (r);
}
END_TEST

/* ---- Without callbacks --------------------------------------------------------- */

START_TEST (a_stream_that_nobody_takes_is_the_replys_body)
{
  struct got g = { .texts = 0 };
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;
  char key[KW_NAME_MAX];
  size_t len = 0;

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  ck_assert_int_eq (stream (&g, key), 0);
  rq.prompt = "one two three";
  rq.stream = 1;
  /* Nothing of it has been seen when it breaks: it is simply asked again. */
  simctl_fault (kit.sim, "sse-break=3,count=1");
  ck_assert_msg (kw_chat (kit.client, &rq, &r, &kit.err) == 0, "%s",
                 kit.err.message);
  ck_assert_uint_eq (kw_reply_attempts (r), 2);
  ck_assert_str_eq (kw_reply_text (r), "");
  ck_assert_int_gt (kw_reply_output_tokens (r), 0);
  ck_assert_uint_eq (strlen (kw_reply_body (r, &len)), len);
  ck_assert_msg (len + 64 > g.data_len && len < g.data_len + 64,
                 "%zu bytes, not %zu: %s", len, g.data_len, kw_reply_body (r, NULL));
  ck_assert_ptr_nonnull (strstr (kw_reply_body (r, NULL), "data: [DONE]\n\n"));
  kw_reply_free (r);
}
END_TEST

START_TEST (usage_of_a_streams_last_chunk_is_counted)
{
  kw_request rq = KW_REQUEST_INIT;
  struct got g = { .texts = 0 };
  kw_status_info *st = NULL;
  kw_reply *r = NULL;

  kit_sim ("--key", "sk-a,name=A");
  kit_keys ("sk-a", NULL);
  kit_open ("");
  rq.prompt = "one two three";
  rq.stream = 1;
  rq.on_data = on_data;
  rq.user = &g;
  ck_assert_int_eq (kw_chat (kit.client, &rq, &r, &kit.err), 0);
  ck_assert_ptr_nonnull (strstr (g.data, "\"x_groq\""));
  ck_assert_int_gt (kw_reply_input_tokens (r), 0);
  ck_assert_int_gt (kw_reply_output_tokens (r), 0);
  ck_assert_int_eq (kw_status (kit.client, NULL, &st), 0);
  ck_assert_uint_eq (st->keys[0].tokens, (uint64_t) (kw_reply_input_tokens (r)
                                                     + kw_reply_output_tokens (r)));
  kw_status_free (st);
  kw_reply_free (r);
}
END_TEST

#define N(a) ((int) (sizeof (a) / sizeof (a)[0]))

static Suite *
suite (void)
{
  Suite *all = suite_create ("chat_stream");
  TCase *tc = tcase_create ("chat_stream");

  tcase_add_checked_fixture (tc, kit_setup, kit_teardown);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, a_stream_comes_as_text_and_as_bytes);
  tcase_add_test (tc, a_days_limit_switches_a_stream_unseen);
  tcase_add_loop_test (tc, what_breaks_before_the_first_content_is_sent_again_unseen,
                       0, N (early));
  tcase_add_loop_test (tc, what_breaks_after_the_first_content_ends_with_an_error,
                       0, N (late));
  tcase_add_test (tc, a_stream_without_its_end_was_not_served);
  tcase_add_test (tc, silence_longer_than_attempt_timeout_ends_a_stream);
  tcase_add_test (tc, a_stream_may_last_longer_than_attempt_timeout);
  tcase_add_test (tc, the_deadline_ends_a_stream_and_says_so);
  tcase_add_test (tc, the_caller_can_stop_a_stream);
  tcase_add_test (tc, a_body_that_asks_for_a_stream_gets_its_bytes);
  tcase_add_test (tc, a_stream_that_nobody_takes_is_the_replys_body);
  tcase_add_test (tc, usage_of_a_streams_last_chunk_is_counted);
  suite_add_tcase (all, tc);
  return all;
}

KW_MAIN (suite)
