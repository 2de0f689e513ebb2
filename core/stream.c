/* stream - an event stream on its way to the caller; see stream.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_* */

#include "body.h"
#include "stream.h"

/* What may come before the first content: a few chunks with a role. */
enum { HELD_MAX = 1024 * 1024 };

void
kwi_stream_reset (struct kwi_stream *s)
{
  kwi_sse_reset (&s->sse);
  free (s->error_text);
  s->error_text = NULL;
  s->held_len = s->n_events = 0;
  s->is_stream = s->started = s->failed = s->stopped = 0;
  s->input_tokens = s->output_tokens = -1;
}

void
kwi_stream_clear (struct kwi_stream *s)
{
  kwi_stream_reset (s);
  kwi_sse_clear (&s->sse);
  free (s->held);
  s->held = NULL;
}

/* 0; -1 at the bound or without memory. */
static int
hold (struct kwi_stream *s, const void *data, size_t len)
{
  if (s->held_len + len > HELD_MAX)
    return -1;
  if (s->held_len + len > s->held_size) {
    size_t size = s->held_size == 0 ? 4096 : s->held_size;
    char *p;
    while (size < s->held_len + len)
      size *= 2;
    p = realloc (s->held, size);
    if (p == NULL)
      return -1;
    s->held = p;
    s->held_size = size;
  }
  memcpy (s->held + s->held_len, data, len);
  s->held_len += len;
  return 0;
}

/* Does data have a member called "error" at any depth that a plugin may want
 * to see?  Only a hint, so that most chunks need no second look: a false alarm
 * costs a look by the plugin. */
static int
mentions_error (const char *data)
{
  const char *p = data;

  while ((p = strstr (p, "\"error\"")) != NULL) {
    p += sizeof "\"error\"" - 1;
    p += strspn (p, " \t\r\n");
    if (*p == ':' && strncmp (p + 1 + strspn (p + 1, " "), "null", 4) != 0)
      return 1;
  }
  return 0;
}

/* Non-zero: the plugin says it is an error. */
static int
judge_event (struct kwi_stream *s, const char *data, size_t len)
{
  struct kwi_answer event = {
    .status = s->answer->status,
    .in_stream = 1,
    .received_ms = s->answer->received_ms,
    .headers = s->answer->headers,
    .headers_len = s->answer->headers_len,
    .body = (char *) (uintptr_t) data,
    .body_len = len,
  };

  kwi_instance_classify (s->instance, &event, s->judgement);
  json_object_put (event.json);
  if (s->judgement->outcome == KW_OUTCOME_OK)
    return 0;
  s->failed = 1;
  s->error_text = strdup (data);
  return 1;
}

static int64_t
count_of (struct json_object *usage, const char *name)
{
  struct json_object *m;

  return json_object_is_type (usage, json_type_object)
         && json_object_object_get_ex (usage, name, &m)
         && json_object_is_type (m, json_type_int) ? json_object_get_int64 (m)
                                                   : -1;
}

static void
note_usage (struct kwi_stream *s, struct json_object *json)
{
  struct json_object *usage;

  if (!json_object_is_type (json, json_type_object)
      || !json_object_object_get_ex (json, "usage", &usage)
      || usage == NULL)
    return;
  s->input_tokens = count_of (usage, "prompt_tokens");
  s->output_tokens = count_of (usage, "completion_tokens");
}

static int
on_event (void *user, const char *name, const char *data, size_t len)
{
  struct kwi_stream *s = user;
  struct json_object *json;
  const char *text;
  size_t n;

  s->n_events++;
  if ((strcasecmp (name, "error") == 0 || mentions_error (data))
      && judge_event (s, data, len))
    return 1;
  /* Once it has begun, only who wants the text needs chunks taken apart. */
  if (s->started && s->on_text == NULL && strstr (data, "\"usage\"") == NULL)
    return 0;
  json = json_tokener_parse (data);
  if (json == NULL)
    return 0;                   /* "[DONE]", or nothing of ours */
  note_usage (s, json);
  s->started |= kwi_body_chunk_has_content (json);
  if (s->on_text != NULL && (text = kwi_body_text (json, &n)) != NULL && n > 0
      && s->on_text (s->user, text, n) != 0)
    s->stopped = 1;
  json_object_put (json);
  return s->stopped;
}

static int
is_event_stream (const struct kwi_answer *a)
{
  static const char type[] = "text/event-stream";
  const char *t = kwi_answer_header (a, "content-type");

  return a->status >= 200 && a->status < 300 && t != NULL
         && strncasecmp (t, type, sizeof type - 1) == 0;
}

static int
flush (struct kwi_stream *s)
{
  if (s->held_len > 0 && s->on_data != NULL
      && s->on_data (s->user, s->held, s->held_len) != 0)
    s->stopped = 1;
  s->held_len = 0;
  return s->stopped;
}

int
kwi_stream_sink (void *user, struct kwi_answer *a, const void *data,
                 size_t len)
{
  struct kwi_stream *s = user;
  int was_started = s->started, r;

  if (!s->is_stream && a->body_len == 0)
    s->is_stream = is_event_stream (a);
  if (!s->is_stream) {          /* an error, or a server that does not stream */
    if ((int64_t) (a->body_len + len) > s->max_response) {
      a->too_large = 1;
      return 1;
    }
    return kwi_answer_add_body (a, data, len);
  }
  s->answer = a;
  if (!was_started && hold (s, data, len) != 0) {
    a->too_large = 1;
    return 1;
  }
  r = kwi_sse_feed (&s->sse, data, len, on_event, s);
  if (r < 0)
    a->too_large = 1;
  if (!s->started || s->stopped)
    return r;
  if (!was_started)
    return flush (s) != 0 ? 1 : r;
  if (s->on_data != NULL && s->on_data (s->user, data, len) != 0)
    s->stopped = 1;
  return s->stopped ? 1 : r;
}

int
kwi_stream_end (struct kwi_stream *s)
{
  return flush (s);
}
