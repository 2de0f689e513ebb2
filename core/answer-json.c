/* answer-json - an answer's body as JSON, and the plugins' questions about it;
 * see answer.h.
 *
 * Most answers are only asked what they cost, and handed on: where somebody
 * gave room for it the body is scanned, and taken apart by json-c only for what
 * the scan does not know.  Both say the same. */
#include <string.h>
#include <stdlib.h>

#include <json-c/json.h>
#include <json-c/json_pointer.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "answer.h"
#include "json-scan.h"

/* json-c counts in int; max_response bounds what is really kept. */
#define MAX_BODY ((size_t) INT32_MAX - 2)
/* Deep enough for any API; shallow enough for json_object_put's recursion. */
#define MAX_DEPTH 256

void
kwi_answer_forget_json (struct kwi_answer *a)
{
  while (a->n_nested > 0)
    json_object_put (a->nested[--a->n_nested].parsed);
  if (a->json != NULL)
    json_object_put (a->json);
  a->json = NULL;
  a->json_state = a->scan_state = 0;
}

static int
is_ows (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int
only_blanks (const char *s, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if (!is_ows (s[i]))
      return 0;
  return 1;
}

/* 0: parsed; *ret may be NULL even so, which is JSON's null. */
static int
parse (const char *body, size_t len, struct json_object **ret)
{
  struct json_tokener *tok;
  struct json_object *obj;
  size_t end;
  int ok;

  if (body == NULL || len == 0 || len > MAX_BODY)
    return -1;
  tok = json_tokener_new_ex (MAX_DEPTH);
  if (tok == NULL)
    return -1;
  /* Strict: no comments, no trailing commas.  What is left behind the
   * value is looked at here, since versions of json-c differ about it. */
  json_tokener_set_flags (tok, JSON_TOKENER_STRICT |
                               JSON_TOKENER_ALLOW_TRAILING_CHARS);
  /* With the NUL behind it: it is what ends a number at the top level. */
  obj = json_tokener_parse_ex (tok, body, (int) len + 1);
  end = json_tokener_get_parse_end (tok);
  ok = json_tokener_get_error (tok) == json_tokener_success;
  json_tokener_free (tok);
  if (ok && end < len)
    ok = only_blanks (body + end, len - end);
  if (!ok) {
    json_object_put (obj);
    return -1;
  }
  *ret = obj;
  return 0;
}

struct json_object *
kwi_answer_json (struct kwi_answer *a)
{
  if (a->json_state == 0)
    a->json_state = parse (a->body, a->body_len, &a->json) == 0 ? 1 : -1;
  return a->json;
}

/* The text of a scalar, and its length; NULL: there is none to give. */
static const char *
scalar_text (struct json_object *obj, size_t *ret_len)
{
  const char *s;

  switch (json_object_get_type (obj)) {
  case json_type_boolean:
    s = json_object_get_boolean (obj) ? "true" : "false";
    break;
  case json_type_int:
  case json_type_double:
    s = json_object_to_json_string (obj);
    break;
  case json_type_string:
    s = json_object_get_string (obj);
    /* With a NUL inside, whoever reads the copy would see another string
     * than the provider wrote: as good as absent. */
    if (s != NULL && strlen (s) != (size_t) json_object_get_string_len (obj))
      return NULL;
    break;
  case json_type_null:
  case json_type_object:
  case json_type_array:
  default:
    return NULL;
  }
  *ret_len = s != NULL ? strlen (s) : 0;
  return s;
}

/* The object or array that a string holds, parsed once; NULL: none. */
static struct json_object *
held_in (struct kwi_answer *a, struct json_object *text)
{
  const char *s = json_object_get_string (text);
  size_t len = (size_t) json_object_get_string_len (text), blanks = 0;
  struct json_object *parsed = NULL;

  for (int i = 0; i < a->n_nested; i++)
    if (a->nested[i].text == text)
      return a->nested[i].parsed;
  while (blanks < len && is_ows (s[blanks]))
    blanks++;
  if (blanks == len || (s[blanks] != '{' && s[blanks] != '[')
      || a->n_nested == KWI_MAX_NESTED)
    return NULL;
  if (parse (s + blanks, len - blanks, &parsed) != 0)
    parsed = NULL;
  a->nested[a->n_nested].text = text;
  a->nested[a->n_nested++].parsed = parsed;
  return parsed;
}

/* Where a pointer leads to no place in root: the string that it passes, and
 * *ret_rest, which goes on behind it; NULL: it passes none. */
static struct json_object *
string_passed (struct json_object *root, const char *pointer,
               const char **ret_rest)
{
  char *part = strdup (pointer);
  struct json_object *at = root;
  size_t len = 0;

  while (part != NULL && at != NULL && pointer[len] == '/'
         && !json_object_is_type (at, json_type_string)) {
    size_t next = len + 1 + strcspn (pointer + len + 1, "/");
    part[next] = '\0';
    if (json_pointer_get (at, part + len, &at) != 0)
      at = NULL;
    part[next] = pointer[next];
    len = next;
  }
  free (part);
  *ret_rest = pointer + len;
  return pointer[len] == '/' && json_object_is_type (at, json_type_string)
         ? at : NULL;
}

/* 0 or -1: nothing is there. */
static int
look_up (struct kwi_answer *a, struct json_object *root, const char *pointer,
         struct json_object **ret)
{
  /* Proxies wrap an error into a string, and some are behind another. */
  for (int wrapped = 0; root != NULL; wrapped++) {
    struct json_object *text;

    if (json_pointer_get (root, pointer, ret) == 0)
      return 0;
    text = wrapped < 2 ? string_passed (root, pointer, &pointer) : NULL;
    root = text != NULL ? held_in (a, text) : NULL;
  }
  return -1;
}

static int
parsed_text (struct kwi_answer *a, const char *pointer, char *buf, size_t size)
{
  struct json_object *root, *at = NULL;
  const char *s;
  size_t len = 0;

  root = kwi_answer_json (a);
  if (a->json_state != 1)
    return KW_ERR;
  if (look_up (a, root, pointer, &at) != 0)
    return KW_ERR_NOTFOUND;
  s = scalar_text (at, &len);
  if (s == NULL)
    return KW_ERR_NOTFOUND;
  if (len >= size)
    return KW_ERR_RANGE;
  memcpy (buf, s, len + 1);
  return KW_OK;
}

/* ---- Without json-c -------------------------------------------------------- */

/* 1: the room has what the body is. */
static int
is_scanned (struct kwi_answer *a)
{
  if (a->room == NULL || a->json_state != 0 || a->body_len == 0)
    return 0;
  if (a->scan_state == 0)
    a->scan_state = kwi_json_scan (a->room, a->body, a->body_len, KWI_JSON_DEPTH)
                    ? 1 : -1;
  return a->scan_state == 1;
}

/* 1: *ret is what parsed_text would return; 0: ask it. */
static int
scanned_text (const struct kwi_json *json, const char *pointer, char *buf,
              size_t size, int *ret)
{
  const struct kwi_json_node *n;
  int64_t len;
  int r = kwi_json_find (json, pointer, &n);

  *ret = KW_ERR_NOTFOUND;
  if (r != 1)
    return r == 0;
  len = kwi_json_text (json, n, buf, size);
  if (len >= 0)
    *ret = (uint64_t) len < size ? KW_OK : KW_ERR_RANGE;
  return len != -1;
}

int
kwi_answer_json_text (struct kwi_answer *a, const char *pointer, char *buf,
                      size_t size)
{
  int r;

  if (pointer == NULL || (buf == NULL && size != 0))
    return KW_ERR;
  return is_scanned (a) && scanned_text (a->room, pointer, buf, size, &r)
         ? r : parsed_text (a, pointer, buf, size);
}

int
kwi_answer_is_json (struct kwi_answer *a)
{
  return is_scanned (a) ? a->room->node[0].kind != KWI_JSON_NULL
                        : kwi_answer_json (a) != NULL;
}
