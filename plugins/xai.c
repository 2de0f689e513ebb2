/* xai - a provider plugin for the xAI API (Grok).
 *
 * The error is a text, its code a text beside it.  Limits belong to a team and
 * a model, and none of a day is documented.  A wrong key is a 400, an empty
 * purse a 429 or a 403.  https://docs.x.ai/docs/key-information/consumption-and-rate-limits */
#include "kit/family.h"

static const struct kwp_row rows[] = {
  KWP_ROW ("x-ratelimit-", "requests", "requests", 0),
  KWP_ROW ("x-ratelimit-", "tokens", "tokens", 0),
};

static const struct kwp_rule rules[] = {
  { KWP_STARTS, 0, "Incorrect API key", KW_OUTCOME_AUTH, KW_SCOPE_KEY, "invalid_api_key" },
  { KWP_CODE_HAS, 0, "unauthenticated", KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL },
  /* "... doesn't have any credits yet", with the code "permission-denied". */
  { KWP_SAYS, 0, "credits", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "no_credits" },
};

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
};
KWP_CREATE (family)

static const struct kw_provider xai = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "xai",
  .longname         = "xAI",
  .version          = "1.0",
  .description      = "The xAI API, api.x.ai: Grok models",
  .config_help      = KWP_OPTIONS_HELP,
  .default_base_url = "https://api.x.ai/v1",
  .default_model    = "grok-3-mini",
  .key_env          = "XAI_API_KEY XAI_API_KEY_BACKUP, XAI_API_KEY_#",
  .prepare          = kwp_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (xai);
