/* chat-message - the messages and tools of a Chat Completions request, one by
 * one; see chat.h. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "chat.h"
#include "text.h"

static int
is (struct json_object *string, const char *text)
{
  size_t len = strlen (text);

  return string != NULL && (size_t) json_object_get_string_len (string) == len
         && memcmp (json_object_get_string (string), text, len) == 0;
}

static size_t
length (struct json_object *array)
{
  return array != NULL ? json_object_array_length (array) : 0;
}

/* A member that must be there. */
static int
need (const struct kwp_chat *c, const struct kwp_at *at, struct json_object *o,
      const char *name, const char *what, struct json_object **ret)
{
  *ret = kwp_member (o, name);
  return *ret != NULL ? KW_OK : kwp_wrong (c, at, name, what);
}

/* ---- Messages ------------------------------------------------------------ */

/* What each role may have.  A participant's name is nowhere else to be said. */
static const struct kwp_field plain_rules[] = {
  { "role", "s", NULL }, { "content", "sa", NULL }, { "name", NULL, NULL },
  { NULL, NULL, NULL }
};
static const struct kwp_field assistant_rules[] = {
  { "role", "s", NULL }, { "content", "sa", NULL }, { "name", NULL, NULL },
  { "refusal", "s", NULL }, { "tool_calls", "a", NULL },
  { "annotations", NULL, "[]" }, /* as an answer has it, handed back */
  { "audio", NULL, NULL }, { "function_call", NULL, NULL },
  { NULL, NULL, NULL }
};
/* The name repeats that of the call that tool_call_id belongs to. */
static const struct kwp_field tool_rules[] = {
  { "role", "s", NULL }, { "content", "sa", NULL }, { "tool_call_id", "s", NULL },
  { "name", "s", NULL },
  { NULL, NULL, NULL }
};

static const struct {
  const char *name;
  enum kwp_role role;
  const struct kwp_field *rules;
} roles[] = {
  { "system", KWP_SYSTEM, plain_rules }, { "developer", KWP_SYSTEM, plain_rules },
  { "user", KWP_USER, plain_rules }, { "assistant", KWP_ASSISTANT, assistant_rules },
  { "tool", KWP_TOOL, tool_rules },
};

size_t
kwp_chat_messages (const struct kwp_chat *c)
{
  return length (kwp_said (c, "messages"));
}

int
kwp_chat_message (const struct kwp_chat *c, size_t i, struct kwp_message *m)
{
  struct json_object *o = json_object_array_get_idx (kwp_said (c, "messages"), i);
  struct json_object *role, *content;
  size_t r = 0;
  int rc;

  memset (m, 0, sizeof *m);
  m->at = (struct kwp_at) { .up = &c->messages, .index = i };
  m->parts = (struct kwp_at) { .up = &m->at, .name = "content" };
  m->calls = (struct kwp_at) { .up = &m->at, .name = "tool_calls" };
  m->message = o;
  if (!json_object_is_type (o, json_type_object))
    return kwp_wrong (c, &m->at, NULL, "an object");
  role = kwp_member (o, "role");
  if (!json_object_is_type (role, json_type_string))
    return kwp_wrong (c, &m->at, "role", "a string");
  while (r < KWP_ARRAY_SIZE (roles) && !is (role, roles[r].name))
    r++;
  if (r == KWP_ARRAY_SIZE (roles))
    return kwp_cannot (c, &m->at, "role", role, NULL);
  m->role = roles[r].role;
  rc = kwp_check (c, &m->at, o, roles[r].rules,
                  m->role == KWP_ASSISTANT ? c->dialect->own_assistant : NULL);
  if (rc != KW_OK)
    return rc;

  content = kwp_member (o, "content");
  m->n_parts = json_object_is_type (content, json_type_array) ? length (content)
               : content != NULL;
  if (m->role == KWP_ASSISTANT) {
    m->refusal = kwp_member (o, "refusal");
    m->n_calls = length (kwp_member (o, "tool_calls"));
  } else if (content == NULL) {
    return kwp_wrong (c, &m->at, "content", "a string or an array");
  }
  if (m->role == KWP_TOOL) {
    m->tool_name = kwp_member (o, "name");
    rc = need (c, &m->at, o, "tool_call_id", "a string", &m->tool_call_id);
  }
  return rc;
}

/* ---- Parts --------------------------------------------------------------- */

/* "data:image/png;base64,AAAA".  0: it is none. */
static int
split_data_url (const char *s, size_t len, struct kwp_part *p)
{
  static const char base64[] = ";base64";
  const char *comma = memchr (s, ',', len);
  size_t head = comma != NULL ? (size_t) (comma - s) : 0, type = strcspn (s, ";,");

  if (strncasecmp (s, "data:", 5) != 0 || head < 5 + sizeof base64 - 1
      || strncasecmp (comma - (sizeof base64 - 1), base64, sizeof base64 - 1) != 0
      || type <= 5)
    return 0;
  kwp_copy (p->media_type, sizeof p->media_type, s + 5, type - 5);
  p->data = comma + 1;
  p->len = len - head - 1;
  return p->media_type[0] != '\0';
}

static int
read_image (const struct kwp_chat *c, struct json_object *o, struct kwp_part *p)
{
  static const struct kwp_field rules[] = {
    { "url", "s", NULL }, { "detail", "s", NULL }, { NULL, NULL, NULL }
  };
  const struct kwp_at at = { .up = &p->at, .name = "image_url" };
  struct json_object *image, *url;
  const char *s;
  int rc = need (c, &p->at, o, "image_url", "an object", &image);

  if (rc != KW_OK || (rc = kwp_check (c, &at, image, rules, NULL)) != KW_OK
      || (rc = need (c, &at, image, "url", "a string", &url)) != KW_OK)
    return rc;
  p->detail = kwp_member (image, "detail");
  if (is (p->detail, "auto"))
    p->detail = NULL;
  s = json_object_get_string (url);
  if (strncasecmp (s, "http://", 7) == 0 || strncasecmp (s, "https://", 8) == 0)
    p->url = url;
  else if (!split_data_url (s, (size_t) json_object_get_string_len (url), p))
    return kwp_wrong (c, &at, "url", "http://..., https://... or data:TYPE;base64,...");
  return KW_OK;
}

static int
read_file (const struct kwp_chat *c, struct json_object *o, struct kwp_part *p)
{
  static const struct kwp_field rules[] = {
    { "file_data", "s", NULL }, { "filename", "s", NULL },
    { "file_id", NULL, NULL },  /* of a file that another provider has */
    { NULL, NULL, NULL }
  };
  const struct kwp_at at = { .up = &p->at, .name = "file" };
  struct json_object *file, *data;
  int rc = need (c, &p->at, o, "file", "an object", &file);

  if (rc != KW_OK || (rc = kwp_check (c, &at, file, rules, NULL)) != KW_OK
      || (rc = need (c, &at, file, "file_data", "a string", &data)) != KW_OK)
    return rc;
  p->filename = kwp_member (file, "filename");
  if (!split_data_url (json_object_get_string (data),
                       (size_t) json_object_get_string_len (data), p))
    return kwp_wrong (c, &at, "file_data", "data:TYPE;base64,...");
  return KW_OK;
}

static int
read_audio (const struct kwp_chat *c, struct json_object *o, struct kwp_part *p)
{
  static const struct kwp_field rules[] = {
    { "data", "s", NULL }, { "format", "s", NULL }, { NULL, NULL, NULL }
  };
  const struct kwp_at at = { .up = &p->at, .name = "input_audio" };
  struct json_object *audio, *data, *format;
  int rc = need (c, &p->at, o, "input_audio", "an object", &audio);

  if (rc != KW_OK || (rc = kwp_check (c, &at, audio, rules, NULL)) != KW_OK
      || (rc = need (c, &at, audio, "data", "a string", &data)) != KW_OK
      || (rc = need (c, &at, audio, "format", "a string", &format)) != KW_OK)
    return rc;
  if (is (format, "wav"))
    kwp_copy (p->media_type, sizeof p->media_type, "audio/wav", 9);
  else if (is (format, "mp3"))
    kwp_copy (p->media_type, sizeof p->media_type, "audio/mp3", 9);
  else
    return kwp_cannot (c, &at, "format", format, NULL);
  p->data = json_object_get_string (data);
  p->len = (size_t) json_object_get_string_len (data);
  return KW_OK;
}

static const struct part_type {
  const char *name;
  unsigned kind;
  int (*read) (const struct kwp_chat *, struct json_object *, struct kwp_part *);
  struct kwp_field rules[3];
} part_types[] = {
  { "text", KWP_TEXT, NULL,
    { { "type", "s", NULL }, { "text", "s", NULL }, { NULL, NULL, NULL } } },
  { "refusal", KWP_TEXT, NULL,
    { { "type", "s", NULL }, { "refusal", "s", NULL }, { NULL, NULL, NULL } } },
  { "image_url", KWP_IMAGE, read_image,
    { { "type", "s", NULL }, { "image_url", "o", NULL }, { NULL, NULL, NULL } } },
  { "file", KWP_FILE, read_file,
    { { "type", "s", NULL }, { "file", "o", NULL }, { NULL, NULL, NULL } } },
  { "input_audio", KWP_AUDIO, read_audio,
    { { "type", "s", NULL }, { "input_audio", "o", NULL }, { NULL, NULL, NULL } } },
};

int
kwp_chat_part (const struct kwp_chat *c, const struct kwp_message *m, size_t i,
               struct kwp_part *p)
{
  struct json_object *content = kwp_member (m->message, "content"), *o, *type;
  unsigned kinds = m->role == KWP_USER ? c->dialect->user_parts
                   : m->role == KWP_TOOL ? c->dialect->tool_parts : 0;
  const struct part_type *t = NULL;
  int rc;

  memset (p, 0, sizeof *p);
  p->at = (struct kwp_at) { .up = &m->parts, .index = i };
  if (json_object_is_type (content, json_type_string)) {
    p->text = content;
    p->at = m->parts;
    return KW_OK;
  }
  o = json_object_array_get_idx (content, i);
  if (!json_object_is_type (o, json_type_object))
    return kwp_wrong (c, &p->at, NULL, "an object");
  type = kwp_member (o, "type");
  if (!json_object_is_type (type, json_type_string))
    return kwp_wrong (c, &p->at, "type", "a string");
  for (size_t k = 0; k < KWP_ARRAY_SIZE (part_types); k++)
    if (is (type, part_types[k].name))
      t = &part_types[k];
  if (t == NULL || (t->kind & ~kinds) != 0
      || (m->role != KWP_ASSISTANT && kwp_is (t->name, "refusal")))
    return kwp_cannot (c, &p->at, "type", type, NULL);
  p->kind = t->kind;
  rc = kwp_check (c, &p->at, o, t->rules, NULL);
  if (rc == KW_OK)
    rc = t->read != NULL ? t->read (c, o, p)
                         : need (c, &p->at, o, t->name, "a string", &p->text);
  return rc;
}

/* ---- Tools --------------------------------------------------------------- */

/* {"type": "function", "function": {...}}; *ret is what is in it. */
static int
read_function (const struct kwp_chat *c, const struct kwp_at *at, struct json_object *o,
               const struct kwp_field *rules, const struct kwp_field *more,
               const struct kwp_at *inner, const struct kwp_field *inner_rules,
               struct json_object **ret)
{
  struct json_object *type = kwp_member (o, "type");
  int rc;

  if (!json_object_is_type (o, json_type_object))
    return kwp_wrong (c, at, NULL, "an object");
  if (type != NULL && !is (type, "function")) /* "custom", "allowed_tools" */
    return kwp_cannot (c, at, "type", type, NULL);
  if (type == NULL)
    return kwp_wrong (c, at, "type", "\"function\"");
  if ((rc = kwp_check (c, at, o, rules, more)) != KW_OK
      || (rc = need (c, at, o, "function", "an object", ret)) != KW_OK)
    return rc;
  return kwp_check (c, inner, *ret, inner_rules, NULL);
}

int
kwp_chat_call (const struct kwp_chat *c, const struct kwp_message *m, size_t i,
               struct kwp_tool_call *t)
{
  static const struct kwp_field rules[] = {
    { "id", "s", NULL }, { "type", "s", NULL }, { "function", "o", NULL },
    { "index", "i", NULL },     /* as a stream's pieces have it, put together */
    { NULL, NULL, NULL }
  };
  static const struct kwp_field function_rules[] = {
    { "name", "s", NULL }, { "arguments", "s", NULL }, { NULL, NULL, NULL }
  };
  const struct kwp_at inner = { .up = &t->at, .name = "function" };
  struct json_object *f, *arguments;
  int rc;

  memset (t, 0, sizeof *t);
  t->at = (struct kwp_at) { .up = &m->calls, .index = i };
  t->call = json_object_array_get_idx (kwp_member (m->message, "tool_calls"), i);
  if ((rc = read_function (c, &t->at, t->call, rules, c->dialect->own_calls, &inner,
                           function_rules, &f)) != KW_OK
      || (rc = need (c, &t->at, t->call, "id", "a string", &t->id)) != KW_OK
      || (rc = need (c, &inner, f, "name", "a string", &t->name)) != KW_OK
      || (rc = need (c, &inner, f, "arguments", "a string", &arguments)) != KW_OK)
    return rc;
  if (json_object_get_string_len (arguments) == 0) /* a tool that takes none */
    t->arguments = json_object_new_object ();
  else
    t->arguments = kwp_parse (json_object_get_string (arguments),
                              (uint64_t) json_object_get_string_len (arguments));
  if (json_object_is_type (t->arguments, json_type_object))
    return KW_OK;
  json_object_put (t->arguments);
  t->arguments = NULL;
  return kwp_wrong (c, &inner, "arguments", "a JSON object, as text");
}

size_t
kwp_chat_tools (const struct kwp_chat *c)
{
  return length (kwp_said (c, "tools"));
}

int
kwp_chat_tool (const struct kwp_chat *c, size_t i, struct kwp_tool *t)
{
  static const struct kwp_field rules[] = {
    { "type", "s", NULL }, { "function", "o", NULL }, { NULL, NULL, NULL }
  };
  static const struct kwp_field function_rules[] = {
    { "name", "s", NULL }, { "description", "s", NULL }, { "parameters", "o", NULL },
    { "strict", "b", NULL }, { NULL, NULL, NULL }
  };
  const struct kwp_at inner = { .up = &t->at, .name = "function" };
  struct json_object *f, *strict;
  int rc;

  memset (t, 0, sizeof *t);
  t->at = (struct kwp_at) { .up = &c->tools, .index = i };
  rc = read_function (c, &t->at, json_object_array_get_idx (kwp_said (c, "tools"), i), rules,
                      NULL, &inner, function_rules, &f);
  if (rc != KW_OK || (rc = need (c, &inner, f, "name", "a string", &t->name)) != KW_OK)
    return rc;
  t->description = kwp_member (f, "description");
  t->parameters = kwp_member (f, "parameters");
  strict = kwp_member (f, "strict");
  t->strict = strict != NULL ? json_object_get_boolean (strict) : -1;
  return KW_OK;
}

int
kwp_chat_tool_choice (const struct kwp_chat *c, enum kwp_choice *ret,
                      struct json_object **ret_name)
{
  static const struct kwp_field rules[] = {
    { "type", "s", NULL }, { "function", "o", NULL }, { NULL, NULL, NULL }
  };
  static const struct kwp_field function_rules[] = {
    { "name", "s", NULL }, { NULL, NULL, NULL }
  };
  static const struct kwp_at at = { .name = "tool_choice" };
  static const struct kwp_at inner = { .up = &at, .name = "function" };
  static const char *const words[] = { "", "auto", "none", "required" };
  struct json_object *choice = kwp_said (c, "tool_choice"), *f;
  int rc;

  *ret = KWP_CHOICE_UNSAID;
  *ret_name = NULL;
  if (choice == NULL)
    return KW_OK;
  for (size_t i = 1; i < KWP_ARRAY_SIZE (words); i++)
    if (json_object_is_type (choice, json_type_string) && is (choice, words[i])) {
      *ret = (enum kwp_choice) i;
      return KW_OK;
    }
  if (json_object_is_type (choice, json_type_string))
    return kwp_cannot (c, NULL, "tool_choice", choice, NULL);
  rc = read_function (c, &at, choice, rules, NULL, &inner, function_rules, &f);
  if (rc == KW_OK)
    rc = need (c, &inner, f, "name", "a string", ret_name);
  if (rc == KW_OK)
    *ret = KWP_CHOICE_NAMED;
  return rc;
}
