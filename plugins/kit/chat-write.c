/* chat-write - writing Chat Completions answers and chunks; see chat.h. */
#include <limits.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "chat.h"

/* As the core's own for requests and answers. */
enum { MAX_DEPTH = 256 };

struct json_object *
kwp_parse (const void *data, uint64_t len)
{
  const char *text = data;
  struct json_tokener *tok;
  struct json_object *o;
  size_t end;

  if (data == NULL || len == 0 || len > INT_MAX
      || (tok = json_tokener_new_ex (MAX_DEPTH)) == NULL)
    return NULL;
  json_tokener_set_flags (tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
  o = json_tokener_parse_ex (tok, text, (int) len);
  end = json_tokener_get_parse_end (tok);
  if (json_tokener_get_error (tok) != json_tokener_success)
    end = SIZE_MAX;
  json_tokener_free (tok);
  while (end < len && strchr (" \t\r\n", text[end]) != NULL && text[end] != '\0')
    end++;
  if (end == len)
    return o;
  json_object_put (o);
  return NULL;
}

void
kwp_put (int *nomem, struct json_object *o, const char *name, struct json_object *value)
{
  if (o != NULL && value != NULL && json_object_object_add (o, name, value) == 0)
    return;
  json_object_put (value);
  *nomem = 1;
}

void
kwp_append (int *nomem, struct json_object *array, struct json_object *value)
{
  if (array != NULL && value != NULL && json_object_array_add (array, value) == 0)
    return;
  json_object_put (value);
  *nomem = 1;
}

void
kwp_put_string (int *nomem, struct json_object *o, const char *name, const char *value)
{
  kwp_put (nomem, o, name, json_object_new_string (value));
}

void
kwp_put_ref (int *nomem, struct json_object *o, const char *name, struct json_object *value)
{
  if (value != NULL)
    kwp_put (nomem, o, name, json_object_get (value));
}

/* json-c keeps null as no value at all. */
void
kwp_put_null (int *nomem, struct json_object *o, const char *name)
{
  if (o == NULL || json_object_object_add (o, name, NULL) != 0)
    *nomem = 1;
}

static int64_t
known (int64_t n)
{
  return n > 0 ? n : 0;
}

static int64_t
sum (int64_t a, int64_t b)
{
  return a < INT64_MAX - b ? a + b : INT64_MAX;
}

static struct json_object *
make_usage (int *nomem, const struct kwp_usage *u)
{
  struct json_object *o = json_object_new_object (), *details;
  int64_t in = known (u->input), out = known (u->output);

  kwp_put (nomem, o, "prompt_tokens", json_object_new_int64 (in));
  kwp_put (nomem, o, "completion_tokens", json_object_new_int64 (out));
  kwp_put (nomem, o, "total_tokens", json_object_new_int64 (sum (in, out)));
  if (u->cached >= 0 || u->cache_written >= 0) {
    details = json_object_new_object ();
    kwp_put (nomem, details, "cached_tokens", json_object_new_int64 (known (u->cached)));
    if (u->cache_written >= 0)
      kwp_put (nomem, details, "cache_write_tokens", json_object_new_int64 (u->cache_written));
    kwp_put (nomem, o, "prompt_tokens_details", details);
  }
  if (u->reasoning >= 0) {
    details = json_object_new_object ();
    kwp_put (nomem, details, "reasoning_tokens", json_object_new_int64 (u->reasoning));
    kwp_put (nomem, o, "completion_tokens_details", details);
  }
  return o;
}

struct json_object *
kwp_completion (int *nomem, int chunk, const struct kwp_head *h, const struct kwp_usage *usage)
{
  struct json_object *o = json_object_new_object ();

  kwp_put_string (nomem, o, "id", h->id);
  kwp_put_string (nomem, o, "object", chunk ? "chat.completion.chunk" : "chat.completion");
  kwp_put (nomem, o, "created", json_object_new_int64 (h->created_ms / 1000));
  kwp_put_string (nomem, o, "model", h->model);
  kwp_put (nomem, o, "choices", json_object_new_array ());
  if (usage != NULL)
    kwp_put (nomem, o, "usage", make_usage (nomem, usage));
  return o;
}

void
kwp_choice (int *nomem, struct json_object *completion, int index, struct json_object *said,
            const char *finish)
{
  struct json_object *choices = NULL, *kind = NULL, *c = json_object_new_object ();
  int chunk;

  (void) json_object_object_get_ex (completion, "choices", &choices);
  (void) json_object_object_get_ex (completion, "object", &kind);
  chunk = kind != NULL && strcmp (json_object_get_string (kind), "chat.completion") != 0;
  kwp_put (nomem, c, "index", json_object_new_int (index));
  kwp_put (nomem, c, chunk ? "delta" : "message", said);
  kwp_put_null (nomem, c, "logprobs");
  if (finish != NULL)
    kwp_put_string (nomem, c, "finish_reason", finish);
  else
    kwp_put_null (nomem, c, "finish_reason");
  kwp_append (nomem, choices, c);
}

struct json_object *
kwp_tool_call_new (int *nomem, int index, const char *id, const char *name,
                   const char *arguments, size_t len)
{
  struct json_object *o = json_object_new_object (), *f = json_object_new_object ();

  if (index >= 0)
    kwp_put (nomem, o, "index", json_object_new_int (index));
  if (id != NULL) {
    kwp_put_string (nomem, o, "id", id);
    kwp_put_string (nomem, o, "type", "function");
  }
  if (name != NULL)
    kwp_put_string (nomem, f, "name", name);
  if (len > INT_MAX)
    *nomem = 1;
  else
    kwp_put (nomem, f, "arguments", json_object_new_string_len (arguments, (int) len));
  kwp_put (nomem, o, "function", f);
  return o;
}

int
kwp_output (const struct kw_translate_host *host, struct kw_translation *t,
            struct json_object *o, int nomem)
{
  size_t len = 0;
  const char *text = NULL;
  int rc = KW_ERR_NOMEM;

  if (o != NULL && !nomem)
    text = json_object_to_json_string_length (o, JSON_C_TO_STRING_PLAIN
                                                 | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  if (text != NULL)
    rc = host->output (t, text, len);
  json_object_put (o);
  return rc;
}
