/* openrouter - a provider plugin for OpenRouter, which hands requests on to
 * other providers.
 *
 * metadata.limit_source says whose limit it was, and goes before the status: a
 * 402 may be a mere wait, a 429 somebody else's billing.  Free models have a
 * day, the UTC one, for all keys of an account together; resets are epoch
 * milliseconds in a copy of the headers inside the body.
 * https://openrouter.ai/docs/api-reference/limits */
#include <stdio.h>

#include "kit/family.h"

/* Beside the message, or one level up where the error's members stand at the
 * top; and each of them where something in between has wrapped the answer. */
static int
metadata (const struct kwp_answer *a, const char *member, char *buf, size_t size)
{
  static const char *const places[] = {
    "/error/metadata/", "/metadata/", "/0/error/metadata/", "/0/metadata/",
    "/error/message/error/metadata/", "/error/message/metadata/",
  };
  char pointer[96];

  for (size_t i = 0; i < KWP_ARRAY_SIZE (places); i++) {
    int n = snprintf (pointer, sizeof pointer, "%s%s", places[i], member);
    if (n > 0 && (size_t) n < sizeof pointer && kwp_json (a, pointer, buf, size))
      return 1;
  }
  return 0;
}
#define METADATA(a, member, buf) metadata (a, member, buf, sizeof buf)

/* The platform's own limits; the copies in the body are there when the headers
 * are not, as in a stream. */
static int
judge_own_limit (struct kwp_answer *a, const char *source)
{
  struct kwp_limit l;
  char buf[32];

  kwp_read_limit (a->e.message, a->e.type, kwp_stated_wait (a), &l);
  if (l.window_ms < 0 && strstr (source, "daily") != NULL)
    l.window_ms = KWP_DAY;
  if (l.window_ms < 0 && strstr (source, "per_minute") != NULL)
    l.window_ms = KWP_MINUTE;
  if (METADATA (a, "headers/X-RateLimit-Limit", buf) && l.limit < 0)
    l.limit = kwp_count (buf);
  if (!METADATA (a, "headers/X-RateLimit-Reset", buf)) {
    const char *reset = kwp_header (a, "x-ratelimit-reset");
    kwp_copy (buf, sizeof buf, reset != NULL ? reset : "", reset != NULL ? strlen (reset) : 0);
  }
  if (l.wait_ms < 0 && kwp_instant (buf) > a->resp->received_ms)
    l.wait_ms = kwp_wait (buf, a->resp->received_ms);
  if (l.window_ms > 0) {
    kwp_copy (l.unit, sizeof l.unit, "requests", 8);
    kwp_dimension (l.dimension, sizeof l.dimension, l.unit, l.window_ms);
  }
  return kwp_judge_limit_of (a, &l);
}

/* "Key limit exceeded (daily limit)": what its owner lets one key spend.  Ends
 * with the UTC day or month; a total never does. */
static int
judge_key_limit (struct kwp_answer *a)
{
  int64_t now = a->resp->received_ms;

  if (kwp_after_any (a->e.message, "daily") != NULL) {
    kwp_set_reset (a, kwp_next_midnight_utc (now));
    return kwp_verdict (a, KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY, "credits_per_day");
  }
  if (kwp_after_any (a->e.message, "monthly") != NULL) {
    kwp_set_reset (a, kwp_next_month_utc (now));
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_KEY, "credits_per_month");
  }
  return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_KEY, "key_limit");
}

/* The user's own key at the other provider ("byok") may be the one that is
 * wrong; that provider's words are in metadata.raw. */
static int
is_bad_own_key (const struct kwp_answer *a)
{
  char byok[8], raw[4096];

  return a->status >= 400 && a->status <= 403 && METADATA (a, "is_byok", byok)
         && kwp_is (byok, "true") && METADATA (a, "raw", raw)
         && (strstr (raw, "API_KEY_INVALID") != NULL || strstr (raw, "invalid_api_key") != NULL
             || strstr (raw, "authentication_error") != NULL);
}

static int
judge (struct kwp_answer *a)
{
  char source[64], buf[96];

  if (METADATA (a, "limit_source", source)) {
    if (strstr (source, "free_tier") != NULL)
      return judge_own_limit (a, source);
    kwp_set_wait (a, kwp_stated_wait (a));
    if (kwp_starts_with (source, "upstream"))
      return kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, KW_SCOPE_ACCOUNT_MODEL, source);
    if (strstr (source, "in_flight") != NULL)
      return kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, KW_SCOPE_ACCOUNT, "in_flight_budget");
    if (strstr (source, "admission") != NULL)
      return kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, KW_SCOPE_ACCOUNT, source);
  }
  if (strstr (source, "key_limit") != NULL || kwp_starts_with (a->e.message, "Key limit exceeded"))
    return judge_key_limit (a);
  if (strstr (source, "credits") != NULL)
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, source);
  if (is_bad_own_key (a))
    return kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_KEY_MODEL, "own_key_invalid");
  if (a->status == 402 && METADATA (a, "reason", buf) && strstr (buf, "in_flight") != NULL) {
    kwp_set_wait (a, kwp_stated_wait (a));
    return kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, KW_SCOPE_ACCOUNT, "in_flight_budget");
  }
  if (a->status == 403 && a->e.is_json) /* moderation, or a model not for everyone */
    return kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST,
                        METADATA (a, "reasons/0", buf) ? "moderation" : "forbidden");
  if (a->status == 429 && METADATA (a, "raw", buf)) /* the other provider's */
    return kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, KW_SCOPE_ACCOUNT_MODEL, "upstream");
  return a->status == 429 ? judge_own_limit (a, source) : 0;
}

static int
judge_with_account (struct kwp_answer *a)
{
  static const char *const places[] = {
    "/user_id", "/error/user_id", "/0/user_id", "/error/message/user_id",
  };
  char user[64] = "";

  for (size_t i = 0; i < KWP_ARRAY_SIZE (places) && user[0] == '\0'; i++)
    if (kwp_json (a, places[i], user, sizeof user))
      kwp_set_account (a, user);
  return judge (a);
}

static const struct kwp_family family = {
  .judge = judge_with_account,
  .day_ends = kwp_next_midnight_utc,
  .buckets_at_once = 1,
};
KWP_CREATE (family)

static const struct kw_provider openrouter = {
  ._header          = KW_PROVIDER_HEADER_INIT,
  .name             = "openrouter",
  .longname         = "OpenRouter",
  .version          = "1.0",
  .description      = "OpenRouter, openrouter.ai: many providers behind one API",
  .config_help      = KWP_OPTIONS_HELP,
  .default_base_url = "https://openrouter.ai/api/v1",
  .default_model    = "openrouter/auto",
  .key_env          = "OPENROUTER_API_KEY OPENROUTER_API_KEY_BACKUP, OPENROUTER_API_KEY_#",
  .prepare          = kwp_prepare,
  KWP_CALLBACKS
};

KW_REGISTER_PROVIDER (openrouter);
