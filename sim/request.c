/* request - requests' bodies read: what is asked, and how many tokens that is (see
 * chat.h). */
#include "chat.h"
#include "dialect.h"
#include "tools.h"

#include <json-c/json.h>
#include <string.h>

#define DEPTH_MAX 128
#define BYTES_PER_TOKEN 4

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
    return content_bytes (sim_member (content, "text", json_type_string));
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
    const char *text = sim_text_member (json_object_array_get_idx (content, i), "text");
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
missing (struct sim_answer *problem, const char *name)
{
  sim_answer_error (problem, 400, "invalid_request_error", NULL,
                    "'%s' : property '%s' is missing", name, name);
  return -1;
}

static int
read_length (struct sim_request *r, int64_t otherwise, struct sim_answer *problem)
{
  static const char *const names[] = {
    "max_completion_tokens", "max_tokens", "max_output_tokens",
  };
  r->completion_tokens = otherwise;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
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

/* Of a conversation: how long it is, and what was said last by a user or a tool. */
static int
read_turns (struct sim_request *r, json_object *turns, const char *name,
            struct sim_answer *problem)
{
  int64_t bytes = 0;
  size_t n = json_object_array_length (turns);
  for (size_t i = 0; i < n; i++) {
    json_object *content = NULL, *m = json_object_array_get_idx (turns, i);
    if (!json_object_is_type (m, json_type_object)) {
      sim_answer_error (problem, 400, "invalid_request_error", NULL,
                        "'%s.%zu' : value must be an object", name, i);
      return -1;
    }
    const char *role = sim_text_member (m, "role");
    if (!json_object_object_get_ex (m, "content", &content))
      json_object_object_get_ex (m, "output", &content);
    bytes += content_bytes (content);
    if (strcmp (role, "user") == 0 || strcmp (role, "tool") == 0
        || strcmp (sim_text_member (m, "type"), "function_call_output") == 0)
      r->echo = first_text (content);
  }
  r->prompt_tokens = tokens_of (bytes);
  return 0;
}

static int
read_chat (struct sim_request *r, struct sim_answer *problem)
{
  json_object *messages = sim_member (r->root, "messages", json_type_array);
  if (messages == NULL)
    return missing (problem, "messages");
  if (json_object_array_length (messages) == 0)
    return mistake (problem, "'messages' : minimum number of items is 1");
  sim_tools_read (r);
  return read_turns (r, messages, "messages", problem);
}

/* A text, or texts; where it may be, also a conversation. */
static int
read_text (struct sim_request *r, const char *name, int or_turns,
           struct sim_answer *problem)
{
  json_object *input = NULL;
  json_object_object_get_ex (r->root, name, &input);
  int list = json_object_is_type (input, json_type_array);
  if (!list && !json_object_is_type (input, json_type_string))
    return missing (problem, name);
  if (list && or_turns)
    return read_turns (r, input, name, problem);
  r->prompt_tokens = tokens_of (content_bytes (input));
  r->echo = first_text (list ? json_object_array_get_idx (input, 0) : input);
  /* An array of numbers is one input, of tokens. */
  r->inputs = list && !json_object_is_type (json_object_array_get_idx (input, 0),
                                            json_type_int)
                ? json_object_array_length (input) : 1;
  return 0;
}

static int
read_kind (struct sim_request *r, enum sim_endpoint endpoint, struct sim_answer *problem)
{
  switch (endpoint) {
  case SIM_CHAT:
    return read_chat (r, problem);
  case SIM_COMPLETIONS:
    return read_text (r, "prompt", 0, problem);
  case SIM_RESPONSES:
    sim_tools_read (r);
    return read_text (r, "input", 1, problem);
  case SIM_EMBEDDINGS:
    r->base64 = strcmp (sim_text_member (r->root, "encoding_format"), "base64") == 0;
    return read_text (r, "input", 0, problem);
  case SIM_SPEECH:
    return read_text (r, "input", 0, problem);
  default:
    return 0;
  }
}

/* What is sent as a form: audio, and files. */
static int
read_form (struct sim_request *r, enum sim_endpoint endpoint, const char *content_type,
           const char *body, size_t len, struct sim_answer *problem)
{
  r->root = sim_form_read (content_type, body, len, &r->file);
  if (r->root == NULL)
    return mistake (problem, "the request's body is no valid multipart form");
  r->model = sim_text_member (r->root, "model");
  r->tag = sim_text_member (r->root, "user");
  if (r->file.name[0] == '\0')
    return missing (problem, "file");
  if (endpoint == SIM_FILES)
    return sim_text_member (r->root, "purpose")[0] != '\0' ? 0
                                                           : missing (problem, "purpose");
  if (r->model[0] == '\0')
    return missing (problem, "model");
  r->prompt_tokens = tokens_of ((int64_t) r->file.len);
  return 0;
}

int
sim_request_read (struct sim_request *r, enum sim_endpoint endpoint,
                  const char *content_type, const char *body, size_t len,
                  int64_t reply_tokens, struct sim_answer *problem)
{
  memset (r, 0, sizeof *r);
  r->model = r->tag = r->echo = "";
  if (endpoint == SIM_TRANSCRIPTIONS || endpoint == SIM_FILES)
    return read_form (r, endpoint, content_type, body, len, problem);
  if (endpoint == SIM_UNKNOWN || endpoint == SIM_MODELS)
    return 0;
  r->root = parse (body, len);
  if (!json_object_is_type (r->root, json_type_object))
    return mistake (problem, "the request's body is no valid JSON object");
  r->model = sim_text_member (r->root, "model");
  r->tag = sim_text_member (r->root, "user");
  if (endpoint == SIM_BATCHES)
    return 0;
  if (r->model[0] == '\0')
    return missing (problem, "model");
  r->stream
    = json_object_get_boolean (sim_member (r->root, "stream", json_type_boolean));
  json_object *options = sim_member (r->root, "stream_options", json_type_object);
  r->include_usage
    = json_object_get_boolean (sim_member (options, "include_usage", json_type_boolean));
  if (read_kind (r, endpoint, problem) != 0)
    return -1;
  if (endpoint == SIM_EMBEDDINGS || endpoint == SIM_SPEECH)
    return 0;
  return read_length (r, reply_tokens, problem);
}

void
sim_request_clear (struct sim_request *r)
{
  json_object_put (r->root);
  memset (r, 0, sizeof *r);
}
