/* together - a provider plugin for Together AI.
 *
 * A limit of requests and an empty purse have one type ("credit_limit"): the
 * limit is the one that names a window, the purse comes as 402. */
#include "kit/family.h"

/* Both are of a second. */
static const struct kwp_row rows[] = {
  { "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "requests",
    KWP_SECOND },
  { "x-tokenlimit-limit", "x-tokenlimit-remaining", NULL, "tokens", KWP_SECOND },
};

static int
judge (struct kwp_answer *a)
{
  struct kwp_limit l;

  if (kwp_after_any (a->e.message, "rate limit") == NULL)
    return 0;
  kwp_read_limit (a->e.message, a->e.type, kwp_stated_wait (a), &l);
  return l.window_ms > 0 ? kwp_judge_limit_of (a, &l) : 0;
}

static const struct kwp_rule rules[] = {
  { KWP_STARTS, 0, "Credit limit exceeded", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, NULL },
};

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
  .judge = judge,
};
KWP_CREATE (family)

static const struct kw_provider together = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "together",
  .longname         = "Together AI",
  .version          = "1.0",
  .description      = "Together AI, api.together.xyz",
  .config_help      = KWP_OPTIONS_HELP,
  .default_base_url = "https://api.together.xyz/v1",
  .default_model    = "meta-llama/Llama-3.3-70B-Instruct-Turbo",
  .key_env          = "TOGETHER_API_KEY TOGETHER_API_KEY_BACKUP, TOGETHER_API_KEY_#",
  .prepare          = kwp_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (together);
