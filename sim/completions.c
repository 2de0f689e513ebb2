/* completions - the API before the chats': a prompt, and what follows it (see
 * chat.h).  https://platform.openai.com/docs/api-reference/completions */
#include "chat.h"
#include "dialect.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* finish NULL: not yet. */
static json_object *
completion (const struct sim_reply *reply, const char *text, const char *finish)
{
  char id[64];
  int n = snprintf (id, sizeof id, "cmpl-%032llx", (long long) reply->serial);
  json_object *choice = sim_object (
    "index", sim_number (0), "text", sim_text (text), "logprobs", NULL, "finish_reason",
    finish != NULL ? sim_text (finish) : NULL, NULL);

  return sim_object ("id", sim_text (n > 0 ? id : ""), "object", sim_text ("text_completion"),
                     "created", sim_number (reply->created), "model",
                     sim_text (reply->request->model), "choices", sim_list (choice), NULL);
}

static json_object *
usage (const struct sim_request *r)
{
  return sim_object ("prompt_tokens", sim_number (r->prompt_tokens), "completion_tokens",
                     sim_number (r->completion_tokens), "total_tokens",
                     sim_number (r->prompt_tokens + r->completion_tokens), NULL);
}

void
sim_completions_whole (struct sim_answer *a, const struct sim_reply *reply)
{
  char *s = sim_reply_text (reply);
  json_object *root = completion (reply, s != NULL ? s : "", "stop");

  json_object_object_add (root, "usage", usage (reply->request));
  free (s);
  sim_put_json (a, 200, root);
}

void
sim_completions_stream (struct sim_answer *a, const struct sim_reply *reply,
                        const struct sim_fault *error)
{
  char *all = sim_reply_text (reply);
  const char *s = all != NULL ? all : "";
  json_object *last = completion (reply, "", "stop");

  sim_begin_stream (a);
  for (size_t len; (len = sim_word (s)) > 0; s += len) {
    char *word = strndup (s, len);
    sim_put_event (a, NULL, completion (reply, word != NULL ? word : "", NULL));
    free (word);
  }
  free (all);
  json_object_object_add (last, "usage", usage (reply->request));
  sim_put_event (a, NULL, last);
  sim_answer_piece (a, strdup ("data: [DONE]\n\n"));
  if (error != NULL)
    sim_stream_error (a, reply, error);
}
