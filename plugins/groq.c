/* groq - a provider plugin for the Groq API, a member of the family that speaks
 * Chat Completions.
 *
 * A plugin does two things, and no I/O: it builds a request and says what an
 * answer means.  This file has Groq's facts and exceptions; kit/family.h says
 * what the tables mean.  Day or minute is told by the limit message alone: code
 * and type are the same for both. */
#include "kit/family.h"

/* "requests" is the day's and "tokens" the minute's, whatever has run out. */
static const struct kwp_row rows[] = {
  KWP_ROW ("x-ratelimit-", "requests", "requests", KWP_DAY),
  KWP_ROW ("x-ratelimit-", "tokens", "tokens", KWP_MINUTE),
  KWP_ROW ("x-ratelimit-", "audio-seconds", "audio_seconds", KWP_HOUR),
};

/* Out of money or shut out is a 400 as a rule. */
static const struct kwp_rule rules[] = {
#define BLOCKED(where, text, reason) \
  { where, 0, text, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, reason }
  BLOCKED (KWP_CODE, "organization_restricted", NULL),
  BLOCKED (KWP_CODE, "spend_limit_reached", NULL),
  BLOCKED (KWP_CODE, "blocked_api_access", NULL),
  BLOCKED (KWP_STARTS, "Organization has been restricted", "organization_blocked"),
  BLOCKED (KWP_STARTS, "Organization has blocked API access", "organization_blocked"),
};

/* 403 is three things, and only one of them is the key's fault. */
static int
judge_forbidden (struct kwp_answer *a)
{
  const struct kwp_error *e = &a->e;
  const char *model = kwp_after (e->message, "The model `");

  if (kwp_starts_with (e->code, "model_permission_blocked")
      || kwp_is (e->type, "permissions_error")
      || (kwp_starts_with (e->message, "The model ")
          && strstr (e->message, " blocked at the ") != NULL)) {
    if (model != NULL)
      kwp_copy (a->v->model, sizeof a->v->model, model, strcspn (model, "`"));
    return kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_ACCOUNT_MODEL,
                        a->v->reason[0] == '\0' ? "model_blocked" : NULL);
  }
  if (e->is_json && e->code[0] == '\0' && e->type[0] == '\0')
    return kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_PROVIDER,
                        "network_blocked"); /* our address: every key would get it */
  return 0;
}

static int
judge (struct kwp_answer *a)
{
  if (a->status == 403 || kwp_is (a->e.type, "permissions_error"))
    return judge_forbidden (a);
  if (a->status == 498)         /* the flex tier is full; others are not */
    return kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_DEFAULT, "flex_capacity");
  return 0;
}

static const struct kwp_family family = {
  .rules = rules, .n_rules = KWP_ARRAY_SIZE (rules),
  .rows = rows, .n_rows = KWP_ARRAY_SIZE (rows),
  .usage_at = "/x_groq/usage",  /* a stream's last chunk */
  .error_at = "/x_groq/error",
  .judge = judge,
};
KWP_CREATE (family)

static const struct kw_provider groq = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "groq",
  .longname         = "Groq",
  .version          = "1.1",
  .description      = "GroqCloud, api.groq.com: fast inference of open models",
  .config_help      = KWP_OPTIONS_HELP,
  .default_base_url = "https://api.groq.com/openai/v1",
  .default_model    = "llama-3.3-70b-versatile",
  .key_env          = "GROQ_API_KEY GROQ_API_KEY_BACKUP, GROQ_API_KEY_#",
  .prepare          = kwp_prepare,
  /* No build_probe: GET /models answers for a key that is used up as well, and
   * never says whose it is; the host's own probe, a chat of one token, does. */
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (groq);
