/* deepseek - a provider plugin for the DeepSeek API.
 *
 * There are no limits, only load, and a balance that runs out (402).  The code
 * is "invalid_request_error" for everything: the type and the status tell.
 * https://api-docs.deepseek.com/quick_start/error_codes */
#include "kit/family.h"

static const struct kwp_rule rules[] = {
  { KWP_STARTS, 0, "Insufficient Balance", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT,
    "insufficient_balance" },
};

static int
judge (struct kwp_answer *a)
{
  /* The type says more than that code. */
  if (a->e.type[0] != '\0' && kwp_is (a->e.code, "invalid_request_error"))
    kwp_copy (a->v->reason, sizeof a->v->reason, a->e.type, strlen (a->e.type));
  return 0;
}

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .judge = judge,
};
KWP_CREATE (family)

static const struct kw_provider deepseek = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "deepseek",
  .longname         = "DeepSeek",
  .version          = "1.0",
  .description      = "The DeepSeek API, api.deepseek.com",
  .config_help      = KWP_OPTIONS_HELP,
  .default_base_url = "https://api.deepseek.com/v1",
  .default_model    = "deepseek-chat",
  .key_env          = "DEEPSEEK_API_KEY DEEPSEEK_API_KEY_BACKUP, DEEPSEEK_API_KEY_#",
  .prepare          = kwp_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (deepseek);
