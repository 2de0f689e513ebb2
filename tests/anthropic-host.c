/* anthropic-host - the Anthropic plugin and the core together: streams that
 * arrive in pieces of any size, and chats with the simulator, which speaks the
 * Messages API.  A part of test_anthropic. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "anthropictest.h"
#include "clientkit.h"
#include "got.h"
#include "loader.h"
#include "request.h"
#include "stream.h"

/* ---- Streams in pieces --------------------------------------------------- */

#define EVENT(name, data) "event: " name "\ndata: {\"type\":\"" name "\"" data "}\n\n"
static const char events[] =
  EVENT ("message_start", ",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-x\",\"usage\":"
         "{\"input_tokens\":7,\"output_tokens\":1}}")
  EVENT ("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":"
         "\"\"}")
  "event: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\n"
  ": a comment\n"
  EVENT ("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"
         "\"Gr\303\274\303\237\"}")
  EVENT ("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"
         "\" dich\"}")
  EVENT ("content_block_stop", ",\"index\":0")
  EVENT ("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
         "{\"output_tokens\":5}")
  EVENT ("message_stop", "");

#define CHUNK(choice) \
  "data: {\"id\":\"msg_1\",\"object\":\"chat.completion.chunk\",\"created\":1767362591," \
  "\"model\":\"claude-x\",\"choices\":[{\"index\":0," choice "}]}\n\n"
#define SAYS(delta) CHUNK ("\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":null")
static const char chunks[] =
  SAYS ("\"role\":\"assistant\",\"content\":\"\"")
  SAYS ("\"content\":\"Gr\303\274\303\237\"")
  SAYS ("\"content\":\" dich\"")
  CHUNK ("\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"")
  "data: [DONE]\n\n";

static int64_t
wall (void *ctx)
{
  (void) ctx;
  return KIT_EPOCH;
}

static struct kwi_plugin *plugin;
static struct kw_instance *in;

static void
load (void)
{
  static const struct kwi_clock clock = { .wall_ms = wall };
  static const struct kwi_instance_hooks hooks = { .clock = &clock };
  struct kw_error err = KW_ERROR_INIT;
  char file[1024];
  int n = snprintf (file, sizeof file, "%s/plugins/.libs/anthropic.so", kwtest_builddir ());

  ck_assert (n > 0 && (size_t) n < sizeof file);
  ck_assert_msg (kwi_plugin_load (file, &plugin, &err) == 0, "%s", err.message);
  ck_assert_msg (kwi_instance_new (plugin, "anthropic", &hooks, &in, &err) == 0, "%s",
                 err.message);
}

static void
unload (void)
{
  kwi_instance_free (in);
  kwi_plugin_unref (plugin);
}

/* The stream, so many bytes at a time. */
static void
feed (size_t step, struct got *g)
{
  static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":["
                             "{\"role\":\"user\",\"content\":\"Hi\"}]}";
  struct kw_call call = { .struct_size = sizeof call, .base_url = "http://127.0.0.1:9/v1",
    .method = "POST", .path = "/chat/completions", .content_type = "application/json",
    .body = body, .body_len = sizeof body - 1, .stream = 1 };
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_answer a = { .status = 200, .received_ms = KIT_EPOCH };
  struct kwi_judgement judgement;
  struct kw_request r = { 0 };
  struct kwi_stream s = { .instance = in, .request = &r, .judgement = &judgement,
    .max_response = 1 << 20, .on_data = on_data, .on_text = on_text, .user = g };

  ck_assert_msg (kwi_instance_prepare (in, &call, &r, &err) == 0, "%s", err.message);
  ck_assert_int_eq (kwi_answer_add_header (&a, "content-type", 12, "text/event-stream", 17), 0);
  kwi_stream_reset (&s);
  for (size_t at = 0, n, used; at < sizeof events - 1; at += n) {
    n = step < sizeof events - 1 - at ? step : sizeof events - 1 - at;
    ck_assert_msg (kwi_stream_sink (&s, &a, events + at, n, &used) == 0, "%s", a.net_text);
  }
  kwi_stream_finish (&s);
  ck_assert_int_eq (kwi_stream_end (&s), 0);
  ck_assert_int_eq (s.ended, 1);
  ck_assert_int_eq (s.input_tokens, 7);
  ck_assert_int_eq (s.output_tokens, 5);
  kwi_stream_clear (&s);
  kwi_request_clear (&r);
  kwi_answer_clear (&a);
}

START_TEST (where_a_stream_is_split_changes_nothing)
{
  for (size_t step = 1; step < sizeof events; step += step < 80 ? 1 : 97) {
    struct got g = { .texts = 0 };
    feed (step, &g);
    ck_assert_msg (strcmp (g.data, chunks) == 0, "in pieces of %zu:\n%s", step, g.data);
    ck_assert_str_eq (g.text, "Gr\303\274\303\237 dich");
  }
}
END_TEST

/* ---- Chats --------------------------------------------------------------- */

static void
begin (const char *keys, const char *backups)
{
  kit.provider = "anthropic";
  kit.vars[0] = "ANTHROPIC_API_KEY";
  kit.vars[1] = keys;
  kit.vars[2] = backups != NULL ? "ANTHROPIC_API_KEY_BACKUP" : NULL;
  kit.vars[3] = backups;
  kit_open ("");
}

START_TEST (a_chat_goes_there_and_back)
{
  kw_request rq = KW_REQUEST_INIT;
  struct got g = { .texts = 0 };
  kw_reply *r = NULL;

  kit_sim ("--key", "sk-a,name=primary");
  begin ("sk-a", NULL);
  rq.prompt = "hi";
  rq.stream = _i;
  rq.on_text = _i ? on_text : NULL;
  rq.user = &g;
  ck_assert_msg (kw_chat (kit.client, &rq, &r, &kit.err) == 0, "%s", kit.err.message);
  if (_i)
    ck_assert_msg (strstr (g.text, "primary") != NULL, "%s", g.text);
  else
    ck_assert_msg (kw_reply_text (r) != NULL && strstr (kw_reply_text (r), "primary") != NULL,
                   "%s", kw_reply_body (r, NULL));
  ck_assert_int_gt (kw_reply_input_tokens (r), 0);
  ck_assert_int_gt (kw_reply_output_tokens (r), 0);
  kw_reply_free (r);
}
END_TEST

START_TEST (a_spent_key_is_followed_by_the_next)
{
  /* An empty purse and a disabled account, both under status 400, and a day's
   * limit as there was in 2024. */
  static const char *const first[] = { "sk-a,name=one,spend", "sk-a,name=one,restricted",
                                       "sk-a,name=one,rpd=1" };

  kit_sim ("--key", first[_i], "--key", "sk-b,name=two");
  begin ("sk-a", "sk-b");
  if (_i == 2)
    kit_served_by ("primary");
  kit_served_by ("backup-1");
}
END_TEST

START_TEST (what_cannot_be_said_is_refused_before_anything_is_sent)
{
  static const char body[] = "{\"model\":\"m\",\"n\":2,\"messages\":[{\"role\":\"user\","
                             "\"content\":\"hi\"}]}";
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *r = NULL;

  kit_sim ("--key", "sk-a,name=primary");
  begin ("sk-a", NULL);
  rq.body = body;
  rq.body_len = sizeof body - 1;
  ck_assert_int_eq (kw_chat (kit.client, &rq, &r, &kit.err), KW_ERR_REFUSED);
  ck_assert_msg (strstr (kit.err.message, "n 2 cannot be said in Anthropic's Messages API")
                 != NULL, "%s", kit.err.message);
  ck_assert_uint_eq (simctl_count (kit.sim, "primary", NULL), 0);
}
END_TEST

START_TEST (a_wrong_key_is_said_to_be_one)
{
  kit_sim ("--key", "sk-a,name=primary");
  begin ("sk-wrong", NULL);
  kit_fails_with (KW_ERR_AUTH, "invalid x-api-key");
}
END_TEST

void
add_host_tests (Suite *s)
{
  TCase *streams = tcase_create ("streams in pieces"), *chats = tcase_create ("chats");

  tcase_add_checked_fixture (streams, load, unload);
  tcase_add_test (streams, where_a_stream_is_split_changes_nothing);
  suite_add_tcase (s, streams);
  tcase_add_checked_fixture (chats, kit_setup, kit_teardown);
  tcase_add_loop_test (chats, a_chat_goes_there_and_back, 0, 2);
  tcase_add_loop_test (chats, a_spent_key_is_followed_by_the_next, 0, 3);
  tcase_add_test (chats, what_cannot_be_said_is_refused_before_anything_is_sent);
  tcase_add_test (chats, a_wrong_key_is_said_to_be_one);
  suite_add_tcase (s, chats);
}
