/* ring-line - order and gate of those that wait; see ring-line.h. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_HAVE_* */

#include "pace.h"
#include "ring-line.h"

/* ---- Order ------------------------------------------------------------------ */

/* Mostly at the end; one that was let through and refused, near the front. */
static struct kwi_waiter *
find_before (const struct kwi_line *l, uint64_t call, size_t *ret_ahead)
{
  struct kwi_waiter *at;

  *ret_ahead = 0;
  if (l->first == NULL || call < l->first->call)
    return NULL;
  if (call > l->last->call) {
    *ret_ahead = l->n;
    return l->last;
  }
  for (at = l->first; at->next != NULL && at->next->call < call; at = at->next)
    ++*ret_ahead;
  ++*ret_ahead;
  return at;
}

size_t
kwi_line_join (struct kwi_line *l, struct kwi_waiter *w)
{
  size_t ahead;

  w->line = l;
  w->woken = 0;
  w->prev = find_before (l, w->call, &ahead);
  w->next = w->prev != NULL ? w->prev->next : l->first;
  *(w->prev != NULL ? &w->prev->next : &l->first) = w;
  *(w->next != NULL ? &w->next->prev : &l->last) = w;
  l->n++;
  return ahead;
}

void
kwi_line_quit (struct kwi_waiter *w)
{
  struct kwi_line *l = w->line;

  *(w->prev != NULL ? &w->prev->next : &l->first) = w->next;
  *(w->next != NULL ? &w->next->prev : &l->last) = w->prev;
  w->next = w->prev = NULL;
  w->line = NULL;
  w->woken = 0;
  l->n--;
}

/* ---- The gate ---------------------------------------------------------------- */

static int64_t
amount_of (const struct kwi_line *l)
{
  return l->level.limit > 0 && l->amount > l->level.limit ? l->level.limit
                                                          : l->amount;
}

int64_t
kwi_line_turn (struct kwi_line *l, uint64_t call, int64_t now_ms)
{
  return l->first != NULL && l->first->call < call ? KWI_NEVER
                                                   : kwi_line_when (l, now_ms);
}

int64_t
kwi_line_when (struct kwi_line *l, int64_t now_ms)
{
  int64_t at;

  if (l->ready_ms - now_ms > l->span_ms)        /* the clock was set back */
    l->ready_ms = now_ms + l->span_ms;
  at = l->ready_ms > now_ms ? l->ready_ms : now_ms;
  if (l->probing)
    return l->out == 0 ? at : KWI_NEVER;
  if (l->level.limit > 0) {
    int64_t room = kwi_level_ready (&l->level, amount_of (l), now_ms);
    return room > at ? room : at;
  }
  return l->out < l->window ? at : KWI_NEVER;
}

int64_t
kwi_line_go (struct kwi_line *l, int64_t now_ms)
{
  if (++l->out > l->most)
    l->most = l->out;
  return l->level.limit > 0 ? kwi_level_book (&l->level, amount_of (l), now_ms)
                            : 0;
}

void
kwi_line_over (struct kwi_line *l)
{
  l->out--;
}

static const struct kwi_bucket *
bucket_of (const struct kwi_line *l, const struct kwi_judgement *j)
{
  uint32_t i;

  for (i = 0; i < j->n_buckets; i++)
    if (strcmp (j->bucket[i].dimension, l->dimension) == 0)
      return &j->bucket[i];
  return NULL;
}

void
kwi_line_served (struct kwi_line *l, int64_t mark,
                 const struct kwi_judgement *j, int64_t seen_ms)
{
  const struct kwi_bucket *b = bucket_of (l, j);

  if (l->probing && l->proven > 1)
    l->window = l->proven;
  else if (l->window < UINT32_MAX
           && (l->proven == 0 || l->window < l->proven
               || ++l->growth >= l->window)) {
    l->window++;
    l->growth = 0;
  }
  l->probing = 0;
  if (b != NULL)
    kwi_level_see (&l->level, b, mark, 0, seen_ms);
  else
    kwi_level_served (&l->level, mark, seen_ms);
}

void
kwi_line_show (struct kwi_line *l, const struct kwi_bucket *b, int64_t stated_ms,
               int64_t seen_ms)
{
  memcpy (l->dimension, b->dimension, sizeof l->dimension);
  l->amount = (b->have & KW_HAVE_REQUESTED) != 0 && b->requested > 0
              ? b->requested : 1;
  kwi_level_see (&l->level, b, l->level.sent, 1, seen_ms);
  if (stated_ms > 0 && !l->level.rolling)
    l->level.at_ms = seen_ms + stated_ms; /* that is its window's end */
  else if (stated_ms > 0)
    kwi_pace_compare (&l->level, l->amount, stated_ms, seen_ms);
}

/* The bucket that counted the request, or that the verdict names. */
static const struct kwi_bucket *
refused_by (const struct kwi_judgement *j)
{
  const struct kwi_bucket *named = NULL;
  uint32_t i;

  for (i = 0; i < j->n_buckets; i++) {
    if ((j->bucket[i].have & KW_HAVE_REQUESTED) != 0)
      return &j->bucket[i];
    if (strcmp (j->bucket[i].dimension, j->reason) == 0)
      named = &j->bucket[i];
  }
  return named;
}

void
kwi_line_refused (struct kwi_line *l, const struct kwi_judgement *j,
                  int64_t ready_ms, int64_t seen_ms, int64_t now_ms)
{
  const struct kwi_bucket *b = refused_by (j);

  if (!l->probing && l->window < UINT32_MAX)
    l->proven = l->most / 2 + 1;
  l->most = l->out;
  l->probing = 1;
  l->window = 1;
  l->refusals++;
  if (ready_ms > l->ready_ms) {
    l->ready_ms = ready_ms;
    l->span_ms = ready_ms > now_ms ? ready_ms - now_ms : 0;
  }
  if (b == NULL || strcmp (b->dimension, l->dimension) != 0) {
    l->level = (struct kwi_level) { 0 };
    l->dimension[0] = '\0';
  }
  if (b != NULL)
    kwi_line_show (l, b, j->wait_ms, seen_ms);
}

void
kwi_line_reset (struct kwi_line *l)
{
  l->probing = 1;
  l->window = 1;
  l->refusals++;
  l->ready_ms = l->span_ms = 0;
  l->level = (struct kwi_level) { 0 };
}
