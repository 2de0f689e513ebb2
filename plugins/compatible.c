/* compatible - a provider plugin for any server that speaks Chat Completions:
 * providers without a plugin of their own, and vLLM, llama.cpp, LiteLLM, Ollama.
 *
 * The facts here are of those that are used so.  What they leave out is said in
 * the INI, by options and by rules (kit/ini-rule.h). */
#include "compatible/compatible.h"

#define MONTH (30 * KWP_DAY)

/* Whoever has limits shows them so, the longest windows first: of several that
 * have nothing left the longest counts. */
#define WINDOWS(name, unit)                                             \
  KWP_ROW ("x-ratelimit-", name "-month", unit, MONTH),                 \
  KWP_ROW ("x-ratelimit-", name "-day", unit, KWP_DAY),                 \
  KWP_ROW ("x-ratelimit-", name "-hour", unit, KWP_HOUR),               \
  KWP_ROW ("x-ratelimit-", name "-minute", unit, KWP_MINUTE),           \
  KWP_ROW ("x-ratelimit-", name "-second", unit, KWP_SECOND)

static const struct kwp_row rows[] = {
  WINDOWS ("requests", "requests"), WINDOWS ("req", "requests"), WINDOWS ("tokens", "tokens"),
  KWP_ROW ("x-ratelimit-", "requests", "requests", KWP_BY_REFILL),
  KWP_ROW ("x-ratelimit-", "tokens", "tokens", KWP_BY_REFILL),
  /* Fireworks */
  KWP_ROW ("x-ratelimit-", "tokens-prompt", "input_tokens", KWP_MINUTE),
  KWP_ROW ("x-ratelimit-", "tokens-generated", "output_tokens", KWP_MINUTE),
  /* Kong */
  KWP_ROW ("x-ratelimit-", "month", "requests", MONTH),
  KWP_ROW ("x-ratelimit-", "day", "requests", KWP_DAY),
  KWP_ROW ("x-ratelimit-", "hour", "requests", KWP_HOUR),
  KWP_ROW ("x-ratelimit-", "minute", "requests", KWP_MINUTE),
  KWP_ROW ("x-ratelimit-", "second", "requests", KWP_SECOND),
  { "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "requests",
    KWP_BY_RESET },
  /* Cohere's trial keys */
  { "x-trial-endpoint-call-limit", "x-trial-endpoint-call-remaining", NULL, "requests",
    KWP_MINUTE },
};

static const struct kwp_rule rules[] = {
  /* Bedrock: names of exceptions, in a header as a rule.
   * https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html */
#define AWS(name, outcome, scope) { KWP_CODE_HAS, 0, name, outcome, scope, NULL }
  AWS ("ThrottlingException", KWP_LIMIT, 0),
  AWS ("TooManyRequestsException", KWP_LIMIT, 0),
  AWS ("ServiceQuotaExceededException", KWP_LIMIT, 0),
  AWS ("ModelNotReadyException", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST),
  AWS ("ModelTimeoutException", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST),
  AWS ("ModelErrorException", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST),
  AWS ("ModelStreamErrorException", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST),
  AWS ("InternalServerException", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST),
  AWS ("ServiceUnavailableException", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST),
  AWS ("AccessDeniedException", KW_OUTCOME_AUTH, KW_SCOPE_KEY),
  AWS ("UnrecognizedClientException", KW_OUTCOME_AUTH, KW_SCOPE_KEY),
  AWS ("ExpiredTokenException", KW_OUTCOME_AUTH, KW_SCOPE_KEY),
  AWS ("InvalidSignatureException", KW_OUTCOME_AUTH, KW_SCOPE_KEY),
  AWS ("IncompleteSignature", KW_OUTCOME_AUTH, KW_SCOPE_KEY),

  /* Z.ai: all of them with 429.  https://docs.z.ai/api-reference/api-code */
#define ZAI(code, outcome, scope, reason) { KWP_CODE, 429, code, outcome, scope, reason }
  ZAI ("1110", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "account_inactive"),
  ZAI ("1112", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "account_locked"),
  ZAI ("1113", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "in_arrears"),
  ZAI ("1121", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "account_locked"),
  ZAI ("1304", KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT_MODEL, "requests_per_day"),
  ZAI ("1305", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, "overloaded"),
  ZAI ("1308", KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT, "usage_per_5_hours"),
  ZAI ("1309", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "plan_expired"),
  ZAI ("1310", KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_ACCOUNT, "usage_per_week"),
  ZAI ("1312", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, "overloaded"),

  /* NVIDIA: this function's servers fail, though it is a 400. */
  { KWP_SAYS, 400, "DEGRADED function", KW_OUTCOME_TRANSIENT, KW_SCOPE_REQUEST, "degraded" },
  /* Hugging Face, with 400 */
  { KWP_STARTS, 0, "Authorization header is correct, but the token seems invalid",
    KW_OUTCOME_AUTH, KW_SCOPE_KEY, "invalid_token" },
  { KWP_STARTS, 0, "This organization has been disabled", KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT,
    "organization_disabled" },
};

static int
says (const struct kwp_answer *a, const char *words)
{
  return kwp_after_any (a->e.message, words) != NULL;
}

/* "Key limit exceeded (daily limit)": somebody's own bound, which is no fault of
 * the key. */
static int
judge_forbidden (struct kwp_answer *a)
{
  struct kwp_limit l;

  if (!says (a, "limit exceeded") && !says (a, "usage limit") && !says (a, "quota"))
    return 0;
  kwp_read_limit (a->e.message, a->e.type, kwp_stated_wait (a), &l);
  if (says (a, "rate limit") || l.window_ms == KWP_DAY)
    return kwp_judge_limit_of (a, &l);
  kwp_set_wait (a, l.wait_ms);
  return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_KEY, "limit_exceeded");
}

static int
judge (struct kwp_answer *a)
{
  int64_t now = a->resp->received_ms;

  if (compatible_judge_google (a))
    return 1;
  /* Anthropic's, of a month that is spent. */
  if (kwp_starts_with (a->e.message, "You have reached your")
      && says (a, "regain access on")) {
    kwp_set_reset (a, kwp_text_instant (a->e.message));
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "spend_limit_reached");
  }
  if (a->status == 402 && says (a, "monthly included credits")) {
    kwp_set_reset (a, kwp_next_month_utc (now));
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, "credits_per_month");
  }
  /* No bill is paid by trying again. */
  if (a->status == 402 && says (a, "retry") && kwp_stated_wait (a) >= 0)
    return kwp_judge_limit (a);
  return a->status == 403 && a->e.is_json ? judge_forbidden (a) : 0;
}

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
  .code_header = "x-amzn-errortype",
  .limit_header = "x-ratelimit-type", /* GitHub Models: "UserByModelByDay" */
  .usage_at = "/x_groq/usage",
  .error_at = "/x_groq/error",
  .report = compatible_report_ratelimit,
  .judge = judge,
  .own_size = sizeof (struct compatible), .own_free = compatible_free,
  .config = compatible_config,
};
KWP_CREATE (family)

static const struct kw_provider compatible = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "compatible",
  .longname         = "OpenAI-compatible",
  .version          = "1.0",
  .description      = "Any server that speaks Chat Completions; base_url names it",
  .config_help      = "auth=<HOW>          bearer, none, header NAME [PREFIX]\n"
                      "account_header=<NAME>  a header that names the account\n"
                      "day_ends=<WHEN>     rolling, midnight_utc, midnight_pacific\n"
                      "header_NAME=<VALUE> one more header of each request\n"
                      KWP_OPTIONS_HELP,
  .key_env          = "COMPATIBLE_API_KEY COMPATIBLE_API_KEY_BACKUP, COMPATIBLE_API_KEY_#",
  .prepare          = compatible_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (compatible);
