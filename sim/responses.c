/* responses - OpenAI's Responses API: the reply in one object, or as the events
 * that build it (see chat.h).
 * https://platform.openai.com/docs/api-reference/responses-streaming */
#include "chat.h"
#include "dialect.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A reply while it is written. */
struct writing {
  const struct sim_reply *reply;
  struct sim_answer *answer;
  char *made;
  const char *text;             /* made, or "" without memory */
  char item_id[32];
  int64_t sequence;
};

static void
writing_begin (struct writing *w, const struct sim_reply *reply, struct sim_answer *a)
{
  *w = (struct writing) { .reply = reply, .answer = a, .made = sim_reply_text (reply) };
  w->text = w->made != NULL ? w->made : "";
  if (snprintf (w->item_id, sizeof w->item_id, "%s_%08llx",
                reply->request->tool != NULL ? "fc" : "msg", (long long) reply->serial) < 0)
    w->item_id[0] = '\0';
}

/* ---- objects ---------------------------------------------------------------- */

static json_object *
part (const char *text)
{
  return sim_object ("type", sim_text ("output_text"), "text", sim_text (text), "annotations",
                     json_object_new_array (), NULL);
}

/* What is written: a message, or a call.  Before it is done it is empty. */
static json_object *
item (const struct writing *w, int done)
{
  const char *tool = w->reply->request->tool, *text = done ? w->text : "";
  const char *status = done ? "completed" : "in_progress";
  char call[32];

  if (tool != NULL)
    return sim_object ("id", sim_text (w->item_id), "type", sim_text ("function_call"),
                       "status", sim_text (status), "name", sim_text (tool), "call_id",
                       sim_text (sim_call_id (w->reply, call, sizeof call)), "arguments",
                       sim_text (text), NULL);
  return sim_object ("id", sim_text (w->item_id), "type", sim_text ("message"), "status",
                     sim_text (status), "role", sim_text ("assistant"), "content",
                     done ? sim_list (part (text)) : json_object_new_array (), NULL);
}

static json_object *
usage (const struct sim_request *r)
{
  return sim_object (
    "input_tokens", sim_number (r->prompt_tokens), "input_tokens_details",
    sim_object ("cached_tokens", sim_number (0), NULL), "output_tokens",
    sim_number (r->completion_tokens), "output_tokens_details",
    sim_object ("reasoning_tokens", sim_number (0), NULL), "total_tokens",
    sim_number (r->prompt_tokens + r->completion_tokens), NULL);
}

static json_object *
response (const struct writing *w, int done)
{
  const struct sim_request *r = w->reply->request;
  char id[32];
  int n = snprintf (id, sizeof id, "resp_%08llx", (long long) w->reply->serial);
  json_object *tools = sim_member (r->root, "tools", json_type_array);

  return sim_object (
    "id", sim_text (n > 0 ? id : ""), "object", sim_text ("response"), "created_at",
    sim_number (w->reply->created), "status", sim_text (done ? "completed" : "in_progress"),
    "error", NULL, "incomplete_details", NULL, "model", sim_text (r->model), "output",
    done ? sim_list (item (w, 1)) : json_object_new_array (), "parallel_tool_calls",
    json_object_new_boolean (1), "tools",
    tools != NULL ? json_object_get (tools) : json_object_new_array (), "tool_choice",
    sim_text ("auto"), "usage", done ? usage (r) : NULL, NULL);
}

void
sim_responses_whole (struct sim_answer *a, const struct sim_reply *reply)
{
  struct writing w;

  writing_begin (&w, reply, a);
  sim_put_json (a, 200, response (&w, 1));
  free (w.made);
}

/* ---- events ----------------------------------------------------------------- */

/* Takes value, its own member. */
static void
put (struct writing *w, const char *type, json_object *event, const char *name,
     json_object *value)
{
  json_object_object_add (event, "type", sim_text (type));
  json_object_object_add (event, "sequence_number", sim_number (w->sequence++));
  json_object_object_add (event, name, value);
  sim_put_event (w->answer, type, event);
}

static void
put_response (struct writing *w, const char *type, int done)
{
  put (w, type, json_object_new_object (), "response", response (w, done));
}

static void
put_item (struct writing *w, const char *type, int done)
{
  put (w, type, sim_object ("output_index", sim_number (0), NULL), "item", item (w, done));
}

/* What is in the item. */
static void
put_inner (struct writing *w, const char *type, const char *name, json_object *value)
{
  json_object *event = sim_object ("item_id", sim_text (w->item_id), "output_index",
                                   sim_number (0), NULL);

  if (w->reply->request->tool == NULL)
    json_object_object_add (event, "content_index", sim_number (0));
  put (w, type, event, name, value);
}

static void
put_words (struct writing *w, const char *type)
{
  const char *s = w->text;

  for (size_t len; (len = sim_word (s)) > 0; s += len) {
    char *word = strndup (s, len);
    put_inner (w, type, "delta", sim_text (word != NULL ? word : ""));
    free (word);
  }
}

static void
put_content (struct writing *w)
{
  if (w->reply->request->tool != NULL) {
    put_words (w, "response.function_call_arguments.delta");
    put_inner (w, "response.function_call_arguments.done", "arguments", sim_text (w->text));
    return;
  }
  put_inner (w, "response.content_part.added", "part", part (""));
  put_words (w, "response.output_text.delta");
  put_inner (w, "response.output_text.done", "text", sim_text (w->text));
  put_inner (w, "response.content_part.done", "part", part (w->text));
}

void
sim_responses_stream (struct sim_answer *a, const struct sim_reply *reply,
                      const struct sim_fault *error)
{
  struct writing w;

  sim_begin_stream (a);
  writing_begin (&w, reply, a);
  put_response (&w, "response.created", 0);
  put_response (&w, "response.in_progress", 0);
  put_item (&w, "response.output_item.added", 0);
  put_content (&w);
  put_item (&w, "response.output_item.done", 1);
  put_response (&w, "response.completed", 1);
  free (w.made);
  if (error != NULL)
    sim_stream_error (a, reply, error);
}
