/* answer - reading one of Gemini's answers (GenerateContentResponse), whole or
 * an event of a stream, into what Chat Completions says.  Knows no status: that
 * it is no error, judge.c has said. */
#include <stdio.h>
#include <string.h>

#include "gemini.h"

/* ---- The head ------------------------------------------------------------ */

void
gemini_answer_init (struct gemini_answer *a, const struct gemini *g,
                    const struct gemini_note *note, int64_t now_ms)
{
  static const struct kwp_usage none = KWP_NO_USAGE;

  memset (a, 0, sizeof *a);
  a->g = g;
  a->created_ms = now_ms;
  a->usage = none;
  kwp_copy (a->model, sizeof a->model, note->model, strlen (note->model));
}

static void
copy_string (char *dst, size_t size, struct json_object *string)
{
  if (string != NULL && json_object_get_string_len (string) > 0)
    kwp_copy (dst, size, json_object_get_string (string),
              strlen (json_object_get_string (string)));
}

static int64_t
count (struct json_object *o, const char *name)
{
  struct json_object *m = kwp_member (o, name);
  int64_t n = json_object_is_type (m, json_type_int) ? json_object_get_int64 (m) : -1;
  return n < KWP_COUNT_MAX ? n : KWP_COUNT_MAX;
}

static int64_t
sum (int64_t a, int64_t b)
{
  return a < 0 ? b : b < 0 ? a : a + b;
}

/* A stream's are of all that came so far.  Thoughts are charged as output, and
 * are not in candidatesTokenCount. */
static void
read_usage (struct gemini_answer *a, struct json_object *usage)
{
  if (!json_object_is_type (usage, json_type_object))
    return;
  a->has_usage = 1;
  a->usage.input = sum (count (usage, "promptTokenCount"),
                        count (usage, "toolUsePromptTokenCount"));
  a->usage.reasoning = count (usage, "thoughtsTokenCount");
  a->usage.output = sum (count (usage, "candidatesTokenCount"), a->usage.reasoning);
  a->usage.cached = count (usage, "cachedContentTokenCount");
}

int
gemini_read_head (struct gemini_answer *a, struct json_object *json,
                  struct json_object **ret_blocked)
{
  struct json_object *feedback = kwp_member (json, "promptFeedback");

  *ret_blocked = NULL;
  if (!json_object_is_type (json, json_type_object))
    return kw_error (a->g->host, a->g->in, KW_ERR, "Gemini's answer is no JSON object");
  if (a->id[0] == '\0')
    copy_string (a->id, sizeof a->id, gemini_string (json, "responseId"));
  if (a->id[0] == '\0'          /* older models name none */
      && snprintf (a->id, sizeof a->id, "gemini-%llx", (unsigned long long) a->created_ms) < 0)
    a->id[0] = '\0';
  copy_string (a->model, sizeof a->model, gemini_string (json, "modelVersion"));
  read_usage (a, kwp_member (json, "usageMetadata"));
  if (gemini_string (feedback, "blockReason") != NULL)
    *ret_blocked = feedback;
  return KW_OK;
}

/* ---- Refusals, and how an answer ended ------------------------------------ */

/* "Gemini ended the answer: REASON: its own words". */
static void
put_refusal (int *nomem, struct json_object *said, const char *what,
             struct json_object *reason, struct json_object *message)
{
  struct gemini_text t = { 0 };

  gemini_text_add (nomem, &t, what, strlen (what));
  gemini_text_add_string (nomem, &t, reason);
  if (message != NULL) {
    gemini_text_add (nomem, &t, ": ", 2);
    gemini_text_add_string (nomem, &t, message);
  }
  gemini_text_put (nomem, said, "refusal", &t);
}

static struct json_object *
said_new (struct gemini_answer *a, int chunk)
{
  struct json_object *said = json_object_new_object ();

  if (chunk)
    return said;
  kwp_put_string (&a->nomem, said, "role", "assistant");
  if (said == NULL || json_object_object_add (said, "content", NULL) != 0)
    a->nomem = 1;               /* null, until something is said */
  return said;
}

struct json_object *
gemini_refusal (struct gemini_answer *a, int chunk, struct json_object *blocked)
{
  struct json_object *said = said_new (a, chunk);

  put_refusal (&a->nomem, said, "Gemini blocked the prompt: ",
               gemini_string (blocked, "blockReason"),
               gemini_string (blocked, "blockReasonMessage"));
  return said;
}

/* Nothing that goes wrong may look like an answer that is complete: filters,
 * calls that cannot be read (MALFORMED_FUNCTION_CALL), OTHER, and what is still
 * to come end in content_filter, and the refusal names them. */
static void
read_finish (struct gemini_answer *a, struct json_object *candidate, struct gemini_choice *c,
             struct json_object *said)
{
  struct json_object *reason = gemini_string (candidate, "finishReason");
  const char *s = reason != NULL ? json_object_get_string (reason) : "";

  if (kwp_is (s, "STOP"))
    c->finish = "stop";
  else if (kwp_is (s, "MAX_TOKENS"))
    c->finish = "length";
  else if (*s != '\0' && !kwp_is (s, "FINISH_REASON_UNSPECIFIED")) {
    c->finish = "content_filter";
    if (!c->refused)            /* some models repeat it in each event */
      put_refusal (&a->nomem, said, "Gemini ended the answer: ", reason,
                   gemini_string (candidate, "finishMessage"));
    c->refused = 1;
  }
}

/* ---- Log probabilities ---------------------------------------------------- */

static struct json_object *
probability (int *nomem, struct json_object *theirs)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *token = gemini_string (theirs, "token");
  struct json_object *logprob = kwp_member (theirs, "logProbability");

  kwp_put (nomem, o, "token", token != NULL ? json_object_get (token)
                                            : json_object_new_string (""));
  kwp_put (nomem, o, "logprob", logprob != NULL ? json_object_get (logprob)
                                                : json_object_new_int (0));
  if (o == NULL || json_object_object_add (o, "bytes", NULL) != 0)
    *nomem = 1;
  return o;
}

static size_t
length (struct json_object *array)
{
  return json_object_is_type (array, json_type_array) ? json_object_array_length (array) : 0;
}

static struct json_object *
read_logprobs (struct gemini_answer *a, struct json_object *candidate)
{
  struct json_object *result = kwp_member (candidate, "logprobsResult");
  struct json_object *chosen = kwp_member (result, "chosenCandidates");
  struct json_object *steps = kwp_member (result, "topCandidates");
  struct json_object *o, *content;

  if (length (chosen) == 0)
    return NULL;
  content = json_object_new_array ();
  for (size_t i = 0; i < length (chosen) && !a->nomem; i++) {
    struct json_object *one = probability (&a->nomem, json_object_array_get_idx (chosen, i));
    struct json_object *best = json_object_new_array (), *theirs = NULL;

    if (i < length (steps))
      theirs = kwp_member (json_object_array_get_idx (steps, i), "candidates");
    for (size_t k = 0; k < length (theirs); k++)
      kwp_append (&a->nomem, best,
                  probability (&a->nomem, json_object_array_get_idx (theirs, k)));
    kwp_put (&a->nomem, one, "top_logprobs", best);
    kwp_append (&a->nomem, content, one);
  }
  o = json_object_new_object ();
  kwp_put (&a->nomem, o, "content", content);
  return o;
}

/* ---- A candidate --------------------------------------------------------- */

int
gemini_read_candidate (struct gemini_answer *a, struct json_object *json, size_t i, int chunk,
                       unsigned *ret_index, struct json_object **ret_said,
                       struct json_object **ret_logprobs)
{
  struct json_object *candidate =
    json_object_array_get_idx (kwp_member (json, "candidates"), i);
  int64_t said_index = count (candidate, "index");
  unsigned index = said_index >= 0 && said_index <= INT32_MAX ? (unsigned) said_index
                                                               : (unsigned) i;
  struct json_object *said;
  struct gemini_choice *c;
  int has_text, rc;

  if (!json_object_is_type (candidate, json_type_object) || index >= GEMINI_MAX_CHOICES)
    return kw_error (a->g->host, a->g->in, KW_ERR, "Gemini's answer has a candidate that is "
                     "no object, or whose index is above %d", GEMINI_MAX_CHOICES - 1);
  c = &a->choices[index];
  if (index >= a->n_choices)
    a->n_choices = index + 1;
  said = said_new (a, chunk);
  rc = gemini_read_parts (a, candidate, index, chunk, said, &has_text);
  if (rc != KW_OK) {
    json_object_put (said);
    return rc;
  }
  read_finish (a, candidate, c, said);
  if (c->n_calls > 0 && c->finish != NULL && kwp_is (c->finish, "stop"))
    c->finish = "tool_calls";
  if (!chunk && !has_text && c->n_calls == 0 && !c->refused)
    kwp_put_string (&a->nomem, said, "content", "");
  if (chunk && !a->nomem && json_object_object_length (said) == 0) {
    json_object_put (said);
    said = NULL;
  }
  *ret_index = index;
  *ret_said = said;
  *ret_logprobs = read_logprobs (a, candidate);
  return KW_OK;
}

void
gemini_put_choice (struct gemini_answer *a, struct json_object *completion, unsigned index,
                   struct json_object *said, struct json_object *logprobs, const char *finish)
{
  struct json_object *choices;

  kwp_choice (&a->nomem, completion, (int) index, said, finish);
  if (logprobs == NULL)
    return;
  choices = kwp_member (completion, "choices");
  if (!a->nomem && length (choices) > 0)
    kwp_put (&a->nomem, json_object_array_get_idx (choices, length (choices) - 1), "logprobs",
             logprobs);
  else
    json_object_put (logprobs);
}
