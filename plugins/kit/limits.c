/* limits - what messages and headers say of allowances, as buckets and as
 * verdicts; see family.h. */
#include "family-parts.h"

#define MONTH (30 * KWP_DAY)

static void
set_number (struct kw_bucket *b, uint32_t bit, int64_t *number, int64_t n)
{
  if (n < 0)                    /* not said; 0 is a number like others */
    return;
  *number = n;
  b->have |= bit;
}

int64_t
kwp_error_wait (const struct kwp_answer *a)
{
  int64_t ms = kwp_text_wait (a->e.message);
  return ms >= 0 ? ms : kwp_stated_wait (a);
}

uint32_t
kwp_limit_scope (const struct kwp_answer *a)
{
  uint32_t scope = a->i->family->limit_scope;
  return scope != KW_SCOPE_DEFAULT ? scope : KW_SCOPE_ACCOUNT_MODEL;
}

static struct kw_bucket
new_bucket (const struct kwp_answer *a, const char *unit, int64_t window_ms)
{
  struct kw_bucket b = { .struct_size = sizeof b, .scope = kwp_limit_scope (a),
                         .rolling = a->i->family->buckets_at_once == 0 };

  kwp_dimension (b.dimension, sizeof b.dimension, unit, window_ms);
  set_number (&b, KW_HAVE_WINDOW, &b.window_ms, window_ms);
  return b;
}

/* ---- Headers ------------------------------------------------------------- */

/* A bucket refills by limit in its window: so what is missing, and when it
 * will be full again, tell the window.  -1: nothing is missing. */
static int64_t
window_by_refill (const struct kwp_allowance *al)
{
  if (al->limit <= 0 || al->left < 0 || al->left >= al->limit || al->full_ms <= 0)
    return -1;
  return kwp_nearest_window ((double) al->full_ms * (double) al->limit
                             / (double) (al->limit - al->left));
}

/* "reset" is when the bucket will be FULL again, and no time to retry at as
 * long as something is left. */
void
kwp_report (struct kwp_answer *a, const struct kwp_allowance *al)
{
  int64_t window = al->window_ms;

  if (al->limit < 0)
    return;
  if (window == KWP_BY_REFILL || (window == KWP_BY_RESET && al->left == 0))
    window = window_by_refill (al);
  if (al->left == 0 && a->spent.unit == NULL) {
    a->spent = *al;
    /* A fixed window may be nearly over: its length is a guess. */
    a->spent.window_ms = al->window_ms == KWP_BY_RESET ? -1 : window;
  }
  if (window <= 0)
    return;
  struct kw_bucket b = new_bucket (a, al->unit, window);
  set_number (&b, KW_HAVE_LIMIT, &b.limit, al->limit);
  set_number (&b, KW_HAVE_REMAINING, &b.remaining, al->left);
  set_number (&b, KW_HAVE_FULL_AT, &b.full_at_ms,
              al->full_ms >= 0 ? kwp_after_ms (a->resp->received_ms, al->full_ms) : -1);
  (void) a->i->host->response_bucket (a->resp, &b); /* a refusal costs nothing */
}

/* Good answers show these too. */
void
kwp_report_rows (struct kwp_answer *a)
{
  const struct kwp_family *f = a->i->family;

  for (uint32_t n = 0; n < f->n_rows; n++) {
    const struct kwp_row *row = &f->rows[n];
    struct kwp_allowance al = { row->unit, row->window_ms, kwp_count (kwp_header (a, row->limit)),
                                -1, -1 };
    if (al.limit < 0)
      continue;
    al.left = kwp_count (kwp_header (a, row->remaining));
    if (row->reset != NULL)     /* 0: full, or a date of 1970 that says so */
      al.full_ms = kwp_wait (kwp_header (a, row->reset), a->resp->received_ms);
    kwp_report (a, &al);
  }
}

/* ---- Limits -------------------------------------------------------------- */

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

static void
set_window (struct kwp_limit *l, const char *unit, int64_t window_ms)
{
  l->window_ms = window_ms;
  if (unit != l->unit)
    kwp_copy (l->unit, sizeof l->unit, unit, strlen (unit));
  kwp_dimension (l->dimension, sizeof l->dimension, unit, window_ms);
}

/* A code or a type may name the limit that the text does not: "daily_quota",
 * "tokens_per_day". */
static void
complete_by_name (struct kwp_limit *l, const char *name)
{
  struct kwp_limit named;

  if (l->window_ms > 0 || name == NULL || name[0] == '\0')
    return;
  kwp_read_limit (name, "", -1, &named);
  if (named.window_ms > 0)      /* requests are what is meant when nothing is said */
    set_window (l, l->unit[0] == '\0' || !kwp_is (named.unit, "requests")
                   ? named.unit : l->unit, named.window_ms);
}

/* What the headers say of a limit whose text leaves its window out. */
static void
complete_by_headers (const struct kwp_answer *a, struct kwp_limit *l)
{
  const struct kwp_allowance *spent = &a->spent;

  if (l->window_ms > 0 || spent->unit == NULL
      || (l->unit[0] != '\0' && !kwp_is (l->unit, spent->unit)))
    return;
  if (spent->window_ms > 0)     /* its numbers were reported with the row */
    set_window (l, spent->unit, spent->window_ms);
  if (l->wait_ms < 0)
    l->wait_ms = spent->full_ms;
}

/* Where no wait is stated: "Limit resets at: 2026-01-02 03:04:05 UTC". */
static void
complete_by_instant (const struct kwp_answer *a, struct kwp_limit *l)
{
  int64_t now = a->resp->received_ms;
  int64_t at = l->wait_ms < 0 ? kwp_text_instant (a->e.message) : -1;

  if (at > now)
    l->wait_ms = at - now < KWP_WAIT_MAX ? at - now : KWP_WAIT_MAX;
}

/* When a day ends of which no answer says it. */
static int64_t
end_of (const struct kwp_answer *a, const struct kwp_limit *l)
{
  int64_t now = a->resp->received_ms;

  if (l->window_ms >= MONTH)    /* those are calendar months, wherever documented */
    return kwp_next_month_utc (now);
  return a->i->day_ends != NULL ? a->i->day_ends (now) : -1;
}

int
kwp_judge_limit_of (struct kwp_answer *a, struct kwp_limit *l)
{
  complete_by_name (l, a->e.code);
  complete_by_name (l, a->e.type);
  if (a->i->family->limit_header != NULL)
    complete_by_name (l, kwp_header (a, a->i->family->limit_header));
  complete_by_instant (a, l);
  complete_by_headers (a, l);
  /* Good answers have the header, too, and OpenAI's names the account otherwise
   * than the text: with both in turn a key would change hands at each answer. */
  if (a->v->account[0] == '\0')
    kwp_set_account (a, l->account);
  kwp_copy (a->v->model, sizeof a->v->model, l->model, strlen (l->model));
  if (l->dimension[0] != '\0')
    kwp_set_reason (a, l->dimension);
  kwp_set_wait (a, l->wait_ms);

  if (is_too_large (a, l)) {
    (void) kwp_verdict (a, KW_OUTCOME_REQUEST, KW_SCOPE_REQUEST, "request_too_large");
  } else if (is_a_days (a, l)) {
    (void) kwp_verdict (a, KW_OUTCOME_DAILY_LIMIT, kwp_limit_scope (a), NULL);
    if (l->wait_ms < 0)
      kwp_set_reset (a, end_of (a, l));
  } else {
    (void) kwp_verdict (a, KW_OUTCOME_RATE_LIMIT, kwp_limit_scope (a), NULL);
  }

  if (l->window_ms > 0 && l->limit >= 0) {
    struct kw_bucket b = new_bucket (a, l->unit, l->window_ms);
    set_number (&b, KW_HAVE_LIMIT, &b.limit, l->limit);
    set_number (&b, KW_HAVE_USED, &b.used, l->used);
    set_number (&b, KW_HAVE_REQUESTED, &b.requested, l->requested);
    if (b.dimension[0] != '\0')  /* a window without a name that fits: none */
      (void) a->i->host->response_bucket (a->resp, &b);
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
