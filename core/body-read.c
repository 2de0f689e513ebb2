/* body-read - the body that a caller hands in: is it JSON, and what the core
 * must know of it.  It goes out unchanged, so it is read without taking it
 * apart, and by json-c only where something is wrong or odd; see body.h. */
#include <string.h>

#include <json-c/json.h>

#include <keywheel/keywheel.h>

#include "body.h"
#include "fail.h"
#include "json-scan.h"
#include "values.h"

/* Depth that a body may have; json-c's own default of 32 is met by tool
 * schemas in the field. */
enum { JSON_DEPTH = 256 };

size_t
kwi_body_control (const char *s, size_t len)
{
  size_t i;

  for (i = 0; i < len; i++)
    if ((unsigned char) s[i] < 0x20 || s[i] == 0x7f)
      return i;
  return len;
}

/* ---- With json-c ----------------------------------------------------------- */

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
    size_t at = kwi_body_control (s, len);

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

/* The whole of it, with the words for what is wrong. */
static int
parse_body (const void *body, size_t len, char *model, size_t size,
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

/* ---- Without json-c ------------------------------------------------------- */

/* 1: there is one of that name, *ret; 0: there is none; -1: json-c knows. */
static int
top_member (const struct kwi_json *json, const char *name,
            const struct kwi_json_node **ret)
{
  return kwi_json_member (json, &json->node[0], name, strlen (name), ret);
}

/* -1: it is none, or not one that is read here. */
static int64_t
number_of (const struct kwi_json *json, const char *name)
{
  const struct kwi_json_node *n;
  char digits[24];
  int64_t value = 0, len, i;

  if (top_member (json, name, &n) != 1 || n->kind != KWI_JSON_NUMBER)
    return -1;
  len = kwi_json_text (json, n, digits, sizeof digits);
  if (len <= 0 || digits[0] == '-')
    return -1;
  for (i = 0; i < len; i++)     /* at most 18 digits */
    value = value * 10 + (digits[i] - '0');
  return value;
}

static void
read_facts (const struct kwi_json *json, struct kwi_body_facts *ret)
{
  const struct kwi_json_node *n;

  ret->max_tokens = number_of (json, "max_completion_tokens");
  if (ret->max_tokens < 0)
    ret->max_tokens = number_of (json, "max_tokens");
  if (top_member (json, "messages", &n) == 1 && n->kind >= KWI_JSON_ARRAY) {
    ret->messages = json->text + n->at;
    ret->messages_len = n->len;
  }
}

/* 1: it is a good body, and all is known of it; 0: ask json-c, for the answer
 * or for the words of the refusal. */
static int
scan_body (const char *text, size_t len, char *model, size_t size,
           int *ret_stream, struct kwi_body_facts *facts)
{
  const struct kwi_json_node *n;
  struct kwi_json json;
  int64_t model_len;
  int r;

  if (!kwi_json_scan_utf8 (&json, text, len, 1)
      || json.node[0].kind != KWI_JSON_OBJECT)
    return 0;
  model[0] = '\0';
  r = top_member (&json, "model", &n);
  if (r == 1 && n->kind == KWI_JSON_STRING) {
    model_len = kwi_json_text (&json, n, model, size);
    if (model_len < 0 || (uint64_t) model_len >= size
        || kwi_body_control (model, (size_t) model_len) != (size_t) model_len)
      return 0;
  }
  if (r < 0)
    return 0;
  r = top_member (&json, "stream", &n);
  *ret_stream = r == 1 && n->kind == KWI_JSON_TRUE;
  if (r >= 0 && facts != NULL)
    read_facts (&json, facts);
  return r >= 0;
}

int
kwi_body_read (const void *body, size_t len, char *model, size_t size,
               int *ret_stream, struct kwi_body_facts *ret_facts,
               struct kw_error *err)
{
  if (ret_facts != NULL)
    *ret_facts = (struct kwi_body_facts) { .max_tokens = -1 };
  return scan_body (body, len, model, size, ret_stream, ret_facts)
         ? 0 : parse_body (body, len, model, size, ret_stream, err);
}

int
kwi_body_check (const void *body, size_t len, char *model, size_t size,
                int *ret_stream, struct kw_error *err)
{
  return kwi_body_read (body, len, model, size, ret_stream, NULL, err);
}
