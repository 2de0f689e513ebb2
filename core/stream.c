/* stream - an event stream on its way to the caller; see stream.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_*, KW_NET_* */
#include <keywheel/keywheel.h>  /* KW_PAUSE */

#include "body.h"
#include "event-scan.h"
#include "relay.h"
#include "request.h"
#include "stream.h"
#include "transport.h"          /* KWI_SINK_* */

void
kwi_stream_reset (struct kwi_stream *s)
{
  kwi_sse_reset (&s->sse);
  kwi_translate_end (s->instance, &s->translation);
  free (s->error_text);
  s->error_text = NULL;
  s->answer = NULL;
  s->held_len = s->n_events = 0;
  s->is_stream = s->is_chat = s->started = s->failed = 0;
  s->untranslated = s->stopped = s->paused = 0;
  s->ended = 1;                 /* until it turns out to be a chat */
  s->input_tokens = s->output_tokens = -1;
}

void
kwi_stream_clear (struct kwi_stream *s)
{
  kwi_stream_reset (s);
  kwi_sse_clear (&s->sse);
  kwi_translate_clear (s->instance, &s->translation);
  free (s->held);
  s->held = NULL;
  s->held_size = 0;
}

/* Nobody takes it as it comes: it becomes the answer's body. */
static int
is_kept (const struct kwi_stream *s)
{
  return s->on_data == NULL && s->on_text == NULL;
}

/* 0 or KWI_SSE_*.  Leaves room for a NUL behind. */
static int
hold (struct kwi_stream *s, const void *data, size_t len)
{
  if ((int64_t) (s->held_len + len) > s->max_response)
    return KWI_SSE_TOO_LARGE;
  if (s->held_len + len >= s->held_size) {
    size_t size = s->held_size == 0 ? 4096 : s->held_size;
    char *p;
    while (size <= s->held_len + len)
      size *= 2;
    p = realloc (s->held, size);
    if (p == NULL)
      return KWI_SSE_NO_MEMORY;
    s->held = p;
    s->held_size = size;
  }
  memcpy (s->held + s->held_len, data, len);
  s->held_len += len;
  return 0;
}

/* Notes in the answer why its rest is not wanted; returns what stops it. */
static int
give_up (struct kwi_answer *a, int why)
{
  if (why == KWI_SSE_TOO_LARGE)
    a->too_large = 1;
  else {
    a->net = KW_NET_OTHER;      /* half an answer is not to be judged whole */
    (void) memccpy (a->net_text, "out of memory", '\0', sizeof a->net_text);
  }
  return 1;
}

static void
judge_event (struct kwi_stream *s, const char *data, size_t len,
             struct kwi_judgement *j)
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

  kwi_instance_classify (s->instance, &event, j);
  kwi_answer_forget_json (&event);
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

/* Counts that came before stand where this event names none.  j: what classify
 * says of it, or NULL. */
static void
note_usage (struct kwi_stream *s, const struct kwi_judgement *j,
            struct json_object *json)
{
  int64_t in = j != NULL ? j->input_tokens : -1;
  int64_t out = j != NULL ? j->output_tokens : -1;
  struct json_object *usage;

  if (in < 0 && out < 0 && json_object_is_type (json, json_type_object)
      && json_object_object_get_ex (json, "usage", &usage)) {
    in = count_of (usage, "prompt_tokens");
    out = count_of (usage, "completion_tokens");
  }
  if (in >= 0)
    s->input_tokens = in;
  if (out >= 0)
    s->output_tokens = out;
}

/* A connection that closes looks like the end of the answer where nothing
 * frames it; what a chat says of its own end does not. */
static void
note_end (struct kwi_stream *s, unsigned speaks_of)
{
  if (!s->is_chat && (speaks_of & KWI_EVENT_CHOICES) != 0) {
    s->is_chat = 1;
    s->ended = 0;
  }
  if ((speaks_of & (KWI_EVENT_DONE | KWI_EVENT_FINISH)) != 0)
    s->ended = 1;
}

void
kwi_stream_begin (struct kwi_stream *s)
{
  if (s->begin != NULL)
    s->begin (s->call);
}

void
kwi_stream_heed (struct kwi_stream *s, int said)
{
  if (said == KW_PAUSE && s->may_pause)
    s->paused = 1;
  else if (said != 0)
    s->stopped = 1;
}

static void
hand_on_text (struct kwi_stream *s, struct json_object *json)
{
  size_t len;
  const char *text = kwi_body_chunk_text (json, &len);

  if (text == NULL || len == 0)
    return;
  kwi_stream_begin (s);
  kwi_stream_heed (s, s->on_text (s->user, text, len));
}

/* A chunk of the answer, as it came or as it was translated. */
static int
take_chunk (struct kwi_stream *s, const char *data, unsigned speaks_of,
            const struct kwi_judgement *j)
{
  int usage = (speaks_of & KWI_EVENT_USAGE) != 0;
  struct json_object *json;

  s->n_events++;
  note_end (s, speaks_of);
  /* Once it has begun, only who wants the text needs chunks taken apart. */
  if (s->on_text == NULL && (s->started || is_kept (s)) && !usage)
    return 0;
  json = json_tokener_parse (data);
  if (json == NULL) {           /* "[DONE]", or nothing of ours */
    s->started |= s->relays && !s->is_chat && (speaks_of & KWI_EVENT_DONE) == 0;
    return 0;
  }
  if (usage)
    note_usage (s, j, json);
  if (!is_kept (s))
    s->started |= kwi_body_chunk_has_content (json)
                  || (s->relays && kwi_body_chunk_is_unknown (json));
  if (s->on_text != NULL)
    hand_on_text (s, json);
  json_object_put (json);
  return s->stopped || s->paused;
}

static int
is_about_error (const char *name, unsigned speaks_of)
{
  return (speaks_of & KWI_EVENT_ERROR) != 0 || strcasecmp (name, "error") == 0;
}

static int
fail (struct kwi_stream *s, const struct kwi_judgement *j, const char *data)
{
  *s->judgement = *j;
  s->failed = 1;
  s->error_text = strdup (data);
  return 1;
}

static int
on_event (void *user, const char *name, const char *data, size_t len)
{
  struct kwi_stream *s = user;
  struct kwi_judgement j;
  unsigned speaks_of = kwi_event_scan (data, len);
  int error = is_about_error (name, speaks_of);
  int usage = (speaks_of & KWI_EVENT_USAGE) != 0;

  if (error || usage)
    judge_event (s, data, len, &j);
  if (error && j.outcome != KW_OUTCOME_OK)
    return fail (s, &j, data);
  return take_chunk (s, data, speaks_of, usage ? &j : NULL);
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
  kwi_stream_begin (s);
  if (s->held_len > 0 && s->on_data != NULL)
    kwi_stream_heed (s, s->on_data (s->user, s->held, s->held_len));
  free (s->held);               /* the rest is held nowhere */
  s->held = NULL;
  s->held_len = s->held_size = 0;
  return s->stopped;
}

/* An error, or the answer of a server that does not stream. */
static int
keep_whole (struct kwi_stream *s, struct kwi_answer *a, const void *data,
            size_t len)
{
  if ((int64_t) (a->body_len + len) > s->max_response)
    return give_up (a, KWI_SSE_TOO_LARGE);
  return kwi_answer_add_body (a, data, len) == 0
         ? 0 : give_up (a, KWI_SSE_NO_MEMORY);
}

/* Bytes whose events have been looked at; what came before them is held. */
static int
hand_on (struct kwi_stream *s, int was_started, const void *data, size_t len)
{
  if (!s->started || s->stopped)
    return 0;
  if (!was_started)
    return flush (s);
  if (s->on_data != NULL)
    kwi_stream_heed (s, s->on_data (s->user, data, len));
  return s->stopped;
}

/* ---- A translation ------------------------------------------------------- */

static int
is_translated (const struct kwi_stream *s)
{
  return s->request != NULL && s->request->translated;
}

/* An event that the plugin put out: whole, and the only one in its bytes. */
static int
take_translated (struct kwi_stream *s, const char *event)
{
  const char *data = event + sizeof KWI_EVENT_PREFIX - 1;
  int was_started = s->started, r;
  size_t len = strlen (event);

  r = was_started ? 0 : hold (s, event, len);
  if (r != 0)
    return give_up (s->answer, r);
  (void) take_chunk (s, data, kwi_event_scan (data, strlen (data)), NULL);
  return hand_on (s, was_started, event, len) != 0 || s->stopped;
}

/* data NULL: the last one. */
static int
translate (struct kwi_stream *s, const char *name, const char *data,
           size_t len)
{
  struct kw_translation *t = &s->translation;
  const char *event = NULL;

  if (!t->begun) {
    s->is_chat = 1;             /* there is no other that it could become */
    s->ended = 0;
  }
  t->max = s->max_response;
  if (kwi_translate_event (s->instance, s->request, s->answer, t, name, data,
                           len) != 0) {
    s->untranslated = 1;
    return 1;
  }
  /* All that became of one event, even if a pause is asked for meanwhile. */
  while ((event = kwi_translate_next (t, event)) != NULL)
    if (take_translated (s, event) != 0)
      return 1;
  return s->paused;
}

static int
on_foreign_event (void *user, const char *name, const char *data, size_t len)
{
  struct kwi_stream *s = user;
  struct kwi_judgement j;
  int error = is_about_error (name, kwi_event_scan (data, len));

  /* "usage", "usageMetadata": counted whether or not the caller asked for a
   * chunk with them. */
  if (error || strstr (data, "\"usage") != NULL) {
    judge_event (s, data, len, &j);
    if (error && j.outcome != KW_OUTCOME_OK)
      return fail (s, &j, data);
    note_usage (s, &j, NULL);
  }
  /* Behind "[DONE]" nothing could be put out. */
  return s->translation.done ? 0 : translate (s, name, data, len);
}

void
kwi_stream_finish (struct kwi_stream *s)
{
  if (s->translation.begun && !s->translation.done && !s->failed
      && !s->untranslated && !s->stopped)
    (void) translate (s, "", NULL, 0);
}

/* ---- The exchange -------------------------------------------------------- */

/* Feeds what came, as far as the caller's callbacks take it. */
static int
feed (struct kwi_stream *s, const char *data, size_t len,
      int (*event) (void *, const char *, const char *, size_t),
      size_t *ret_taken)
{
  int r = kwi_sse_feed (&s->sse, data, len, event, s, ret_taken);

  return r < 0 ? give_up (s->answer, r) : r > 0 && !s->paused;
}

int
kwi_stream_sink (void *user, struct kwi_answer *a, const void *data,
                 size_t len, size_t *ret_taken)
{
  struct kwi_stream *s = user;
  int was_started = s->started, r;
  size_t held_from = s->held_len;

  s->paused = 0;
  if (!s->is_stream && a->body_len == 0) {
    s->is_stream = is_event_stream (a);
    if (s->is_stream)
      kwi_answer_trim (a);
  }
  if (!s->is_stream && kwi_relay_opens (s, a, len))
    return kwi_relay_hand_on (s, a, data, len, ret_taken);
  if (!s->is_stream)
    return keep_whole (s, a, data, len);
  s->answer = a;
  s->sse.max = s->max_response > 0 ? (size_t) s->max_response : 0;
  if (is_translated (s)) {
    r = feed (s, data, len, on_foreign_event, ret_taken);
    return r != 0 ? r : s->paused ? KWI_SINK_PAUSE : 0;
  }
  r = was_started ? 0 : hold (s, data, len);
  if (r != 0)
    return give_up (a, r);
  r = feed (s, data, len, on_event, ret_taken);
  if (s->paused && !was_started)
    s->held_len = held_from + *ret_taken;
  if (hand_on (s, was_started, data, s->paused ? *ret_taken : len) != 0 || r != 0)
    return KWI_SINK_STOP;
  return s->paused ? KWI_SINK_PAUSE : 0;
}

int
kwi_stream_end (struct kwi_stream *s)
{
  struct kwi_answer *a = s->answer;

  if (!is_kept (s))
    return flush (s);
  if (a == NULL || s->held_len == 0)
    return 0;
  s->held[s->held_len] = '\0';
  kwi_answer_take_body (a, s->held, s->held_len, s->held_size);
  s->held = NULL;
  s->held_len = s->held_size = 0;
  return 0;
}
