/* quota - the quotas, waits and reasons that an error of Gemini's names in its
 * "details", each by its @type, and in its message where there are none.
 *
 * The quotaId alone tells the day from the minute: the message is the same for
 * both, and the wait beside a day's is one of seconds. */
#include <stdio.h>

#include "judge.h"

/* As many as are looked at; three were the most that were seen. */
enum { MAX_DETAILS = 16, MAX_VIOLATIONS = 16 };

/* Where the error object may be: what has "details" is it. */
static const char *const bases[] = {
  "/error/message/error", "/error/message/0/error", "/0/error/message/error", "/error/error",
  "/0/error", "/error",
};

static int
text_at (const struct kwp_answer *a, const char *base, const char *rest, char *buf, size_t size)
{
  char pointer[160];
  int n = snprintf (pointer, sizeof pointer, "%s%s", base, rest);

  buf[0] = '\0';
  return n > 0 && (size_t) n < sizeof pointer && kwp_json (a, pointer, buf, size);
}

/* ---- Quotas -------------------------------------------------------------- */

static int
says (const struct gemini_quota *q, const char *word)
{
  return kwp_after_any (q->id, word) != NULL || kwp_after_any (q->metric, word) != NULL;
}

/* "GenerateContentInputTokensPerModelPerMinute-FreeTier" and
 * "generate_requests_per_model_per_day". */
static void
understand (struct gemini_quota *q)
{
  static const struct { const char *id, *metric; int64_t ms; } windows[] = {
    { "PerDay", "per_day", KWP_DAY }, { "PerMinute", "per_minute", KWP_MINUTE },
    { "PerHour", "per_hour", KWP_HOUR }, { "PerSecond", "per_second", KWP_SECOND },
  };

  q->window_ms = -1;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (windows) && q->window_ms < 0; i++)
    if (kwp_after_any (q->id, windows[i].id) != NULL)
      q->window_ms = windows[i].ms;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (windows) && q->window_ms < 0; i++)
    if (says (q, windows[i].id) || says (q, windows[i].metric))
      q->window_ms = windows[i].ms;
  q->unit = says (q, "InputToken") || says (q, "input_token") ? "input_tokens"
            : says (q, "OutputToken") || says (q, "output_token") ? "output_tokens"
            : says (q, "token") ? "tokens" : "requests";
}

/* Every model's, where neither it nor its quota is named with one. */
uint32_t
gemini_quota_scope (const struct gemini_quota *q)
{
  return q->id[0] != '\0' && q->model[0] == '\0' && !says (q, "PerModel")
         && !says (q, "per_model") ? KW_SCOPE_ACCOUNT : KW_SCOPE_ACCOUNT_MODEL;
}

static void
report (const struct kwp_answer *a, const struct gemini_quota *q)
{
  struct kw_bucket b = { .struct_size = sizeof b, .scope = gemini_quota_scope (q),
                         .have = KW_HAVE_LIMIT | KW_HAVE_WINDOW, .limit = q->limit,
                         .window_ms = q->window_ms };

  if (q->limit < 0 || q->window_ms < 0)
    return;
  kwp_dimension (b.dimension, sizeof b.dimension, q->unit, q->window_ms);
  (void) a->i->host->response_bucket (a->resp, &b); /* a refusal costs nothing */
}

/* "metric: NAME, limit: 20, model: gemini-2.5-flash", a line for each quota;
 * -1 where the lines of that metric differ. */
static int64_t
limit_in_text (const char *text, const char *metric)
{
  int64_t limit = -1;

  if (metric[0] == '\0')
    return -1;
  for (const char *p = text; (p = kwp_after (p, metric)) != NULL; ) {
    int64_t n = kwp_starts_with (p, ", limit: ") ? kwp_count (p + 9) : -1;
    if (n < 0 || (limit >= 0 && limit != n))
      return -1;
    limit = n;
  }
  return limit;
}

/* A model's name, or nothing: some reports and proxies have blanked it. */
static void
copy_model (char *dst, size_t size, const char *s, size_t len)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789._/@-";

  kwp_copy (dst, size, s, strspn (s, letters) >= len ? len : 0);
}

static void
add_quota (const struct kwp_answer *a, struct gemini_findings *f, struct gemini_quota *q)
{
  const char *named = kwp_after (a->e.message, ", model: ");

  if (q->model[0] == '\0' && named != NULL)
    copy_model (q->model, sizeof q->model, named, strcspn (named, " ,\r\n"));
  understand (q);
  if (q->window_ms < 0 && f->n_quotas == 0 && f->wait_ms >= KWP_HOUR)
    q->window_ms = KWP_DAY;     /* minutes state no such wait */
  report (a, q);
  f->zero |= q->limit == 0;
  if (f->n_quotas++ == 0 || q->window_ms > f->worst.window_ms)
    f->worst = *q;
}

/* ---- Details ------------------------------------------------------------- */

static void
read_violations (const struct kwp_answer *a, struct gemini_findings *f, const char *detail)
{
  char at[128], limit[32], model[96];

  for (unsigned i = 0; i < MAX_VIOLATIONS; i++) {
    struct gemini_quota q = { .limit = -1 };
    int n = snprintf (at, sizeof at, "%s/violations/%u", detail, i);

    if (n < 0 || (size_t) n >= sizeof at)
      return;
    int there = text_at (a, at, "/quotaId", q.id, sizeof q.id);
    there |= text_at (a, at, "/quotaMetric", q.metric, sizeof q.metric);
    if (!there && !text_at (a, at, "/subject", q.id, sizeof q.id))
      return;
    if (text_at (a, at, "/quotaDimensions/model", model, sizeof model))
      copy_model (q.model, sizeof q.model, model, strlen (model));
    /* 0 is left out, as JSON made from protocol buffers does with it. */
    q.limit = text_at (a, at, "/quotaValue", limit, sizeof limit)
              ? kwp_count (limit) : limit_in_text (a->e.message, q.metric);
    add_quota (a, f, &q);
  }
}

static void
longer_wait (struct gemini_findings *f, int64_t ms)
{
  if (ms > f->wait_ms)
    f->wait_ms = ms;
}

/* Of quotas in the older form, and of whatever else is wrong. */
static void
read_error_info (const struct kwp_answer *a, struct gemini_findings *f, const char *detail)
{
  struct gemini_quota q = { .limit = -1 };
  char text[128];

  (void) text_at (a, detail, "/reason", f->reason, sizeof f->reason);
  if (text_at (a, detail, "/metadata/consumer", text, sizeof text)
      && kwp_starts_with (text, "projects/")) /* "api_key:..." shows the key */
    kwp_copy (a->v->account, sizeof a->v->account, text, strlen (text));
  if (text_at (a, detail, "/metadata/quotaResetDelay", text, sizeof text))
    longer_wait (f, kwp_duration (text));
  if (text_at (a, detail, "/metadata/quota_limit", q.id, sizeof q.id)) {
    (void) text_at (a, detail, "/metadata/quota_metric", q.metric, sizeof q.metric);
    if (text_at (a, detail, "/metadata/quota_limit_value", text, sizeof text))
      q.limit = kwp_count (text);
    add_quota (a, f, &q);
  }
}

static int
is_type (const char *type, const char *name)
{
  size_t len = strlen (type), n = strlen (name);
  return len > n && type[len - n - 1] == '.' && kwp_is (type + len - n, name);
}

static void
read_details (const struct kwp_answer *a, struct gemini_findings *f)
{
  char at[96], type[128], wait[64];

  /* Waits first: they tell of a quota whose name does not. */
  for (int pass = 0; pass <= 1; pass++)
    for (unsigned i = 0; i < MAX_DETAILS; i++) {
      int n = snprintf (at, sizeof at, "%s/details/%u", f->base, i);

      if (n < 0 || (size_t) n >= sizeof at || !text_at (a, at, "/@type", type, sizeof type))
        break;
      if (pass == 0 && is_type (type, "RetryInfo")
          && text_at (a, at, "/retryDelay", wait, sizeof wait))
        longer_wait (f, kwp_duration (wait));
      else if (pass == 1 && is_type (type, "QuotaFailure"))
        read_violations (a, f, at);
      else if (pass == 1 && is_type (type, "ErrorInfo"))
        read_error_info (a, f, at);
    }
}

/* "... for consumer 'project_number:391029737820'." */
static void
read_project (const struct kwp_answer *a)
{
  const char *number = kwp_after (a->e.message, "consumer 'project_number:");
  int len = number != NULL ? (int) strspn (number, "0123456789") : 0, n;

  if (len == 0 || a->v->account[0] != '\0')
    return;
  n = snprintf (a->v->account, sizeof a->v->account, "projects/%.*s", len, number);
  if (n < 0 || (size_t) n >= sizeof a->v->account)
    a->v->account[0] = '\0';
}

/* What the message says, where nothing beside it does: a line for each quota,
 * or "quota metric 'Generate Content API requests per minute'". */
static void
read_text (const struct kwp_answer *a, struct gemini_findings *f)
{
  const char *p = a->e.message;

  for (unsigned i = 0; i < MAX_VIOLATIONS && (p = kwp_after (p, "metric: ")) != NULL; i++) {
    struct gemini_quota q = { .limit = -1 };
    kwp_copy (q.metric, sizeof q.metric, p, strcspn (p, " ,\r\n"));
    q.limit = kwp_count (kwp_after (p, ", limit: "));
    add_quota (a, f, &q);
  }
  p = kwp_after (a->e.message, "quota metric '");
  if (p != NULL && f->n_quotas == 0) {
    struct gemini_quota q = { .limit = -1 };
    kwp_copy (q.metric, sizeof q.metric, p, strcspn (p, "'"));
    for (char *c = q.metric; *c != '\0'; c++)
      if (*c == ' ')
        *c = '_';
    add_quota (a, f, &q);
  }
}

void
gemini_find (const struct kwp_answer *a, struct gemini_findings *f)
{
  char type[8];

  memset (f, 0, sizeof *f);
  f->wait_ms = kwp_stated_wait (a);
  longer_wait (f, kwp_text_wait (a->e.message));
  for (size_t i = 0; i < KWP_ARRAY_SIZE (bases); i++) {
    char pointer[64];
    int n = snprintf (pointer, sizeof pointer, "%s/details/0/@type", bases[i]);
    /* Longer than the buffer, as all of them are, is there as well. */
    if (n > 0 && (size_t) n < sizeof pointer
        && a->i->host->response_json (a->resp, pointer, type, sizeof type) == KW_ERR_RANGE) {
      f->base = bases[i];
      read_details (a, f);
      break;
    }
  }
  read_project (a);
  if (f->n_quotas == 0)
    read_text (a, f);
}
