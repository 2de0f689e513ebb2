/* anthropic - a provider plugin for Anthropic's own API, the Messages API.
 *
 * Chat Completions are translated, both ways, in anthropic/; requests with
 * another path go out as they are.  This file has Anthropic's facts.
 *
 * Limits belong to an organization and a model, are per minute and refill
 * steadily; of a day there were some in 2024.  Money is told by texts alone,
 * under status 400 or 429, and a spent month ends at 00:00 UTC on the 1st.
 * https://platform.claude.com/docs/en/api/rate-limits and .../api/errors */
#include "anthropic/translate.h"

/* Anthropic requires a number, and has no default.  Of a model that thinks it
 * is all that it thinks and says. */
#define MAX_TOKENS 4096

#define ROW(kind, unit) \
  { "anthropic-ratelimit-" kind "-limit", "anthropic-ratelimit-" kind "-remaining", \
    "anthropic-ratelimit-" kind "-reset", unit, KWP_MINUTE }
static const struct kwp_row rows[] = {
  ROW ("input-tokens", "input_tokens"), ROW ("output-tokens", "output_tokens"),
  ROW ("requests", "requests"), ROW ("tokens", "tokens"),
};

/* ---- Answers ------------------------------------------------------------- */

/* Does the API say so itself?  A text that repeats what a request said begins
 * with the place of it: "messages.0.content: ...". */
static int
says (const struct kwp_answer *a, const char *words)
{
  const char *text = a->e.message;

  return text[strspn (text, "abcdefghijklmnopqrstuvwxyz0123456789_.[]-")] != ':'
         && kwp_after_any (text, words) != NULL;
}

/* A monthly sum that Anthropic or the organization itself has set. */
static int
is_spent (const struct kwp_answer *a)
{
  char code[64];

  return (kwp_json (a, "/error/details/error_code", code, sizeof code)
          && strstr (code, "spend_limit") != NULL)
         || says (a, "usage limits") || says (a, "spend limit") || says (a, "regain access");
}

static int
judge (struct kwp_answer *a)
{
  int limit = kwp_is (a->e.type, "rate_limit_error") || kwp_is (a->e.code, "rate_limit_error");
  struct kwp_limit l;

  if ((a->status < 500 || limit) && is_spent (a)) {
    int64_t at = kwp_text_instant (a->e.message);
    kwp_set_reset (a, at > a->resp->received_ms ? at
                      : kwp_next_month_utc (a->resp->received_ms));
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "spend_limit_reached");
  }
  if (says (a, "credit balance"))
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "no_credit");
  if (says (a, "extra usage"))  /* of a subscription, beyond what it includes */
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT_MODEL, "extra_usage");
  if ((a->status == 400 || a->status == 0) && says (a, "disabled")
      && (says (a, "organization") || says (a, "account")))
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "organization_disabled");
  if ((limit || a->status == 429) && says (a, "concurrent")) {
    kwp_set_wait (a, kwp_stated_wait (a));
    return kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, KW_SCOPE_ACCOUNT_MODEL,
                        "concurrent_requests");
  }
  if (!limit)
    return 0;
  /* No type: it tells no unit here, while the headers may. */
  kwp_read_limit (a->e.message, "", kwp_stated_wait (a), &l);
  return kwp_judge_limit_of (a, &l);
}

/* ---- Options ------------------------------------------------------------- */

static int
set_text (const struct anthropic *a, char *to, size_t size, const char *value)
{
  size_t len = strlen (value);

  if (len == 0 || len >= size
      || len != strspn (value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789._-, "))
    return kw_error (a->host, a->in, KW_ERR_CONFIG, "\"%.100s\" is not understood; "
                     "allowed: 1 to %zu of A-Z a-z 0-9 . _ - , and blanks", value, size - 1);
  kwp_copy (to, size, value, len);
  return KW_OK;
}

static int
anthropic_config (struct kwp_instance *i, const char *key, const char *value)
{
  struct anthropic *a = i->own;

  if (kwp_is (key, "anthropic_version"))
    return set_text (a, a->version, sizeof a->version, value);
  if (kwp_is (key, "anthropic_beta"))
    return set_text (a, a->beta, sizeof a->beta, value);
  if (!kwp_is (key, "max_tokens"))
    return KW_ERR_NOTFOUND;
  if (value[strspn (value, "0123456789")] != '\0' || strlen (value) > 9 || kwp_count (value) < 1)
    return kw_error (a->host, a->in, KW_ERR_CONFIG, "\"%.100s\" is no number of tokens; "
                     "allowed: 1 to 999999999", value);
  a->max_tokens = kwp_count (value);
  return KW_OK;
}

static const struct kwp_family family = {
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
  .account_header = "anthropic-organization-id",
  .judge = judge,
  .own_size = sizeof (struct anthropic),
  .config = anthropic_config,
};

/* Tokens to the cache and from it are not in input_tokens; -1: none are said. */
static int64_t
count_input (const struct kwp_answer *a, const char *const pointers[3])
{
  int64_t sum = -1;

  for (size_t i = 0; i < 3; i++) {
    int64_t n = kwp_json_count (a, pointers[i]);
    if (n >= 0)
      sum = (sum > 0 ? sum : 0) + n;
  }
  return sum;
}

static void
set_usage (struct kw_verdict *v, int64_t input, int64_t output)
{
  if (input < 0 && output < 0)
    return;
  v->input_tokens = input;      /* -1: what another event said stands */
  v->output_tokens = output;
  v->have |= KW_HAVE_USAGE;
}

/* An event of the API's that is no error, known or newer. */
static int
is_event (const struct kwp_answer *a)
{
  char type[64];

  return kwp_json (a, "/type", type, sizeof type)
         && (kwp_starts_with (type, "message_") || kwp_starts_with (type, "content_block_")
             || kwp_is (type, "ping"));
}

static int
anthropic_classify (void *self, const struct kw_response *resp, struct kw_verdict *v)
{
  static const char *const in_answer[] = {
    "/usage/input_tokens", "/usage/cache_creation_input_tokens",
    "/usage/cache_read_input_tokens"
  };
  static const char *const in_start[] = {
    "/message/usage/input_tokens", "/message/usage/cache_creation_input_tokens",
    "/message/usage/cache_read_input_tokens"
  };
  struct kwp_answer a = { .i = self, .resp = resp, .v = v };
  int64_t input, output;
  int rc;

  if (resp->in_stream && is_event (&a)) {
    (void) kwp_verdict (&a, KW_OUTCOME_OK, KW_SCOPE_DEFAULT, NULL);
    input = count_input (&a, in_start);
    output = kwp_json_count (&a, "/message/usage/output_tokens");
    if (input < 0 && output < 0) {
      input = count_input (&a, in_answer);
      output = kwp_json_count (&a, "/usage/output_tokens");
    }
    set_usage (v, input, output);
    return KW_OK;
  }
  rc = kwp_classify (self, resp, v);
  if (rc == KW_OK && v->outcome == KW_OUTCOME_OK && (input = count_input (&a, in_answer)) >= 0)
    set_usage (v, input, kwp_json_count (&a, "/usage/output_tokens"));
  return rc;
}

/* ---- Requests ------------------------------------------------------------ */

static int
add_headers (const struct anthropic *a, struct kw_request *r)
{
  int rc = a->host->request_secret_header (r, "x-api-key", "");

  if (rc == KW_OK)
    rc = a->host->request_header (r, "anthropic-version", a->version);
  if (rc == KW_OK && a->beta[0] != '\0')
    rc = a->host->request_header (r, "anthropic-beta", a->beta);
  return rc;
}

/* The path without its query is that, or with below lies under it. */
static int
is_path (const char *path, const char *known, int below)
{
  size_t len = strlen (known);

  return strncmp (path, known, len) == 0
         && (path[len] == '\0' || path[len] == '?' || (below && path[len] == '/'));
}

/* What Anthropic's own API has; of what is asked for beside it nothing could be
 * translated.  https://docs.anthropic.com/en/api/overview */
static int
is_native (const char *path)
{
  static const char *const known[] = { "/messages", "/models", "/files", "/complete",
                                       "/skills", "/organizations" };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (known); i++)
    if (is_path (path, known[i], 1))
      return 1;
  return 0;
}

static int
anthropic_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  const struct kwp_instance *i = self;
  const struct anthropic *a = i->own;
  struct kw_call native = *call;
  int rc;

  if (is_path (call->path, "/chat/completions", 0)) {
    if (a->translate == NULL)
      return kw_error (i->host, i->in, KW_ERR_UNSUPPORTED, "Anthropic has no %s, and this "
                       "keywheel is too old to have answers translated; use a newer one, or "
                       "the path /messages with a body for it", call->path);
    native.path = "/messages";
    native.body_len = 0;        /* written by the translation */
  }
  else if (!is_native (call->path))
    return kw_error (i->host, i->in, KW_ERR_UNSUPPORTED, "Anthropic has no %.100s, and only "
                     "/chat/completions is translated", call->path);
  rc = i->host->request_method (r, call->method);
  if (rc == KW_OK)
    rc = kwp_request_url (i, &native, r);
  if (rc == KW_OK)
    rc = add_headers (a, r);
  if (rc == KW_OK)
    rc = kwp_request_body (i, &native, r);
  if (rc == KW_OK && native.path != call->path)
    rc = anthropic_translate_request (a, call, r);
  return rc;
}

/* ---- The instance -------------------------------------------------------- */

static int
create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  const struct kw_translate_host *translate = NULL;
  int rc = kwp_create (&family, host, in, self);
  struct anthropic *a;

  if (rc != KW_OK)
    return rc;
  if (host->get_extension != NULL)
    translate = host->get_extension (KW_EXT_TRANSLATE);
  a = ((struct kwp_instance *) *self)->own;
  a->host = host;
  a->in = in;
  if (translate != NULL && KW_HAS (struct kw_translate_host, translate, output))
    a->translate = translate;
  a->max_tokens = MAX_TOKENS;
  kwp_copy (a->version, sizeof a->version, "2023-06-01", 10);
  return KW_OK;
}

static const void *
anthropic_get_extension (void *self, const char *id)
{
  static const struct kw_translate translate = {
    .struct_size  = sizeof translate,
    .reply        = anthropic_reply,
    .stream_begin = anthropic_stream_begin,
    .stream_event = anthropic_stream_event,
    .stream_end   = anthropic_stream_end,
  };

  (void) self;
  return kwp_is (id, KW_EXT_TRANSLATE) ? &translate : NULL;
}

static const struct kw_provider anthropic = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "anthropic",
  .longname         = "Anthropic",
  .version          = "1.0",
  .description      = "The Claude API, api.anthropic.com: Chat Completions are translated",
  .config_help      = "max_tokens=<NUMBER>       for requests that name none; 4096 by default\n"
                      "anthropic_version=<DATE>  2023-06-01 by default\n"
                      "anthropic_beta=<NAMES>    beta features, with commas between them\n"
                      KWP_OPTIONS_HELP,
  .default_base_url = "https://api.anthropic.com/v1",
  .default_model    = "claude-sonnet-5",
  .key_env          = "ANTHROPIC_API_KEY ANTHROPIC_API_KEY_BACKUP, ANTHROPIC_API_KEY_#",
  .thread_model     = KW_THREAD_PARALLEL, /* hot calls write to no instance */
  .create           = create,
  .destroy          = kwp_destroy,
  .config           = kwp_config,
  .prepare          = anthropic_prepare,
  .classify         = anthropic_classify,
  .get_extension    = anthropic_get_extension,
};

KW_REGISTER_PROVIDER (anthropic);
