/* reply - a whole answer of Anthropic's Messages API as a chat.completion. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../kit/chat.h"
#include "reply.h"
#include "translate.h"

/* ---- What streams have too ----------------------------------------------- */

/* https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons;
 * a turn that was paused goes on when it is handed back. */
const char *
anthropic_finish (const char *stop_reason, int calls)
{
  static const struct { const char *reason, *finish; } reasons[] = {
    { "end_turn", "stop" }, { "stop_sequence", "stop" }, { "pause_turn", "stop" },
    { "max_tokens", "length" }, { "model_context_window_exceeded", "length" },
    { "tool_use", "tool_calls" }, { "refusal", "content_filter" },
  };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (reasons); i++)
    if (kwp_is (stop_reason, reasons[i].reason))
      return reasons[i].finish;
  return calls ? "tool_calls" : "stop"; /* one that is newer than this */
}

static void
read_count (struct json_object *o, const char *name, int64_t *count)
{
  struct json_object *n = kwp_member (o, name);

  if (json_object_is_type (n, json_type_int) && json_object_get_int64 (n) >= 0)
    *count = json_object_get_int64 (n) < KWP_COUNT_MAX ? json_object_get_int64 (n)
                                                        : KWP_COUNT_MAX;
}

void
anthropic_read_usage (struct json_object *usage, struct anthropic_usage *u)
{
  read_count (usage, "input_tokens", &u->input);
  read_count (usage, "cache_creation_input_tokens", &u->cache_written);
  read_count (usage, "cache_read_input_tokens", &u->cached);
  read_count (usage, "output_tokens", &u->output);
  read_count (kwp_member (usage, "output_tokens_details"), "thinking_tokens", &u->thinking);
}

/* input_tokens are only those behind the last cache breakpoint. */
struct kwp_usage
anthropic_usage (const struct anthropic_usage *u)
{
  struct kwp_usage k = KWP_NO_USAGE;

  k.input = (u->input > 0 ? u->input : 0) + (u->cached > 0 ? u->cached : 0)
            + (u->cache_written > 0 ? u->cache_written : 0);
  k.output = u->output;
  k.cached = u->cached;
  k.cache_written = u->cache_written;
  k.reasoning = u->thinking;
  return k;
}

const char *
anthropic_text (struct json_object *o, const char *name)
{
  struct json_object *s = kwp_member (o, name);

  return json_object_is_type (s, json_type_string) ? json_object_get_string (s) : "";
}

struct json_object *
anthropic_refusal (struct json_object *o)
{
  struct json_object *why = kwp_member (kwp_member (o, "stop_details"), "explanation");

  return json_object_is_type (why, json_type_string) ? why : NULL;
}

/* ---- The message --------------------------------------------------------- */

/* The member name of all blocks of that type, one behind the other, as a new
 * string; NULL: there is no such block. */
static struct json_object *
join (int *nomem, struct json_object *blocks, const char *type, const char *name)
{
  size_t n = json_object_array_length (blocks), len = 0, at = 0, found = 0;
  struct json_object *joined, *one = NULL;
  char *text;

  for (size_t i = 0; i < n; i++) {
    struct json_object *b = json_object_array_get_idx (blocks, i), *s = kwp_member (b, name);
    if (!kwp_is (anthropic_text (b, "type"), type) || !json_object_is_type (s, json_type_string))
      continue;
    one = s;
    found++;
    len += (size_t) json_object_get_string_len (s);
  }
  if (found < 2)
    return json_object_get (one);
  text = len <= INT_MAX ? malloc (len + 1) : NULL;
  if (text == NULL) {
    *nomem = 1;
    return NULL;
  }
  for (size_t i = 0; i < n; i++) {
    struct json_object *b = json_object_array_get_idx (blocks, i), *s = kwp_member (b, name);
    if (!kwp_is (anthropic_text (b, "type"), type) || !json_object_is_type (s, json_type_string))
      continue;
    memcpy (text + at, json_object_get_string (s), (size_t) json_object_get_string_len (s));
    at += (size_t) json_object_get_string_len (s);
  }
  joined = json_object_new_string_len (text, (int) len);
  free (text);
  if (joined == NULL)
    *nomem = 1;
  return joined;
}

static void
add_call (int *nomem, struct json_object *calls, struct json_object *block)
{
  struct json_object *input = kwp_member (block, "input");
  const char *text = "{}";
  size_t len = 2;

  if (input != NULL)
    text = json_object_to_json_string_length (input, JSON_C_TO_STRING_PLAIN
                                                     | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  if (text == NULL) {
    *nomem = 1;
    return;
  }
  kwp_append (nomem, calls, kwp_tool_call_new (nomem, -1, anthropic_text (block, "id"),
                                               anthropic_text (block, "name"), text, len));
}

static void
put_or_null (int *nomem, struct json_object *o, const char *name, struct json_object *value)
{
  if (value != NULL)
    kwp_put (nomem, o, name, value);
  else
    kwp_put_null (nomem, o, name);
}

/* The message of a chat.completion; *ret_calls is whether it calls tools. */
static struct json_object *
make_message (const struct anthropic *a, struct json_object *answer, int *nomem, int *ret_calls)
{
  struct json_object *blocks = kwp_member (answer, "content");
  struct json_object *m = json_object_new_object (), *calls = json_object_new_array ();
  struct json_object *thinking = json_object_new_array (), *reasoning;

  if (m == NULL || calls == NULL || thinking == NULL)
    *nomem = 1;
  for (size_t i = 0; !*nomem && i < json_object_array_length (blocks); i++) {
    struct json_object *b = json_object_array_get_idx (blocks, i);
    const char *type = anthropic_text (b, "type");

    if (kwp_is (type, "tool_use"))
      add_call (nomem, calls, b);
    else if (kwp_is (type, "thinking") || kwp_is (type, "redacted_thinking"))
      kwp_append (nomem, thinking, json_object_get (b));
    else if (!kwp_is (type, "text"))
      kw_log (a->host, a->in, KW_LOG_WARN, "an answer's block of type \"%.40s\" has no place "
              "in Chat Completions, and is left out", type);
  }
  *ret_calls = calls != NULL && json_object_array_length (calls) > 0;
  if (!*nomem) {
    kwp_put_string (nomem, m, "role", "assistant");
    put_or_null (nomem, m, "content", join (nomem, blocks, "text", "text"));
    put_or_null (nomem, m, "refusal", json_object_get (anthropic_refusal (answer)));
    reasoning = join (nomem, blocks, "thinking", "thinking");
    if (reasoning != NULL && json_object_get_string_len (reasoning) > 0)
      kwp_put_ref (nomem, m, "reasoning_content", reasoning);
    json_object_put (reasoning);
    if (json_object_array_length (thinking) > 0)
      kwp_put_ref (nomem, m, "thinking_blocks", thinking);
    if (*ret_calls)
      kwp_put_ref (nomem, m, "tool_calls", calls);
  }
  json_object_put (calls);
  json_object_put (thinking);
  return m;
}

int
anthropic_reply (void *self, const struct kw_response *resp, const void *note,
                 uint64_t note_len, struct kw_translation *t)
{
  const struct anthropic *a = anthropic_of (self);
  struct json_object *answer = kwp_parse (resp->body, resp->body_len), *completion = NULL, *m;
  struct anthropic_usage counts = ANTHROPIC_NO_USAGE;
  struct kwp_usage usage;
  struct kwp_head head;
  int nomem = 0, calls, rc;

  (void) note;
  (void) note_len;
  if (!kwp_is (anthropic_text (answer, "type"), "message")
      || !json_object_is_type (kwp_member (answer, "content"), json_type_array)) {
    json_object_put (answer);
    return kw_error (a->host, a->in, KW_ERR, "the answer is no message of Anthropic's: "
                     "its type must be \"message\" and its content an array");
  }
  head.id = anthropic_text (answer, "id");
  head.model = anthropic_text (answer, "model");
  head.created_ms = resp->received_ms;
  anthropic_read_usage (kwp_member (answer, "usage"), &counts);
  usage = anthropic_usage (&counts);
  m = make_message (a, answer, &nomem, &calls);
  completion = kwp_completion (&nomem, 0, &head, &usage);
  kwp_choice (&nomem, completion, 0, m,
              anthropic_finish (anthropic_text (answer, "stop_reason"), calls));
  rc = kwp_output (a->translate, t, completion, nomem);
  json_object_put (answer);
  return rc;
}
