/* parts - the parts of one of Gemini's candidates: text, thoughts, calls and
 * images, into a message or a delta. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gemini.h"

/* ---- Texts that are put together ------------------------------------------ */

/* Never beyond what json-c can count. */
void
gemini_text_add (int *nomem, struct gemini_text *t, const char *s, size_t len)
{
  if (len > INT_MAX || t->len + len > INT_MAX) {
    *nomem = 1;
    return;
  }
  if (t->buf == NULL || t->len + len > t->size) {
    size_t size = (t->len + len) * 2 + 64;
    char *p = realloc (t->buf, size);
    if (p == NULL) {
      *nomem = 1;
      return;
    }
    t->buf = p;
    t->size = size;
  }
  memcpy (t->buf + t->len, s, len);
  t->len += len;
}

void
gemini_text_add_string (int *nomem, struct gemini_text *t, struct json_object *string)
{
  gemini_text_add (nomem, t, json_object_get_string (string),
                   (size_t) json_object_get_string_len (string));
}

void
gemini_text_put (int *nomem, struct json_object *o, const char *name, struct gemini_text *t)
{
  if (t->buf != NULL)
    kwp_put (nomem, o, name, json_object_new_string_len (t->buf, (int) t->len));
  free (t->buf);
  t->buf = NULL;
}

struct json_object *
gemini_string (struct json_object *o, const char *name)
{
  struct json_object *m = kwp_member (o, name);
  return json_object_is_type (m, json_type_string) ? m : NULL;
}

/* ---- Parts --------------------------------------------------------------- */

/* What the parts of one candidate say. */
struct parts {
  struct json_object *said, *calls, *images; /* the last two are in said */
  struct gemini_text text, thoughts;
  struct json_object *signature;        /* of text; borrowed */
};

static struct json_object *
list (struct gemini_answer *a, struct parts *p, struct json_object **array, const char *name)
{
  if (*array == NULL) {
    struct json_object *o = json_object_new_array ();
    kwp_put (&a->nomem, p->said, name, o);
    *array = a->nomem ? NULL : o;
  }
  return *array;
}

/* Where Google's own OpenAI endpoint puts it; contents.c takes it back. */
static void
put_signature (struct gemini_answer *a, struct json_object *o, struct json_object *signature)
{
  struct json_object *extra, *google;

  if (signature == NULL)
    return;
  google = json_object_new_object ();
  kwp_put_ref (&a->nomem, google, "thought_signature", signature);
  extra = json_object_new_object ();
  kwp_put (&a->nomem, extra, "google", google);
  kwp_put (&a->nomem, o, "extra_content", extra);
}

static int
read_call (struct gemini_answer *a, struct parts *p, struct json_object *call,
           struct json_object *signature, unsigned index, int chunk)
{
  struct json_object *id = gemini_string (call, "id"), *name = gemini_string (call, "name");
  struct json_object *args = kwp_member (call, "args"), *o;
  const char *text = "{}";
  size_t len = 2;
  char made[192];
  struct gemini_choice *c = &a->choices[index];

  if (name == NULL || (args != NULL && !json_object_is_type (args, json_type_object)))
    return kw_error (a->g->host, a->g->in, KW_ERR, "Gemini's answer has a functionCall "
                     "without a name, or with args that are no object");
  /* Models before Gemini 3 give no ids.  One that follows from the answer is
   * the same however the answer comes, and no other answer has it. */
  if (id == NULL || json_object_get_string_len (id) == 0) {
    if (snprintf (made, sizeof made, "call_%s_%u_%u", a->id, index, c->n_calls) < 0)
      made[0] = '\0';
  } else
    made[0] = '\0';
  if (args != NULL)
    text = json_object_to_json_string_length (args, JSON_C_TO_STRING_PLAIN
                                                    | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  if (text == NULL) {
    a->nomem = 1;
    return KW_OK;
  }
  o = kwp_tool_call_new (&a->nomem, chunk ? (int) c->n_calls : -1,
                         made[0] != '\0' ? made : json_object_get_string (id),
                         json_object_get_string (name), text, len);
  put_signature (a, o, signature);
  kwp_append (&a->nomem, list (a, p, &p->calls, "tool_calls"), o);
  c->n_calls++;
  return KW_OK;
}

/* As other endpoints of models that draw have it: Chat Completions has nothing
 * for images in answers. */
static int
read_image (struct gemini_answer *a, struct parts *p, struct json_object *blob)
{
  struct json_object *type = gemini_string (blob, "mimeType");
  struct json_object *data = gemini_string (blob, "data");
  struct json_object *image, *url;
  struct gemini_text t = { 0 };

  if (type == NULL || data == NULL || !kwp_starts_with (json_object_get_string (type), "image/"))
    return kw_error (a->g->host, a->g->in, KW_ERR, "Gemini's answer has data that is no "
                     "image, which Chat Completions cannot say");
  gemini_text_add (&a->nomem, &t, "data:", 5);
  gemini_text_add_string (&a->nomem, &t, type);
  gemini_text_add (&a->nomem, &t, ";base64,", 8);
  gemini_text_add_string (&a->nomem, &t, data);
  url = json_object_new_object ();
  gemini_text_put (&a->nomem, url, "url", &t);
  image = json_object_new_object ();
  kwp_put_string (&a->nomem, image, "type", "image_url");
  kwp_put (&a->nomem, image, "image_url", url);
  kwp_append (&a->nomem, list (a, p, &p->images, "images"), image);
  return KW_OK;
}

/* One that holds none of these may still have a signature, or nothing at all;
 * anything else was not asked for (executableCode, ...). */
static int
read_part (struct gemini_answer *a, struct parts *p, struct json_object *part, unsigned index,
           int chunk)
{
  struct json_object *text = gemini_string (part, "text");
  struct json_object *call = kwp_member (part, "functionCall");
  struct json_object *blob = kwp_member (part, "inlineData");
  struct json_object *signature = gemini_string (part, "thoughtSignature");
  int thought = json_object_get_boolean (kwp_member (part, "thought"));
  struct json_object_iter it;

  if (call != NULL)
    return read_call (a, p, call, signature, index, chunk);
  if (blob != NULL && thought)
    return KW_OK;               /* a sketch on the way to the image */
  if (blob != NULL)
    return read_image (a, p, blob);
  if (signature != NULL && !thought)
    p->signature = signature;
  if (text != NULL) {
    if (json_object_get_string_len (text) > 0)
      gemini_text_add_string (&a->nomem, thought ? &p->thoughts : &p->text, text);
    return KW_OK;
  }
  if (!json_object_is_type (part, json_type_object))
    return kw_error (a->g->host, a->g->in, KW_ERR, "Gemini's answer has a part that is "
                     "no object");
  json_object_object_foreachC (part, it) {
    if (it.val != NULL && !kwp_is (it.key, "thought") && !kwp_is (it.key, "thoughtSignature"))
      return kw_error (a->g->host, a->g->in, KW_ERR, "Gemini's answer has a part of "
                       "\"%.64s\", which Chat Completions cannot say", it.key);
  }
  return KW_OK;
}

int
gemini_read_parts (struct gemini_answer *a, struct json_object *candidate, unsigned index,
                   int chunk, struct json_object *said, int *ret_text)
{
  struct json_object *parts = kwp_member (kwp_member (candidate, "content"), "parts");
  size_t n = json_object_is_type (parts, json_type_array) ? json_object_array_length (parts) : 0;
  struct parts p = { .said = said };
  int rc = KW_OK;

  for (size_t i = 0; i < n && rc == KW_OK && !a->nomem; i++)
    rc = read_part (a, &p, json_object_array_get_idx (parts, i), index, chunk);
  *ret_text = p.text.buf != NULL;
  gemini_text_put (&a->nomem, said, "content", &p.text);
  gemini_text_put (&a->nomem, said, "reasoning_content", &p.thoughts);
  put_signature (a, said, p.signature);
  return rc;
}
