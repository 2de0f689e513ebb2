/* azure - a provider plugin for Azure OpenAI: deployments instead of models in
 * the path, an api-version, the key in a header of its own.
 *
 * The text says "token rate limit" for every window: only a wait of an hour and
 * more tells a day.  The code is a text, "429".
 * https://learn.microsoft.com/azure/ai-foundry/openai/reference */
#include <stdio.h>

#include "kit/family.h"

struct azure {
  char api_version[32];
  char deployment[96];
};

static const struct kwp_row rows[] = {
  KWP_ROW ("x-ratelimit-", "requests", "requests", KWP_MINUTE),
  KWP_ROW ("x-ratelimit-", "tokens", "tokens", KWP_MINUTE),
};

static const struct kwp_rule rules[] = {
  /* The whole region's load, for a request of this size. */
  { KWP_CODE, 0, "no_capacity", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, NULL },
  { KWP_TYPE, 0, "no_capacity", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, NULL },
};

static int
judge (struct kwp_answer *a)
{
  int call = kwp_after_any (a->e.message, "call rate limit") != NULL;
  int token = kwp_after_any (a->e.message, "token rate limit") != NULL;
  /* API Management's, in front of it: "Quota will be replenished in ...". */
  int quota = a->status == 403 && kwp_after_any (a->e.message, "quota") != NULL;
  struct kwp_limit l;

  if (!call && !token && !quota)
    return 0;
  kwp_read_limit (a->e.message, a->e.type, kwp_stated_wait (a), &l);
  if (l.window_ms < 0 && !quota)
    l.window_ms = l.wait_ms >= KWP_HOUR ? KWP_DAY : KWP_MINUTE;
  if (!quota)
    (void) snprintf (l.unit, sizeof l.unit, "%s", token ? "tokens" : "requests");
  kwp_dimension (l.dimension, sizeof l.dimension, l.unit, l.window_ms);
  (void) kwp_judge_limit_of (a, &l);
  return quota && a->v->outcome == KW_OUTCOME_RATE_LIMIT && l.wait_ms < 0
         ? kwp_verdict (a, KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY, "quota") : 1;
}

/* What goes into the URL is not to be escaped, but to be right. */
static int
azure_config (struct kwp_instance *i, const char *key, const char *value)
{
  struct azure *az = i->own;
  char *to = kwp_is (key, "api_version") ? az->api_version
             : kwp_is (key, "deployment") ? az->deployment : NULL;
  size_t size = to == az->deployment ? sizeof az->deployment : sizeof az->api_version;
  size_t len = strlen (value);

  if (to == NULL)
    return KW_ERR_NOTFOUND;
  if (len == 0 || len >= size
      || len != strspn (value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789._-"))
    return kw_error (i->host, i->in, KW_ERR_CONFIG, "\"%.100s\" is not understood; "
                     "allowed: 1 to %zu of A-Z a-z 0-9 . _ -", value, size - 1);
  kwp_copy (to, size, value, len);
  return KW_OK;
}

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
  .judge = judge,
  .own_size = sizeof (struct azure),
  .config = azure_config,
};

static int
create (const struct kw_host *host, struct kw_instance *in, void **self)
{
  int rc = kwp_create (&family, host, in, self);

  if (rc == KW_OK)
    memcpy (((struct azure *) ((struct kwp_instance *) *self)->own)->api_version,
            "2024-10-21", sizeof "2024-10-21");
  return rc;
}

/* Of a deployment; the others (models, files, batches, responses) are the
 * resource's. */
static int
is_of_deployment (const char *path)
{
  return kwp_starts_with (path, "/chat/completions") || kwp_starts_with (path, "/completions")
         || kwp_starts_with (path, "/embeddings") || kwp_starts_with (path, "/audio/")
         || kwp_starts_with (path, "/images/");
}

/* BASE/openai/deployments/NAME/chat/completions?api-version=V, and for the API
 * that has no dated versions BASE/openai/v1/chat/completions. */
static int
azure_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  const struct kwp_instance *i = self;
  const struct azure *az = i->own;
  const char *name = az->deployment[0] != '\0' ? az->deployment : call->model;
  char join = strchr (call->path, '?') != NULL ? '&' : '?';
  char url[4096];
  int rc, n;

  if (kwp_is (az->api_version, "v1"))
    n = snprintf (url, sizeof url, "%s/openai/v1%s", call->base_url, call->path);
  else if (!is_of_deployment (call->path))
    n = snprintf (url, sizeof url, "%s/openai%s%capi-version=%s", call->base_url, call->path,
                  join, az->api_version);
  else if (name != NULL)
    n = snprintf (url, sizeof url, "%s/openai/deployments/%s%s%capi-version=%s",
                  call->base_url, name, call->path, join, az->api_version);
  else
    return kw_error (i->host, i->in, KW_ERR_CONFIG, "no deployment is named: set "
                     "\"deployment\", or a model, which is taken for its name");
  if (n < 0 || (size_t) n >= sizeof url)
    return kw_error (i->host, i->in, KW_ERR_RANGE, "base_url, deployment and path are too "
                     "long: %zu bytes are allowed together", sizeof url - 1);
  rc = i->host->request_method (r, call->method);
  if (rc == KW_OK)
    rc = i->host->request_url (r, url);
  if (rc == KW_OK)
    rc = i->host->request_secret_header (r, "api-key", "");
  return rc == KW_OK ? kwp_request_body (i, call, r) : rc;
}

static const struct kw_provider azure = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "azure",
  .longname         = "Azure OpenAI",
  .version          = "1.0",
  .description      = "Azure OpenAI: base_url = https://NAME.openai.azure.com",
  .config_help      = "deployment=<NAME>   the deployment; by default the model's name\n"
                      "api_version=<DATE>  2024-10-21 by default, or v1\n"
                      KWP_OPTIONS_HELP,
  .key_env          = "AZURE_OPENAI_API_KEY AZURE_OPENAI_API_KEY_BACKUP, "
                      "AZURE_OPENAI_API_KEY_#",
  .prepare          = azure_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (azure);
