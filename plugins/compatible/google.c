/* google - the quotas and reasons in an error of Google's, whose models many use
 * through the endpoint that speaks Chat Completions.
 *
 * The quotaId alone tells a day's limit from a minute's, and the day ends at
 * midnight in California; the wait that is stated beside it is one of seconds.
 * https://ai.google.dev/gemini-api/docs/rate-limits */
#include <stdio.h>

#include "compatible.h"

/* As many as are looked at; three were the most that were seen. */
enum { DETAILS_MAX = 8, VIOLATIONS_MAX = 8 };

/* What is found in them. */
struct quota {
  struct kwp_limit worst;       /* the longest window; the first of equals */
  int n;
  int zero;                     /* one of them allows nothing at all      */
};

static int
text_at (const struct kwp_answer *a, const char *base, const char *rest, char *buf, size_t size)
{
  char pointer[128];
  int n = snprintf (pointer, sizeof pointer, "%s%s", base, rest);

  buf[0] = '\0';
  return n > 0 && (size_t) n < sizeof pointer && kwp_json (a, pointer, buf, size);
}

static int
is_there (const struct kwp_answer *a, const char *pointer)
{
  char buf[1];
  return a->i->host->response_json (a->resp, pointer, buf, sizeof buf) != KW_ERR_NOTFOUND;
}

/* "GenerateContentInputTokensPerModelPerDay-FreeTier" */
static void
name_dimension (struct kwp_limit *l, const char *id)
{
  const char *unit = kwp_after_any (id, "InputToken") != NULL ? "input_tokens"
                     : kwp_after_any (id, "OutputToken") != NULL ? "output_tokens"
                     : kwp_after_any (id, "Token") != NULL ? "tokens" : "requests";

  l->window_ms = kwp_after (id, "PerDay") != NULL ? KWP_DAY
                 : kwp_after (id, "PerMinute") != NULL ? KWP_MINUTE : -1;
  kwp_copy (l->unit, sizeof l->unit, unit, strlen (unit));
  kwp_dimension (l->dimension, sizeof l->dimension, unit, l->window_ms);
}

static void
read_violations (const struct kwp_answer *a, const char *detail, struct quota *q)
{
  char at[112], id[160], value[32];

  for (int i = 0; i < VIOLATIONS_MAX; i++) {
    struct kwp_limit l = { .limit = -1, .used = -1, .requested = -1, .wait_ms = -1 };
    int n = snprintf (at, sizeof at, "%s/violations/%d", detail, i);

    if (n < 0 || (size_t) n >= sizeof at || !text_at (a, at, "/quotaId", id, sizeof id))
      return;
    name_dimension (&l, id);
    (void) text_at (a, at, "/quotaDimensions/model", l.model, sizeof l.model);
    if (text_at (a, at, "/quotaValue", value, sizeof value))
      l.limit = kwp_count (value);
    else if (strstr (a->e.message, "limit: 0,") != NULL)
      l.limit = 0;              /* JSON made from protocol buffers leaves a 0 out */
    q->zero |= l.limit == 0;
    if (q->n++ == 0 || l.window_ms > q->worst.window_ms)
      q->worst = l;
  }
}

/* Google's own words about one quota, where there are no details: they name the
 * limit, and not its window. */
static void
read_text (const struct kwp_answer *a, struct quota *q)
{
  const char *metric = kwp_after (a->e.message, "metric: generativelanguage.googleapis.com/");
  struct kwp_limit *l = &q->worst;

  if (metric == NULL)
    return;
  kwp_read_limit (a->e.message, "", kwp_stated_wait (a), l);
  l->account[0] = '\0';
  if (l->window_ms < 0 && l->wait_ms >= KWP_HOUR) { /* minutes state no such wait */
    l->window_ms = KWP_DAY;
    kwp_dimension (l->dimension, sizeof l->dimension, l->unit, l->window_ms);
  }
  q->n = 1;
  q->zero = l->limit == 0;
}

static int
judge_quota (struct kwp_answer *a, const struct quota *q, int64_t wait)
{
  struct kwp_limit l = q->worst;

  if (l.wait_ms < 0)
    l.wait_ms = wait;
  if (l.window_ms >= KWP_DAY && l.wait_ms < KWP_HOUR)
    l.wait_ms = -1;             /* the minute's */
  (void) kwp_judge_limit_of (a, &l);
  if (a->v->outcome == KW_OUTCOME_DAILY_LIMIT && l.wait_ms < 0)
    kwp_set_reset (a, kwp_next_midnight_pacific (a->resp->received_ms));
  if (q->zero)                  /* what a project without billing has of some models */
    return kwp_verdict (a, KW_OUTCOME_BILLING, KW_SCOPE_ACCOUNT_MODEL, "no_free_tier");
  return 1;
}

int
compatible_judge_google (struct kwp_answer *a)
{
  static const char *const bases[] = {
    "/error", "/0/error", "/error/message/error", "/error/message/0/error",
    "/0/error/message/error", "/error/metadata/raw/error",
  };
  int64_t wait = kwp_text_wait (a->e.message);
  struct quota q = { .n = 0 };
  char at[96], text[64];

  for (size_t b = 0; b < KWP_ARRAY_SIZE (bases) && q.n == 0; b++)
    for (int i = 0; i < DETAILS_MAX; i++) {
      int n = snprintf (at, sizeof at, "%s/details/%d/@type", bases[b], i);

      if (n < 0 || (size_t) n >= sizeof at || !is_there (a, at))
        break;
      at[n - (int) strlen ("/@type")] = '\0';
      if (text_at (a, at, "/reason", text, sizeof text) && kwp_is (text, "API_KEY_INVALID"))
        return kwp_verdict (a, KW_OUTCOME_AUTH, KW_SCOPE_KEY, "api_key_invalid");
      if (wait < 0 && text_at (a, at, "/retryDelay", text, sizeof text))
        wait = kwp_duration (text);
      read_violations (a, at, &q);
    }
  if (a->status != 429 && a->status != 403 && a->status != 0)
    return 0;                   /* texts of others repeat what users wrote */
  if (q.n == 0)
    read_text (a, &q);
  if (q.n > 0)
    return judge_quota (a, &q, wait);
  /* Of Google this says nothing about money. */
  if (kwp_is (a->e.type, "RESOURCE_EXHAUSTED")
      && kwp_starts_with (a->e.message, "You exceeded your current quota"))
    return kwp_judge_limit (a);
  return 0;
}
