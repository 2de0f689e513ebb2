/* stream - an event stream of Anthropic's Messages API as chat.completion.chunks.
 * Events that are not known are passed over, as the API's versioning policy
 * asks: https://platform.claude.com/docs/en/api/versioning. */
#include <stdlib.h>
#include <string.h>

#include <json-c/printbuf.h>

#include "../kit/chat.h"
#include "reply.h"
#include "translate.h"

struct stream {
  const struct anthropic *a;
  struct json_object *start;    /* the message of message_start             */
  struct json_object *block;    /* the content_block that is open           */
  struct printbuf *thinking, *signature; /* of it: the client hands it back
                                            whole, so it gets it whole      */
  struct anthropic_usage usage;
  int64_t created_ms;
  int include_usage;
  int calls;                    /* tool calls begun                         */
  int call_has_text;            /* the open one has arguments               */
  int finished;                 /* finish_reason was said                   */
  int done;                     /* "[DONE]" was                             */
};

int
anthropic_stream_begin (void *self, const void *note, uint64_t note_len, void **ret_stream)
{
  const struct anthropic *a = anthropic_of (self);
  struct stream *s = calloc (1, sizeof *s);

  (void) note;
  if (s != NULL) {
    s->a = a;
    s->usage = (struct anthropic_usage) ANTHROPIC_NO_USAGE;
    s->include_usage = note_len > 0;
    s->created_ms = a->host->now_ms (a->in);
    s->thinking = printbuf_new ();
    s->signature = printbuf_new ();
  }
  if (s == NULL || s->thinking == NULL || s->signature == NULL) {
    if (s != NULL)
      anthropic_stream_end (self, s);
    return KW_ERR_NOMEM;
  }
  *ret_stream = s;
  return KW_OK;
}

void
anthropic_stream_end (void *self, void *stream)
{
  struct stream *s = stream;

  (void) self;
  json_object_put (s->start);
  json_object_put (s->block);
  printbuf_free (s->thinking);
  printbuf_free (s->signature);
  free (s);
}

/* ---- Chunks -------------------------------------------------------------- */

static struct kwp_head
head_of (const struct stream *s)
{
  return (struct kwp_head) {
    .id = anthropic_text (s->start, "id"), .model = anthropic_text (s->start, "model"),
    .created_ms = s->created_ms
  };
}

/* Takes delta. */
static int
say (struct stream *s, struct kw_translation *t, struct json_object *delta, const char *finish,
     int nomem)
{
  struct kwp_head head = head_of (s);
  struct json_object *chunk = kwp_completion (&nomem, 1, &head, NULL);

  kwp_choice (&nomem, chunk, 0, delta, finish);
  return kwp_output (s->a->translate, t, chunk, nomem);
}

/* A delta of one string, if it is one and not empty. */
static int
say_text (struct stream *s, struct kw_translation *t, const char *name, struct json_object *text)
{
  struct json_object *delta;
  int nomem = 0;

  if (!json_object_is_type (text, json_type_string) || json_object_get_string_len (text) == 0)
    return KW_OK;
  delta = json_object_new_object ();
  kwp_put_ref (&nomem, delta, name, text);
  return say (s, t, delta, NULL, nomem);
}

/* A delta of one entry in a list, which it takes. */
static int
say_entry (struct stream *s, struct kw_translation *t, const char *name,
           struct json_object *entry, int nomem)
{
  struct json_object *delta = json_object_new_object (), *list = json_object_new_array ();

  kwp_append (&nomem, list, entry);
  kwp_put (&nomem, delta, name, list);
  return say (s, t, delta, NULL, nomem);
}

static int
say_arguments (struct stream *s, struct kw_translation *t, const char *text, size_t len)
{
  int nomem = 0;
  struct json_object *call = kwp_tool_call_new (&nomem, s->calls - 1, NULL, NULL, text, len);

  s->call_has_text = 1;
  return say_entry (s, t, "tool_calls", call, nomem);
}

/* ---- Events -------------------------------------------------------------- */

static int
on_start (struct stream *s, struct json_object *event, struct kw_translation *t)
{
  struct json_object *delta = json_object_new_object ();
  int nomem = 0;

  json_object_put (s->start);
  s->start = json_object_get (kwp_member (event, "message"));
  anthropic_read_usage (kwp_member (s->start, "usage"), &s->usage);
  kwp_put_string (&nomem, delta, "role", "assistant");
  kwp_put_string (&nomem, delta, "content", "");
  return say (s, t, delta, NULL, nomem);
}

static int
append (struct printbuf *b, struct json_object *text)
{
  int len = json_object_is_type (text, json_type_string) ? json_object_get_string_len (text) : 0;

  return len == 0 || printbuf_memappend (b, json_object_get_string (text), len) >= 0
         ? KW_OK : KW_ERR_NOMEM;
}

static int
on_block_start (struct stream *s, struct json_object *event, struct kw_translation *t)
{
  struct json_object *block = kwp_member (event, "content_block");
  const char *type = anthropic_text (block, "type");
  struct json_object *call;
  int nomem = 0, rc;

  json_object_put (s->block);
  s->block = json_object_get (block);
  printbuf_reset (s->thinking);
  printbuf_reset (s->signature);
  if (kwp_is (type, "text"))
    return say_text (s, t, "content", kwp_member (block, "text"));
  if (kwp_is (type, "tool_use")) {
    call = kwp_tool_call_new (&nomem, s->calls++, anthropic_text (block, "id"),
                              anthropic_text (block, "name"), "", 0);
    s->call_has_text = 0;
    return say_entry (s, t, "tool_calls", call, nomem);
  }
  if (kwp_is (type, "thinking")) {
    rc = append (s->thinking, kwp_member (block, "thinking"));
    if (rc == KW_OK)
      rc = append (s->signature, kwp_member (block, "signature"));
    return rc == KW_OK ? say_text (s, t, "reasoning_content", kwp_member (block, "thinking"))
                       : rc;
  }
  if (kwp_is (type, "redacted_thinking"))
    return say_entry (s, t, "thinking_blocks", json_object_get (block), 0);
  kw_log (s->a->host, s->a->in, KW_LOG_WARN, "a stream's block of type \"%.40s\" has no place "
          "in Chat Completions, and is left out", type);
  return KW_OK;
}

static int
on_delta (struct stream *s, struct json_object *event, struct kw_translation *t)
{
  struct json_object *delta = kwp_member (event, "delta"), *text;
  const char *type = anthropic_text (delta, "type");
  int rc;

  if (kwp_is (type, "text_delta"))
    return say_text (s, t, "content", kwp_member (delta, "text"));
  if (kwp_is (type, "input_json_delta")) {
    text = kwp_member (delta, "partial_json");
    if (!kwp_is (anthropic_text (s->block, "type"), "tool_use")
        || !json_object_is_type (text, json_type_string) || json_object_get_string_len (text) == 0)
      return KW_OK;
    return say_arguments (s, t, json_object_get_string (text),
                          (size_t) json_object_get_string_len (text));
  }
  if (kwp_is (type, "thinking_delta")) {
    rc = append (s->thinking, kwp_member (delta, "thinking"));
    return rc == KW_OK ? say_text (s, t, "reasoning_content", kwp_member (delta, "thinking"))
                       : rc;
  }
  if (kwp_is (type, "signature_delta"))
    return append (s->signature, kwp_member (delta, "signature"));
  return KW_OK;                 /* citations_delta, and newer ones */
}

static int
say_thinking (struct stream *s, struct kw_translation *t)
{
  struct json_object *block = json_object_new_object ();
  int nomem = 0;

  kwp_put_string (&nomem, block, "type", "thinking");
  kwp_put (&nomem, block, "thinking",
           json_object_new_string_len (s->thinking->buf, s->thinking->bpos));
  kwp_put (&nomem, block, "signature",
           json_object_new_string_len (s->signature->buf, s->signature->bpos));
  return say_entry (s, t, "thinking_blocks", block, nomem);
}

static int
on_block_stop (struct stream *s, struct json_object *event, struct kw_translation *t)
{
  struct json_object *input = kwp_member (s->block, "input");
  const char *type = anthropic_text (s->block, "type"), *text = "{}";
  size_t len = 2;
  int rc = KW_OK;

  (void) event;
  if (kwp_is (type, "thinking"))
    rc = say_thinking (s, t);
  else if (kwp_is (type, "tool_use") && !s->call_has_text) {
    /* A tool without arguments has no delta; its caller parses them all the same. */
    if (input != NULL)
      text = json_object_to_json_string_length (input, JSON_C_TO_STRING_PLAIN
                                                       | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    rc = text != NULL ? say_arguments (s, t, text, len) : KW_ERR_NOMEM;
  }
  json_object_put (s->block);
  s->block = NULL;
  return rc;
}

static int
say_finish (struct stream *s, struct json_object *said, struct kw_translation *t)
{
  struct json_object *delta = json_object_new_object ();
  int nomem = 0;

  s->finished = 1;
  kwp_put_ref (&nomem, delta, "refusal", anthropic_refusal (said));
  return say (s, t, delta, anthropic_finish (anthropic_text (said, "stop_reason"), s->calls > 0),
              nomem);
}

static int
on_message_delta (struct stream *s, struct json_object *event, struct kw_translation *t)
{
  struct json_object *delta = kwp_member (event, "delta");

  anthropic_read_usage (kwp_member (event, "usage"), &s->usage); /* counts are totals */
  if (s->finished || kwp_member (delta, "stop_reason") == NULL)
    return KW_OK;
  return say_finish (s, delta, t);
}

static int
on_stop (struct stream *s, struct json_object *event, struct kw_translation *t)
{
  struct kwp_usage usage = anthropic_usage (&s->usage);
  struct kwp_head head = head_of (s);
  int nomem = 0, rc = KW_OK;

  (void) event;
  if (!s->finished)
    rc = say_finish (s, NULL, t);
  if (rc == KW_OK && s->include_usage) {
    struct json_object *chunk = kwp_completion (&nomem, 1, &head, &usage);
    rc = kwp_output (s->a->translate, t, chunk, nomem);
  }
  if (rc == KW_OK)
    rc = s->a->translate->output (t, "[DONE]", 6);
  s->done = 1;
  return rc;
}

static const struct event {
  const char *name;
  int (*on) (struct stream *, struct json_object *event, struct kw_translation *);
} events[] = {
  { "message_start", on_start },
  { "content_block_start", on_block_start },
  { "content_block_delta", on_delta },
  { "content_block_stop", on_block_stop },
  { "message_delta", on_message_delta },
  { "message_stop", on_stop },
};

int
anthropic_stream_event (void *self, void *stream, const char *event, const void *data,
                        uint64_t len, struct kw_translation *t)
{
  const struct anthropic *a = anthropic_of (self);
  struct stream *s = stream;
  struct json_object *o;
  size_t i = 0;
  int rc = KW_OK;

  /* data NULL is the end: without message_stop it was cut, and is no whole one. */
  if (data == NULL || s->done)
    return KW_OK;
  o = kwp_parse (data, len);
  if (event[0] == '\0')         /* proxies leave names out; data has them too */
    event = anthropic_text (o, "type");
  while (i < KWP_ARRAY_SIZE (events) && !kwp_is (event, events[i].name))
    i++;
  if (i < KWP_ARRAY_SIZE (events)) {
    if (!json_object_is_type (o, json_type_object)
        || (i > 0 && s->start == NULL)
        || (i == 0 && !json_object_is_type (kwp_member (o, "message"), json_type_object)))
      rc = kw_error (a->host, a->in, KW_ERR, "the stream's event \"%s\" is not one of "
                     "Anthropic's Messages API", events[i].name);
    else
      rc = events[i].on (s, o, t);
  }
  json_object_put (o);
  return rc;
}
