/* body - Chat Completions JSON, as far as the core must read it; see body.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <keywheel/keywheel.h>

#include "body.h"
#include "fail.h"
#include "values.h"

/* Depth that a body may have; json-c's own default of 32 is met by tool
 * schemas in the field. */
enum { JSON_DEPTH = 256 };

static int
check_utf8 (const char *s, const char *what, struct kw_error *err)
{
  size_t len = strlen (s), bad = kwi_utf8_valid (s, len);

  if (bad == len)
    return 0;
  return kwi_fail (err, KW_ERR_USAGE,
                   "the %s is not UTF-8: byte %zu (0x%02x) begins no valid "
                   "character",
                   what, bad + 1, (unsigned char) s[bad]);
}

/* Where s, which may hold a NUL, has its first control character; len: none. */
static size_t
find_control (const char *s, size_t len)
{
  size_t i;

  for (i = 0; i < len; i++)
    if ((unsigned char) s[i] < 0x20 || s[i] == 0x7f)
      return i;
  return len;
}

/* Of a model or a role: words that logs and other machines take in. */
static int
check_name (const char *s, const char *what, struct kw_error *err)
{
  size_t len = strlen (s), at = find_control (s, len);

  if (at != len)
    return kwi_fail (err, KW_ERR_USAGE,
                     "the %s has a control character in it: byte %zu (0x%02x)",
                     what, at + 1, (unsigned char) s[at]);
  return check_utf8 (s, what, err);
}

/* Adds {"role":role,"content":content}; 0 or a KW_ERR_* code. */
static int
add_message (struct json_object *list, const char *role, const char *content,
             const char *what, struct kw_error *err)
{
  struct json_object *m;
  size_t len = strlen (content);
  int r = check_utf8 (content, what, err);

  if (r != 0)
    return r;
  m = json_object_new_object ();
  if (m == NULL || json_object_array_add (list, m) != 0
      || json_object_object_add (m, "role", json_object_new_string (role)) != 0
      || json_object_object_add (m, "content",
                                 json_object_new_string_len (content, (int) len))
           != 0)
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  return 0;
}

static int
fill_messages (struct json_object *list, const struct kw_client_request *rq,
               struct kw_error *err)
{
  size_t i;
  int r = 0;

  if (rq->system != NULL)
    r = add_message (list, "system", rq->system, "system prompt", err);
  for (i = 0; r == 0 && i < rq->n_messages; i++) {
    const kw_message *m = &rq->messages[i];
    char what[48];
    if (m->role == NULL || m->content == NULL)
      return kwi_fail (err, KW_ERR_USAGE,
                       "message %zu has no role or no content", i + 1);
    if (snprintf (what, sizeof what, "role of message %zu", i + 1) < 0)
      what[0] = '\0';
    r = check_name (m->role, what, err);
    if (r != 0)
      return r;
    if (snprintf (what, sizeof what, "content of message %zu", i + 1) < 0)
      what[0] = '\0';
    r = add_message (list, m->role, m->content, what, err);
  }
  if (r == 0 && rq->prompt != NULL)
    r = add_message (list, "user", rq->prompt, "prompt", err);
  return r;
}

int
kwi_body_make (const struct kw_client_request *rq, const char *model,
               int max_tokens, char **ret, size_t *ret_len,
               struct kw_error *err)
{
  struct json_object *o, *list;
  const char *text;
  size_t len;
  char *copy;
  int r;

  if (rq->prompt == NULL && rq->n_messages == 0)
    return kwi_fail (err, KW_ERR_USAGE,
                     "the request has no prompt, no messages and no body");
  r = check_name (model, "model's name", err);
  if (r != 0)
    return r;
  o = json_object_new_object ();
  list = json_object_new_array ();
  if (o == NULL || list == NULL
      || json_object_object_add (o, "model", json_object_new_string (model)) != 0
      || json_object_object_add (o, "messages", list) != 0) {
    json_object_put (o);
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  }
  r = fill_messages (list, rq, err);
  if (r == 0 && rq->stream)
    (void) json_object_object_add (o, "stream", json_object_new_boolean (1));
  if (r == 0 && max_tokens > 0)
    (void) json_object_object_add (o, "max_tokens",
                                   json_object_new_int (max_tokens));
  if (r == 0) {
    text = json_object_to_json_string_length (o,
                                              JSON_C_TO_STRING_PLAIN
                                                | JSON_C_TO_STRING_NOSLASHESCAPE,
                                              &len);
    copy = text != NULL ? malloc (len + 1) : NULL;
    if (copy != NULL) {
      memcpy (copy, text, len + 1);
      *ret = copy;
      *ret_len = len;
    }
    else
      r = kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  }
  json_object_put (o);
  return r;
}

/* Where in the text an offset is, for people. */
static int
refuse_body (const char *body, size_t at, const char *why,
             struct kw_error *err)
{
  size_t line = 1, column = 1, i;

  for (i = 0; i < at; i++, column++)
    if (body[i] == '\n') {
      line++;
      column = 0;
    }
  return kwi_fail (err, KW_ERR_USAGE,
                   "the request's body is not valid JSON: line %zu, column "
                   "%zu: %s; nothing was sent",
                   line, column, why);
}

/* At least one. */
static int
eat_digits (const char *s, size_t len, size_t *i)
{
  size_t from = *i;

  while (*i < len && s[*i] >= '0' && s[*i] <= '9')
    (*i)++;
  return *i > from;
}

/* Behind a number as JSON has it; 0: it is none. */
static size_t
skip_number (const char *s, size_t len, size_t i)
{
  if (s[i] == '-')
    i++;
  if (i < len && s[i] == '0')
    i++;
  else if (!eat_digits (s, len, &i))
    return 0;
  if (i < len && s[i] == '.') {
    i++;
    if (!eat_digits (s, len, &i))
      return 0;
  }
  if (i < len && (s[i] == 'e' || s[i] == 'E')) {
    i++;
    if (i < len && (s[i] == '+' || s[i] == '-'))
      i++;
    if (!eat_digits (s, len, &i))
      return 0;
  }
  return i == len || memchr (",]} \t\r\n", s[i], 7) != NULL ? i : 0;
}

/* At the quote that ends the string which begins at i, or at a control
 * character before it. */
static size_t
skip_string (const char *s, size_t len, size_t i)
{
  for (i++; i < len && s[i] != '"' && (unsigned char) s[i] >= 0x20; i++)
    if (s[i] == '\\')
      i++;
  return i;
}

/* What json-c takes for JSON even when strict, and RFC 8259 does not.  NULL:
 * nothing; or what is wrong, at *ret_at.  The text is known to be well formed
 * otherwise. */
static const char *
find_not_json (const char *s, size_t len, size_t *ret_at)
{
  size_t i = 0, next;

  while (i < len) {
    *ret_at = i;
    next = i + 1;
    if (s[i] == '"') {
      *ret_at = skip_string (s, len, i);
      if (*ret_at < len && s[*ret_at] != '"')
        return "a control character in a string; \\n, \\t or \\u00XX says it";
      next = *ret_at + 1;
    }
    else if (s[i] == 'N' || s[i] == 'I')
      return "JSON has no NaN and no Infinity";
    else if (s[i] == '-' || (s[i] >= '0' && s[i] <= '9')) {
      next = skip_number (s, len, i);
      if (next == 0)
        return "not a number as JSON has it";
    }
    i = next;
  }
  return NULL;
}

static int
only_blanks (const char *s, size_t len)
{
  size_t i;

  for (i = 0; i < len; i++)
    if (strchr (" \t\r\n", s[i]) == NULL || s[i] == '\0')
      return 0;
  return 1;
}

static int
read_members (struct json_object *o, char *model, size_t size,
              int *ret_stream, struct kw_error *err)
{
  struct json_object *m;

  model[0] = '\0';
  *ret_stream = 0;
  if (!json_object_is_type (o, json_type_object))
    return kwi_fail (err, KW_ERR_USAGE,
                     "the request's body is JSON but not an object {...}; "
                     "nothing was sent");
  if (json_object_object_get_ex (o, "model", &m)
      && json_object_is_type (m, json_type_string)) {
    const char *s = json_object_get_string (m);
    size_t len = (size_t) json_object_get_string_len (m);
    size_t at = find_control (s, len);

    if (at != len)
      return kwi_fail (err, KW_ERR_USAGE,
                       "\"model\" in the request's body has a control "
                       "character in it: byte %zu (0x%02x); nothing was sent",
                       at + 1, (unsigned char) s[at]);
    if (len >= size)
      return kwi_fail (err, KW_ERR_USAGE,
                       "\"model\" in the request's body is longer than %zu "
                       "bytes; nothing was sent",
                       size - 1);
    (void) memccpy (model, s, '\0', size);
  }
  if (json_object_object_get_ex (o, "stream", &m))
    *ret_stream = json_object_is_type (m, json_type_boolean)
                  && json_object_get_boolean (m);
  return 0;
}

int
kwi_body_check (const void *body, size_t len, char *model, size_t size,
                int *ret_stream, struct kw_error *err)
{
  const char *text = body, *why;
  struct json_tokener *tok;
  struct json_object *o;
  size_t end;
  int r;

  if (len > INT32_MAX)
    return kwi_fail (err, KW_ERR_USAGE,
                     "the request's body has %zu bytes; at most 2 GiB", len);
  end = kwi_utf8_valid (text, len);
  if (end != len)
    return refuse_body (text, end, "not UTF-8", err);
  tok = json_tokener_new_ex (JSON_DEPTH);
  if (tok == NULL)
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  /* What is left behind the value is looked at here: versions of json-c
   * differ about it. */
  json_tokener_set_flags (tok, JSON_TOKENER_STRICT
                                 | JSON_TOKENER_ALLOW_TRAILING_CHARS);
  o = json_tokener_parse_ex (tok, text, (int) len);
  end = json_tokener_get_parse_end (tok);
  if (json_tokener_get_error (tok) == json_tokener_continue)
    r = refuse_body (text, len, len == 0 ? "it is empty" : "it ends too early", err);
  else if (json_tokener_get_error (tok) != json_tokener_success)
    r = refuse_body (text, end,
                     json_tokener_error_desc (json_tokener_get_error (tok)), err);
  else if (!only_blanks (text + end, len - end))
    r = refuse_body (text, end, "something follows the JSON", err);
  else if ((why = find_not_json (text, len, &end)) != NULL)
    r = refuse_body (text, end, why, err);
  else
    r = read_members (o, model, size, ret_stream, err);
  json_object_put (o);
  json_tokener_free (tok);
  return r;
}

static struct json_object *
member (struct json_object *o, const char *name)
{
  struct json_object *m;

  return json_object_is_type (o, json_type_object)
         && json_object_object_get_ex (o, name, &m) ? m : NULL;
}

static struct json_object *
first_choice (struct json_object *json)
{
  struct json_object *list = member (json, "choices");

  return json_object_is_type (list, json_type_array)
         && json_object_array_length (list) > 0
         ? json_object_array_get_idx (list, 0) : NULL;
}

/* The message of a whole answer, the delta of a chunk. */
static struct json_object *
said (struct json_object *choice)
{
  struct json_object *m = member (choice, "message");

  return m != NULL ? m : member (choice, "delta");
}

int
kwi_body_is_completion (struct json_object *json)
{
  return json_object_is_type (member (json, "choices"), json_type_array);
}

const char *
kwi_body_text (struct json_object *json, size_t *ret_len)
{
  struct json_object *c = member (said (first_choice (json)), "content");

  if (!json_object_is_type (c, json_type_string))
    return NULL;
  *ret_len = (size_t) json_object_get_string_len (c);
  return json_object_get_string (c);
}

const char *
kwi_body_chunk_text (struct json_object *json, size_t *ret_len)
{
  struct json_object *list = member (json, "choices"), *index, *c;
  size_t i;

  if (!json_object_is_type (list, json_type_array))
    return NULL;
  for (i = 0; i < json_object_array_length (list); i++) {
    struct json_object *choice = json_object_array_get_idx (list, i);
    index = member (choice, "index");
    c = member (said (choice), "content");
    if ((index == NULL || json_object_get_int (index) == 0)
        && json_object_is_type (c, json_type_string)) {
      *ret_len = (size_t) json_object_get_string_len (c);
      return json_object_get_string (c);
    }
  }
  return NULL;
}

/* A delta's member that is more than the role or an empty string. */
static int
is_content (const char *name, struct json_object *value)
{
  if (strcmp (name, "role") == 0 || value == NULL)
    return 0;
  return !json_object_is_type (value, json_type_string)
         || json_object_get_string_len (value) > 0;
}

int
kwi_body_chunk_has_content (struct json_object *json)
{
  struct json_object *choice = first_choice (json), *delta = said (choice);
  struct json_object_iterator it, end;

  if (choice == NULL || member (choice, "finish_reason") != NULL)
    return choice != NULL;
  if (!json_object_is_type (delta, json_type_object))
    return 1;                   /* another shape: do not hold it back */
  end = json_object_iter_end (delta);
  for (it = json_object_iter_begin (delta); !json_object_iter_equal (&it, &end);
       json_object_iter_next (&it))
    if (is_content (json_object_iter_peek_name (&it),
                    json_object_iter_peek_value (&it)))
      return 1;
  return 0;
}

void
kwi_body_error_text (struct json_object *json, char *buf, size_t size)
{
  static const char *const places[] = { "message", "detail", "error" };
  struct json_object *e = member (json, "error"), *s = NULL;
  size_t i;

  if (json_object_is_type (e, json_type_object))
    json = e;
  for (i = 0; i < sizeof places / sizeof places[0] && s == NULL; i++) {
    s = member (json, places[i]);
    if (!json_object_is_type (s, json_type_string))
      s = NULL;
  }
  if (size > 0) {
    buf[size - 1] = '\0';
    buf[0] = '\0';
    if (s != NULL)
      (void) memccpy (buf, json_object_get_string (s), '\0', size - 1);
  }
}
