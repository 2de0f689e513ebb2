/* request - a Chat Completions request as one of Anthropic's Messages API.
 * What the one can say and the other cannot is refused, by kit/chat or here;
 * what each member becomes is in the section ANTHROPIC of keywheel.ini(5). */
#include <string.h>

#include "../kit/chat.h"
#include "translate.h"

static const char *const says[] = {
  "max_completion_tokens", "max_tokens", "parallel_tool_calls", "reasoning_effort",
  "response_format", "safety_identifier", "stop", "temperature", "tool_choice", "tools",
  "top_p", "user", NULL
};

/* Members of the Messages API's own, as they are there. */
static const struct kwp_field own[] = {
  { "thinking", "o", NULL }, { "top_k", "i", NULL }, { NULL, NULL, NULL }
};

/* Of a translated answer, handed back: the API wants its thinking again, with
 * the signatures, when a tool's result follows. */
static const struct kwp_field own_assistant[] = {
  { "reasoning_content", "s", NULL }, { "thinking_blocks", "a", NULL }, { NULL, NULL, NULL }
};

static const struct kwp_dialect dialect = {
  .api = "Anthropic's Messages API", .says = says, .own = own,
  .own_assistant = own_assistant,
  .user_parts = KWP_IMAGE | KWP_FILE, .tool_parts = KWP_IMAGE | KWP_FILE
};

/* One request on its way. */
struct job {
  struct kwp_chat chat;
  struct json_object *out;      /* the Messages API's                       */
  struct json_object *system;   /* blocks                                   */
  struct json_object *messages;
  int nomem;
};

/* ---- Blocks -------------------------------------------------------------- */

static struct json_object *
new_block (struct job *j, const char *type)
{
  struct json_object *block = json_object_new_object ();

  kwp_put_string (&j->nomem, block, "type", type);
  return block;
}

/* An empty text says nothing, and the API takes none. */
static void
add_text (struct job *j, struct json_object *blocks, struct json_object *text)
{
  struct json_object *block;

  if (text == NULL || json_object_get_string_len (text) == 0)
    return;
  block = new_block (j, "text");
  kwp_put_ref (&j->nomem, block, "text", text);
  kwp_append (&j->nomem, blocks, block);
}

static void
put_base64 (struct job *j, struct json_object *source, const struct kwp_part *p,
            const char *media_type)
{
  kwp_put_string (&j->nomem, source, "media_type", media_type);
  kwp_put (&j->nomem, source, "data", json_object_new_string_len (p->data, (int) p->len));
}

static int
add_image (struct job *j, struct json_object *blocks, const struct kwp_part *p)
{
  static const char *const types[] = { "image/jpeg", "image/png", "image/gif", "image/webp" };
  const char *type = kwp_is (p->media_type, "image/jpg") ? types[0] : p->media_type;
  struct json_object *block, *source;
  size_t i = 0;

  if (p->detail != NULL)
    return kwp_cannot (&j->chat, &p->at, "image_url.detail", p->detail, NULL);
  while (p->url == NULL && i < KWP_ARRAY_SIZE (types) && !kwp_is (type, types[i]))
    i++;
  if (i == KWP_ARRAY_SIZE (types))
    return kwp_cannot (&j->chat, &p->at, "image_url.url", NULL,
                       "it takes image/jpeg, image/png, image/gif and image/webp");
  block = new_block (j, "image");
  source = new_block (j, p->url != NULL ? "url" : "base64");
  if (p->url != NULL)
    kwp_put_ref (&j->nomem, source, "url", p->url);
  else
    put_base64 (j, source, p, type);
  kwp_put (&j->nomem, block, "source", source);
  kwp_append (&j->nomem, blocks, block);
  return KW_OK;
}

static int
add_file (struct job *j, struct json_object *blocks, const struct kwp_part *p)
{
  struct json_object *block, *source;

  if (!kwp_is (p->media_type, "application/pdf"))
    return kwp_cannot (&j->chat, &p->at, "file.file_data", NULL, "it takes application/pdf");
  block = new_block (j, "document");
  source = new_block (j, "base64");
  put_base64 (j, source, p, p->media_type);
  kwp_put (&j->nomem, block, "source", source);
  kwp_put_ref (&j->nomem, block, "title", p->filename);
  kwp_append (&j->nomem, blocks, block);
  return KW_OK;
}

static int
add_parts (struct job *j, const struct kwp_message *m, struct json_object *blocks)
{
  for (size_t i = 0; i < m->n_parts; i++) {
    struct kwp_part p;
    int rc = kwp_chat_part (&j->chat, m, i, &p);

    if (rc == KW_OK && p.kind == KWP_TEXT)
      add_text (j, blocks, p.text);
    else if (rc == KW_OK)
      rc = p.kind == KWP_IMAGE ? add_image (j, blocks, &p) : add_file (j, blocks, &p);
    if (rc != KW_OK)
      return rc;
  }
  return KW_OK;
}

/* ---- Messages ------------------------------------------------------------ */

/* The blocks of the last message if it has that role, else of a new one: roles
 * take turns there, and all results of one turn's calls are one message. */
static struct json_object *
blocks_of (struct job *j, const char *role)
{
  size_t n = json_object_array_length (j->messages);
  struct json_object *m, *blocks;

  if (n > 0) {
    m = json_object_array_get_idx (j->messages, n - 1);
    if (kwp_is (json_object_get_string (kwp_member (m, "role")), role))
      return kwp_member (m, "content");
  }
  m = json_object_new_object ();
  blocks = json_object_new_array ();
  kwp_put_string (&j->nomem, m, "role", role);
  kwp_put (&j->nomem, m, "content", blocks);
  kwp_append (&j->nomem, j->messages, m);
  return j->nomem ? NULL : blocks;
}

static int
add_thinking (struct job *j, const struct kwp_message *m, struct json_object *blocks)
{
  static const struct kwp_field rules[] = {
    { "type", "s", NULL }, { "thinking", "s", NULL }, { "signature", "s", NULL },
    { "data", "s", NULL }, { NULL, NULL, NULL }
  };
  const struct kwp_at list = { .up = &m->at, .name = "thinking_blocks" };
  struct json_object *thinking = kwp_member (m->message, "thinking_blocks");

  if (thinking == NULL && kwp_member (m->message, "reasoning_content") != NULL)
    return kwp_cannot (&j->chat, &m->at, "reasoning_content", NULL,
                       "hand back the answer's thinking_blocks, which are signed");
  for (size_t i = 0; thinking != NULL && i < json_object_array_length (thinking); i++) {
    const struct kwp_at at = { .up = &list, .index = i };
    struct json_object *block = json_object_array_get_idx (thinking, i);
    int rc = kwp_check (&j->chat, &at, block, rules, NULL);
    if (rc != KW_OK)
      return rc;
    kwp_append (&j->nomem, blocks, json_object_get (block));
  }
  return KW_OK;
}

static int
add_calls (struct job *j, const struct kwp_message *m, struct json_object *blocks)
{
  for (size_t i = 0; i < m->n_calls; i++) {
    struct kwp_tool_call call;
    struct json_object *block;
    int rc = kwp_chat_call (&j->chat, m, i, &call);

    if (rc != KW_OK)
      return rc;
    block = new_block (j, "tool_use");
    kwp_put_ref (&j->nomem, block, "id", call.id);
    kwp_put_ref (&j->nomem, block, "name", call.name);
    kwp_put (&j->nomem, block, "input", call.arguments);
    kwp_append (&j->nomem, blocks, block);
  }
  return KW_OK;
}

static int
add_result (struct job *j, const struct kwp_message *m, struct json_object *blocks)
{
  struct json_object *block = new_block (j, "tool_result");
  struct json_object *content = json_object_new_array ();
  int rc = add_parts (j, m, content);

  kwp_put_ref (&j->nomem, block, "tool_use_id", m->tool_call_id);
  kwp_put (&j->nomem, block, "content", content);
  kwp_append (&j->nomem, blocks, block);
  return rc;
}

static int
add_message (struct job *j, size_t i)
{
  struct json_object *blocks;
  struct kwp_message m;
  int rc = kwp_chat_message (&j->chat, i, &m);

  if (rc != KW_OK)
    return rc;
  if (m.role == KWP_SYSTEM)
    return add_parts (j, &m, j->system);
  blocks = blocks_of (j, m.role == KWP_ASSISTANT ? "assistant" : "user");
  if (blocks == NULL)
    return KW_ERR_NOMEM;
  if (m.role == KWP_TOOL)
    return add_result (j, &m, blocks);
  if (m.role == KWP_USER)
    return add_parts (j, &m, blocks);
  if ((rc = add_thinking (j, &m, blocks)) != KW_OK
      || (rc = add_parts (j, &m, blocks)) != KW_OK)
    return rc;
  add_text (j, blocks, m.refusal);
  return add_calls (j, &m, blocks);
}

/* ---- Tools --------------------------------------------------------------- */

/* The API wants a schema, and its type said. */
static struct json_object *
make_schema (struct job *j, struct json_object *parameters)
{
  struct json_object *schema;
  struct json_object_iter m;

  if (kwp_member (parameters, "type") != NULL)
    return json_object_get (parameters);
  schema = json_object_new_object ();
  kwp_put_string (&j->nomem, schema, "type", "object");
  if (parameters == NULL)
    return schema;
  json_object_object_foreachC (parameters, m)
    if (m.val != NULL)
      kwp_put_ref (&j->nomem, schema, m.key, m.val);
    else if (!kwp_is (m.key, "type"))
      kwp_put_null (&j->nomem, schema, m.key);
  return schema;
}

static int
add_tools (struct job *j)
{
  size_t n = kwp_chat_tools (&j->chat);
  struct json_object *tools;

  if (n == 0)
    return KW_OK;
  tools = json_object_new_array ();
  kwp_put (&j->nomem, j->out, "tools", tools);
  for (size_t i = 0; i < n && !j->nomem; i++) {
    struct json_object *tool;
    struct kwp_tool t;
    int rc = kwp_chat_tool (&j->chat, i, &t);

    if (rc != KW_OK)
      return rc;
    tool = json_object_new_object ();
    kwp_put_ref (&j->nomem, tool, "name", t.name);
    kwp_put_ref (&j->nomem, tool, "description", t.description);
    kwp_put (&j->nomem, tool, "input_schema", make_schema (j, t.parameters));
    if (t.strict == 1)
      kwp_put (&j->nomem, tool, "strict", json_object_new_boolean (1));
    kwp_append (&j->nomem, tools, tool);
  }
  return KW_OK;
}

static int
add_tool_choice (struct job *j)
{
  static const char *const types[] = {
    [KWP_CHOICE_UNSAID] = "auto", [KWP_CHOICE_AUTO] = "auto", [KWP_CHOICE_NONE] = "none",
    [KWP_CHOICE_REQUIRED] = "any", [KWP_CHOICE_NAMED] = "tool",
  };
  struct json_object *parallel = kwp_said (&j->chat, "parallel_tool_calls"), *name, *o;
  int one = parallel != NULL && !json_object_get_boolean (parallel);
  enum kwp_choice choice;
  int rc = kwp_chat_tool_choice (&j->chat, &choice, &name);

  if (rc != KW_OK || kwp_chat_tools (&j->chat) == 0 || (choice == KWP_CHOICE_UNSAID && !one))
    return rc;
  o = new_block (j, types[choice]);
  kwp_put_ref (&j->nomem, o, "name", name);
  if (one && choice != KWP_CHOICE_NONE)
    kwp_put (&j->nomem, o, "disable_parallel_tool_use", json_object_new_boolean (1));
  kwp_put (&j->nomem, j->out, "tool_choice", o);
  return KW_OK;
}

/* ---- The rest ------------------------------------------------------------ */

/* The two names that OpenAI gives to who asks.  For finding abuse, both there
 * and here. */
static int
add_user (struct job *j)
{
  struct json_object *user = kwp_said (&j->chat, "user");
  struct json_object *safety = kwp_said (&j->chat, "safety_identifier"), *metadata;

  if (user != NULL && safety != NULL && !json_object_equal (user, safety))
    return kwp_cannot (&j->chat, NULL, "safety_identifier", safety, "user is another");
  if (user == NULL && safety == NULL)
    return KW_OK;
  metadata = json_object_new_object ();
  kwp_put_ref (&j->nomem, metadata, "user_id", user != NULL ? user : safety);
  kwp_put (&j->nomem, j->out, "metadata", metadata);
  return KW_OK;
}

static int
add_thinking_mode (struct job *j, struct json_object *config)
{
  static const char *const efforts[] = { "low", "medium", "high", "xhigh", "max" };
  struct json_object *effort = kwp_said (&j->chat, "reasoning_effort");
  struct json_object *thinking = kwp_said (&j->chat, "thinking");
  size_t i = 0;

  kwp_put_ref (&j->nomem, j->out, "thinking", thinking);
  if (effort == NULL)
    return KW_OK;
  while (i < KWP_ARRAY_SIZE (efforts) && !kwp_is (json_object_get_string (effort), efforts[i]))
    i++;
  if (i < KWP_ARRAY_SIZE (efforts))
    kwp_put_ref (&j->nomem, config, "effort", effort);
  else if (!kwp_is (json_object_get_string (effort), "none"))
    return kwp_cannot (&j->chat, NULL, "reasoning_effort", effort,
                       "it has none, low, medium, high, xhigh and max");
  else if (thinking != NULL)
    return kwp_cannot (&j->chat, NULL, "reasoning_effort", effort, "thinking says otherwise");
  else
    kwp_put (&j->nomem, j->out, "thinking", new_block (j, "disabled"));
  return KW_OK;
}

static int
add_output_config (struct job *j)
{
  struct json_object *config = json_object_new_object (), *schema, *o;
  enum kwp_format format;
  int rc = kwp_chat_format (&j->chat, &format, &schema);

  if (rc == KW_OK && format == KWP_FORMAT_JSON)
    rc = kwp_cannot (&j->chat, NULL, "response_format.type", kwp_member (
                       kwp_said (&j->chat, "response_format"), "type"), "it has json_schema");
  if (rc == KW_OK)
    rc = add_thinking_mode (j, config);
  if (rc == KW_OK && format == KWP_FORMAT_SCHEMA) {
    o = new_block (j, "json_schema");
    kwp_put_ref (&j->nomem, o, "schema", schema);
    kwp_put (&j->nomem, config, "format", o);
  }
  if (config != NULL && json_object_object_length (config) > 0)
    kwp_put_ref (&j->nomem, j->out, "output_config", config);
  json_object_put (config);
  return rc;
}

static int
add_settings (struct job *j, const struct anthropic *a)
{
  struct json_object *temperature, *top_p, *stop;
  int64_t max_tokens;
  int rc;

  if ((rc = kwp_chat_max_tokens (&j->chat, &max_tokens)) != KW_OK
      || (rc = kwp_chat_number (&j->chat, "temperature", 0, 1, &temperature)) != KW_OK
      || (rc = kwp_chat_number (&j->chat, "top_p", 0, 1, &top_p)) != KW_OK
      || (rc = kwp_chat_stop (&j->chat, &stop)) != KW_OK)
    return rc;
  kwp_put (&j->nomem, j->out, "max_tokens",
           json_object_new_int64 (max_tokens > 0 ? max_tokens : a->max_tokens));
  kwp_put_ref (&j->nomem, j->out, "temperature", temperature);
  kwp_put_ref (&j->nomem, j->out, "top_p", top_p);
  kwp_put_ref (&j->nomem, j->out, "top_k", kwp_said (&j->chat, "top_k"));
  if (stop != NULL)
    kwp_put (&j->nomem, j->out, "stop_sequences", stop);
  if (j->chat.stream)
    kwp_put (&j->nomem, j->out, "stream", json_object_new_boolean (1));
  return KW_OK;
}

static int
translate (struct job *j, const struct anthropic *a, const struct kw_call *call)
{
  struct json_object *model = kwp_said (&j->chat, "model");
  int rc;

  j->out = json_object_new_object ();
  j->system = json_object_new_array ();
  j->messages = json_object_new_array ();
  if (j->out == NULL || j->system == NULL || j->messages == NULL)
    return kwp_no_memory (&j->chat);
  if (model != NULL)
    kwp_put_ref (&j->nomem, j->out, "model", model);
  else if (call->model != NULL)
    kwp_put_string (&j->nomem, j->out, "model", call->model);
  else
    return kwp_wrong (&j->chat, NULL, "model", "a string");
  for (size_t i = 0; i < kwp_chat_messages (&j->chat) && !j->nomem; i++)
    if ((rc = add_message (j, i)) != KW_OK)
      return rc;
  if ((rc = add_settings (j, a)) != KW_OK || (rc = add_tools (j)) != KW_OK
      || (rc = add_tool_choice (j)) != KW_OK || (rc = add_user (j)) != KW_OK
      || (rc = add_output_config (j)) != KW_OK)
    return rc;
  if (json_object_array_length (j->system) > 0)
    kwp_put_ref (&j->nomem, j->out, "system", j->system);
  kwp_put_ref (&j->nomem, j->out, "messages", j->messages);
  return j->nomem ? kwp_no_memory (&j->chat) : KW_OK;
}

int
anthropic_translate_request (const struct anthropic *a, const struct kw_call *call,
                             struct kw_request *r)
{
  struct job j = { .nomem = 0 };
  const char *text = NULL;
  size_t len = 0;
  int rc = kwp_chat_open (&j.chat, a->host, a->in, &dialect, call->body, call->body_len);

  if (rc == KW_OK)
    rc = translate (&j, a, call);
  if (rc == KW_OK)
    text = json_object_to_json_string_length (j.out, JSON_C_TO_STRING_PLAIN
                                                     | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  if (rc == KW_OK)
    rc = text != NULL ? a->host->request_body (r, text, len) : kwp_no_memory (&j.chat);
  if (rc == KW_OK)
    rc = a->translate->request (r, ANTHROPIC_NOTE_USAGE,
                                j.chat.include_usage ? sizeof ANTHROPIC_NOTE_USAGE - 1 : 0);
  json_object_put (j.out);
  json_object_put (j.system);
  json_object_put (j.messages);
  kwp_chat_close (&j.chat);
  return rc;
}
