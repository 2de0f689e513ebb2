/* answer - what came back from one exchange.
 *
 * Keeps status, headers and body as the transport read them, parses the body
 * as JSON once, at the first question, and answers the plugins' questions.
 * Knows no plugin, no socket, and nothing about what an answer means.  The
 * bytes come from the network, so nothing about them is taken on trust. */
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <json-c/json.h>
#include <json-c/json_pointer.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "answer.h"

#define MAX_HEADERS ((size_t) 256 << 10)
/* json-c counts in int; max_response bounds what is really kept. */
#define MAX_BODY ((size_t) INT32_MAX - 2)
/* A buffer larger than this is not kept for the next exchange. */
#define KEEP ((size_t) 1 << 20)
/* Deep enough for any API; shallow enough for json_object_put's recursion. */
#define MAX_DEPTH 256

/* No stated wait is longer; it also keeps sums far from overflow. */
#define MAX_WAIT_S (INT64_C (400) * 86400)

void
kwi_answer_forget_json (struct kwi_answer *a)
{
  while (a->n_nested > 0)
    json_object_put (a->nested[--a->n_nested].parsed);
  if (a->json != NULL)
    json_object_put (a->json);
  a->json = NULL;
  a->json_state = 0;
}

static void
keep_or_free (char **buf, size_t *size)
{
  if (*size > KEEP) {
    free (*buf);
    *buf = NULL;
    *size = 0;
  }
}

void
kwi_answer_reset (struct kwi_answer *a)
{
  char *body, *headers;
  size_t body_size, headers_size;

  kwi_answer_forget_json (a);
  keep_or_free (&a->body, &a->body_size);
  keep_or_free (&a->headers, &a->headers_size);
  body = a->body;
  body_size = a->body_size;
  headers = a->headers;
  headers_size = a->headers_size;
  memset (a, 0, sizeof *a);
  a->body = body;
  a->body_size = body_size;
  a->headers = headers;
  a->headers_size = headers_size;
  if (body != NULL)
    body[0] = '\0';
}

void
kwi_answer_clear (struct kwi_answer *a)
{
  kwi_answer_forget_json (a);
  free (a->body);
  free (a->headers);
  memset (a, 0, sizeof *a);
}

/* Makes room for more bytes behind len, never beyond max. */
static int
grow (char **buf, size_t len, size_t *size, size_t more, size_t max)
{
  size_t want, next = *size != 0 ? *size : 1024;
  char *p;

  if (more > max || len > max - more)
    return -1;
  want = len + more;
  if (want <= *size)
    return 0;
  while (next < want)
    next = next > max / 2 ? max : next * 2;
  p = realloc (*buf, next);
  if (p == NULL)
    return -1;
  *buf = p;
  *size = next;
  return 0;
}

static int
is_ows (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int
kwi_answer_add_header (struct kwi_answer *a, const char *name,
                       size_t name_len, const char *value, size_t value_len)
{
  char *p;

  while (name_len > 0 && is_ows (name[name_len - 1]))
    name_len--;
  while (value_len > 0 && is_ows (value[value_len - 1]))
    value_len--;
  while (value_len > 0 && is_ows (value[0])) {
    value++;
    value_len--;
  }
  /* A NUL would shift every pair behind it; no server has a reason for it. */
  if (name_len == 0 || memchr (name, '\0', name_len) != NULL ||
      (value_len > 0 && memchr (value, '\0', value_len) != NULL))
    return 0;
  if (name_len > MAX_HEADERS || value_len > MAX_HEADERS ||
      grow (&a->headers, a->headers_len, &a->headers_size,
            name_len + value_len + 2, MAX_HEADERS) == -1)
    return -1;

  p = a->headers + a->headers_len;
  for (size_t i = 0; i < name_len; i++)
    *p++ = name[i] >= 'A' && name[i] <= 'Z' ? (char) (name[i] + 32) : name[i];
  *p++ = '\0';
  if (value_len > 0)
    memcpy (p, value, value_len);
  p[value_len] = '\0';
  a->headers_len += name_len + value_len + 2;
  return 0;
}

int
kwi_answer_add_body (struct kwi_answer *a, const void *data, size_t len)
{
  kwi_answer_forget_json (a);
  if (len > MAX_BODY ||
      grow (&a->body, a->body_len, &a->body_size, len + 1, MAX_BODY) == -1)
    return -1;
  if (len > 0)
    memcpy (a->body + a->body_len, data, len);
  a->body_len += len;
  a->body[a->body_len] = '\0';
  return 0;
}

void
kwi_answer_take_body (struct kwi_answer *a, char *body, size_t len,
                      size_t size)
{
  kwi_answer_forget_json (a);
  free (a->body);
  a->body = body;
  a->body_len = len;
  a->body_size = size;
}

int
kwi_answer_set_header (struct kwi_answer *a, const char *name,
                       const char *value)
{
  char *p = a->headers;

  while (p != NULL && p < a->headers + a->headers_len) {
    char *next = p + strlen (p) + 1;
    next += strlen (next) + 1;
    if (strcasecmp (p, name) != 0) {
      p = next;
      continue;
    }
    memmove (p, next, (size_t) (a->headers + a->headers_len - next));
    a->headers_len -= (size_t) (next - p);
  }
  return kwi_answer_add_header (a, name, strlen (name), value, strlen (value));
}

const char *
kwi_answer_header (const struct kwi_answer *a, const char *name)
{
  const char *p = a->headers;
  const char *end = p != NULL ? p + a->headers_len : NULL;

  if (name == NULL)
    return NULL;
  while (p < end) {
    const char *value = p + strlen (p) + 1;
    if (strcasecmp (p, name) == 0)
      return value;
    p = value + strlen (value) + 1;
  }
  return NULL;
}

/* ---- JSON ---------------------------------------------------------------- */

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

int
kwi_answer_json_text (struct kwi_answer *a, const char *pointer, char *buf,
                      size_t size)
{
  struct json_object *root, *at = NULL;
  const char *s;
  size_t len = 0;

  if (pointer == NULL || (buf == NULL && size != 0))
    return KW_ERR;
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

/* ---- Retry-After --------------------------------------------------------- */

/* "120", and "0.5", which RFC 9110 does not know but servers send; rounded up
 * to the millisecond.  -1: not that. */
static int64_t
seconds_ms (const char *s)
{
  int64_t ms = 0, scale = 100;

  if (!isdigit ((unsigned char) *s))
    return -1;
  for (; isdigit ((unsigned char) *s); s++) {
    ms = ms * 10 + (*s - '0');
    if (ms > MAX_WAIT_S)
      ms = MAX_WAIT_S;
  }
  ms *= 1000;
  if (*s == '.')
    for (s++; isdigit ((unsigned char) *s); s++) {
      ms += scale > 0 ? (*s - '0') * scale : 0;
      if (scale == 0 && *s != '0') {
        ms++;                   /* once is enough: */
        scale = -1;
      }
      else if (scale > 0)
        scale /= 10;
    }
  return *s == '\0' ? ms : -1;
}

/* The three forms of RFC 9110, 5.6.7, in Unix seconds; -1: none of them. */
static int64_t
http_date (const char *s)
{
  static const char *const forms[] = {
    "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %d %H:%M:%S %Y"
  };
  /* Day and month names are English whatever the program's locale is. */
  locale_t c = newlocale (LC_ALL_MASK, "C", (locale_t) 0);
  locale_t old;
  int64_t at = -1;

  if (c == (locale_t) 0)
    return -1;
  old = uselocale (c);
  for (size_t i = 0; at < 0 && i < sizeof forms / sizeof forms[0]; i++) {
    struct tm tm;
    const char *end;

    memset (&tm, 0, sizeof tm);
    end = strptime (s, forms[i], &tm);
    if (end != NULL && *end == '\0')
      at = (int64_t) timegm (&tm);
  }
  (void) uselocale (old);
  freelocale (c);
  return at;
}

int64_t
kwi_answer_retry_after (const struct kwi_answer *a)
{
  const char *s = kwi_answer_header (a, "retry-after");
  int64_t ms, at;

  if (s == NULL)
    return -1;
  ms = seconds_ms (s);
  if (ms >= 0)
    return ms;
  at = http_date (s);
  if (at < 0 || at > INT64_MAX / 1000)
    return -1;
  ms = at * 1000 - a->received_ms;
  if (ms < 0)
    return 0;                   /* it has passed: now is fine */
  return ms < MAX_WAIT_S * 1000 ? ms : MAX_WAIT_S * 1000;
}
