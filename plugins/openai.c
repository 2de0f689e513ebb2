/* openai - a provider plugin for the OpenAI API.
 *
 * Limits belong to the organization and the model, and refill steadily: a
 * day's limit may state a wait of eight seconds (86400 s / 10000 requests), and
 * only the words "per day (RPD)" tell it from a minute's, as type and code are
 * the same.  https://platform.openai.com/docs/guides/rate-limits */
#include "kit/family.h"

/* Per minute or per day, as the model has it: the numbers tell. */
static const struct kwp_row rows[] = {
  KWP_ROW ("x-ratelimit-", "requests", "requests", 0),
  KWP_ROW ("x-ratelimit-", "tokens", "tokens", 0),
};

static const struct kwp_rule rules[] = {
  /* Where the request comes from: every key would get it. */
  { KWP_CODE, 0, "unsupported_country_region_territory", KW_OUTCOME_AUTH,
    KW_SCOPE_PROVIDER, NULL },
  { KWP_CODE, 0, "slow_down", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, NULL },
};

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
  .account_header = "openai-organization",
};
KWP_CREATE (family)

static const struct kw_provider openai = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "openai",
  .longname         = "OpenAI",
  .version          = "1.0",
  .description      = "The OpenAI API, api.openai.com",
  .config_help      = KWP_OPTIONS_HELP,
  .default_base_url = "https://api.openai.com/v1",
  .default_model    = "gpt-4o-mini",
  .key_env          = "OPENAI_API_KEY OPENAI_API_KEY_BACKUP, OPENAI_API_KEY_#",
  .prepare          = kwp_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (openai);
