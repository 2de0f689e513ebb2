/* rules - tables of what codes, types and words mean, and those that all
 * members have in common; see family.h. */
#include "family-parts.h"

/* Money before limits: some call what is spent a limit.  Then what a code or a
 * type says under any status, which often is 429 or 400 for all of them. */
static const struct kwp_rule common[] = {
#define BILLING(where, text) \
  { where, 0, text, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, NULL }
#define BILLING_WORDS(where, text) \
  { where, 0, text, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "no_credit" }
  BILLING (KWP_CODE_HAS, "insufficient_quota"), BILLING (KWP_CODE_HAS, "insufficient_balance"),
  BILLING (KWP_CODE_HAS, "insufficient_credit"), BILLING (KWP_CODE_HAS, "insufficient_funds"),
  BILLING (KWP_CODE_HAS, "billing"), BILLING (KWP_CODE_HAS, "credit_balance"),
  BILLING (KWP_CODE_HAS, "spend_limit"), BILLING (KWP_CODE_HAS, "spending"),
  BILLING (KWP_CODE_HAS, "payment_required"), BILLING (KWP_CODE_HAS, "budget_exceeded"),
  BILLING (KWP_CODE, "organization_restricted"),
  BILLING (KWP_CODE_HAS, "account_deactivated"), BILLING (KWP_CODE_HAS, "exceeded_current_quota"),
  BILLING_WORDS (KWP_STARTS, "You exceeded your current quota"),
  BILLING_WORDS (KWP_STARTS, "Billing hard limit"),
  BILLING_WORDS (KWP_STARTS, "Your credit balance"),
  BILLING_WORDS (KWP_STARTS, "Budget has been exceeded"),
  BILLING_WORDS (KWP_SAYS, "insufficient balance"),
  BILLING_WORDS (KWP_SAYS, "insufficient credit"),
  BILLING_WORDS (KWP_SAYS, "insufficient quota"),
  /* Not "no credits were charged". */
  BILLING_WORDS (KWP_SAYS, "have no credits"), BILLING_WORDS (KWP_SAYS, "no credits remaining"),
  BILLING_WORDS (KWP_SAYS, "no credits left"), BILLING_WORDS (KWP_SAYS, "out of credits"),
  BILLING_WORDS (KWP_SAYS, "credits are depleted"),
  BILLING_WORDS (KWP_SAYS, "available credits"),
  BILLING_WORDS (KWP_SAYS, "included credits"),
  BILLING_WORDS (KWP_SAYS, "credit balance"), BILLING_WORDS (KWP_SAYS, "credit limit"),
  BILLING_WORDS (KWP_SAYS, "spending limit"), BILLING_WORDS (KWP_SAYS, "spend limit"),
  BILLING_WORDS (KWP_SAYS, "spending cap"), BILLING_WORDS (KWP_SAYS, "is suspended"),
  BILLING_WORDS (KWP_SAYS, "account is not active"),

  { KWP_CODE_HAS, 0, "context_length", KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, NULL },
  { KWP_CODE, 0, "model_not_found", KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, NULL },
  { KWP_CODE_HAS, 0, "content_policy", KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, NULL },
  { KWP_CODE_HAS, 0, "content_filter", KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, NULL },
  { KWP_SAYS, 403, "moderation", KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, "moderation" },
  { KWP_CODE, 0, "invalid_api_key", KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL },
  { KWP_STARTS, 0, "Incorrect API key", KW_OUTCOME_AUTH, KW_SCOPE_KEY, "invalid_api_key" },
  { KWP_STARTS, 0, "Invalid API key", KW_OUTCOME_AUTH, KW_SCOPE_KEY, "invalid_api_key" },
  { KWP_STARTS, 0, "API key not valid", KW_OUTCOME_AUTH, KW_SCOPE_KEY, "invalid_api_key" },
  { KWP_TYPE, 0, "authentication_error", KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL },

  /* Somebody else's load, though many answer it with 429. */
#define BUSY(where, text) \
  { where, 0, text, KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, "overloaded" }
  BUSY (KWP_CODE_HAS, "overloaded"), BUSY (KWP_SAYS, "overloaded"),
  BUSY (KWP_SAYS, "high demand"), BUSY (KWP_SAYS, "high traffic"),
  BUSY (KWP_SAYS, "capacity exceeded"), BUSY (KWP_SAYS, "at capacity"),
  { KWP_TYPE, 429, "server_error", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, NULL },

  { KWP_CODE_HAS, 0, "rate_limit", KWP_LIMIT, 0, NULL },
  { KWP_CODE_HAS, 0, "ratelimit", KWP_LIMIT, 0, NULL },
};

/* Statuses whose texts repeat what the request said. */
static int
echoes (int status)
{
  return status == 400 || (status >= 404 && status <= 422 && status != 412);
}

static int
fits (const struct kwp_answer *a, const struct kwp_rule *r)
{
  const struct kwp_error *e = &a->e;

  if (r->status != 0 && r->status != a->status)
    return 0;
  switch (r->where) {
  case KWP_CODE:
    return kwp_is (e->code, r->text);
  case KWP_TYPE:
    return kwp_is (e->type, r->text);
  case KWP_CODE_HAS:
    return kwp_after_any (e->code, r->text) != NULL
           || kwp_after_any (e->type, r->text) != NULL;
  case KWP_STARTS:
    return kwp_starts_with (e->message, r->text);
  case KWP_SAYS:
    return (r->status != 0 || !echoes (a->status))
           && kwp_after_any (e->message, r->text) != NULL;
  default:
    return 0;
  }
}

int
kwp_judge_by_rules (struct kwp_answer *a, const struct kwp_rule *rules, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (fits (a, &rules[i])) {
      if (rules[i].outcome == KWP_LIMIT)
        return kwp_judge_limit (a);
      if (rules[i].outcome == KW_OUTCOME_TRANSIENT)
        kwp_set_wait (a, kwp_error_wait (a));
      return kwp_verdict (a, rules[i].outcome, rules[i].scope, rules[i].reason);
    }
  return 0;
}

int
kwp_judge_by_common_rules (struct kwp_answer *a)
{
  return kwp_judge_by_rules (a, common, KWP_ARRAY_SIZE (common));
}
