/* family - what an answer means, by a member's tables; see family.h.
 *
 * The order: the member's own judge, its rules, the rules that all have in
 * common, what limits look like, and the HTTP status last. */
#include <stdio.h>
#include <stdlib.h>

#include "family.h"

/* ---- What a judge needs -------------------------------------------------- */

const char *
kwp_header (const struct kwp_answer *a, const char *name)
{
  /* An event's headers are as old as its stream. */
  return a->resp->in_stream ? NULL : a->i->host->response_header (a->resp, name);
}

int
kwp_json (const struct kwp_answer *a, const char *pointer, char *buf, uint64_t size)
{
  buf[0] = '\0';
  return a->i->host->response_json (a->resp, pointer, buf, size) == KW_OK;
}

int64_t
kwp_json_count (const struct kwp_answer *a, const char *pointer)
{
  char buf[32];

  return kwp_json (a, pointer, buf, sizeof buf) ? kwp_count (buf) : -1;
}

static void
set_reason (struct kwp_answer *a, const char *reason)
{
  kwp_copy (a->v->reason, sizeof a->v->reason, reason, strlen (reason));
}

int
kwp_verdict (struct kwp_answer *a, uint32_t outcome, uint32_t scope, const char *reason)
{
  a->v->outcome = outcome;
  a->v->scope = scope;
  if (reason != NULL)
    set_reason (a, reason);
  return 1;
}

void
kwp_set_wait (struct kwp_answer *a, int64_t ms)
{
  if (ms < 0)
    return;
  a->v->retry_after_ms = ms;
  a->v->have |= KW_HAVE_RETRY_AFTER;
}

void
kwp_set_reset (struct kwp_answer *a, int64_t at_ms)
{
  if (at_ms < 0)
    return;
  a->v->reset_at_ms = at_ms;
  a->v->have |= KW_HAVE_RESET_AT;
}

void
kwp_set_account (struct kwp_answer *a, const char *name)
{
  if (name != NULL && name[0] != '\0')
    kwp_copy (a->v->account, sizeof a->v->account, name, strlen (name));
}

int64_t
kwp_stated_wait (const struct kwp_answer *a)
{
  /* In seconds, all of them; "retry_after_seconds" of those who copy it from
   * a header. */
  static const char *const fields[] = {
    "/error/metadata/retry_after_seconds", "/error/retry_after", "/retry_after",
    "/error/metadata/headers/Retry-After", "/metadata/headers/Retry-After",
    "/estimated_time", "/0/estimated_time", "/error/estimated_time",
  };
  const struct kw_host *host = a->i->host;
  int64_t now = a->resp->received_ms;
  int64_t ms = kwp_wait_ms (host->response_header (a->resp, "retry-after-ms"));
  char buf[64];

  if (ms < 0)
    ms = kwp_wait (host->response_header (a->resp, "retry-after"), now);
  for (size_t i = 0; ms < 0 && a->e.present && i < KWP_ARRAY_SIZE (fields); i++)
    if (kwp_json (a, fields[i], buf, sizeof buf))
      ms = kwp_wait (buf, now);
  return ms;
}

/* ---- Limits -------------------------------------------------------------- */

static void
set_number (struct kw_bucket *b, uint32_t bit, int64_t *number, int64_t n)
{
  if (n < 0)                    /* not said; 0 is a number like others */
    return;
  *number = n;
  b->have |= bit;
}

static uint32_t
limit_scope (const struct kwp_answer *a)
{
  uint32_t scope = a->i->family->limit_scope;
  return scope != KW_SCOPE_DEFAULT ? scope : KW_SCOPE_ACCOUNT_MODEL;
}

static struct kw_bucket
new_bucket (const struct kwp_answer *a, const char *unit, int64_t window_ms)
{
  struct kw_bucket b = { .struct_size = sizeof b, .scope = limit_scope (a),
                         .rolling = a->i->family->buckets_at_once == 0 };

  kwp_dimension (b.dimension, sizeof b.dimension, unit, window_ms);
  set_number (&b, KW_HAVE_WINDOW, &b.window_ms, window_ms);
  return b;
}

/* What is larger than the whole allowance never passes, whatever wait is
 * stated. */
static int
is_too_large (const struct kwp_answer *a, const struct kwp_limit *l)
{
  return a->status == 413 || kwp_starts_with (a->e.message, "Request too large")
         || (l->limit >= 0 && l->requested > l->limit);
}

/* With no window at all: short ones state no such wait, and a page of the
 * network in front of a provider knows nothing of allowances. */
static int
is_a_days (const struct kwp_answer *a, const struct kwp_limit *l)
{
  return l->window_ms > 0 ? l->window_ms >= KWP_DAY
                          : a->e.is_json && l->wait_ms >= KWP_HOUR;
}

/* What the headers say of a limit whose text leaves its window out. */
static void
complete_by_headers (const struct kwp_answer *a, struct kwp_limit *l)
{
  if (l->window_ms > 0 || a->spent == 0)
    return;
  const struct kwp_row *row = &a->i->family->rows[a->spent - 1];
  if (a->spent_window < 0 || (l->unit[0] != '\0' && !kwp_is (l->unit, row->unit)))
    return;
  l->window_ms = a->spent_window; /* its numbers were reported with the row */
  kwp_copy (l->unit, sizeof l->unit, row->unit, strlen (row->unit));
  kwp_dimension (l->dimension, sizeof l->dimension, row->unit, l->window_ms);
  if (l->wait_ms < 0 && row->reset != NULL)
    l->wait_ms = kwp_wait (kwp_header (a, row->reset), a->resp->received_ms);
}

int
kwp_judge_limit_of (struct kwp_answer *a, struct kwp_limit *l)
{
  complete_by_headers (a, l);
  /* Good answers have the header, too, and OpenAI's names the account otherwise
   * than the text: with both in turn a key would change hands at each answer. */
  if (a->v->account[0] == '\0')
    kwp_set_account (a, l->account);
  kwp_copy (a->v->model, sizeof a->v->model, l->model, strlen (l->model));
  if (l->dimension[0] != '\0')
    set_reason (a, l->dimension);
  kwp_set_wait (a, l->wait_ms);

  if (is_too_large (a, l)) {
    (void) kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, "request_too_large");
  } else if (is_a_days (a, l)) {
    (void) kwp_verdict (a, KW_OUTCOME_DAILY_LIMIT, limit_scope (a), NULL);
    if (l->wait_ms < 0 && a->i->family->day_ends != NULL)
      kwp_set_reset (a, a->i->family->day_ends (a->resp->received_ms));
  } else {
    (void) kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, limit_scope (a), NULL);
  }

  if (l->window_ms > 0 && l->limit >= 0) {
    struct kw_bucket b = new_bucket (a, l->unit, l->window_ms);
    set_number (&b, KW_HAVE_LIMIT, &b.limit, l->limit);
    set_number (&b, KW_HAVE_USED, &b.used, l->used);
    set_number (&b, KW_HAVE_REQUESTED, &b.requested, l->requested);
    (void) a->i->host->response_bucket (a->resp, &b); /* a refusal costs nothing */
  }
  return 1;
}

int
kwp_judge_limit (struct kwp_answer *a)
{
  struct kwp_limit l;

  kwp_read_limit (a->e.message, a->e.type, kwp_stated_wait (a), &l);
  return kwp_judge_limit_of (a, &l);
}

/* ---- Headers ------------------------------------------------------------- */

/* A bucket refills by limit in its window: so what is missing, and when it
 * will be full again, tell the window.  -1: nothing is missing. */
static int64_t
window_by_reset (int64_t limit, int64_t left, int64_t full)
{
  if (limit <= 0 || left < 0 || left >= limit || full <= 0)
    return -1;
  return kwp_nearest_window ((double) full * (double) limit / (double) (limit - left));
}

/* Good answers show these too.  "reset" is when the bucket will be FULL again,
 * and no time to retry at. */
static void
report_row (struct kwp_answer *a, uint32_t n)
{
  const struct kwp_row *row = &a->i->family->rows[n];
  int64_t limit = kwp_count (kwp_header (a, row->limit));
  int64_t left, full = -1, window = row->window_ms;

  if (limit < 0)
    return;
  left = kwp_count (kwp_header (a, row->remaining));
  if (row->reset != NULL)       /* 0: full, or a date of 1970 that says so */
    full = kwp_wait (kwp_header (a, row->reset), a->resp->received_ms);
  if (window == 0)
    window = window_by_reset (limit, left, full);
  if (left == 0 && a->spent == 0) {
    a->spent = (int) n + 1;
    a->spent_window = window;
  }
  if (window < 0)
    return;
  struct kw_bucket b = new_bucket (a, row->unit, window);
  set_number (&b, KW_HAVE_LIMIT, &b.limit, limit);
  set_number (&b, KW_HAVE_REMAINING, &b.remaining, left);
  set_number (&b, KW_HAVE_FULL_AT, &b.full_at_ms,
              full >= 0 ? a->resp->received_ms + full : -1);
  (void) a->i->host->response_bucket (a->resp, &b);
}

/* ---- Rules --------------------------------------------------------------- */

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
  BILLING (KWP_CODE_HAS, "payment_required"),
  BILLING (KWP_CODE_HAS, "account_deactivated"), BILLING (KWP_CODE_HAS, "exceeded_current_quota"),
  BILLING_WORDS (KWP_STARTS, "You exceeded your current quota"),
  BILLING_WORDS (KWP_STARTS, "Billing hard limit"),
  BILLING_WORDS (KWP_SAYS, "insufficient balance"),
  BILLING_WORDS (KWP_SAYS, "insufficient credit"),
  BILLING_WORDS (KWP_SAYS, "insufficient quota"),
  BILLING_WORDS (KWP_SAYS, "no credits"), BILLING_WORDS (KWP_SAYS, "out of credits"),
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
  { KWP_CODE, 0, "invalid_api_key", KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL },
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

static int
judge_by_rules (struct kwp_answer *a, const struct kwp_rule *rules, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (fits (a, &rules[i])) {
      if (rules[i].outcome == KWP_LIMIT)
        return kwp_judge_limit (a);
      if (rules[i].outcome == KW_OUTCOME_TRANSIENT) {
        int64_t ms = kwp_text_wait (a->e.message);
        kwp_set_wait (a, ms >= 0 ? ms : kwp_stated_wait (a));
      }
      return kwp_verdict (a, rules[i].outcome, rules[i].scope, rules[i].reason);
    }
  return 0;
}

/* ---- Statuses ------------------------------------------------------------ */

/* An event of a stream has no status of its own, as a rule. */
static void
judge_without_status (struct kwp_answer *a)
{
  const struct kwp_error *e = &a->e;

  if (kwp_after_any (e->code, "too_many_requests") != NULL
      || kwp_after_any (e->type, "too_many_requests") != NULL
      || kwp_after_any (e->message, "rate limit") != NULL
      || kwp_after_any (e->message, "too many requests") != NULL
      || kwp_starts_with (e->message, "Request too large "))
    (void) kwp_judge_limit (a);
  else if (kwp_after_any (e->type, "authentication") != NULL
           || kwp_after_any (e->type, "permission") != NULL)
    (void) kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_DEFAULT, NULL);
  else if (kwp_after_any (e->type, "invalid_request") != NULL
           || kwp_after_any (e->type, "not_found") != NULL)
    (void) kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_DEFAULT, NULL);
  else                          /* a stream that broke off, nothing known */
    (void) kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_DEFAULT,
                        a->v->reason[0] == '\0' ? "stream_error" : NULL);
}

static void
judge_by_status (struct kwp_answer *a)
{
  int s = a->status;

  if (s == 0) {
    judge_without_status (a);
  } else if (s == 429 || s == 413) {
    (void) kwp_judge_limit (a);
  } else if (s == 401) {
    (void) kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL);
  } else if (s == 402) {
    (void) kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT, NULL);
  } else if (s == 403 && a->e.is_json) {
    (void) kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_KEY, NULL);
  } else if (s == 403) {        /* a page of the network in front of it */
    (void) kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_PROVIDER, "edge_block");
  } else if (s >= 500 || s == 408 || s == 409 || s == 425) {
    (void) kwp_verdict (a, KW_OUTCOME_TRANSIENT, KW_SCOPE_DEFAULT, NULL);
    kwp_set_wait (a, kwp_stated_wait (a));
  } else if (s >= 400) {
    (void) kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_DEFAULT, NULL);
  }                             /* else UNKNOWN: a redirect, say */
}

/* ---- Answers ------------------------------------------------------------- */

static int
usage_of (struct kwp_answer *a, const char *at, const char *input, const char *output)
{
  char pointer[96];
  int64_t in = -1, out = -1;
  int n = snprintf (pointer, sizeof pointer, "%s%s", at, input);

  if (n > 0 && (size_t) n < sizeof pointer)
    in = kwp_json_count (a, pointer);
  n = snprintf (pointer, sizeof pointer, "%s%s", at, output);
  if (n > 0 && (size_t) n < sizeof pointer)
    out = kwp_json_count (a, pointer);
  if (in < 0)
    return 0;
  a->v->input_tokens = in;
  a->v->output_tokens = out > 0 ? out : 0; /* embeddings have none */
  a->v->have |= KW_HAVE_USAGE;
  return 1;
}

static void
judge_success (struct kwp_answer *a)
{
  const char *at = a->i->family->usage_at;

  (void) kwp_verdict (a, KW_OUTCOME_OK, KW_SCOPE_DEFAULT, NULL);
  if (usage_of (a, "/usage", "/prompt_tokens", "/completion_tokens")
      || (at != NULL && usage_of (a, at, "/prompt_tokens", "/completion_tokens"))
      || usage_of (a, "/usage", "/input_tokens", "/output_tokens"))
    return;
  if (a->resp->in_stream)       /* the last event of a Responses stream */
    (void) usage_of (a, "/response/usage", "/input_tokens", "/output_tokens");
}

/* An event that is a chunk like others, and not something that went wrong. */
static int
is_chunk (const struct kwp_answer *a)
{
  char buf[64];

  return kwp_json (a, "/object", buf, sizeof buf)
         || kwp_json (a, "/choices/0/index", buf, sizeof buf)
         || kwp_json (a, "/usage/prompt_tokens", buf, sizeof buf)
         || (kwp_json (a, "/type", buf, sizeof buf) && kwp_starts_with (buf, "response."));
}

/* A code that is a number tells people nothing. */
static int
is_word (const char *s)
{
  return s[strspn (s, "0123456789")] != '\0';
}

int
kwp_classify (void *self, const struct kw_response *resp, struct kw_verdict *v)
{
  const struct kwp_instance *i = self;
  const struct kwp_family *f = i->family;
  struct kwp_answer a = { .i = i, .resp = resp, .v = v, .status = resp->http_status };

  kwp_read_error (i->host, resp, f->error_at, &a.e);
  for (uint32_t n = 0; !resp->in_stream && n < f->n_rows; n++)
    report_row (&a, n);
  if (f->account_header != NULL)
    kwp_set_account (&a, i->host->response_header (resp, f->account_header));
  if (a.status == 0 || (a.status >= 200 && a.status <= 299)) {
    if (!a.e.present && (!resp->in_stream || is_chunk (&a))) {
      if (a.status != 0)        /* 0: the network, which the host judges */
        judge_success (&a);
      return KW_OK;
    }
    a.status = a.e.status;
  } else if (a.status >= 500 && a.e.status >= 400 && a.e.status < 500) {
    a.status = a.e.status;      /* a proxy's, around the provider's own */
  }
  set_reason (&a, is_word (a.e.code) ? a.e.code : is_word (a.e.type) ? a.e.type : "");
  if ((f->judge == NULL || !f->judge (&a))
      && !judge_by_rules (&a, f->rules, f->n_rules)
      && !judge_by_rules (&a, common, KWP_ARRAY_SIZE (common)))
    judge_by_status (&a);
  if (v->account[0] == '\0'
      && (v->outcome == KW_OUTCOME_BILLING || v->outcome == KW_OUTCOME_AUTH))
    kwp_read_account (a.e.message, v->account, sizeof v->account);
  return KW_OK;
}
