/* fallback - what the core takes a plugin's verdict for.
 *
 * Pure: no plugin is called, no clock read, no memory taken.  Whatever a plugin
 * left open gets its default here, whatever is out of range is dropped, and
 * where it did not know the HTTP status decides.  Knows no provider. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "answer.h"
#include "fallback.h"
#include "instance.h"

#define MAX_WAIT_MS (INT64_C (400) * 86400 * 1000)

uint32_t
kwi_fallback_outcome (int32_t status)
{
  if (status >= 200 && status <= 299)
    return KW_OUTCOME_OK;
  switch (status) {
  case 401:
  case 403:
    return KW_OUTCOME_AUTH;
  case 402:
    return KW_OUTCOME_BILLING;
  case 429:
    return KW_OUTCOME_RATE_LIMIT;
  case 408:                     /* Request Timeout */
  case 425:                     /* Too Early, RFC 8470: try again later */
    return KW_OUTCOME_TRANSIENT;
  default:
    break;
  }
  if (status >= 300 && status <= 499)
    return KW_OUTCOME_REQUEST;
  return KW_OUTCOME_TRANSIENT;  /* 5xx, no answer, no status there is */
}

static int
is_token (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'
         || c == '-';
}

/* Printable ASCII, ended: names end up in logs, JSON and other machines'
 * stores.  token: of it only what is_token. */
static void
clean (char *dst, size_t size, const char *src, int token)
{
  size_t i;

  for (i = 0; i + 1 < size && src[i] != '\0'; i++) {
    char c = src[i];
    if (token && c >= 'A' && c <= 'Z')
      c = (char) (c + 32);
    if (c < 0x20 || c > 0x7e || (token && !is_token (c)))
      c = token ? '_' : '?';
    dst[i] = c;
  }
  dst[i] = '\0';
}

static void
clean_token (char *dst, size_t size, const char *src)
{
  clean (dst, size, src, 1);
}

static int64_t
clamp_wait (int64_t ms)
{
  if (ms < 0)
    return 0;
  return ms < MAX_WAIT_MS ? ms : MAX_WAIT_MS;
}

/* From then to at, whatever the two are: no overflow on the way. */
static int64_t
wait_until (int64_t at, int64_t then)
{
  if (at <= then)
    return 0;
  if (then < 0 && at > INT64_MAX + then)
    return MAX_WAIT_MS;
  return clamp_wait (at - then);
}

/* ---- Scopes -------------------------------------------------------------- */

static uint32_t
default_scope (uint32_t outcome, int has_account)
{
  switch (outcome) {
  case KW_OUTCOME_DAILY_LIMIT:
  case KW_OUTCOME_RATE_LIMIT:
    return has_account ? KW_SCOPE_ACCOUNT_MODEL : KW_SCOPE_KEY_MODEL;
  case KW_OUTCOME_AUTH:
    return KW_SCOPE_KEY;
  case KW_OUTCOME_BILLING:
    return has_account ? KW_SCOPE_ACCOUNT : KW_SCOPE_KEY;
  default:
    return KW_SCOPE_REQUEST;
  }
}

/* An account that nobody named cannot be parked; its key can. */
static uint32_t
scope_without_account (uint32_t scope)
{
  if (scope == KW_SCOPE_ACCOUNT)
    return KW_SCOPE_KEY;
  if (scope == KW_SCOPE_ACCOUNT_MODEL)
    return KW_SCOPE_KEY_MODEL;
  return scope;
}

static uint32_t
settle_scope (uint32_t scope, uint32_t outcome, int has_account)
{
  /* What the policy may switch on has to park something: a switch that parks
   * nothing would come back to the same key at once, and for ever. */
  int must_park = outcome == KW_OUTCOME_DAILY_LIMIT ||
                  outcome == KW_OUTCOME_BILLING ||
                  outcome == KW_OUTCOME_RATE_LIMIT ||
                  outcome == KW_OUTCOME_AUTH;

  if (outcome == KW_OUTCOME_OK)
    return KW_SCOPE_REQUEST;    /* there is nothing to park */
  if (scope > KW_SCOPE_PROVIDER || scope == KW_SCOPE_DEFAULT ||
      (must_park && scope == KW_SCOPE_REQUEST))
    return default_scope (outcome, has_account);
  return has_account ? scope : scope_without_account (scope);
}

static uint32_t
settle_bucket_scope (uint32_t scope, int has_account)
{
  if (scope > KW_SCOPE_PROVIDER || scope == KW_SCOPE_DEFAULT ||
      scope == KW_SCOPE_REQUEST)
    return has_account ? KW_SCOPE_ACCOUNT_MODEL : KW_SCOPE_KEY_MODEL;
  return has_account ? scope : scope_without_account (scope);
}

/* ---- Buckets ------------------------------------------------------------- */

/* A field that is claimed and makes sense; else 0, and no longer claimed. */
static int64_t
keep (struct kwi_bucket *b, uint32_t bit, int64_t value, int64_t least)
{
  if ((b->have & bit) != 0 && value >= least)
    return value;
  b->have &= ~bit;
  return 0;
}

void
kwi_fallback_bucket (const struct kw_bucket *said, int64_t received_ms,
                     struct kwi_bucket *b)
{
  memset (b, 0, sizeof *b);
  b->scope = said->scope;
  b->rolling = said->rolling != 0;
  b->have = said->have & (KW_HAVE_LIMIT | KW_HAVE_USED | KW_HAVE_REMAINING |
                          KW_HAVE_REQUESTED | KW_HAVE_WINDOW |
                          KW_HAVE_FULL_AT);
  b->limit = keep (b, KW_HAVE_LIMIT, said->limit, 0);
  b->used = keep (b, KW_HAVE_USED, said->used, 0);
  b->remaining = keep (b, KW_HAVE_REMAINING, said->remaining, 0);
  b->requested = keep (b, KW_HAVE_REQUESTED, said->requested, 0);
  b->window_ms = keep (b, KW_HAVE_WINDOW, said->window_ms, 1);
  if (b->window_ms > MAX_WAIT_MS)
    b->window_ms = MAX_WAIT_MS;
  b->full_at_ms = keep (b, KW_HAVE_FULL_AT, said->full_at_ms, 1);
  if (b->full_at_ms != 0 &&
      wait_until (b->full_at_ms, received_ms) >= MAX_WAIT_MS)
    b->full_at_ms = received_ms + MAX_WAIT_MS;
  clean_token (b->dimension, sizeof b->dimension, said->dimension);
}

/* ---- Verdicts ------------------------------------------------------------ */

/* Did the whole of an answer come?  A plugin that looks at the status only
 * would call the first half of a body served. */
static int
is_whole (const struct kwi_answer *a)
{
  return a->status != 0 && a->net == KW_NET_OK;
}

static uint32_t
settle_outcome (uint32_t said, const struct kwi_answer *a, uint32_t *fell_back)
{
  *fell_back = 0;
  if (said == KW_OUTCOME_UNKNOWN || said > KW_OUTCOME_TRANSIENT) {
    *fell_back = 1;
    /* The stream's status was good long before this event. */
    said = a->in_stream ? KW_OUTCOME_OK : kwi_fallback_outcome (a->status);
  }
  if (said == KW_OUTCOME_OK && !is_whole (a)) {
    *fell_back = 1;
    return KW_OUTCOME_TRANSIENT;
  }
  return said;
}

static int64_t
settle_wait (const struct kw_verdict *said, uint32_t outcome,
             const struct kwi_answer *a)
{
  if ((said->have & KW_HAVE_RETRY_AFTER) != 0)
    return clamp_wait (said->retry_after_ms);
  if ((said->have & KW_HAVE_RESET_AT) != 0)
    return wait_until (said->reset_at_ms, a->received_ms);
  /* On other outcomes the header stands too, but waiting never helps. */
  if (outcome == KW_OUTCOME_DAILY_LIMIT || outcome == KW_OUTCOME_RATE_LIMIT ||
      outcome == KW_OUTCOME_TRANSIENT) {
    int64_t ms = kwi_answer_retry_after (a);
    return ms < 0 ? -1 : clamp_wait (ms);
  }
  return -1;
}

void
kwi_fallback_settle (const struct kw_verdict *said, const struct kwi_answer *a,
                     struct kwi_judgement *j)
{
  static const struct kw_verdict nothing;
  int has_account, has_usage;

  if (said == NULL)
    said = &nothing;
  clean (j->account, sizeof j->account, said->account, 0);
  clean (j->model, sizeof j->model, said->model, 0);
  clean_token (j->reason, sizeof j->reason, said->reason);
  has_account = j->account[0] != '\0';

  j->outcome = settle_outcome (said->outcome, a, &j->fell_back);
  j->scope = settle_scope (said->scope, j->outcome, has_account);
  j->wait_ms = settle_wait (said, j->outcome, a);

  has_usage = (said->have & KW_HAVE_USAGE) != 0;
  j->input_tokens = has_usage && said->input_tokens >= 0 ? said->input_tokens
                                                         : -1;
  j->output_tokens = has_usage && said->output_tokens >= 0 ? said->output_tokens
                                                           : -1;
  if (j->n_buckets > KWI_MAX_BUCKETS)
    j->n_buckets = KWI_MAX_BUCKETS;
  for (uint32_t i = 0; i < j->n_buckets; i++)
    j->bucket[i].scope = settle_bucket_scope (j->bucket[i].scope, has_account);
}
