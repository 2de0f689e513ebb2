/* test_sim_tools - keywheel-sim asked for JSON: calls of tools and replies of a
 * form, in chats and in responses, whole and as streams. */
#include "test_sim.h"

#include <string.h>

#define HELLO "Hello from keywheel-sim (key a): "
#define USER "{\"role\":\"user\",\"content\":\"rain?\"}"
#define CALL "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\"," \
             "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"
#define RESULT "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"none\"}"
#define TOOL(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"," \
                   "\"parameters\":{\"type\":\"object\",\"properties\":{\"place\":{" \
                   "\"type\":\"string\"}}}}}"
#define CHAT_WITH(messages, more) \
  "{\"model\":\"m\",\"messages\":[" messages "]," more \
  "\"tools\":[{\"type\":\"web_search\"}," TOOL ("f") "," TOOL ("g") "]}"

static struct simctl *sim;

static void
start (void)
{
  sim = simctl_startl ("--key", "sk-a,name=a", NULL);
}

static void
stop (void)
{
  simctl_stop (sim);
}

static void
ask (const char *path, const char *body, struct simctl_reply *r)
{
  simctl_call (sim, "POST", path, "sk-a", body, r);
  ck_assert_msg (r->status == 200, "%s: %d %s", body, r->status, r->body);
}

static const struct {
  const char *body;
  const char *tool;             /* NULL: a text comes */
  const char *text;
} calls[] = {
  { CHAT_WITH (USER, ""), "f", "{\"place\":\"" HELLO "rain?\"}" },
  { CHAT_WITH (USER, "\"tool_choice\":\"required\","), "f", "{\"place\":\"" HELLO "rain?\"}" },
  { CHAT_WITH (USER, "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}},"),
    "g", "{\"place\":\"" HELLO "rain?\"}" },
  { CHAT_WITH (USER, "\"tool_choice\":\"none\","), NULL, HELLO "rain?" },
  { CHAT_WITH (USER "," CALL "," RESULT, ""), NULL, HELLO "none" },
  { "{\"model\":\"m\",\"messages\":[" USER "],\"tools\":[]}", NULL, HELLO "rain?" },
};

START_TEST (a_chat_with_tools_calls_the_first_or_the_named_one)
{
  struct simctl_reply r;
  ask (CHAT, calls[_i].body, &r);
  expect_text (&r, "choices/0/finish_reason", calls[_i].tool != NULL ? "tool_calls" : "stop");
  expect_text (&r, "choices/0/message/tool_calls/0/function/name",
               calls[_i].tool != NULL ? calls[_i].tool : "");
  expect_text (&r, calls[_i].tool != NULL ? "choices/0/message/tool_calls/0/function/arguments"
                                          : "choices/0/message/content", calls[_i].text);
  simctl_reply_clear (&r);
}
END_TEST

START_TEST (a_streamed_call_comes_in_pieces)
{
  struct simctl_reply r;
  char got[512];
  ask (CHAT, CHAT_WITH (USER, "\"stream\":true,"), &r);
  stream_text (r.body, "choices/0/delta/tool_calls/0/function/arguments", got, sizeof got);
  ck_assert_str_eq (got, "{\"place\":\"" HELLO "rain?\"}");
  stream_text (r.body, "choices/0/delta/tool_calls/0/function/name", got, sizeof got);
  ck_assert_str_eq (got, "f");  /* once */
  stream_text (r.body, "choices/0/delta/tool_calls/0/id", got, sizeof got);
  ck_assert_str_eq (got, "call_00000001");
  stream_text (r.body, "choices/0/finish_reason", got, sizeof got);
  ck_assert_str_eq (got, "tool_calls");
  stream_text (r.body, "choices/0/delta/content", got, sizeof got);
  ck_assert_str_eq (got, "");
  simctl_reply_clear (&r);
}
END_TEST

/* A schema, and what is made of it. */
static const struct {
  const char *schema, *made;
} forms[] = {
  { "{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\"},\"i\":{\"type\":"
    "\"integer\"},\"n\":{\"type\":\"number\"},\"b\":{\"type\":\"boolean\"},\"z\":{\"type\":"
    "\"null\"}}}", "{\"s\":\"" HELLO "rain?\",\"i\":1,\"n\":1,\"b\":true,\"z\":null}" },
  { "{\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"e\":{"
    "\"type\":\"array\"}}}", "{\"a\":[1],\"e\":[]}" },
  { "{\"properties\":{\"e\":{\"enum\":[\"red\",\"blue\"]},\"c\":{\"const\":7},\"t\":{\"type\":"
    "[\"integer\",\"null\"]},\"y\":{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"null\"}]}}}",
    "{\"e\":\"red\",\"c\":7,\"t\":1,\"y\":true}" },
  { "{\"$defs\":{\"p\":{\"type\":\"integer\"}},\"properties\":{\"p\":{\"$ref\":"
    "\"#/$defs/p\"}}}", "{\"p\":1}" },
  { "{\"properties\":{}}", "{}" },
};

START_TEST (a_reply_of_a_form_is_an_instance_of_its_schema)
{
  struct simctl_reply r;
  char body[1024];
  ck_assert (snprintf (body, sizeof body, "{\"model\":\"m\",\"messages\":[" USER "],"
                       "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
                       "\"name\":\"x\",\"schema\":%s}}}", forms[_i].schema) > 0);
  ask (CHAT, body, &r);
  expect_text (&r, "choices/0/message/content", forms[_i].made);
  expect_text (&r, "choices/0/finish_reason", "stop");
  simctl_reply_clear (&r);
}
END_TEST

START_TEST (odd_schemas_do_no_harm)
{
  static const char *const odd[] = {
    "{\"$ref\":\"#\"}", "{\"$ref\":\"#/no/where\"}", "{\"$ref\":\"elsewhere\"}",
    "{\"properties\":{\"x\":{\"$ref\":\"#\"}}}", "{\"type\":[]}", "{\"type\":[7]}",
    "{\"enum\":[]}", "{\"properties\":{\"x\":7}}", "{\"items\":{}}", "{}",
    "{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}",
  };
  struct simctl_reply r;
  char body[512];
  for (int i = 0; i < COUNT (odd); i++) {
    ck_assert (snprintf (body, sizeof body, "{\"model\":\"m\",\"messages\":[" USER "],"
                         "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
                         "\"schema\":%s}}}", odd[i]) > 0);
    ask (CHAT, body, &r);
    simctl_reply_clear (&r);
  }
}
END_TEST

START_TEST (json_without_a_schema_is_an_object)
{
  struct simctl_reply r;
  ask (CHAT, "{\"model\":\"m\",\"messages\":[" USER "],\"response_format\":{\"type\":"
       "\"json_object\"}}", &r);
  expect_text (&r, "choices/0/message/content", "{\"reply\":\"" HELLO "rain?\"}");
  simctl_reply_clear (&r);
}
END_TEST

/* ---- responses --------------------------------------------------------------- */

#define RESPONSES "/v1/responses"
#define FUNCTION "{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"properties\":{" \
                 "\"n\":{\"type\":\"integer\"}}}}"

START_TEST (a_response_is_a_message_or_a_call)
{
  struct simctl_reply r;
  ask (RESPONSES, "{\"model\":\"m\",\"input\":\"rain?\",\"max_output_tokens\":9}", &r);
  expect_text (&r, "status", "completed");
  expect_text (&r, "output/0/type", "message");
  expect_text (&r, "output/0/content/0/text", HELLO "rain?");
  expect_text (&r, "usage/total_tokens", "11");
  simctl_reply_clear (&r);
  ask (RESPONSES, "{\"model\":\"m\",\"input\":[" USER "],\"tools\":[" FUNCTION "]}", &r);
  expect_text (&r, "output/0/type", "function_call");
  expect_text (&r, "output/0/name", "f");
  expect_text (&r, "output/0/arguments", "{\"n\":1}");
  simctl_reply_clear (&r);
  ask (RESPONSES, "{\"model\":\"m\",\"input\":[" USER ",{\"type\":\"function_call_output\","
       "\"call_id\":\"c\",\"output\":\"none\"}],\"tools\":[" FUNCTION "]}", &r);
  expect_text (&r, "output/0/content/0/text", HELLO "none");
  simctl_reply_clear (&r);
  ask (RESPONSES, "{\"model\":\"m\",\"input\":\"rain?\",\"text\":{\"format\":{\"type\":"
       "\"json_schema\",\"schema\":{\"properties\":{\"n\":{\"type\":\"integer\"}}}}}}", &r);
  expect_text (&r, "output/0/content/0/text", "{\"n\":1}");
  simctl_reply_clear (&r);
}
END_TEST

/* Each event's line names the type that is in its data, and they are numbered. */
static void
expect_events (const char *body, const char *all)
{
  char got[1024];
  size_t len = 0;
  for (const char *at = body; (at = strstr (at, "event: ")) != NULL; at++) {
    int n = snprintf (got + len, sizeof got - len, "%.*s ", (int) strcspn (at + 7, "\n"), at + 7);
    ck_assert (n > 0 && (size_t) n < sizeof got - len);
    if (len < (size_t) n || strncmp (got + len - n, got + len, (size_t) n) != 0)
      len += (size_t) n;        /* several of one kind are one */
  }
  got[len] = '\0';
  ck_assert_str_eq (got, all);
}

START_TEST (a_streamed_response_is_built_by_its_events)
{
  struct simctl_reply r;
  char got[512];
  ask (RESPONSES, "{\"model\":\"m\",\"input\":\"rain?\",\"stream\":true}", &r);
  expect_events (r.body, "response.created response.in_progress response.output_item.added "
                 "response.content_part.added response.output_text.delta "
                 "response.output_text.done response.content_part.done "
                 "response.output_item.done response.completed ");
  stream_text (r.body, "delta", got, sizeof got);
  ck_assert_str_eq (got, HELLO "rain?");
  stream_text (r.body, "sequence_number", got, sizeof got);
  ck_assert_str_eq (got, "012345678910111213");
  stream_text (r.body, "response/output/0/content/0/text", got, sizeof got);
  ck_assert_str_eq (got, HELLO "rain?");
  simctl_reply_clear (&r);
  ask (RESPONSES, "{\"model\":\"m\",\"input\":\"x\",\"stream\":true,\"tools\":[" FUNCTION "]}", &r);
  expect_events (r.body, "response.created response.in_progress response.output_item.added "
                 "response.function_call_arguments.delta response.function_call_arguments.done "
                 "response.output_item.done response.completed ");
  stream_text (r.body, "delta", got, sizeof got);
  ck_assert_str_eq (got, "{\"n\":1}");
  simctl_reply_clear (&r);
}
END_TEST

TCase *
sim_tools (void)
{
  TCase *t = tcase_create ("tools");
  tcase_set_timeout (t, 120);
  tcase_add_checked_fixture (t, start, stop);
  tcase_add_loop_test (t, a_chat_with_tools_calls_the_first_or_the_named_one, 0, COUNT (calls));
  tcase_add_test (t, a_streamed_call_comes_in_pieces);
  tcase_add_loop_test (t, a_reply_of_a_form_is_an_instance_of_its_schema, 0, COUNT (forms));
  tcase_add_test (t, odd_schemas_do_no_harm);
  tcase_add_test (t, json_without_a_schema_is_an_object);
  tcase_add_test (t, a_response_is_a_message_or_a_call);
  tcase_add_test (t, a_streamed_response_is_built_by_its_events);
  return t;
}
