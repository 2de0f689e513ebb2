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

void
kwi_peek_begin (struct kwi_peek *p, const char *type)
{
  memset (p, 0, sizeof *p);
  if (type == NULL || kwi_is_json_type (type))
    p->kind = KWI_BODY_JSON;
  else if (kwi_form_begin (&p->form, type))
    p->kind = KWI_BODY_FORM;
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

/* ---- All of them ------------------------------------------------------------ */

static void
look_at_form (struct kwi_peek *p, const char *body, size_t len)
{
  size_t n;
  const char *value = kwi_form_find (&p->form, body, len, "model", &n);

  if (value != NULL)
    set_model (p, value, n);
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
