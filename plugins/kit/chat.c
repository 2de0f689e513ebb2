/* chat - reading a Chat Completions request, member by member; see chat.h.
 * Messages and tools are in chat-message.c, answers in chat-write.c. */
#include <stdio.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "chat.h"
#include "text.h"

/* Every member that the API's reference of 2026 has; another is refused even
 * with a value that looks harmless, since nobody knows what it changes. */
static const struct kwp_field request_rules[] = {
  { "model", "s", NULL },
  { "messages", "a", NULL },
  { "audio", "o", NULL },
  { "frequency_penalty", "n", "0" },
  { "function_call", "so", NULL },
  { "functions", "a", "[]" },
  { "logit_bias", "o", "{}" },
  { "logprobs", "b", "false" },
  { "max_completion_tokens", "i", NULL },
  { "max_tokens", "i", NULL },
  { "metadata", "o", "{}" },
  { "modalities", "a", "text" },
  { "n", "i", "1" },
  { "parallel_tool_calls", "b", "true" },
  { "prediction", "o", NULL },
  { "presence_penalty", "n", "0" },
  { "prompt_cache_key", "s", NULL },
  { "prompt_cache_retention", "s", NULL },
  { "reasoning_effort", "s", NULL },
  { "response_format", "o", NULL },
  { "safety_identifier", "s", NULL },
  { "seed", "i", NULL },
  { "service_tier", "s", "auto|default" },
  { "stop", "sa", "[]" },
  { "store", "b", "false" },
  { "stream", "b", "false" },
  { "stream_options", "o", NULL },
  { "temperature", "n", NULL },
  { "tool_choice", "so", NULL },
  { "tools", "a", "[]" },
  { "top_logprobs", "i", "0" },
  { "top_p", "n", NULL },
  { "user", "s", NULL },
  { "verbosity", "s", "medium" },
  { "web_search_options", "o", NULL },
  { NULL, NULL, NULL }
};

/* ---- Errors -------------------------------------------------------------- */

/* A text that grows, cut where the buffer ends, no character halved. */
struct line {
  char text[400];
  size_t len;
};

static void
add (struct line *l, const char *s, size_t len)
{
  size_t room = sizeof l->text - 1 - l->len;

  if (len > room)
    for (len = room; len > 0 && ((unsigned char) s[len] & 0xc0) == 0x80; )
      len--;
  memcpy (l->text + l->len, s, len);
  l->len += len;
  l->text[l->len] = '\0';
}

static void
add_text (struct line *l, const char *s)
{
  add (l, s, strlen (s));
}

static void
add_place (struct line *l, const struct kwp_at *at, const char *member)
{
  const struct kwp_at *way[16];
  size_t n = 0;
  char index[32];

  for (; at != NULL && n < KWP_ARRAY_SIZE (way); at = at->up)
    way[n++] = at;
  while (n-- > 0) {
    if (way[n]->name == NULL) {
      if (snprintf (index, sizeof index, "[%zu]", way[n]->index) > 0)
        add_text (l, index);
      continue;
    }
    if (l->len > 0)
      add_text (l, ".");
    add_text (l, way[n]->name);
  }
  if (member != NULL) {
    if (l->len > 0)
      add_text (l, ".");
    add (l, member, strnlen (member, 64));
  }
}

/* What was said, where it is short: an error is no place for prompts. */
static void
add_value (struct line *l, struct json_object *value)
{
  enum { MOST = 40 };
  const char *s;
  size_t len;

  if (json_object_is_type (value, json_type_object)
      || json_object_is_type (value, json_type_array))
    return;
  s = json_object_to_json_string_ext (value, JSON_C_TO_STRING_PLAIN
                                             | JSON_C_TO_STRING_NOSLASHESCAPE);
  if (s == NULL || (len = strlen (s)) > MOST)
    return;
  add_text (l, " ");
  add (l, s, len);
}

int
kwp_cannot (const struct kwp_chat *c, const struct kwp_at *at, const char *member,
            struct json_object *value, const char *why)
{
  struct line l = { .len = 0 };

  add_place (&l, at, member);
  if (value != NULL)
    add_value (&l, value);
  return kw_error (c->host, c->in, KW_ERR_UNSUPPORTED, "%s cannot be said in %s%s%s", l.text,
                   c->dialect->api, why != NULL ? ": " : "", why != NULL ? why : "");
}

int
kwp_wrong (const struct kwp_chat *c, const struct kwp_at *at, const char *member,
           const char *what)
{
  struct line l = { .len = 0 };

  add_place (&l, at, member);
  return kw_error (c->host, c->in, KW_ERR, "%s must be %s",
                   l.len > 0 ? l.text : "the request", what);
}

int
kwp_no_memory (const struct kwp_chat *c)
{
  return kw_error (c->host, c->in, KW_ERR_NOMEM, "out of memory");
}

/* ---- Members ------------------------------------------------------------- */

struct json_object *
kwp_member (struct json_object *o, const char *name)
{
  struct json_object *m = NULL;

  (void) json_object_object_get_ex (o, name, &m); /* NULL if o is no object */
  return m;
}

struct json_object *
kwp_said (const struct kwp_chat *c, const char *name)
{
  return kwp_member (c->request, name);
}

static int
is_word (const char *words, const char *s, size_t len)
{
  for (;; words++) {
    size_t n = strcspn (words, "|");
    if (n == len && memcmp (words, s, len) == 0)
      return 1;
    words += n;
    if (*words == '\0')
      return 0;
  }
}

static int
says_nothing (const char *neutral, struct json_object *value)
{
  const char *s;
  size_t n;

  if (neutral == NULL)
    return 0;
  switch (json_object_get_type (value)) {
  case json_type_boolean:
    s = json_object_get_boolean (value) ? "true" : "false";
    return is_word (neutral, s, strlen (s));
  case json_type_int:
  case json_type_double:
    return kwp_is_digit (neutral[0])
           && !(json_object_get_double (value) < neutral[0] - '0')
           && !(json_object_get_double (value) > neutral[0] - '0');
  case json_type_string:
    return is_word (neutral, json_object_get_string (value),
                    (size_t) json_object_get_string_len (value));
  case json_type_object:
    return json_object_object_length (value) == 0 && is_word (neutral, "{}", 2);
  case json_type_array:
    n = json_object_array_length (value);
    if (n == 0)
      return is_word (neutral, "[]", 2);
    while (n-- > 0) {           /* modalities: ["text"] */
      struct json_object *e = json_object_array_get_idx (value, n);
      if (!json_object_is_type (e, json_type_string) || !says_nothing (neutral, e))
        return 0;
    }
    return 1;
  default:
    return 0;
  }
}

static int
has_type (const char *types, struct json_object *value)
{
  char letter = '-';

  switch (json_object_get_type (value)) {
  case json_type_boolean: letter = 'b'; break;
  case json_type_double: letter = 'n'; break;
  case json_type_int: letter = 'i'; break;
  case json_type_string: letter = 's'; break;
  case json_type_object: letter = 'o'; break;
  case json_type_array: letter = 'a'; break;
  default: break;
  }
  return strchr (types, letter) != NULL || (letter == 'i' && strchr (types, 'n') != NULL);
}

static int
refuse_type (const struct kwp_chat *c, const struct kwp_at *at, const struct kwp_field *r)
{
  static const char *const names[] = {
    "sa", "a string or an array", "so", "a string or an object", "s", "a string",
    "n", "a number", "i", "an integer", "b", "true or false", "a", "an array",
    "o", "an object"
  };
  const char *what = "of another type";

  for (size_t i = KWP_ARRAY_SIZE (names); i > 0; i -= 2)
    if (strcmp (r->types, names[i - 2]) == 0)
      what = names[i - 1];
  return kwp_wrong (c, at, r->name, what);
}

static const struct kwp_field *
find_field (const struct kwp_field *r, const char *name)
{
  for (; r != NULL && r->name != NULL; r++)
    if (strcmp (r->name, name) == 0)
      return r;
  return NULL;
}

int
kwp_check (const struct kwp_chat *c, const struct kwp_at *at, struct json_object *o,
           const struct kwp_field *rules, const struct kwp_field *more)
{
  struct json_object_iter m;

  if (!json_object_is_type (o, json_type_object))
    return kwp_wrong (c, at, NULL, "an object");
  json_object_object_foreachC (o, m) {
    const struct kwp_field *r = find_field (rules, m.key);

    if (m.val == NULL)
      continue;
    if (r == NULL)
      r = find_field (more, m.key);
    if (r == NULL)
      return kwp_cannot (c, at, m.key, m.val, "it is not known here");
    /* With no type it has no counterpart, and is known for its neutral values. */
    if (r->types != NULL && !has_type (r->types, m.val))
      return refuse_type (c, at, r);
    if (r->types == NULL && !says_nothing (r->neutral, m.val))
      return kwp_cannot (c, at, m.key, m.val, NULL);
  }
  return KW_OK;
}

/* ---- The request --------------------------------------------------------- */

static int
is_translated (const struct kwp_dialect *d, const char *name)
{
  static const char *const always[] = { "model", "messages", "stream", "stream_options" };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (always); i++)
    if (strcmp (always[i], name) == 0)
      return 1;
  for (const char *const *s = d->says; s != NULL && *s != NULL; s++)
    if (strcmp (*s, name) == 0)
      return 1;
  return 0;
}

static int
check_request (const struct kwp_chat *c)
{
  int rc = kwp_check (c, NULL, c->request, request_rules, c->dialect->own);
  struct json_object_iter m;

  if (rc != KW_OK)
    return rc;
  json_object_object_foreachC (c->request, m) {
    const struct kwp_field *r = find_field (request_rules, m.key);
    if (m.val != NULL && r != NULL && find_field (c->dialect->own, m.key) == NULL
        && !is_translated (c->dialect, m.key) && !says_nothing (r->neutral, m.val))
      return kwp_cannot (c, NULL, m.key, m.val, NULL);
  }
  return KW_OK;
}

static int
read_stream (struct kwp_chat *c)
{
  static const struct kwp_field rules[] = {
    { "include_usage", "b", NULL }, { "include_obfuscation", NULL, "false" },
    { NULL, NULL, NULL }
  };
  static const struct kwp_at at = { .name = "stream_options" };
  struct json_object *options = kwp_said (c, "stream_options");
  int rc = options != NULL ? kwp_check (c, &at, options, rules, NULL) : KW_OK;

  c->stream = json_object_get_boolean (kwp_said (c, "stream"));
  c->include_usage = json_object_get_boolean (kwp_member (options, "include_usage"));
  if (rc == KW_OK && options != NULL && !c->stream)
    rc = kwp_wrong (c, NULL, "stream_options", "left out where stream is not true");
  return rc;
}

int
kwp_chat_open (struct kwp_chat *c, const struct kw_host *host, struct kw_instance *in,
               const struct kwp_dialect *dialect, const void *body, uint64_t len)
{
  int rc;

  memset (c, 0, sizeof *c);
  c->host = host;
  c->in = in;
  c->dialect = dialect;
  c->messages.name = "messages";
  c->tools.name = "tools";
  c->request = kwp_parse (body, len);
  if (c->request == NULL)
    return kwp_wrong (c, NULL, NULL, "JSON");
  rc = check_request (c);
  if (rc == KW_OK && kwp_said (c, "messages") == NULL)
    rc = kwp_wrong (c, NULL, "messages", "an array");
  return rc == KW_OK ? read_stream (c) : rc;
}

void
kwp_chat_close (struct kwp_chat *c)
{
  json_object_put (c->request);
  c->request = NULL;
}

int
kwp_chat_number (const struct kwp_chat *c, const char *name, double lo, double hi,
                 struct json_object **ret)
{
  struct json_object *o = kwp_said (c, name);
  double value = json_object_get_double (o);
  char range[64];

  if (o != NULL && !(value >= lo && value <= hi)) {
    if (snprintf (range, sizeof range, "it is %g to %g there", lo, hi) < 0)
      range[0] = '\0';
    return kwp_cannot (c, NULL, name, o, range);
  }
  *ret = o;
  return KW_OK;
}

int
kwp_chat_max_tokens (const struct kwp_chat *c, int64_t *ret)
{
  struct json_object *now = kwp_said (c, "max_completion_tokens");
  struct json_object *was = kwp_said (c, "max_tokens");
  const char *name = now != NULL ? "max_completion_tokens" : "max_tokens";
  struct json_object *o = now != NULL ? now : was;

  if (o == NULL) {
    *ret = -1;
    return KW_OK;
  }
  if (now != NULL && was != NULL && json_object_get_int64 (now) != json_object_get_int64 (was))
    return kwp_wrong (c, NULL, "max_tokens", "left out, or equal to max_completion_tokens");
  if (json_object_get_int64 (o) < 1)
    return kwp_wrong (c, NULL, name, "1 or more");
  *ret = json_object_get_int64 (o);
  return KW_OK;
}

int
kwp_chat_stop (const struct kwp_chat *c, struct json_object **ret)
{
  struct json_object *stop = kwp_said (c, "stop"), *list;
  int nomem = 0;

  *ret = NULL;
  if (stop == NULL || says_nothing ("[]", stop))
    return KW_OK;
  if (json_object_is_type (stop, json_type_array)) {
    for (size_t i = json_object_array_length (stop); i > 0; i--)
      if (!json_object_is_type (json_object_array_get_idx (stop, i - 1), json_type_string))
        return kwp_wrong (c, NULL, "stop", "a string or an array of strings");
    *ret = json_object_get (stop);
    return KW_OK;
  }
  list = json_object_new_array ();
  kwp_append (&nomem, list, json_object_get (stop));
  if (nomem) {
    json_object_put (list);
    return kwp_no_memory (c);
  }
  *ret = list;
  return KW_OK;
}

int
kwp_chat_format (const struct kwp_chat *c, enum kwp_format *ret, struct json_object **ret_schema)
{
  static const struct kwp_field format_rules[] = {
    { "type", "s", NULL }, { "json_schema", "o", NULL }, { NULL, NULL, NULL }
  };
  /* The name labels the schema, and no answer repeats it; whether it is strict
   * or not, an answer that keeps to it is right. */
  static const struct kwp_field schema_rules[] = {
    { "name", "s", NULL }, { "schema", "o", NULL }, { "strict", "b", NULL },
    { "description", NULL, "" }, { NULL, NULL, NULL }
  };
  static const struct kwp_at at = { .name = "response_format" };
  static const struct kwp_at schema_at = { .up = &at, .name = "json_schema" };
  struct json_object *format = kwp_said (c, "response_format"), *schema, *type;
  int rc;

  *ret = KWP_FORMAT_TEXT;
  *ret_schema = NULL;
  if (format == NULL)
    return KW_OK;
  if ((rc = kwp_check (c, &at, format, format_rules, NULL)) != KW_OK)
    return rc;
  type = kwp_member (format, "type");
  schema = kwp_member (format, "json_schema");
  if (type == NULL)
    return kwp_wrong (c, &at, "type", "\"text\", \"json_object\" or \"json_schema\"");
  if (says_nothing ("json_schema", type)) {
    if (schema == NULL)
      return kwp_wrong (c, &at, "json_schema", "an object");
    if ((rc = kwp_check (c, &schema_at, schema, schema_rules, NULL)) != KW_OK)
      return rc;
    *ret = KWP_FORMAT_SCHEMA;
    *ret_schema = kwp_member (schema, "schema");
    return *ret_schema != NULL ? KW_OK : kwp_wrong (c, &schema_at, "schema", "an object");
  }
  if (schema != NULL)
    return kwp_wrong (c, &at, "json_schema", "left out where type is not \"json_schema\"");
  if (says_nothing ("json_object", type))
    *ret = KWP_FORMAT_JSON;
  else if (!says_nothing ("text", type))
    return kwp_cannot (c, &at, "type", type, NULL);
  return KW_OK;
}
