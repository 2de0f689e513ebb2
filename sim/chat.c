/* chat - requests' bodies read and replies written (see chat.h). */
#include "chat.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define DEPTH_MAX 128
#define BYTES_PER_TOKEN 4
#define ECHO_BYTES 200
#define VECTOR_SIZE 8

/* ---- reading --------------------------------------------------------------- */

static json_object *
member (json_object *object, const char *name, json_type type)
{
  json_object *value = NULL;
  if (!json_object_is_type (object, json_type_object)
      || !json_object_object_get_ex (object, name, &value)
      || !json_object_is_type (value, type))
    return NULL;
  return value;
}

static const char *
text_member (json_object *object, const char *name)
{
  json_object *value = member (object, name, json_type_string);
  return value != NULL ? json_object_get_string (value) : "";
}

/* NULL: no JSON, or something else behind it. */
static json_object *
parse (const char *body, size_t len)
{
  while (len > 0 && strchr (" \t\r\n", body[len - 1]) != NULL && body[len - 1] != '\0')
    len--;
  if (len == 0 || len > INT32_MAX || memchr (body, '\0', len) != NULL)
    return NULL;
  json_tokener *tok = json_tokener_new_ex (DEPTH_MAX);
  if (tok == NULL)
    return NULL;
  json_tokener_set_flags (tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
  json_object *root = json_tokener_parse_ex (tok, body, (int) len);
  if (json_tokener_get_error (tok) != json_tokener_success
      || json_tokener_get_parse_end (tok) != len) {
    json_object_put (root);
    root = NULL;
  }
  json_tokener_free (tok);
  return root;
}

/* Of a string, or of the texts in an array of parts ({"type":"text",...}) or of
 * strings; ids of tokens count as four bytes each. */
static int64_t
content_bytes (json_object *content)
{
  int64_t bytes = 0;
  if (json_object_is_type (content, json_type_string))
    return json_object_get_string_len (content);
  if (json_object_is_type (content, json_type_int))
    return BYTES_PER_TOKEN;
  if (json_object_is_type (content, json_type_object))
    return content_bytes (member (content, "text", json_type_string));
  if (!json_object_is_type (content, json_type_array))
    return 0;
  for (size_t i = 0; i < json_object_array_length (content); i++)
    bytes += content_bytes (json_object_array_get_idx (content, i));
  return bytes;
}

static const char *
first_text (json_object *content)
{
  if (json_object_is_type (content, json_type_string))
    return json_object_get_string (content);
  if (!json_object_is_type (content, json_type_array))
    return "";
  for (size_t i = 0; i < json_object_array_length (content); i++) {
    const char *text = text_member (json_object_array_get_idx (content, i), "text");
    if (text[0] != '\0')
      return text;
  }
  return "";
}

static int64_t
tokens_of (int64_t bytes)
{
  int64_t tokens = (bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
  return tokens < 1 ? 1 : tokens > SIM_REQUESTED_MAX / 2 ? SIM_REQUESTED_MAX / 2
                                                         : tokens;
}

static int
mistake (struct sim_answer *problem, const char *message)
{
  sim_answer_error (problem, 400, "invalid_request_error", NULL, "%s", message);
  return -1;
}

static int
read_length (struct sim_request *r, int64_t otherwise, struct sim_answer *problem)
{
  static const char *const names[] = { "max_completion_tokens", "max_tokens" };
  r->completion_tokens = otherwise;
  for (size_t i = 0; i < 2; i++) {
    json_object *value = NULL;
    if (!json_object_object_get_ex (r->root, names[i], &value) || value == NULL)
      continue;
    int64_t n = json_object_get_int64 (value);
    if (!json_object_is_type (value, json_type_int) || n < 1
        || n > SIM_REQUESTED_MAX / 2) {
      sim_answer_error (problem, 400, "invalid_request_error", NULL,
                        "'%s' : must be a whole number from 1 to %lld", names[i],
                        (long long) SIM_REQUESTED_MAX / 2);
      return -1;
    }
    r->completion_tokens = n;
    return 0;
  }
  return 0;
}

static int
read_messages (struct sim_request *r, struct sim_answer *problem)
{
  int64_t bytes = 0;
  json_object *messages = member (r->root, "messages", json_type_array);
  if (messages == NULL)
    return mistake (problem, "'messages' : property 'messages' is missing");
  size_t n = json_object_array_length (messages);
  if (n == 0)
    return mistake (problem, "'messages' : minimum number of items is 1");
  for (size_t i = 0; i < n; i++) {
    json_object *content = NULL, *m = json_object_array_get_idx (messages, i);
    if (!json_object_is_type (m, json_type_object)) {
      sim_answer_error (problem, 400, "invalid_request_error", NULL,
                        "'messages.%zu' : value must be an object", i);
      return -1;
    }
    json_object_object_get_ex (m, "content", &content);
    bytes += content_bytes (content);
    if (strcmp (text_member (m, "role"), "user") == 0)
      r->echo = first_text (content);
  }
  r->prompt_tokens = tokens_of (bytes);
  return 0;
}

static int
read_input (struct sim_request *r, struct sim_answer *problem)
{
  json_object *input = NULL;
  json_object_object_get_ex (r->root, "input", &input);
  r->inputs = 1;
  if (json_object_is_type (input, json_type_array)) {
    /* An array of numbers is one input, of tokens. */
    if (!json_object_is_type (json_object_array_get_idx (input, 0), json_type_int))
      r->inputs = json_object_array_length (input);
  } else if (!json_object_is_type (input, json_type_string))
    return mistake (problem, "'input' : property 'input' is missing");
  r->prompt_tokens = tokens_of (content_bytes (input));
  return 0;
}

int
sim_request_read (struct sim_request *r, enum sim_endpoint endpoint,
                  const char *body, size_t len, int64_t reply_tokens,
                  struct sim_answer *problem)
{
  memset (r, 0, sizeof *r);
  r->model = r->tag = r->echo = "";
  if (endpoint != SIM_CHAT && endpoint != SIM_EMBEDDINGS)
    return 0;
  r->root = parse (body, len);
  if (!json_object_is_type (r->root, json_type_object))
    return mistake (problem, "the request's body is no valid JSON object");
  r->model = text_member (r->root, "model");
  r->tag = text_member (r->root, "user");
  if (r->model[0] == '\0')
    return mistake (problem, "'model' : property 'model' is missing");
  if (endpoint == SIM_EMBEDDINGS)
    return read_input (r, problem);
  r->stream = json_object_get_boolean (member (r->root, "stream", json_type_boolean));
  json_object *options = member (r->root, "stream_options", json_type_object);
  r->include_usage
    = json_object_get_boolean (member (options, "include_usage", json_type_boolean));
  if (read_messages (r, problem) != 0)
    return -1;
  return read_length (r, reply_tokens, problem);
}

void
sim_request_clear (struct sim_request *r)
{
  json_object_put (r->root);
  memset (r, 0, sizeof *r);
}

/* ---- writing ----------------------------------------------------------------- */

static void
add (json_object *object, const char *name, json_object *value)
{
  json_object_object_add (object, name, value);
}

static json_object *
text (const char *s)
{
  return json_object_new_string (s);
}

static json_object *
number (int64_t n)
{
  return json_object_new_int64 (n);
}

/* Takes root. */
static void
put_json (struct sim_answer *a, json_object *root)
{
  char *body = NULL;
  int n = asprintf (&body, "%s\n", json_object_to_json_string_ext (root, PLAIN));
  json_object_put (root);
  sim_answer_body (a, 200, "application/json", n < 0 ? NULL : body,
                   n < 0 ? 0 : (size_t) n);
}

/* Takes root. */
static void
put_event (struct sim_answer *a, json_object *root)
{
  char *event = NULL;
  int n = asprintf (&event, "data: %s\n\n",
                    json_object_to_json_string_ext (root, PLAIN));
  json_object_put (root);
  sim_answer_piece (a, n < 0 ? NULL : event);
}

static json_object *
usage (const struct sim_request *r)
{
  json_object *u = json_object_new_object ();
  add (u, "queue_time", json_object_new_double_s (0.0005, "0.0005"));
  add (u, "prompt_tokens", number (r->prompt_tokens));
  add (u, "prompt_time", json_object_new_double_s (0.001, "0.001"));
  add (u, "completion_tokens", number (r->completion_tokens));
  add (u, "completion_time", json_object_new_double_s (0.002, "0.002"));
  add (u, "total_tokens", number (r->prompt_tokens + r->completion_tokens));
  add (u, "total_time", json_object_new_double_s (0.003, "0.003"));
  return u;
}

/* Cut between characters. */
char *
sim_reply_text (const struct sim_reply *reply)
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

static json_object *
head (const struct sim_reply *reply, const char *object)
{
  char id[64];
  json_object *root = json_object_new_object ();
  int n = snprintf (id, sizeof id, "chatcmpl-%032llx", (long long) reply->serial);
  add (root, "id", text (n > 0 ? id : ""));
  add (root, "object", text (object));
  add (root, "created", number (reply->created));
  add (root, "model", text (reply->request->model));
  add (root, "system_fingerprint", text ("fp_keywheelsim"));
  return root;
}

static json_object *
x_groq (const struct sim_reply *reply, int with_usage)
{
  json_object *x = json_object_new_object ();
  add (x, "id", text (reply->request_id));
  if (with_usage)
    add (x, "usage", usage (reply->request));
  return x;
}

static json_object *
choices (const char *what, json_object *content, const char *finish_reason)
{
  json_object *all = json_object_new_array (), *choice = json_object_new_object ();
  add (choice, "index", number (0));
  add (choice, what, content);
  add (choice, "logprobs", NULL);
  add (choice, "finish_reason", finish_reason != NULL ? text (finish_reason) : NULL);
  json_object_array_add (all, choice);
  return all;
}

void
sim_chat_whole (struct sim_answer *a, const struct sim_reply *reply)
{
  json_object *root = head (reply, "chat.completion");
  json_object *message = json_object_new_object ();
  char *s = sim_reply_text (reply);

  add (message, "role", text ("assistant"));
  add (message, "content", text (s != NULL ? s : ""));
  add (root, "choices", choices ("message", message, "stop"));
  add (root, "usage", usage (reply->request));
  add (root, "x_groq", x_groq (reply, 0));
  free (s);
  put_json (a, root);
}

static json_object *
chunk (const struct sim_reply *reply, const char *role, const char *content,
       const char *finish_reason)
{
  json_object *root = head (reply, "chat.completion.chunk");
  json_object *delta = json_object_new_object ();
  if (role != NULL)
    add (delta, "role", text (role));
  if (content != NULL)
    add (delta, "content", text (content));
  add (root, "choices", choices ("delta", delta, finish_reason));
  return root;
}

/* A piece each: the words with the blanks before them. */
static void
put_words (struct sim_answer *a, const struct sim_reply *reply, const char *s)
{
  while (*s != '\0') {
    size_t blanks = strspn (s, " ");
    size_t len = blanks + strcspn (s + blanks, " ");
    char *word = strndup (s, len);
    put_event (a, chunk (reply, NULL, word != NULL ? word : "", NULL));
    free (word);
    s += len;
  }
}

static void
put_end (struct sim_answer *a, const struct sim_reply *reply)
{
  json_object *last = chunk (reply, NULL, NULL, "stop");
  add (last, "x_groq", x_groq (reply, 1));
  put_event (a, last);
  if (reply->request->include_usage) {
    json_object *extra = head (reply, "chat.completion.chunk");
    add (extra, "choices", json_object_new_array ());
    add (extra, "usage", usage (reply->request));
    put_event (a, extra);
  }
  sim_answer_piece (a, strdup ("data: [DONE]\n\n"));
}

/* In the place of piece at, and nothing after it. */
static void
put_error_at (struct sim_answer *a, size_t at, const struct sim_reply *reply,
              const struct sim_fault *error)
{
  while (a->n_pieces > at)
    free (a->pieces[--a->n_pieces]);
  sim_answer_piece (a, sim_error_event (error->status, error->form,
                                        reply->request->model, reply->request_id));
}

void
sim_chat_stream (struct sim_answer *a, const struct sim_reply *reply,
                 const struct sim_fault *error)
{
  char *s = sim_reply_text (reply);
  json_object *first = chunk (reply, "assistant", "", NULL);

  a->shape = SIM_STREAM;
  a->status = 200;
  sim_answer_header (a, "content-type", "text/event-stream");
  add (first, "x_groq", x_groq (reply, 0));
  put_event (a, first);
  put_words (a, reply, s != NULL ? s : "");
  free (s);
  put_end (a, reply);
  if (error != NULL)
    put_error_at (a, error->after < (int64_t) a->n_pieces ? (size_t) error->after
                                                          : a->n_pieces - 1,
                  reply, error);
}

/* Any numbers, the same for the same place. */
static json_object *
vector (size_t index)
{
  json_object *v = json_object_new_array ();
  for (size_t i = 0; i < VECTOR_SIZE; i++)
    json_object_array_add (v, json_object_new_double ((double) ((index + i) % 8) / 8));
  return v;
}

void
sim_embeddings (struct sim_answer *a, const struct sim_reply *reply)
{
  json_object *root = json_object_new_object (), *data = json_object_new_array ();
  json_object *u = json_object_new_object ();
  for (size_t i = 0; i < reply->request->inputs; i++) {
    json_object *e = json_object_new_object ();
    add (e, "object", text ("embedding"));
    add (e, "index", number ((int64_t) i));
    add (e, "embedding", vector (i));
    json_object_array_add (data, e);
  }
  add (u, "prompt_tokens", number (reply->request->prompt_tokens));
  add (u, "total_tokens", number (reply->request->prompt_tokens));
  add (root, "object", text ("list"));
  add (root, "data", data);
  add (root, "model", text (reply->request->model));
  add (root, "usage", u);
  put_json (a, root);
}

void
sim_models (struct sim_answer *a, const char *const *names, size_t n,
            int64_t created)
{
  json_object *root = json_object_new_object (), *data = json_object_new_array ();
  for (size_t i = 0; i < n; i++) {
    json_object *m = json_object_new_object ();
    add (m, "id", text (names[i]));
    add (m, "object", text ("model"));
    add (m, "created", number (created));
    add (m, "owned_by", text ("keywheel-sim"));
    add (m, "active", json_object_new_boolean (1));
    add (m, "context_window", number (131072));
    json_object_array_add (data, m);
  }
  add (root, "object", text ("list"));
  add (root, "data", data);
  put_json (a, root);
}
