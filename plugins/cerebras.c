/* cerebras - a provider plugin for Cerebras Inference.
 *
 * The message begins with the limit's name ("Tokens per day limit exceeded");
 * code and type are the same for each window.  Buckets refill steadily. */
#include "kit/family.h"

static const struct kwp_row rows[] = {
  KWP_ROW ("x-ratelimit-", "requests-day", "requests", KWP_DAY),
  KWP_ROW ("x-ratelimit-", "tokens-day", "tokens", KWP_DAY),
  KWP_ROW ("x-ratelimit-", "requests-hour", "requests", KWP_HOUR),
  KWP_ROW ("x-ratelimit-", "tokens-hour", "tokens", KWP_HOUR),
  KWP_ROW ("x-ratelimit-", "requests-minute", "requests", KWP_MINUTE),
  KWP_ROW ("x-ratelimit-", "tokens-minute", "tokens", KWP_MINUTE),
};

static const struct kwp_rule rules[] = {
  /* Of the same type as a limit, but everybody's. */
  { KWP_CODE, 0, "queue_exceeded", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, NULL },
  { KWP_CODE, 0, "request_quota_exceeded", KWP_LIMIT, 0, NULL },
  { KWP_CODE, 0, "token_quota_exceeded", KWP_LIMIT, 0, NULL },
};

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
};
KWP_CREATE (family)

static const struct kw_provider cerebras = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "cerebras",
  .longname         = "Cerebras",
  .version          = "1.0",
  .description      = "Cerebras Inference, api.cerebras.ai",
  .config_help      = KWP_OPTIONS_HELP,
  .default_base_url = "https://api.cerebras.ai/v1",
  .default_model    = "llama3.1-8b",
  .key_env          = "CEREBRAS_API_KEY CEREBRAS_API_KEY_BACKUP, CEREBRAS_API_KEY_#",
  .prepare          = kwp_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (cerebras);
