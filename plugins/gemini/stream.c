/* stream - an event stream of Gemini's, as chat.completion.chunks.
 *
 * Its events are whole answers with a part of the text each, without names and
 * without a last one that says so; the one with the finishReason is the last by
 * meaning, but models were seen that put one into each.  So it is kept until
 * the stream has come to its end; a stream that is cut says no finish_reason,
 * and no [DONE]. */
#include <stdlib.h>
#include <string.h>

#include "gemini.h"

struct stream {
  struct gemini_note note;
  struct gemini_answer answer;
};

int
gemini_stream_begin (void *self, const void *note, uint64_t note_len, void **ret_stream)
{
  const struct gemini *g = gemini_of (self);
  struct stream *s = calloc (1, sizeof *s);

  if (s == NULL)
    return KW_ERR_NOMEM;
  gemini_note_read (note, note_len, &s->note);
  gemini_answer_init (&s->answer, g, &s->note, g->host->now_ms (g->in));
  *ret_stream = s;
  return KW_OK;
}

void
gemini_stream_end (void *self, void *stream)
{
  (void) self;
  free (stream);
}

static struct json_object *
chunk (struct gemini_answer *a, const struct kwp_usage *usage)
{
  return kwp_completion (&a->nomem, 1, &(struct kwp_head) { a->id, a->model, a->created_ms },
                         usage);
}

/* Takes said (NULL: an empty delta) and logprobs. */
static int
write_choice (struct gemini_answer *a, struct kw_translation *t, unsigned index,
              struct json_object *said, struct json_object *logprobs, const char *finish)
{
  struct json_object *o = chunk (a, NULL);

  if (said == NULL)
    said = json_object_new_object ();
  gemini_put_choice (a, o, index, said, logprobs, finish);
  return kwp_output (a->g->translate, t, o, a->nomem);
}

/* The first chunk of a choice names the role, and nothing else does. */
static int
start (struct gemini_answer *a, struct kw_translation *t, unsigned index)
{
  struct json_object *said;

  if (a->choices[index].started)
    return KW_OK;
  a->choices[index].started = 1;
  said = json_object_new_object ();
  kwp_put_string (&a->nomem, said, "role", "assistant");
  kwp_put_string (&a->nomem, said, "content", "");
  return write_choice (a, t, index, said, NULL, NULL);
}

static int
translate (struct gemini_answer *a, struct json_object *json, struct kw_translation *t)
{
  struct json_object *candidates, *blocked, *said, *logprobs;
  int rc = gemini_read_head (a, json, &blocked);
  unsigned index;
  size_t n;

  if (rc != KW_OK)
    return rc;
  candidates = kwp_member (json, "candidates");
  n = json_object_is_type (candidates, json_type_array) ? json_object_array_length (candidates)
                                                        : 0;
  for (size_t i = 0; i < n; i++) {
    rc = gemini_read_candidate (a, json, i, 1, &index, &said, &logprobs);
    if (rc != KW_OK)
      return rc;
    rc = start (a, t, index);
    if (rc != KW_OK || (said == NULL && logprobs == NULL)) {
      json_object_put (said);
      json_object_put (logprobs);
    } else
      rc = write_choice (a, t, index, said, logprobs, NULL);
    if (rc != KW_OK)
      return rc;
  }
  if (blocked == NULL || n > 0 || a->choices[0].refused)
    return KW_OK;
  if (a->n_choices == 0)
    a->n_choices = 1;
  a->choices[0].refused = 1;
  a->choices[0].finish = "content_filter";
  rc = start (a, t, 0);
  return rc == KW_OK ? write_choice (a, t, 0, gemini_refusal (a, 1, blocked), NULL, NULL) : rc;
}

static int
finish (struct stream *s, struct kw_translation *t)
{
  struct gemini_answer *a = &s->answer;
  const struct gemini *g = a->g;
  int rc;

  for (unsigned i = 0; i < a->n_choices; i++)
    if (a->choices[i].started && a->choices[i].finish == NULL)
      return kw_error (g->host, g->in, KW_ERR, "Gemini's stream ended without a finishReason");
  if (a->n_choices == 0)
    return kw_error (g->host, g->in, KW_ERR, "Gemini's stream ended without a candidate");
  for (unsigned i = 0; i < a->n_choices; i++)
    if (a->choices[i].started
        && (rc = write_choice (a, t, i, NULL, NULL, a->choices[i].finish)) != KW_OK)
      return rc;
  if (s->note.include_usage && a->has_usage
      && (rc = kwp_output (g->translate, t, chunk (a, &a->usage), a->nomem)) != KW_OK)
    return rc;
  return g->translate->output (t, "[DONE]", sizeof "[DONE]" - 1);
}

int
gemini_stream_event (void *self, void *stream, const char *event, const void *data,
                     uint64_t len, struct kw_translation *t)
{
  struct stream *s = stream;
  struct json_object *json;
  int rc;

  (void) self;
  (void) event;                 /* Gemini's have no names */
  if (data == NULL)
    return finish (s, t);
  json = kwp_parse (data, len);
  rc = translate (&s->answer, json, t);
  json_object_put (json);
  return rc;
}
