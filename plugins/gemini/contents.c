/* contents - the messages of a Chat Completions request, as Gemini's contents:
 * turns of "user" and "model", which alternate, and the system instruction. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gemini.h"

/* For calls that Gemini never made, or whose signature a client has dropped:
 * https://ai.google.dev/gemini-api/docs/thought-signatures */
#define NO_SIGNATURE "skip_thought_signature_validator"

/* The parts of that role's turn: neighbours of one role share it, since the
 * results of calls made together must come together. */
static struct json_object *
turn (struct gemini_request *r, const char *role)
{
  struct json_object *content;

  if (r->role != NULL && kwp_is (r->role, role))
    return r->parts;
  content = json_object_new_object ();
  kwp_put_string (&r->nomem, content, "role", role);
  r->parts = json_object_new_array ();
  kwp_put (&r->nomem, content, "parts", r->parts);
  kwp_append (&r->nomem, r->contents, content);
  if (r->nomem)
    r->parts = NULL;            /* whatever became of it */
  r->role = role;
  return r->parts;
}

/* {name: {...}}, both of which are made; *ret is the inner one. */
static struct json_object *
part_new (struct gemini_request *r, struct json_object *parts, const char *name,
          struct json_object **ret)
{
  struct json_object *part = json_object_new_object (), *inner = json_object_new_object ();

  kwp_put (&r->nomem, part, name, inner);
  kwp_append (&r->nomem, parts, part);
  *ret = r->nomem ? NULL : inner;
  return r->nomem ? NULL : part;
}

/* text is a further reference. */
static struct json_object *
put_text (struct gemini_request *r, struct json_object *parts, struct json_object *text)
{
  struct json_object *part = json_object_new_object ();

  kwp_put (&r->nomem, part, "text", json_object_get (text));
  kwp_append (&r->nomem, parts, part);
  return r->nomem ? NULL : part;
}

static int
is_empty (struct json_object *string)
{
  return json_object_get_string_len (string) == 0;
}

/* ---- Images, files, sound ------------------------------------------------ */

/* From the name's end, where it has one: a MIME type need not be said. */
static const char *
image_type (const char *url)
{
  static const char *const types[] = {
    "png", "image/png", "jpg", "image/jpeg", "jpeg", "image/jpeg", "webp", "image/webp",
    "gif", "image/gif", "heic", "image/heic", "heif", "image/heif",
  };
  size_t len = strcspn (url, "?#"), dot = len;

  while (dot > 0 && url[dot - 1] != '.' && url[dot - 1] != '/')
    dot--;
  if (dot == 0 || url[dot - 1] != '.')
    return NULL;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (types); i += 2)
    if (strlen (types[i]) == len - dot && strncasecmp (url + dot, types[i], len - dot) == 0)
      return types[i + 1];
  return NULL;
}

/* Gemini has one for all the media of a request. */
static int
note_detail (struct gemini_request *r, const struct kwp_part *p)
{
  const char *now = p->detail != NULL ? json_object_get_string (p->detail) : "";
  const char *was = r->detail != NULL ? json_object_get_string (r->detail) : "";

  if (p->detail != NULL && !kwp_is (now, "low") && !kwp_is (now, "high"))
    return kwp_cannot (&r->chat, &p->at, "image_url.detail", p->detail,
                       "it is low, high or auto there");
  if (r->n_images++ > 0 && !kwp_is (now, was))
    return kwp_cannot (&r->chat, &p->at, "image_url.detail", p->detail,
                       "all images of a request have the same there");
  r->detail = p->detail;
  return KW_OK;
}

static int
put_media (struct gemini_request *r, struct json_object *parts, const struct kwp_part *p)
{
  struct json_object *o;
  const char *type = p->media_type;
  int rc = p->kind == KWP_IMAGE ? note_detail (r, p) : KW_OK;

  if (rc != KW_OK)
    return rc;
  if (p->filename != NULL && !is_empty (p->filename))
    (void) put_text (r, parts, p->filename); /* data itself has no name */
  (void) part_new (r, parts, p->url != NULL ? "fileData" : "inlineData", &o);
  if (p->url != NULL)
    type = image_type (json_object_get_string (p->url));
  if (type != NULL)
    kwp_put_string (&r->nomem, o, "mimeType", type);
  if (p->url != NULL)
    kwp_put_ref (&r->nomem, o, "fileUri", p->url);
  else if (p->len > INT_MAX)
    r->nomem = 1;
  else
    kwp_put (&r->nomem, o, "data", json_object_new_string_len (p->data, (int) p->len));
  return KW_OK;
}

/* ---- Each kind of message ------------------------------------------------- */

static int
put_system (struct gemini_request *r, const struct kwp_message *m)
{
  if (r->system == NULL) {
    struct json_object *content = json_object_new_object ();
    r->system = json_object_new_array ();
    kwp_put (&r->nomem, content, "parts", r->system);
    kwp_put (&r->nomem, r->body, "systemInstruction", content);
  }
  for (size_t i = 0; i < m->n_parts && !r->nomem; i++) {
    struct kwp_part p;
    int rc = kwp_chat_part (&r->chat, m, i, &p);
    if (rc != KW_OK)
      return rc;
    (void) put_text (r, r->system, p.text);
  }
  return KW_OK;
}

static int
put_user (struct gemini_request *r, const struct kwp_message *m)
{
  struct json_object *parts = turn (r, "user");

  for (size_t i = 0; i < m->n_parts && !r->nomem; i++) {
    struct kwp_part p;
    int rc = kwp_chat_part (&r->chat, m, i, &p);
    if (rc == KW_OK && p.kind == KWP_TEXT)
      (void) put_text (r, parts, p.text);
    else if (rc == KW_OK)
      rc = put_media (r, parts, &p);
    if (rc != KW_OK)
      return rc;
  }
  return KW_OK;
}

/* The thought signature in o's extra_content, where an answer put it. */
static int
read_signature (struct gemini_request *r, const struct kwp_at *owner, struct json_object *o,
                struct json_object **ret)
{
  static const struct kwp_field rules[] = { { "google", "o", NULL }, { NULL, NULL, NULL } };
  static const struct kwp_field google_rules[] = {
    { "thought_signature", "s", NULL }, { NULL, NULL, NULL }
  };
  const struct kwp_at at = { .up = owner, .name = "extra_content" };
  const struct kwp_at google_at = { .up = &at, .name = "google" };
  struct json_object *extra = kwp_member (o, "extra_content"), *google;
  int rc = extra != NULL ? kwp_check (&r->chat, &at, extra, rules, NULL) : KW_OK;

  *ret = NULL;
  if (rc != KW_OK || (google = kwp_member (extra, "google")) == NULL)
    return rc;
  rc = kwp_check (&r->chat, &google_at, google, google_rules, NULL);
  if (rc == KW_OK)
    *ret = kwp_member (google, "thought_signature");
  return rc;
}

static int
put_call (struct gemini_request *r, const struct kwp_message *m, size_t i)
{
  struct json_object *part, *call, *signature;
  struct kwp_tool_call t;
  int rc = kwp_chat_call (&r->chat, m, i, &t);

  if (rc != KW_OK)
    return rc;
  rc = read_signature (r, &t.at, t.call, &signature);
  if (rc != KW_OK) {
    json_object_put (t.arguments);
    return rc;
  }
  part = part_new (r, turn (r, "model"), "functionCall", &call);
  kwp_put_ref (&r->nomem, call, "id", t.id);
  kwp_put_ref (&r->nomem, call, "name", t.name);
  kwp_put (&r->nomem, call, "args", t.arguments);
  if (signature != NULL)
    kwp_put_ref (&r->nomem, part, "thoughtSignature", signature);
  else if (i == 0 && r->by_level) /* of calls made together, the first has it */
    kwp_put_string (&r->nomem, part, "thoughtSignature", NO_SIGNATURE);
  kwp_put_ref (&r->nomem, r->names, json_object_get_string (t.id), t.name);
  return KW_OK;
}

static int
put_assistant (struct gemini_request *r, const struct kwp_message *m)
{
  struct json_object *thoughts = kwp_member (m->message, "reasoning_content");
  struct json_object *part, *last = NULL, *signature;
  int rc = read_signature (r, &m->at, m->message, &signature);

  if (rc != KW_OK)
    return rc;
  if (thoughts != NULL && !is_empty (thoughts)) {
    part = put_text (r, turn (r, "model"), thoughts);
    kwp_put (&r->nomem, part, "thought", json_object_new_boolean (1));
  }
  for (size_t i = 0; i < m->n_parts && !r->nomem; i++) {
    struct kwp_part p;
    if ((rc = kwp_chat_part (&r->chat, m, i, &p)) != KW_OK)
      return rc;
    if (!is_empty (p.text))     /* Gemini refuses empty ones, and empty turns */
      last = put_text (r, turn (r, "model"), p.text);
  }
  if (m->refusal != NULL && !is_empty (m->refusal))
    last = put_text (r, turn (r, "model"), m->refusal);
  if (signature != NULL) {
    if (last == NULL) {         /* one that came behind everything else */
      last = json_object_new_object ();
      kwp_put_string (&r->nomem, last, "text", "");
      kwp_append (&r->nomem, turn (r, "model"), last);
    }
    if (!r->nomem)
      kwp_put_ref (&r->nomem, last, "thoughtSignature", signature);
  }
  for (size_t i = 0; i < m->n_calls && !r->nomem; i++)
    if ((rc = put_call (r, m, i)) != KW_OK)
      return rc;
  return KW_OK;
}

/* All text of a message, as one string, the caller's; NULL: an error. */
static int
join_texts (struct gemini_request *r, const struct kwp_message *m, struct json_object **ret)
{
  struct kwp_part p;
  size_t len = 0;
  char *buf = NULL;
  int rc = KW_OK;

  *ret = NULL;
  for (int copying = 0; copying <= 1; copying++) {
    if (copying && (len > INT_MAX || (buf = malloc (len + 1)) == NULL))
      return kwp_no_memory (&r->chat);
    len = 0;
    for (size_t i = 0; i < m->n_parts && rc == KW_OK; i++) {
      rc = kwp_chat_part (&r->chat, m, i, &p);
      if (rc != KW_OK)
        break;
      size_t n = (size_t) json_object_get_string_len (p.text);
      if (copying)
        memcpy (buf + len, json_object_get_string (p.text), n);
      len += n;
    }
    if (rc != KW_OK)
      break;
  }
  if (rc == KW_OK) {
    *ret = json_object_new_string_len (buf, (int) len);
    if (*ret == NULL)
      rc = kwp_no_memory (&r->chat);
  }
  free (buf);
  return rc;
}

/* Digits that json-c would cut to what an int64_t or a double holds. */
static int
has_long_number (const char *s)
{
  for (; *s != '\0'; s += *s != '\0') {
    size_t n = strspn (s, "0123456789");
    if (n > 18)
      return 1;
    s += n;
  }
  return 0;
}

/* A result is an object there.  What is none, or would not come through whole,
 * goes into one as text, under the key that the API's reference names for it. */
static int
put_result (struct gemini_request *r, const struct kwp_message *m)
{
  struct json_object *name, *response, *text, *o;
  int rc;

  name = kwp_member (r->names, json_object_get_string (m->tool_call_id));
  if (name == NULL)
    name = m->tool_name;
  if (name == NULL)
    return kwp_wrong (&r->chat, &m->at, "tool_call_id", "the id of a tool call before it");
  if ((rc = join_texts (r, m, &text)) != KW_OK)
    return rc;
  response = kwp_parse (json_object_get_string (text),
                        (uint64_t) json_object_get_string_len (text));
  if (json_object_is_type (response, json_type_object)
      && !has_long_number (json_object_get_string (text))) {
    json_object_put (text);
  } else {
    json_object_put (response);
    response = json_object_new_object ();
    kwp_put (&r->nomem, response, "result", text);
  }
  (void) part_new (r, turn (r, "user"), "functionResponse", &o);
  kwp_put_ref (&r->nomem, o, "id", m->tool_call_id);
  kwp_put_ref (&r->nomem, o, "name", name);
  kwp_put (&r->nomem, o, "response", response);
  return KW_OK;
}

int
gemini_contents (struct gemini_request *r)
{
  static int (*const put[]) (struct gemini_request *, const struct kwp_message *) = {
    [KWP_SYSTEM] = put_system, [KWP_USER] = put_user, [KWP_ASSISTANT] = put_assistant,
    [KWP_TOOL] = put_result,
  };
  size_t n = kwp_chat_messages (&r->chat);

  for (size_t i = 0; i < n && !r->nomem; i++) {
    struct kwp_message m;
    int rc = kwp_chat_message (&r->chat, i, &m);
    if (rc == KW_OK)
      rc = put[m.role] (r, &m);
    if (rc != KW_OK)
      return rc;
  }
  if (r->nomem)
    return KW_OK;               /* said at the end */
  if (json_object_array_length (r->contents) == 0)
    return kwp_wrong (&r->chat, NULL, "messages",
                      "an array with a message of the user or the assistant");
  if (r->detail != NULL)
    kwp_put_string (&r->nomem, r->config, "mediaResolution",
                    kwp_is (json_object_get_string (r->detail), "low")
                    ? "MEDIA_RESOLUTION_LOW" : "MEDIA_RESOLUTION_HIGH");
  return KW_OK;
}
