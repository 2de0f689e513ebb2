/* chat - the replies of Chat Completions, whole and as streams (see chat.h). */
#include "chat.h"
#include "dialect.h"
#include "tools.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECHO_BYTES 200

static void
add (json_object *object, const char *name, json_object *value)
{
  json_object_object_add (object, name, value);
}

static json_object *
usage (const struct sim_request *r)
{
  json_object *u = json_object_new_object ();
  add (u, "queue_time", json_object_new_double_s (0.0005, "0.0005"));
  add (u, "prompt_tokens", sim_number (r->prompt_tokens));
  add (u, "prompt_time", json_object_new_double_s (0.001, "0.001"));
  add (u, "completion_tokens", sim_number (r->completion_tokens));
  add (u, "completion_time", json_object_new_double_s (0.002, "0.002"));
  add (u, "total_tokens", sim_number (r->prompt_tokens + r->completion_tokens));
  add (u, "total_time", json_object_new_double_s (0.003, "0.003"));
  return u;
}

/* Cut between characters. */
static char *
plain_text (const struct sim_reply *reply)
{
  char *s = NULL;
  const char *echo = reply->request->echo;
  size_t len = strnlen (echo, ECHO_BYTES + 1);
  if (len > ECHO_BYTES) {
    len = ECHO_BYTES;
    while (len > 0 && ((unsigned char) echo[len] & 0xC0) == 0x80)
      len--;
  }
  if (asprintf (&s, "Hello from keywheel-sim (key %s): %.*s", reply->key, (int) len,
                echo) < 0)
    return NULL;
  return s;
}

char *
sim_reply_text (const struct sim_reply *reply)
{
  const struct sim_request *r = reply->request;
  char *plain = plain_text (reply), *instance;
  if (plain == NULL || (r->tool == NULL && !r->json))
    return plain;
  instance = sim_instance (r->schema, plain);
  free (plain);
  return instance;
}

static json_object *
head (const struct sim_reply *reply, const char *object)
{
  char id[64];
  json_object *root = json_object_new_object ();
  int n = snprintf (id, sizeof id, "chatcmpl-%032llx", (long long) reply->serial);
  add (root, "id", sim_text (n > 0 ? id : ""));
  add (root, "object", sim_text (object));
  add (root, "created", sim_number (reply->created));
  add (root, "model", sim_text (reply->request->model));
  add (root, "system_fingerprint", sim_text ("fp_keywheelsim"));
  return root;
}

static json_object *
x_groq (const struct sim_reply *reply, int with_usage)
{
  json_object *x = json_object_new_object ();
  add (x, "id", sim_text (reply->request_id));
  if (with_usage)
    add (x, "usage", usage (reply->request));
  return x;
}

static json_object *
choices (const char *what, json_object *content, const char *finish_reason)
{
  json_object *all = json_object_new_array (), *choice = json_object_new_object ();
  add (choice, "index", sim_number (0));
  add (choice, what, content);
  add (choice, "logprobs", NULL);
  add (choice, "finish_reason", finish_reason != NULL ? sim_text (finish_reason) : NULL);
  json_object_array_add (all, choice);
  return all;
}

/* Both of a whole reply and of a stream's pieces; id and name NULL: what follows
 * the first. */
static json_object *
tool_calls (const char *id, const char *name, const char *arguments)
{
  json_object *function = json_object_new_object (), *call = json_object_new_object ();
  add (call, "index", sim_number (0));
  if (id != NULL) {
    add (call, "id", sim_text (id));
    add (call, "type", sim_text ("function"));
    add (function, "name", sim_text (name));
  }
  add (function, "arguments", sim_text (arguments));
  add (call, "function", function);
  return sim_list (call);
}

const char *
sim_call_id (const struct sim_reply *reply, char *buf, size_t size)
{
  return snprintf (buf, size, "call_%08llx", (long long) reply->serial) > 0 ? buf : "";
}

static const char *
finish (const struct sim_reply *reply)
{
  return reply->request->tool != NULL ? "tool_calls" : "stop";
}

void
sim_chat_whole (struct sim_answer *a, const struct sim_reply *reply)
{
  json_object *root = head (reply, "chat.completion");
  json_object *message = json_object_new_object ();
  const char *tool = reply->request->tool;
  char *made = sim_reply_text (reply), id[32];
  const char *s = made != NULL ? made : "";

  add (message, "role", sim_text ("assistant"));
  add (message, "content", tool != NULL ? NULL : sim_text (s));
  if (tool != NULL)
    add (message, "tool_calls", tool_calls (sim_call_id (reply, id, sizeof id), tool, s));
  add (root, "choices", choices ("message", message, finish (reply)));
  add (root, "usage", usage (reply->request));
  add (root, "x_groq", x_groq (reply, 0));
  free (made);
  sim_put_json (a, 200, root);
}

/* Takes delta. */
static json_object *
chunk (const struct sim_reply *reply, json_object *delta, const char *finish_reason)
{
  json_object *root = head (reply, "chat.completion.chunk");
  add (root, "choices", choices ("delta", delta, finish_reason));
  return root;
}

static json_object *
first_chunk (const struct sim_reply *reply)
{
  const char *tool = reply->request->tool;
  json_object *delta = sim_object ("role", sim_text ("assistant"), "content",
                                   tool != NULL ? NULL : sim_text (""), NULL);
  char id[32];
  if (tool != NULL)
    add (delta, "tool_calls", tool_calls (sim_call_id (reply, id, sizeof id), tool, ""));
  json_object *first = chunk (reply, delta, NULL);
  add (first, "x_groq", x_groq (reply, 0));
  return first;
}

/* A piece for each word. */
static void
put_words (struct sim_answer *a, const struct sim_reply *reply, const char *s)
{
  for (size_t len; (len = sim_word (s)) > 0; s += len) {
    char *word = strndup (s, len);
    const char *piece = word != NULL ? word : "";
    json_object *delta = reply->request->tool != NULL
      ? sim_object ("tool_calls", tool_calls (NULL, NULL, piece), NULL)
      : sim_object ("content", sim_text (piece), NULL);
    sim_put_event (a, NULL, chunk (reply, delta, NULL));
    free (word);
  }
}

static void
put_end (struct sim_answer *a, const struct sim_reply *reply)
{
  json_object *last = chunk (reply, json_object_new_object (), finish (reply));
  add (last, "x_groq", x_groq (reply, 1));
  sim_put_event (a, NULL, last);
  if (reply->request->include_usage) {
    json_object *extra = head (reply, "chat.completion.chunk");
    add (extra, "choices", json_object_new_array ());
    add (extra, "usage", usage (reply->request));
    sim_put_event (a, NULL, extra);
  }
  sim_answer_piece (a, strdup ("data: [DONE]\n\n"));
}

void
sim_stream_error (struct sim_answer *a, const struct sim_reply *reply,
                  const struct sim_fault *error)
{
  sim_cut_pieces (a, error->after < (int64_t) a->n_pieces ? error->after
                                                          : (int64_t) a->n_pieces - 1);
  sim_answer_piece (a, sim_error_event (error->status, error->form,
                                        reply->request->model, reply->request_id));
}

void
sim_begin_stream (struct sim_answer *a)
{
  a->shape = SIM_STREAM;
  a->status = 200;
  sim_answer_header (a, "content-type", "text/event-stream");
}

void
sim_chat_stream (struct sim_answer *a, const struct sim_reply *reply,
                 const struct sim_fault *error)
{
  char *s = sim_reply_text (reply);

  sim_begin_stream (a);
  sim_put_event (a, NULL, first_chunk (reply));
  put_words (a, reply, s != NULL ? s : "");
  free (s);
  put_end (a, reply);
  if (error != NULL)
    sim_stream_error (a, reply, error);
}
