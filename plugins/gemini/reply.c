/* reply - a whole answer of Gemini's, as a chat.completion. */
#include <string.h>

#include "gemini.h"

void
gemini_note_read (const void *note, uint64_t len, struct gemini_note *n)
{
  const char *s = note;

  memset (n, 0, sizeof *n);
  if (s == NULL || len == 0)
    return;
  n->include_usage = s[0] == '1';
  if (len - 1 < sizeof n->model)
    memcpy (n->model, s + 1, (size_t) len - 1);
}

/* A candidate without a reason for its end is complete all the same, since the
 * answer is; but one without anything in it is a known failure of the models. */
static int
put_candidates (struct gemini_answer *a, struct json_object *json, struct json_object *out)
{
  struct json_object *candidates = kwp_member (json, "candidates");
  size_t n = json_object_is_type (candidates, json_type_array)
             ? json_object_array_length (candidates) : 0;

  for (size_t i = 0; i < n && !a->nomem; i++) {
    struct json_object *said, *logprobs;
    unsigned index;
    int rc = gemini_read_candidate (a, json, i, 0, &index, &said, &logprobs);

    if (rc != KW_OK)
      return rc;
    if (a->choices[index].finish == NULL) {
      if (!a->nomem && json_object_object_length (said) == 2
          && json_object_get_string_len (kwp_member (said, "content")) == 0) {
        json_object_put (said);
        json_object_put (logprobs);
        return kw_error (a->g->host, a->g->in, KW_ERR, "Gemini's answer has an empty "
                         "candidate without a finishReason");
      }
      a->choices[index].finish = a->choices[index].n_calls > 0 ? "tool_calls" : "stop";
    }
    gemini_put_choice (a, out, index, said, logprobs, a->choices[index].finish);
  }
  return KW_OK;
}

int
gemini_reply (void *self, const struct kw_response *resp, const void *note, uint64_t note_len,
              struct kw_translation *t)
{
  const struct gemini *g = gemini_of (self);
  struct json_object *json = kwp_parse (resp->body, resp->body_len), *out, *blocked;
  struct gemini_note n;
  struct gemini_answer a;
  int rc;

  gemini_note_read (note, note_len, &n);
  gemini_answer_init (&a, g, &n, resp->received_ms);
  rc = gemini_read_head (&a, json, &blocked);
  if (rc != KW_OK) {
    json_object_put (json);
    return rc;
  }
  out = kwp_completion (&a.nomem, 0, &(struct kwp_head) { a.id, a.model, a.created_ms },
                        a.has_usage ? &a.usage : NULL);
  rc = put_candidates (&a, json, out);
  if (rc == KW_OK && a.n_choices == 0 && blocked != NULL)
    gemini_put_choice (&a, out, 0, gemini_refusal (&a, 0, blocked), NULL, "content_filter");
  else if (rc == KW_OK && a.n_choices == 0)
    rc = kw_error (g->host, g->in, KW_ERR, "Gemini's answer has no candidates, and no reason "
                   "why the prompt was blocked");
  if (rc == KW_OK)
    rc = kwp_output (g->translate, t, out, a.nomem);
  else
    json_object_put (out);
  json_object_put (json);
  return rc;
}
