/* peek - the model of a body that only passes through; see peek.h. */
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "body.h"
#include "peek.h"

/* Lists of values ("application/jsonl") are no value. */
int
kwi_is_json_type (const char *type)
{
  size_t len = strcspn (type, "; \t");

  return len >= 5 && strncasecmp (type + len - 4, "json", 4) == 0
         && strchr ("/+-", type[len - 5]) != NULL;
}

static const char *
parameter (const char *s, const char *name, size_t *ret_len)
{
  size_t len = strlen (name);

  while ((s = strcasestr (s, name)) != NULL) {
    const char *value = s + len;
    int begins = strchr ("; \t", s[-1]) != NULL;
    if (begins && value[0] == '"') {
      *ret_len = strcspn (++value, "\"");
      return value;
    }
    if (begins) {
      *ret_len = strcspn (value, "; \t\r\n");
      return value;
    }
    s = value;
  }
  return NULL;
}

void
kwi_peek_begin (struct kwi_peek *p, const char *type)
{
  static const char form[] = "multipart/form-data";
  const char *boundary;
  size_t len;

  memset (p, 0, sizeof *p);
  if (type == NULL || kwi_is_json_type (type))
    p->kind = KWI_BODY_JSON;
  else if (strncasecmp (type, form, sizeof form - 1) == 0
           && (boundary = parameter (type + sizeof form - 1, "boundary=", &len))
                != NULL
           && len > 0 && len < sizeof p->boundary - 2) {
    p->kind = KWI_BODY_FORM;
    memcpy (p->boundary, "--", 2);
    memcpy (p->boundary + 2, boundary, len);
  }
}

/* A name that is too long or odd is nobody's model. */
static void
set_model (struct kwi_peek *p, const char *s, size_t len)
{
  if (len == 0 || len >= sizeof p->model || kwi_body_control (s, len) != len)
    return;
  memset (p->model, 0, sizeof p->model);
  memcpy (p->model, s, len);
}

/* ---- JSON ------------------------------------------------------------------ */

/* Behind the string that begins at i; len + 1: it does not end. */
static size_t
skip_string (const char *s, size_t len, size_t i)
{
  for (i++; i < len && s[i] != '"'; i++)
    if (s[i] == '\\')
      i++;
  return i < len ? i + 1 : len + 1;
}

static size_t
skip_blanks (const char *s, size_t len, size_t i)
{
  while (i < len && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n'))
    i++;
  return i;
}

/* The string with its quotes; escapes are json-c's. */
static void
take_model (struct kwi_peek *p, const char *s, size_t len)
{
  struct json_tokener *tok = len > 2 && len < 1024 ? json_tokener_new () : NULL;
  struct json_object *o;

  if (tok == NULL)
    return;
  o = json_tokener_parse_ex (tok, s, (int) len);
  if (json_object_is_type (o, json_type_string))
    set_model (p, json_object_get_string (o),
               (size_t) json_object_get_string_len (o));
  json_object_put (o);
  json_tokener_free (tok);
}

/* A member of the outermost object whose name is [key, i): returns where its
 * value begins. */
static size_t
take_member (struct kwi_peek *p, const char *s, size_t len, size_t key, size_t i)
{
  size_t at = skip_blanks (s, len, i), end;

  if (at >= len || s[at] != ':')
    return i;
  at = skip_blanks (s, len, at + 1);
  if (at < len && i - key == 7 && memcmp (s + key, "\"model\"", 7) == 0
      && s[at] == '"') {
    end = skip_string (s, len, at);
    if (end <= len)
      take_model (p, s + at, end - at);
  }
  else if (len - at > 4 && i - key == 8 && memcmp (s + key, "\"stream\"", 8) == 0)
    p->stream = memcmp (s + at, "true", 4) == 0;
  return at;
}

/* Of an object of which the end is missing. */
static void
look_at_beginning (struct kwi_peek *p, const char *s, size_t len)
{
  size_t depth = 0, i = 0, key;

  while (i < len)
    switch (s[i]) {
    case '"':
      key = i;
      i = skip_string (s, len, i);
      if (depth == 1 && i < len)
        i = take_member (p, s, len, key, i);
      break;
    case '{':
    case '[':
      depth++;
      i++;
      break;
    case '}':
    case ']':
      depth -= depth > 0;
      i++;
      break;
    default:
      i++;
    }
}

static void
look_at_json (struct kwi_peek *p, const char *body, size_t len, int whole)
{
  if (whole
      && kwi_body_check (body, len, p->model, sizeof p->model, &p->stream, NULL)
           == 0)
    return;
  p->model[0] = '\0';
  p->stream = 0;
  if (!whole)
    look_at_beginning (p, body, len);
}

/* ---- A form ------------------------------------------------------------------ */

/* The delimiter at or behind p->from, at the beginning of a line; NULL: not
 * yet, and p->from is where it may begin. */
static const char *
find_delimiter (struct kwi_peek *p, const char *body, size_t len)
{
  size_t size = strlen (p->boundary);
  const char *s = body + p->from;

  while ((s = memmem (s, len - (size_t) (s - body), p->boundary, size)) != NULL) {
    if (s == body || s[-1] == '\n')
      return s;
    s++;
  }
  if (len > size && len - size > p->from)
    p->from = len - size;
  return NULL;
}

/* The name of the part with these headers is that. */
static int
is_field (const char *head, size_t len, const char *name)
{
  static const char disposition[] = "Content-Disposition:";
  char line[512];
  const char *value;
  size_t n;

  if (len >= sizeof line)
    return 0;
  memcpy (line, head, len);
  line[len] = '\0';
  value = strcasestr (line, disposition);
  value = value != NULL ? parameter (value + sizeof disposition - 1, "name=", &n)
                        : NULL;
  return value != NULL && n == strlen (name) && memcmp (value, name, n) == 0;
}

static void
look_at_form (struct kwi_peek *p, const char *body, size_t len)
{
  size_t size = strlen (p->boundary);
  const char *part, *head, *value, *end;

  while ((part = find_delimiter (p, body, len)) != NULL) {
    p->from = (size_t) (part - body);
    head = part + size;
    value = memmem (head, len - p->from - size, "\r\n\r\n", 4);
    if (value == NULL)
      return;
    value += 4;
    if (is_field (head, (size_t) (value - head), "model")) {
      end = memmem (value, len - (size_t) (value - body), "\r\n", 2);
      if (end != NULL)
        set_model (p, value, (size_t) (end - value));
      return;
    }
    p->from = (size_t) (value - body);
  }
}

void
kwi_peek_look (struct kwi_peek *p, const char *body, size_t len, int whole)
{
  if (len == 0)
    return;
  if (p->kind == KWI_BODY_JSON)
    look_at_json (p, body, len, whole);
  else if (p->kind == KWI_BODY_FORM && p->model[0] == '\0')
    look_at_form (p, body, len);
}
