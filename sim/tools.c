/* tools - calls of tools, and instances of schemas (see tools.h).
 * https://platform.openai.com/docs/guides/function-calling, .../structured-outputs */
#include "dialect.h"
#include "tools.h"

#include <json-c/json.h>
#include <string.h>

/* A schema that contains itself ends here. */
#define DEPTH_MAX 16

/* ---- reading ---------------------------------------------------------------- */

/* Chat Completions have it one level deeper than Responses. */
static json_object *
function_of (json_object *tool)
{
  json_object *inner = sim_member (tool, "function", json_type_object);

  return inner != NULL ? inner : tool;
}

/* After a tool's result comes the text. */
static int
is_answered (json_object *root)
{
  json_object *all = sim_member (root, "messages", json_type_array);
  json_object *last;

  if (all == NULL)
    all = sim_member (root, "input", json_type_array);
  if (all == NULL || json_object_array_length (all) == 0)
    return 0;
  last = json_object_array_get_idx (all, json_object_array_length (all) - 1);
  return strcmp (sim_text_member (last, "role"), "tool") == 0
         || strcmp (sim_text_member (last, "type"), "function_call_output") == 0;
}

static void
read_tools (struct sim_request *r)
{
  json_object *tools = sim_member (r->root, "tools", json_type_array);
  const char *named = sim_text_member (
    function_of (sim_member (r->root, "tool_choice", json_type_object)), "name");
  size_t n = tools != NULL ? json_object_array_length (tools) : 0;

  if (strcmp (sim_text_member (r->root, "tool_choice"), "none") == 0
      || is_answered (r->root))
    return;
  for (size_t i = 0; i < n; i++) {
    json_object *function = function_of (json_object_array_get_idx (tools, i));
    const char *name = sim_text_member (function, "name");
    if (name[0] == '\0' || (named[0] != '\0' && strcmp (name, named) != 0))
      continue;
    r->tool = name;
    r->schema = sim_member (function, "parameters", json_type_object);
    return;
  }
}

void
sim_tools_read (struct sim_request *r)
{
  json_object *format = sim_member (r->root, "response_format", json_type_object);
  json_object *inner;

  read_tools (r);
  if (format == NULL)
    format = sim_member (sim_member (r->root, "text", json_type_object), "format",
                         json_type_object);
  if (r->tool != NULL || strncmp (sim_text_member (format, "type"), "json_", 5) != 0)
    return;
  inner = sim_member (format, "json_schema", json_type_object);
  r->json = 1;
  r->schema = sim_member (inner != NULL ? inner : format, "schema", json_type_object);
}

/* ---- instances -------------------------------------------------------------- */

struct making {
  json_object *root;            /* where references lead */
  const char *text;
};

static json_object *make (const struct making *, json_object *schema, int depth);

/* "#/$defs/step" */
static json_object *
refer (const struct making *m, const char *ref)
{
  json_object *found = NULL;

  if (ref[0] == '#' && json_pointer_get (m->root, ref + 1, &found) == 0)
    return found;
  return NULL;
}

/* Its one type, or the first of several. */
static const char *
type_of (json_object *schema)
{
  json_object *types = sim_member (schema, "type", json_type_array);
  json_object *first = types != NULL ? json_object_array_get_idx (types, 0) : NULL;

  if (first != NULL)
    return json_object_get_string (first);
  if (sim_member (schema, "properties", json_type_object) != NULL)
    return "object";
  return sim_text_member (schema, "type");
}

static json_object *
make_object (const struct making *m, json_object *schema, int depth)
{
  json_object *made = json_object_new_object ();
  json_object *properties = sim_member (schema, "properties", json_type_object);
  struct json_object_iterator at, end;

  if (properties == NULL)
    return made;
  end = json_object_iter_end (properties);
  for (at = json_object_iter_begin (properties); !json_object_iter_equal (&at, &end);
       json_object_iter_next (&at))
    json_object_object_add (made, json_object_iter_peek_name (&at),
                            make (m, json_object_iter_peek_value (&at), depth));
  return made;
}

static json_object *
make_type (const struct making *m, json_object *schema, int depth)
{
  const char *type = type_of (schema);
  json_object *items;

  if (strcmp (type, "object") == 0)
    return make_object (m, schema, depth);
  if (strcmp (type, "array") == 0) {
    items = sim_member (schema, "items", json_type_object);
    return items != NULL ? sim_list (make (m, items, depth)) : json_object_new_array ();
  }
  if (strcmp (type, "integer") == 0 || strcmp (type, "number") == 0)
    return sim_number (1);
  if (strcmp (type, "boolean") == 0)
    return json_object_new_boolean (1);
  return strcmp (type, "null") == 0 ? NULL : sim_text (m->text);
}

static json_object *
make (const struct making *m, json_object *schema, int depth)
{
  static const char *const lists[] = { "enum", "anyOf", "oneOf", "allOf" };
  const char *ref = sim_text_member (schema, "$ref");
  json_object *value;

  if (depth == DEPTH_MAX)
    return NULL;
  if (ref[0] != '\0')
    return make (m, refer (m, ref), depth + 1);
  if (json_object_object_get_ex (schema, "const", &value))
    return json_object_get (value);
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    json_object *list = sim_member (schema, lists[i], json_type_array);
    if (list == NULL || json_object_array_length (list) == 0)
      continue;
    value = json_object_array_get_idx (list, 0);
    return i == 0 ? json_object_get (value) : make (m, value, depth + 1);
  }
  return make_type (m, schema, depth + 1);
}

char *
sim_instance (json_object *schema, const char *text)
{
  const struct making m = { .root = schema, .text = text };
  json_object *made = schema != NULL ? make (&m, schema, 0)
                                     : sim_object ("reply", sim_text (text), NULL);
  char *s = strdup (json_object_to_json_string_ext (made, JSON_C_TO_STRING_PLAIN
                                                          | JSON_C_TO_STRING_NOSLASHESCAPE));

  json_object_put (made);
  return s;
}

size_t
sim_word (const char *s)
{
  size_t blanks = strspn (s, " ");

  return blanks + strcspn (s + blanks, " ");
}
