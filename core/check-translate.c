/* check-translate - the extension KW_EXT_TRANSLATE, tried on answers and events.
 *
 * The host's side of it is made here, for it is watched: what is output must be
 * a chat completion or its chunks, begin and end are in balance, and nothing
 * comes behind "[DONE]".  Only what the header says is used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "answer.h"
#include "check.h"
#include "check-leak.h"
#include "check-subject.h"
#include "check-text.h"
#include "check-translate.h"

#define MAX_OUTPUT ((size_t) 64 << 20)
enum { SEQUENCES = 200, MAX_EVENTS = 12 };

/* What the plugin has as its struct kw_translation. */
struct writer {
  char *text;                   /* of reply, all of it                    */
  size_t len, size;
  int stream, done;             /* "[DONE]" was output                    */
};

/* ---- The host's side ---------------------------------------------------- */

static int
host_request (struct kw_request *r, const void *note, uint64_t len)
{
  struct kwi_check_call *call = kwi_watch_now ();

  if (call == NULL
      || !kwi_watch_that (call->frame.phase == KWI_PHASE_BUILD && r == call->frame.request,
                          "translate.request", "another pointer than the request that is "
                          "being built")
      || !kwi_watch_that (note != NULL || len == 0, "translate.request", "a length and no "
                          "note"))
    return KW_ERR;
  if (len > sizeof call->note)
    return KW_ERR_RANGE;
  if (len > 0)
    memcpy (call->note, note, (size_t) len);
  call->note_len = (uint32_t) len;
  call->translates = 1;
  return KW_OK;
}

/* One output of a stream: a chunk in JSON, or "[DONE]" and then no more. */
static void
look_at_chunk (struct kwi_check *c, struct writer *w, const char *data, size_t len)
{
  struct json_tokener *t;
  struct json_object *o;

  kwi_check_that (c, !w->done, "output-behind-done", "stream_event outputs something "
                  "behind \"[DONE]\"");
  w->done = len == 6 && memcmp (data, "[DONE]", 6) == 0;
  if (w->done || len > 1 << 20)
    return;
  t = json_tokener_new ();
  o = t != NULL ? json_tokener_parse_ex (t, data, (int) len) : NULL;
  kwi_check_that (c, t == NULL || json_object_is_type (o, json_type_object), "chunk-no-json",
                  "stream_event outputs what is neither a JSON object nor \"[DONE]\": "
                  "\"%.*s\"", (int) (len < 80 ? len : 80), data);
  json_object_put (o);
  if (t != NULL)
    json_tokener_free (t);
}

static int
host_output (struct kw_translation *t, const void *data, uint64_t len)
{
  struct kwi_check_call *call = kwi_watch_now ();
  struct writer *w = (struct writer *) t;

  if (call == NULL
      || !kwi_watch_that (t != NULL && t == call->translation, "translate.output",
                          "another pointer than the translation that was passed in")
      || !kwi_watch_that (data != NULL || len == 0, "translate.output", "a length and no "
                          "data"))
    return KW_ERR;
  if (len > MAX_OUTPUT - w->len)
    return KW_ERR_RANGE;
  if (w->stream) {
    look_at_chunk (call->check, w, data != NULL ? data : "", (size_t) len);
    return KW_OK;
  }
  if (w->len + len + 1 > w->size) {
    size_t size = 2 * (w->len + (size_t) len + 1);
    char *p = realloc (w->text, size);
    if (p == NULL)
      return KW_ERR_NOMEM;
    w->text = p;
    w->size = size;
  }
  if (len > 0)
    memcpy (w->text + w->len, data, (size_t) len);
  w->len += (size_t) len;
  w->text[w->len] = '\0';
  return KW_OK;
}

static const struct {
  struct kw_translate_host host;
  void (*slots[16]) (void);
} table = {
  .host = { .struct_size = sizeof (struct kw_translate_host),
            .request = host_request, .output = host_output }
};

const void *
kwi_check_translate_host (void)
{
  return &table.host;
}

/* ---- The plugin's side -------------------------------------------------- */

static int
has_stream (const struct kw_translate *t)
{
  return KW_HAS (struct kw_translate, t, stream_end) && t->stream_begin != NULL
         && t->stream_event != NULL && t->stream_end != NULL;
}

static const struct kw_translate *
translate_of (struct kwi_check *c, struct kwi_check_instance *i)
{
  const struct kw_provider *p = i->in.provider;
  const struct kw_translate *t;
  struct kwi_check_call call;

  if (p->get_extension == NULL)
    return NULL;
  kwi_watch_begin (&call, c, i, "get_extension", KWI_PHASE_SETUP);
  kwi_watch_enter (&call);
  t = p->get_extension (i->in.self, KW_EXT_TRANSLATE);
  kwi_watch_leave (&call);
  return t != NULL && KW_HAS (struct kw_translate, t, reply) && t->reply != NULL
         ? t : NULL;
}

static void
judge_code (struct kwi_check *c, const char *what, int rc)
{
  kwi_check_that (c, kwi_check_code (rc), "code", "%s returns %d, which is no code of the "
                  "ABI", what, rc);
  kwi_check_that (c, rc != KW_ERR_NOMEM, "memory", "%s has no memory: of %llu MB", what,
                  (unsigned long long) (c->o.memory >> 20));
}

static void
judge_reply (struct kwi_check *c, int rc, const struct writer *w)
{
  struct json_object *o, *choices = NULL;

  judge_code (c, "reply", rc);
  if (rc != KW_OK)
    return;
  o = w->len > 0 ? json_tokener_parse (w->text) : NULL;
  if (kwi_check_that (c, json_object_is_type (o, json_type_object), "reply-no-json",
                      "reply says KW_OK, and its output is no JSON object: \"%.80s\"",
                      w->len > 0 ? w->text : ""))
    kwi_check_that (c, json_object_object_get_ex (o, "choices", &choices)
                    && json_object_is_type (choices, json_type_array), "reply-no-choices",
                    "reply says KW_OK, and its output has no array \"choices\": it is no "
                    "chat completion");
  json_object_put (o);
}

static void
reply (struct kwi_check *c, struct kwi_check_instance *i, const struct kw_translate *t,
       struct kwi_answer *a)
{
  const struct kwi_check_wish *wish = kwi_check_wish (c, 0);
  struct kwi_guards *ring = &c->subject->guards;
  struct writer w = { NULL, 0, 0, 0, 0 };
  struct kwi_guard body, note;
  struct kwi_check_call call;
  struct kw_response resp = {
    .struct_size = sizeof resp, .http_status = a->status,
    .body_truncated = a->too_large != 0, .received_ms = a->received_ms,
    .body_len = a->body_len
  };
  int rc;

  memset (&note, 0, sizeof note);
  if (kwi_guard_open (ring, &body, a->body_len > 0 ? a->body : "", a->body_len) != 0
      || kwi_guard_open (ring, &note, wish->note, wish->note_len) != 0) {
    kwi_check_no_room (c);
    return;
  }
  resp.body = body.at;
  kwi_watch_begin (&call, c, i, "reply", KWI_PHASE_CLASSIFY);
  call.frame.response = &resp;
  call.frame.answer = a;
  call.frame.judgement = &call.judgement;
  call.translation = (struct kw_translation *) &w;
  kwi_watch_enter (&call);
  rc = t->reply (i->in.self, &resp, wish->note_len > 0 ? note.at : NULL, wish->note_len,
                 call.translation);
  kwi_watch_leave (&call);
  judge_reply (c, rc, &w);
  free (w.text);
  kwi_guard_close (ring, &body);
  kwi_guard_close (ring, &note);
}

/* ---- Streams ------------------------------------------------------------ */

struct stream {
  struct kwi_check_instance *i;
  const struct kw_translate *t;
  void *state;
  int begun;
  struct writer w;
};

static int
stream_begin (struct kwi_check *c, struct stream *s)
{
  const struct kwi_check_wish *wish = kwi_check_wish (c, 1);
  struct kwi_check_call call;
  struct kwi_guard note;
  int rc;

  memset (&s->w, 0, sizeof s->w);
  s->w.stream = 1;
  s->state = NULL;
  if (kwi_guard_open (&c->subject->guards, &note, wish->note, wish->note_len) != 0) {
    kwi_check_no_room (c);
    return -1;
  }
  kwi_watch_begin (&call, c, s->i, "stream_begin", KWI_PHASE_SETUP);
  kwi_watch_enter (&call);
  rc = s->t->stream_begin (s->i->in.self, wish->note_len > 0 ? note.at : NULL,
                           wish->note_len, &s->state);
  kwi_watch_leave (&call);
  kwi_guard_close (&c->subject->guards, &note);
  judge_code (c, "stream_begin", rc);
  s->begun = rc == KW_OK;
  return s->begun ? 0 : -1;
}

/* data NULL: the end of the answer. */
static int
stream_event (struct kwi_check *c, struct stream *s, const char *event, const char *data,
              size_t len)
{
  struct kwi_guards *ring = &c->subject->guards;
  struct kwi_check_call call;
  struct kwi_guard name, text;
  int rc;

  memset (&text, 0, sizeof text);
  if (kwi_guard_open (ring, &name, event, strlen (event) + 1) != 0
      || (data != NULL && kwi_guard_open (ring, &text, NULL, len + 1) != 0)) {
    kwi_check_no_room (c);
    return -1;
  }
  if (data != NULL)
    memcpy (text.at, data, len);
  kwi_watch_begin (&call, c, s->i, "stream_event", KWI_PHASE_SETUP);
  call.translation = (struct kw_translation *) &s->w;
  kwi_watch_enter (&call);
  rc = s->t->stream_event (s->i->in.self, s->state, name.at, text.at, len,
                           call.translation);
  kwi_watch_leave (&call);
  kwi_guard_close (ring, &name);
  kwi_guard_close (ring, &text);
  judge_code (c, "stream_event", rc);
  return rc;
}

static void
stream_end (struct kwi_check *c, struct stream *s)
{
  struct kwi_check_call call;

  if (!s->begun)
    return;
  kwi_watch_begin (&call, c, s->i, "stream_end", KWI_PHASE_SETUP);
  kwi_watch_enter (&call);
  s->t->stream_end (s->i->in.self, s->state);
  kwi_watch_leave (&call);
  s->begun = 0;
}

void
kwi_check_translate (struct kwi_check *c, struct kwi_check_instance *i,
                     struct kwi_answer *a)
{
  const struct kw_translate *t = translate_of (c, i);
  struct stream s = { .i = i, .t = t };

  if (t == NULL || a->status < 200 || a->status > 299)
    return;
  if (!a->in_stream)
    reply (c, i, t, a);
  else if (has_stream (t)) {
    if (stream_begin (c, &s) == 0
        && stream_event (c, &s, "", a->body != NULL ? a->body : "", a->body_len) == KW_OK)
      (void) stream_event (c, &s, "", NULL, 0);
    stream_end (c, &s);
  }
}

/* ---- The cases ---------------------------------------------------------- */

static void
run_table (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_instance *i = kwi_check_ready (c, 0);
  const struct kw_translate *t = i != NULL ? translate_of (c, i) : NULL;
  const void *raw = NULL;

  (void) k;
  if (i == NULL)
    return;
  if (i->in.provider->get_extension != NULL)
    raw = i->in.provider->get_extension (i->in.self, KW_EXT_TRANSLATE);
  if (raw == NULL) {
    kwi_check_note (c, "it does not: its provider speaks Chat Completions");
    return;
  }
  kwi_check_note (c, "whole answers%s", t != NULL && has_stream (t) ? " and streams" : "");
  if (!kwi_check_that (c, t != NULL, "table", "its struct kw_translate is too short for "
                       "reply (struct_size %lu), or has none",
                       (unsigned long) *(const uint32_t *) raw))
    return;
  kwi_check_that (c, t->struct_size % sizeof (void *) == 0 && t->struct_size <= 4096
                  && t->_reserved == 0, "table", "its struct kw_translate has struct_size "
                  "%lu and _reserved %lu", (unsigned long) t->struct_size,
                  (unsigned long) t->_reserved);
  kwi_check_that (c, has_stream (t) || t->struct_size < sizeof *t
                  || (t->stream_begin == NULL && t->stream_event == NULL
                      && t->stream_end == NULL), "table", "stream_begin, stream_event and "
                  "stream_end come together or not at all");
  kwi_check_warn (c, kwi_check_wish (c, 0)->translates, "not-asked", "it can translate, and "
                  "prepare does not say so for a usual request (struct kw_translate_host)");
}

/* Events with the plugin's own words for names, some streams cut short. */
static void
run_sequence (struct kwi_check *c, const struct kwi_check_case *k)
{
  struct kwi_check_instance *i = kwi_check_ready (c, 0);
  struct stream s = { .i = i, .t = i != NULL ? translate_of (c, i) : NULL };
  uint64_t state = c->o.seed ^ ((uint64_t) (k->a + 1) << 40);
  uint64_t n = kwi_next_random (&state) % MAX_EVENTS;
  int rc = KW_OK;

  if (s.t == NULL || !has_stream (s.t) || stream_begin (c, &s) != 0)
    return;
  for (uint64_t e = 0; rc == KW_OK && e < n; e++) {
    uint64_t dice = kwi_next_random (&state);
    const char *name = dice % 3 == 0 || c->elf.n_words == 0 ? ""
                       : c->elf.word[dice / 3 % c->elf.n_words];
    size_t len;
    char *data;
    if (kwi_check_document (c, &state, &data, &len) != 0) {
      kwi_check_no_room (c);
      break;
    }
    rc = stream_event (c, &s, name, data, len);
    free (data);
  }
  if (rc == KW_OK && kwi_next_random (&state) % 4 != 0)
    (void) stream_event (c, &s, "", NULL, 0);
  stream_end (c, &s);
}

static int
one_stream (struct kwi_check *c, void *arg)
{
  const char *chunk = kwi_template_text (KWI_T_CHUNK);
  struct stream *s = arg;

  if (stream_begin (c, s) != 0)
    return -1;
  (void) stream_event (c, s, "", chunk, strlen (chunk));
  stream_end (c, s);
  return 0;
}

static void
run_balance (struct kwi_check *c, const struct kwi_check_case *k)
{
  const char *chunk = kwi_template_text (KWI_T_CHUNK);
  struct kwi_check_instance *i = kwi_check_ready (c, 0);
  struct stream a = { .i = i, .t = i != NULL ? translate_of (c, i) : NULL }, b = a;

  (void) k;
  if (a.t == NULL || !has_stream (a.t))
    return;
  if (stream_begin (c, &a) == 0 && stream_begin (c, &b) == 0) {
    kwi_check_that (c, a.state == NULL || a.state != b.state, "shared-stream",
                    "two streams at once have one state");
    for (int n = 0; n < 4; n++)
      (void) stream_event (c, n % 2 ? &b : &a, "", chunk, strlen (chunk));
  }
  stream_end (c, &a);
  stream_end (c, &b);
  kwi_check_leak (c, "stream_begin, an event and stream_end", one_stream, &a);
}

void
kwi_check_plan_translate (struct kwi_check *c)
{
  kwi_check_add (c, KWI_CHECK_TRANSLATE, run_table, "table");
  kwi_check_add (c, KWI_CHECK_TRANSLATE, run_balance, "streams-at-once")->patience = 10;
  for (uint32_t i = 0; i < SEQUENCES; i++)
    kwi_check_add (c, KWI_CHECK_TRANSLATE, run_sequence, "stream-%u", (unsigned) i)->a = i;
}
