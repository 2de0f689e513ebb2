/* mistral - a provider plugin for Mistral's La Plateforme.
 *
 * Limits belong to the workspace, and the body is the same for each of them
 * (code 1300): the window is in the name of the header that has nothing left. */
#include "kit/family.h"

#define MONTH (30 * KWP_DAY)

static const struct kwp_row rows[] = {
  KWP_ROW ("x-ratelimit-", "tokens-month", "tokens", MONTH),
  KWP_ROW ("x-ratelimit-", "req-month", "requests", MONTH),
  KWP_ROW ("x-ratelimit-", "req-day", "requests", KWP_DAY),
  KWP_ROW ("x-ratelimit-", "tokens-minute", "tokens", KWP_MINUTE),
  KWP_ROW ("x-ratelimit-", "req-minute", "requests", KWP_MINUTE),
  KWP_ROW ("x-ratelimit-", "req-second", "requests", KWP_SECOND),
};

static const struct kwp_rule rules[] = {
  { KWP_CODE, 0, "3505", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, "capacity" },
  { KWP_STARTS, 0, "Service tier capacity exceeded", KW_OUTCOME_TRANSIENT,
    KW_SCOPE_REQUEST, "capacity" },
  { KWP_CODE, 0, "1300", KWP_LIMIT, 0, NULL },
  { KWP_TYPE, 0, "rate_limited", KWP_LIMIT, 0, NULL },
};

/* An allowance of nothing: the plan does not have this model. */
static int
judge (struct kwp_answer *a)
{
  if (a->status == 429 && a->spent.unit != NULL && a->spent.limit == 0)
    return kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, "no_access");
  return 0;
}

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
  .judge = judge,
  .day_ends = kwp_next_month_utc, /* no limit of a single day is named */
  .buckets_at_once = 1,
};
KWP_CREATE (family)

static const struct kw_provider mistral = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "mistral",
  .longname         = "Mistral AI",
  .version          = "1.0",
  .description      = "Mistral's La Plateforme, api.mistral.ai",
  .config_help      = KWP_OPTIONS_HELP,
  .default_base_url = "https://api.mistral.ai/v1",
  .default_model    = "mistral-small-latest",
  .key_env          = "MISTRAL_API_KEY MISTRAL_API_KEY_BACKUP, MISTRAL_API_KEY_#",
  .prepare          = kwp_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (mistral);
