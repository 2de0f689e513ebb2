/* limits - what the facts of the store mean: blocked, half-open, free; see
 * limits-ledger.h. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_HAVE_* */

#include "limits-ledger.h"

/* Keys that were exhausted together come back together (a shared midnight);
 * spread them so that the provider does not get all probes in one moment. */
enum { STAGGER_MS = 250, STAGGER_SLOTS = 20 };

static enum kwi_standing
fact_standing (struct kwi_fact *f, int64_t now_ms)
{
  if (f->until_ms == 0)
    return KWI_FREE;
  if (f->until_ms != KWI_NEVER && f->until_ms - now_ms > f->span_ms) {
    /* The clock was set back. */
    int64_t stagger = f->ready_ms - f->until_ms;
    f->until_ms = now_ms + f->span_ms;
    f->ready_ms = f->until_ms + stagger;
  }
  if (now_ms < f->ready_ms)
    return KWI_BLOCKED;
  return f->probe != 0 ? KWI_PROBED : KWI_HALF_OPEN;
}

/* Calls each for every fact of the subjects, for model and for every model.
 * Which of them had one that each took (1): bit 2 i for every model's facts of
 * subject i, bit 2 i + 1 for those of model. */
static unsigned
each_fact (const struct kwi_store *s, const uint32_t *subjects, int n,
           uint32_t model,
           int (*each) (void *user, struct kwi_fact *), void *user)
{
  unsigned taken = 0;
  int i;

  for (i = 0; i < n; i++) {
    struct kwi_fact *f;
    for (f = kwi_store_find (s, subjects[i], KWI_EVERY_MODEL); f != NULL;
         f = f->next)
      taken |= (unsigned) each (user, f) << 2 * i;
    if (model == KWI_EVERY_MODEL)
      continue;
    for (f = kwi_store_find (s, subjects[i], model); f != NULL; f = f->next)
      taken |= (unsigned) each (user, f) << (2 * i + 1);
  }
  return taken;
}

/* What the facts of one cell add to a look. */
static void
look_at (struct kwi_fact *f, int64_t now_ms, struct kwi_look *look)
{
  for (; f != NULL; f = f->next) {
    enum kwi_standing standing = fact_standing (f, now_ms);
    if (standing == KWI_FREE || standing < look->standing)
      continue;
    if (standing == look->standing && f->ready_ms <= look->ready_ms)
      continue;
    *look = (struct kwi_look) { .standing = standing, .verdict = f->verdict,
                                .ready_ms = f->ready_ms };
  }
}

struct kwi_look
kwi_limits_look (const struct kwi_store *s, const uint32_t *subjects, int n,
                 uint32_t model, int64_t now_ms)
{
  struct kwi_look look = { 0 };
  int i;

  for (i = 0; i < n; i++) {
    if (subjects[i] == 0)
      continue;
    look_at (kwi_store_find (s, subjects[i], KWI_EVERY_MODEL), now_ms, &look);
    if (model != KWI_EVERY_MODEL)
      look_at (kwi_store_find (s, subjects[i], model), now_ms, &look);
  }
  return look;
}

int
kwi_limits_block (struct kwi_store *s, uint32_t subject, uint32_t model,
                  const char *dimension, uint32_t verdict, int64_t until_ms,
                  int64_t now_ms)
{
  struct kwi_fact *f = kwi_store_get (s, subject, model, dimension);
  int64_t stagger;
  int newly;

  if (f == NULL)
    return -1;
  newly = fact_standing (f, now_ms) != KWI_BLOCKED;
  if (until_ms <= f->until_ms)
    return 0;
  if (until_ms == KWI_NEVER)
    stagger = 0;
  else if (newly)
    stagger = (int64_t) (kwi_store_count_at (s, until_ms) % STAGGER_SLOTS)
              * STAGGER_MS;
  else
    stagger = f->ready_ms - f->until_ms;
  f->probe = 0;
  f->verdict = verdict;
  f->until_ms = until_ms;
  f->ready_ms = until_ms + stagger;
  f->span_ms = until_ms - now_ms;
  return newly;
}

int
kwi_limits_bucket (struct kwi_store *s, uint32_t subject, uint32_t model,
                   const struct kwi_bucket *b, int64_t seen_ms)
{
  struct kwi_fact *f = kwi_store_get (s, subject, model, b->dimension);

  if (f == NULL)
    return -1;
  if (f->bucket.have == 0 || seen_ms >= f->seen_ms) {
    char dimension[sizeof f->bucket.dimension];
    memcpy (dimension, f->bucket.dimension, sizeof dimension);
    f->bucket = *b;
    memcpy (f->bucket.dimension, dimension, sizeof dimension);
    f->seen_ms = seen_ms;
  }
  return 0;
}

struct probe_state {
  uint64_t call;
  int64_t now_ms;
  int served;
  int freed;
};

static int
probe_begin (void *user, struct kwi_fact *f)
{
  struct probe_state *st = user;

  if (fact_standing (f, st->now_ms) != KWI_HALF_OPEN)
    return 0;
  f->probe = st->call;
  return 1;
}

unsigned
kwi_limits_probe (struct kwi_store *s, const uint32_t *subjects, int n,
                  uint32_t model, uint64_t call, int64_t now_ms)
{
  struct probe_state st = { .call = call, .now_ms = now_ms };

  return each_fact (s, subjects, n, model, probe_begin, &st);
}

static int
probe_finish (void *user, struct kwi_fact *f)
{
  struct probe_state *st = user;

  if (f->probe != st->call)
    return 0;
  f->probe = 0;
  if (st->served) {
    f->until_ms = f->ready_ms = 0;
    f->verdict = 0;
    st->freed++;
  }
  return 1;
}

int
kwi_limits_probe_end (struct kwi_store *s, const uint32_t *subjects, int n,
                      uint32_t model, uint64_t call, int served,
                      unsigned *ret_changed)
{
  struct probe_state st = { .call = call, .served = served };

  *ret_changed = each_fact (s, subjects, n, model, probe_finish, &st);
  return st.freed;
}

static void
forget_one (void *user, struct kwi_fact *f)
{
  int *n = user;

  f->level.limit = 0;           /* what is known of its bucket, too */
  if (f->until_ms == 0)
    return;
  f->until_ms = f->ready_ms = 0;
  f->verdict = 0;
  f->probe = 0;
  ++*n;
}

int
kwi_limits_forget (struct kwi_store *s, uint32_t subject)
{
  int n = 0;

  kwi_store_each (s, subject, forget_one, &n);
  return n;
}
