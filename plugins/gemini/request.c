/* request - a Chat Completions request as one of Gemini's generateContent: all
 * but its messages, which contents.c writes.  Knows no URL and no answer. */
#include <string.h>

#include "gemini.h"

static const char *const says[] = {
  "frequency_penalty", "logprobs", "max_completion_tokens", "max_tokens", "n",
  "presence_penalty", "reasoning_effort", "response_format", "seed", "stop",
  "temperature", "tool_choice", "tools", "top_logprobs", "top_p", NULL
};

/* "extra_body" and "extra_content" are what Google's own OpenAI endpoint calls
 * them: https://ai.google.dev/gemini-api/docs/openai */
static const struct kwp_field own_members[] = {
  { "extra_body", "o", "{}" }, { "top_k", "i", NULL }, { NULL, NULL, NULL }
};
static const struct kwp_field own_assistant[] = {
  { "extra_content", "o", "{}" }, { "reasoning_content", "s", NULL }, { NULL, NULL, NULL }
};
static const struct kwp_field own_calls[] = {
  { "extra_content", "o", "{}" }, { NULL, NULL, NULL }
};

static const struct kwp_dialect dialect = {
  .api = "Gemini's generateContent",
  .says = says,
  .own = own_members,
  .own_assistant = own_assistant,
  .own_calls = own_calls,
  .user_parts = KWP_IMAGE | KWP_FILE | KWP_AUDIO,
};

static int
word (struct json_object *string, const char *s)
{
  return json_object_is_type (string, json_type_string)
         && kwp_is (json_object_get_string (string), s);
}

/* ---- Numbers ------------------------------------------------------------- */

/* What says nothing is left out: models that take no penalty refuse a 0. */
static int
put_numbers (struct gemini_request *r)
{
  static const struct {
    const char *name, *theirs;
    double lo, hi, neutral;     /* neutral below lo: none */
  } rows[] = {
    { "temperature", "temperature", 0, 2, -1 },
    { "top_p", "topP", 0, 1, -1 },
    { "top_k", "topK", 1, INT32_MAX, 0 },
    { "seed", "seed", INT32_MIN, INT32_MAX, -1e12 },
    { "n", "candidateCount", 1, GEMINI_MAX_CHOICES, 1 },
    { "presence_penalty", "presencePenalty", -2, 2, 0 },
    { "frequency_penalty", "frequencyPenalty", -2, 2, 0 },
    { "top_logprobs", "logprobs", 0, 20, 0 },
  };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (rows); i++) {
    struct json_object *o;
    int rc = kwp_chat_number (&r->chat, rows[i].name, rows[i].lo, rows[i].hi, &o);

    if (rc != KW_OK)
      return rc;
    double value = json_object_get_double (o);
    if (value < rows[i].neutral || value > rows[i].neutral)
      kwp_put_ref (&r->nomem, r->config, rows[i].theirs, o);
  }
  return KW_OK;
}

static int
put_logprobs (struct gemini_request *r)
{
  struct json_object *wanted = kwp_said (&r->chat, "logprobs");

  if (json_object_get_boolean (wanted))
    kwp_put_ref (&r->nomem, r->config, "responseLogprobs", wanted);
  else if (json_object_get_int (kwp_said (&r->chat, "top_logprobs")) > 0)
    return kwp_wrong (&r->chat, NULL, "top_logprobs", "left out where logprobs is not true");
  return KW_OK;
}

static int
put_output (struct gemini_request *r)
{
  enum kwp_format format;
  struct json_object *schema, *stop;
  int64_t max;
  int rc = kwp_chat_max_tokens (&r->chat, &max);

  if (rc != KW_OK || (rc = kwp_chat_format (&r->chat, &format, &schema)) != KW_OK
      || (rc = kwp_chat_stop (&r->chat, &stop)) != KW_OK)
    return rc;
  if (max >= 0)                 /* thoughts count on both sides */
    kwp_put (&r->nomem, r->config, "maxOutputTokens", json_object_new_int64 (max));
  if (stop != NULL)
    kwp_put (&r->nomem, r->config, "stopSequences", stop);
  if (format != KWP_FORMAT_TEXT)
    kwp_put_string (&r->nomem, r->config, "responseMimeType", "application/json");
  if (format == KWP_FORMAT_SCHEMA) /* JSON Schema as it is; responseSchema wants another */
    kwp_put_ref (&r->nomem, r->config, "responseJsonSchema", schema);
  return KW_OK;
}

/* ---- Thinking ------------------------------------------------------------ */

/* As Google's own OpenAI endpoint does it: levels from Gemini 3 on, before that
 * a budget of tokens. */
static int
put_effort (struct gemini_request *r, struct json_object *effort)
{
  static const struct { const char *effort, *level; int budget; } rows[] = {
    { "none", NULL, 0 }, { "minimal", "minimal", 1024 }, { "low", "low", 1024 },
    { "medium", "medium", 8192 }, { "high", "high", 24576 },
  };
  struct json_object *thinking;
  size_t i = 0;

  while (i < KWP_ARRAY_SIZE (rows) && !word (effort, rows[i].effort))
    i++;
  if (i == KWP_ARRAY_SIZE (rows))
    return kwp_cannot (&r->chat, NULL, "reasoning_effort", effort,
                       "it is none, minimal, low, medium or high there");
  if (r->by_level && rows[i].level == NULL)
    return kwp_cannot (&r->chat, NULL, "reasoning_effort", effort,
                       "from Gemini 3 on thinking cannot be turned off, and minimal is least");
  thinking = json_object_new_object ();
  if (!r->by_level)
    kwp_put (&r->nomem, thinking, "thinkingBudget", json_object_new_int (rows[i].budget));
  else                          /* the Pro models know no "minimal" */
    kwp_put_string (&r->nomem, thinking, "thinkingLevel",
                    i == 1 && strstr (r->model, "-pro") != NULL ? "low" : rows[i].level);
  kwp_put (&r->nomem, r->config, "thinkingConfig", thinking);
  return KW_OK;
}

static int
put_thinking (struct gemini_request *r, const struct kwp_at *google, struct json_object *config)
{
  static const struct kwp_field rules[] = {
    { "include_thoughts", "b", NULL }, { "thinking_budget", "i", NULL },
    { "thinking_level", "s", NULL }, { NULL, NULL, NULL }
  };
  const struct kwp_at at = { .up = google, .name = "thinking_config" };
  int rc = kwp_check (&r->chat, &at, config, rules, NULL);
  struct json_object *thinking;

  if (rc != KW_OK)
    return rc;
  if (kwp_said (&r->chat, "reasoning_effort") != NULL
      && (kwp_member (config, "thinking_budget") != NULL
          || kwp_member (config, "thinking_level") != NULL))
    return kwp_wrong (&r->chat, NULL, "reasoning_effort",
                      "left out where thinking_config says how much to think");
  thinking = kwp_member (r->config, "thinkingConfig");
  if (thinking == NULL) {
    thinking = json_object_new_object ();
    kwp_put (&r->nomem, r->config, "thinkingConfig", thinking);
    if (r->nomem)
      return KW_OK;             /* said at the end */
  }
  kwp_put_ref (&r->nomem, thinking, "includeThoughts", kwp_member (config, "include_thoughts"));
  kwp_put_ref (&r->nomem, thinking, "thinkingBudget", kwp_member (config, "thinking_budget"));
  kwp_put_ref (&r->nomem, thinking, "thinkingLevel", kwp_member (config, "thinking_level"));
  return KW_OK;
}

static int
put_extra (struct gemini_request *r)
{
  static const struct kwp_field rules[] = { { "google", "o", NULL }, { NULL, NULL, NULL } };
  static const struct kwp_field google_rules[] = {
    { "cached_content", "s", NULL }, { "safety_settings", "a", NULL },
    { "thinking_config", "o", NULL }, { NULL, NULL, NULL }
  };
  static const struct kwp_at at = { .name = "extra_body" };
  static const struct kwp_at google_at = { .up = &at, .name = "google" };
  struct json_object *extra = kwp_said (&r->chat, "extra_body"), *google, *thinking;
  struct json_object *effort = kwp_said (&r->chat, "reasoning_effort");
  int rc = effort != NULL ? put_effort (r, effort) : KW_OK;

  if (rc != KW_OK || extra == NULL)
    return rc;
  if ((rc = kwp_check (&r->chat, &at, extra, rules, NULL)) != KW_OK)
    return rc;
  google = kwp_member (extra, "google");
  if (google == NULL)
    return KW_OK;
  if ((rc = kwp_check (&r->chat, &google_at, google, google_rules, NULL)) != KW_OK)
    return rc;
  kwp_put_ref (&r->nomem, r->body, "cachedContent", kwp_member (google, "cached_content"));
  kwp_put_ref (&r->nomem, r->body, "safetySettings", kwp_member (google, "safety_settings"));
  thinking = kwp_member (google, "thinking_config");
  return thinking != NULL ? put_thinking (r, &google_at, thinking) : KW_OK;
}

/* ---- Tools --------------------------------------------------------------- */

static int
put_choice (struct gemini_request *r, int strict)
{
  /* Strict: calls keep to their schema, as ANY makes sure of anyway. */
  static const char *const modes[] = { NULL, "AUTO", "NONE", "ANY", "ANY" };
  struct json_object *calling, *config, *names, *name;
  enum kwp_choice choice;
  const char *mode;
  int rc = kwp_chat_tool_choice (&r->chat, &choice, &name);

  if (rc != KW_OK)
    return rc;
  mode = modes[choice];
  if (strict && (choice == KWP_CHOICE_UNSAID || choice == KWP_CHOICE_AUTO))
    mode = "VALIDATED";
  if (mode == NULL)
    return KW_OK;
  calling = json_object_new_object ();
  kwp_put_string (&r->nomem, calling, "mode", mode);
  if (name != NULL) {
    names = json_object_new_array ();
    kwp_append (&r->nomem, names, json_object_get (name));
    kwp_put (&r->nomem, calling, "allowedFunctionNames", names);
  }
  config = json_object_new_object ();
  kwp_put (&r->nomem, config, "functionCallingConfig", calling);
  kwp_put (&r->nomem, r->body, "toolConfig", config);
  return KW_OK;
}

static int
put_tools (struct gemini_request *r)
{
  size_t n = kwp_chat_tools (&r->chat);
  struct json_object *list, *tools, *declarations;
  int strict = 0;

  if (n > 0) {
    declarations = json_object_new_array ();
    list = json_object_new_object ();
    kwp_put (&r->nomem, list, "functionDeclarations", declarations);
    tools = json_object_new_array ();
    kwp_append (&r->nomem, tools, list);
    kwp_put (&r->nomem, r->body, "tools", tools);
    for (size_t i = 0; i < n && !r->nomem; i++) {
      struct kwp_tool t;
      int rc = kwp_chat_tool (&r->chat, i, &t);
      if (rc != KW_OK)
        return rc;
      struct json_object *f = json_object_new_object ();
      kwp_put_ref (&r->nomem, f, "name", t.name);
      kwp_put_ref (&r->nomem, f, "description", t.description);
      if (t.parameters != NULL && json_object_object_length (t.parameters) > 0)
        kwp_put_ref (&r->nomem, f, "parametersJsonSchema", t.parameters);
      kwp_append (&r->nomem, declarations, f);
      strict |= t.strict == 1;
    }
  }
  return put_choice (r, strict);
}

/* ---- The whole ----------------------------------------------------------- */

int
gemini_request_open (struct gemini_request *r, const struct gemini *g, const char *model,
                     const void *body, uint64_t len)
{
  int rc;

  memset (r, 0, sizeof *r);
  r->model = model;
  r->by_level = kwp_starts_with (model, "gemini-") && !kwp_starts_with (model, "gemini-1")
                && !kwp_starts_with (model, "gemini-2");
  rc = kwp_chat_open (&r->chat, g->host, g->in, &dialect, body, len);
  if (rc != KW_OK)
    return rc;
  r->names = json_object_new_object ();
  r->body = json_object_new_object ();
  r->contents = json_object_new_array ();
  r->config = json_object_new_object ();
  r->nomem |= r->names == NULL;
  kwp_put (&r->nomem, r->body, "contents", r->contents);
  kwp_put (&r->nomem, r->body, "generationConfig", r->config);
  if (r->nomem)
    return kwp_no_memory (&r->chat);

  if ((rc = gemini_contents (r)) != KW_OK || (rc = put_tools (r)) != KW_OK
      || (rc = put_numbers (r)) != KW_OK || (rc = put_logprobs (r)) != KW_OK
      || (rc = put_output (r)) != KW_OK || (rc = put_extra (r)) != KW_OK)
    return rc;
  if (r->nomem)
    return kwp_no_memory (&r->chat);
  if (json_object_object_length (r->config) == 0)
    json_object_object_del (r->body, "generationConfig");
  return KW_OK;
}

void
gemini_request_close (struct gemini_request *r)
{
  json_object_put (r->names);
  json_object_put (r->body);
  kwp_chat_close (&r->chat);
}
