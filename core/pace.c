/* pace - a request's size against the buckets of a key; see pace.h. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_*, KW_HAVE_* */

#include "pace.h"

/* A bucket of a day or more: what it holds back is exhausted, and not merely
 * rate limited. */
#define DAY_MS 86400000

enum unit { REQUESTS, TOKENS, INPUT, OUTPUT, OTHERS };

static enum unit
unit_of (const struct kwi_fact *f)
{
  static const struct { const char *begin; enum unit unit; } names[] = {
    { "requests", REQUESTS }, { "tokens", TOKENS },
    { "input_tokens", INPUT }, { "output_tokens", OUTPUT },
  };
  size_t i;

  for (i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strncmp (f->bucket.dimension, names[i].begin, strlen (names[i].begin)) == 0)
      return names[i].unit;
  return OTHERS;
}

/* Of what cannot be told before (output, audio) no more than something. */
static int64_t
amount_of (const struct kwi_fact *f, const struct kwi_need *need)
{
  int64_t most, least = 1;

  switch (unit_of (f)) {
  case TOKENS:
    most = need->tokens;
    least = need->least;
    break;
  case INPUT:
    most = need->input;
    break;
  default:
    return 1;
  }
  /* More than the limit can never pass: that is the provider's to say, and
   * costs nothing.  With the margin alone it is more: it goes out when nothing
   * is used. */
  if (least > f->level.limit)
    return 1;
  return most < f->level.limit ? most : f->level.limit;
}

void
kwi_pace_need (const struct kwi_pace_model *m, const struct kwi_size *s,
               struct kwi_need *ret)
{
  *ret = (struct kwi_need) { 1, 1, 1 };
  if (s == NULL)
    return;
  if (s->tokens > 0) {
    *ret = (struct kwi_need) { s->tokens, s->tokens, s->tokens };
    return;
  }
  ret->tokens = kwi_estimate_safe (&m->estimate, s);
  ret->input = kwi_estimate_prompt (&m->estimate, s);
  ret->least = kwi_estimate_tokens (&m->estimate, s);
}

/* ---- Facts ----------------------------------------------------------------- */

/* Calls each for every fact of the subjects, for model and for every model. */
static void
each_fact (const struct kwi_store *s, const uint32_t *subjects, int n,
           const char *model,
           void (*each) (void *user, struct kwi_fact *), void *user)
{
  uint32_t models[2] = { KWI_EVERY_MODEL, kwi_store_find_model (s, model) };
  int i, k;

  for (i = 0; i < n; i++)
    for (k = 0; k < (models[1] != KWI_EVERY_MODEL ? 2 : 1); k++) {
      struct kwi_fact *f;
      for (f = kwi_store_find (s, subjects[i], models[k]); f != NULL; f = f->next)
        each (user, f);
    }
}

struct looking {
  const struct kwi_need *need;
  int64_t now_ms;
  int trusted;                  /* exact, and not known to be wrong       */
  int held, stated;             /* facts that park: how many, and how many
                                   of them by nothing but a stated time   */
  int half_open;
  int64_t parked_ms, free_ms;   /* when the buckets of facts pass that park,
                                   and of others                          */
  const struct kwi_fact *parked, *free;
};

/* A parked fact whose time has come, and whose bucket says that the request
 * does not fit, is believed for a while; then one may try, as the bucket may be
 * what is wrong. */
static int64_t
probed_at (const struct kwi_fact *f, int64_t ready_ms)
{
  int64_t more = f->level.window_ms / 8, end;

  if (more < f->span_ms)
    more = f->span_ms;
  if (__builtin_add_overflow (f->ready_ms, more, &end))
    return ready_ms;
  return ready_ms < end ? ready_ms : end;
}

static void
look_at (void *user, struct kwi_fact *f)
{
  struct looking *l = user;
  int known = f->level.limit > 0, parks = f->until_ms != 0;
  int half_open = parks && l->now_ms >= f->ready_ms && f->probe == 0;
  int64_t at;

  l->half_open += half_open;
  l->held += parks && !half_open;
  if (parks && !half_open
      && (!known || !l->trusted
          || (f->verdict != KW_OUTCOME_DAILY_LIMIT
              && f->verdict != KW_OUTCOME_RATE_LIMIT)))
    l->stated++;
  if (!known)
    return;
  at = kwi_level_ready (&f->level, amount_of (f, l->need), l->now_ms);
  if (half_open)
    at = probed_at (f, at);
  if (parks && at > l->parked_ms) {
    l->parked_ms = at;
    l->parked = f;
  }
  else if (!parks && at > l->free_ms) {
    l->free_ms = at;
    l->free = f;
  }
}

static uint32_t
verdict_of (const struct kwi_fact *f)
{
  if (f->until_ms != 0)
    return f->verdict;
  return f->level.window_ms >= DAY_MS ? KW_OUTCOME_DAILY_LIMIT
                                      : KW_OUTCOME_RATE_LIMIT;
}

/* Whether early requests have passed more often than not.  The first may try. */
static int
is_trusted (const struct kwi_pace_model *m)
{
  return m->penance == 0;
}

struct kwi_pace_look
kwi_pace_look (struct kwi_store *s, const uint32_t *subjects, int n,
               const char *model, int flags, const struct kwi_pace_model *m,
               const struct kwi_need *need, int64_t now_ms)
{
  struct kwi_pace_look p = {
    .look = kwi_limits_look (s, subjects, n, kwi_store_find_model (s, model), now_ms)
  };
  struct looking l = { .need = need, .now_ms = now_ms, .parked_ms = now_ms,
                       .free_ms = now_ms,
                       .trusted = (flags & KWI_PACE_EXACT) != 0
                                  && is_trusted (m) };
  int64_t ready;

  if (flags == 0)
    return p;
  each_fact (s, subjects, n, model, look_at, &l);
  if (l.stated > 0)             /* nothing can be said against these */
    return p;
  ready = l.trusted ? l.parked_ms : now_ms;
  p.by = ready > now_ms ? l.parked : NULL;
  if ((l.held > 0 || (flags & KWI_PACE_WAIT) != 0) && l.free_ms > ready) {
    ready = l.free_ms;
    p.by = l.free;
  }
  p.early = l.held > 0;
  if (ready > now_ms) {
    p.by_bucket = 1;
    p.early = 0;
    p.look = (struct kwi_look) { .standing = KWI_BLOCKED, .ready_ms = ready,
                                 .verdict = verdict_of (p.by) };
  }
  else if (l.held > 0)
    p.look = (struct kwi_look) { .standing = KWI_FREE };
  return p;
}

/* ---- Booking ---------------------------------------------------------------- */

struct booker {
  const struct kwi_need *need;
  int64_t now_ms;
  struct kwi_booking *booking;
};

static void
book_one (void *user, struct kwi_fact *f)
{
  struct booker *k = user;
  struct kwi_booking *b = k->booking;
  int64_t amount;
  uint32_t i;

  if (f->level.limit <= 0 || b->n == KWI_BOOKED_MAX)
    return;
  for (i = 0; i < b->n; i++)
    if (b->in[i].fact == f)
      return;
  amount = amount_of (f, k->need);
  b->in[b->n].fact = f;
  b->in[b->n].amount = amount;
  b->in[b->n].mark = b->waits ? kwi_level_enter (&f->level, amount)
                              : kwi_level_book (&f->level, amount, k->now_ms);
  b->n++;
}

void
kwi_pace_book (struct kwi_store *s, const uint32_t *subjects, int n,
               const char *model, const struct kwi_need *need, int waits,
               int64_t now_ms, struct kwi_booking *ret)
{
  struct booker k = { need, now_ms, ret };

  ret->n = 0;
  ret->waits = waits != 0;
  ret->at_ms = now_ms;
  each_fact (s, subjects, n, model, book_one, &k);
}

static void
leave_line (struct kwi_booking *b)
{
  uint32_t i;

  for (i = 0; i < b->n; i++)
    kwi_level_leave (&b->in[i].fact->level, b->in[i].amount);
  b->waits = 0;
}

int64_t
kwi_pace_turn (struct kwi_store *s, const uint32_t *subjects, int n,
               const char *model, const struct kwi_need *need, int64_t now_ms,
               struct kwi_booking *b)
{
  struct booker k = { need, now_ms, b };
  int64_t latest = now_ms;
  uint32_t i;

  /* Buckets that were not known when it came. */
  each_fact (s, subjects, n, model, book_one, &k);
  for (i = 0; i < b->n; i++) {
    int64_t at = kwi_level_turn (&b->in[i].fact->level, b->in[i].mark,
                                 b->in[i].amount, now_ms);
    if (at > latest)
      latest = at;
  }
  if (latest > now_ms)
    return latest;
  leave_line (b);
  b->at_ms = now_ms;
  for (i = 0; i < b->n; i++)
    b->in[i].mark = kwi_level_book (&b->in[i].fact->level, b->in[i].amount, now_ms);
  return now_ms;
}

void
kwi_pace_unbook (struct kwi_booking *b)
{
  uint32_t i;

  if (b->waits)
    leave_line (b);
  else
    for (i = 0; i < b->n; i++)
      kwi_level_settle (&b->in[i].fact->level, b->in[i].mark, b->in[i].amount, 0);
  b->n = 0;
}

/* ---- An answer ---------------------------------------------------------------- */

static int
is_limit (const struct kwi_judgement *j)
{
  return j->outcome == KW_OUTCOME_DAILY_LIMIT
         || j->outcome == KW_OUTCOME_RATE_LIMIT;
}

/* What a bucket that was refilling meanwhile, and that nobody else drew on,
 * fell by: between what it would be if the request had been counted at once
 * and at the end.  -1: it does not tell. */
static int64_t
fell_by (const struct kwi_booking *b, uint32_t i, const struct kwi_bucket *seen,
         int64_t expected, int64_t now_ms)
{
  const struct kwi_level *l = &b->in[i].fact->level;
  int64_t mine = b->in[i].amount, at_first, at_last, used;

  if (l->sent - l->seen != mine || b->in[i].mark != l->sent
      || (seen->have & (KW_HAVE_LIMIT | KW_HAVE_REMAINING))
           != (KW_HAVE_LIMIT | KW_HAVE_REMAINING)
      || seen->limit != l->limit || seen->remaining < 0
      || seen->remaining >= seen->limit)
    return -1;
  used = seen->limit - seen->remaining;
  at_first = kwi_level_used (l, b->at_ms) - mine;
  at_last = kwi_level_used (l, now_ms) - mine;
  at_first = used - (at_first > 0 ? at_first : 0);
  at_last = used - (at_last > 0 ? at_last : 0);
  if (at_last < 0)
    return -1;
  if (at_first < 0)
    at_first = 0;
  return expected < at_first ? at_first : expected > at_last ? at_last : expected;
}

/* What the answer says that the request was counted as, in tokens; -1. */
static int64_t
counted_in (const struct kwi_pace_model *m, const struct kwi_booking *b,
            const struct kwi_size *size, const struct kwi_judgement *j,
            int64_t now_ms)
{
  int64_t n = -1;
  uint32_t i, k;

  for (k = 0; k < j->n_buckets && n < 0; k++) {
    const struct kwi_bucket *seen = &j->bucket[k];
    if (strncmp (seen->dimension, "tokens", 6) != 0)
      continue;
    if ((seen->have & KW_HAVE_REQUESTED) != 0)
      n = seen->requested;
    else if (j->outcome == KW_OUTCOME_OK)
      for (i = 0; i < b->n && n < 0; i++)
        if (strcmp (b->in[i].fact->bucket.dimension, seen->dimension) == 0)
          n = fell_by (b, i, seen, kwi_estimate_tokens (&m->estimate, size),
                       now_ms);
  }
  return n;
}

/* What it was counted as in one bucket, as far as is known. */
static int64_t
counted_as (const struct kwi_fact *f, const struct kwi_pace_model *m,
            const struct kwi_size *size, const struct kwi_lesson *l,
            int64_t booked)
{
  switch (unit_of (f)) {
  case TOKENS:
    return kwi_estimate_counted (&m->estimate, size, l);
  case INPUT:
    return l->input >= 0 ? l->input : booked;
  case OUTPUT:
    return l->output >= 0 ? l->output : booked;
  default:
    return booked;
  }
}

/* 1: what refused it is a bucket that was asked before it was sent. */
static int
was_asked (const struct kwi_booking *b, const struct kwi_judgement *j)
{
  uint32_t i;

  for (i = 0; i < b->n; i++)
    if (strcmp (b->in[i].fact->bucket.dimension, j->reason) == 0)
      return 1;
  return 0;
}

static void
score_early (struct kwi_pace_model *m, const struct kwi_booking *b,
             const struct kwi_judgement *j)
{
  enum { ENOUGH = 64, LONGEST = 64 };

  if (j->outcome == KW_OUTCOME_OK) {
    m->passed++;
    m->last_penance = 0;
  }
  else if (is_limit (j) && was_asked (b, j)) {
    m->missed++;
    kwi_estimate_missed (&m->estimate);
    /* One in five: stop, and for longer each time. */
    if (m->missed * 4 > m->passed || m->last_penance > 0) {
      m->last_penance = m->last_penance == 0 ? 1 : m->last_penance * 2;
      if (m->last_penance > LONGEST)
        m->last_penance = LONGEST;
      m->penance = m->last_penance;
      m->missed = 0;
    }
  }
  if (m->passed + m->missed > ENOUGH) {
    m->passed /= 2;
    m->missed /= 2;
  }
}

void
kwi_pace_revived (struct kwi_pace_model *m)
{
  if (m->penance > 0)
    m->penance--;
}

void
kwi_pace_answer (struct kwi_pace_model *m, struct kwi_booking *b,
                 const struct kwi_size *size, const struct kwi_judgement *j,
                 int64_t now_ms)
{
  struct kwi_lesson l = { j->input_tokens, j->output_tokens,
                          counted_in (m, b, size, j, now_ms) };
  uint32_t i;

  for (i = 0; i < b->n; i++) {
    int64_t counted = b->in[i].amount;
    if (j->outcome == KW_OUTCOME_OK)
      counted = counted_as (b->in[i].fact, m, size, &l, counted);
    else if (j->outcome != KW_OUTCOME_TRANSIENT)
      counted = 0;              /* refused before it cost anything */
    kwi_level_settle (&b->in[i].fact->level, b->in[i].mark, b->in[i].amount,
                      counted);
  }
  if (b->early)
    score_early (m, b, j);
  if (j->outcome == KW_OUTCOME_OK || is_limit (j))
    kwi_estimate_learn (&m->estimate, size, &l);
}

/* The provider knows better than a message's form does.  A wait far beyond what
 * the bucket's numbers make of it tells that it does not refill steadily, but
 * all at once when that wait is over; a far shorter one, that its window is. */
void
kwi_pace_compare (struct kwi_level *l, int64_t requested, int64_t stated_ms,
                  int64_t seen_ms)
{
  int64_t at = kwi_level_ready (l, requested, seen_ms), ms;

  if (l->limit <= 0 || !l->rolling || at == KWI_NEVER || at < seen_ms)
    return;
  ms = at - seen_ms;
  if (stated_ms / 2 > ms + 1000) {
    l->rolling = 0;
    l->at_ms = seen_ms + stated_ms;
  }
  else if (ms / 2 > stated_ms + 1000)
    l->window_ms = 1 + (int64_t) ((double) l->window_ms * (double) stated_ms
                                  / (double) ms);
}

void
kwi_pace_see (struct kwi_fact *f, const struct kwi_booking *b,
              const struct kwi_bucket *seen, int refused, int64_t stated_ms,
              int64_t seen_ms)
{
  int64_t mark = f->level.sent;
  uint32_t i;

  for (i = 0; i < b->n; i++)
    if (b->in[i].fact == f)
      mark = b->in[i].mark;
  kwi_level_see (&f->level, seen, mark, refused, seen_ms);
  if (refused && (seen->have & KW_HAVE_REQUESTED) != 0 && stated_ms > 0)
    kwi_pace_compare (&f->level, seen->requested, stated_ms, seen_ms);
}

void
kwi_pace_end (struct kwi_booking *b, int served, int64_t now_ms)
{
  uint32_t i;

  for (i = 0; served && i < b->n; i++)
    kwi_level_served (&b->in[i].fact->level, b->in[i].mark, now_ms);
  b->n = 0;
  b->early = 0;
}
