/* body - Chat Completions JSON, as far as the core must read it; see body.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <keywheel/keywheel.h>

#include "body.h"
#include "fail.h"
#include "values.h"

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

/* Of a model or a role: words that logs and other machines take in. */
static int
check_name (const char *s, const char *what, struct kw_error *err)
{
  size_t len = strlen (s), at = kwi_body_control (s, len);

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

/* ---- Answers --------------------------------------------------------------- */

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

/* An event of another shape than a chat's chunk, which says by its type what it
 * is: those that only tell that something begins are not content. */
static int
is_other_content (struct json_object *json)
{
  static const char *const begin[] = { "created", "queued", "in_progress", "start",
                                       "ping" };
  struct json_object *type = member (json, "type");
  const char *s, *end;
  size_t i;

  if (!json_object_is_type (type, json_type_string)
      || member (json, "choices") != NULL)
    return 0;
  s = json_object_get_string (type);
  end = s + json_object_get_string_len (type);
  for (i = 0; i < sizeof begin / sizeof begin[0]; i++) {
    size_t len = strlen (begin[i]);
    if ((size_t) (end - s) >= len && memcmp (end - len, begin[i], len) == 0)
      return 0;
  }
  return 1;
}

int
kwi_body_chunk_has_content (struct json_object *json)
{
  struct json_object *choice = first_choice (json), *delta = said (choice);
  struct json_object_iterator it, end;

  if (choice == NULL)
    return is_other_content (json);
  if (member (choice, "finish_reason") != NULL)
    return 1;
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

int
kwi_body_chunk_is_unknown (struct json_object *json)
{
  return member (json, "choices") == NULL
         && !json_object_is_type (member (json, "type"), json_type_string);
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

int
kwi_body_page_title (const char *body, char *buf, size_t size)
{
  static const char begin[] = "<title>";
  const char *s = body != NULL ? strcasestr (body, begin) : NULL;
  const char *end = s != NULL ? strchr (s + sizeof begin - 1, '<') : NULL;
  size_t n = 0;

  if (end == NULL)
    return -1;
  for (s += sizeof begin - 1; s < end && n + 1 < size; s++)
    buf[n++] = (unsigned char) *s < ' ' || *s == 0x7f ? ' ' : *s;
  n = kwi_utf8_valid (buf, n);
  buf[n] = '\0';
  return n > 0 ? 0 : -1;
}
