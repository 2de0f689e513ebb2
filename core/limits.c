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

static int64_t
stagger_of (struct kwi_store *s, int64_t until_ms)
{
  if (until_ms == KWI_NEVER)
    return 0;
  return (int64_t) (kwi_store_count_at (s, until_ms) % STAGGER_SLOTS)
         * STAGGER_MS + kwi_store_offset (s);
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
  if (until_ms < f->until_ms
      || (until_ms == f->until_ms && now_ms <= f->said_ms))
    return 0;
  if (f->epoch_ms < kwi_store_epoch (s, subject))
    f->epoch_ms = kwi_store_epoch (s, subject);
  stagger = newly || until_ms == KWI_NEVER ? stagger_of (s, until_ms)
                                           : f->ready_ms - f->until_ms;
  f->probe = 0;
  f->verdict = verdict;
  f->until_ms = until_ms;
  f->ready_ms = until_ms + stagger;
  f->span_ms = until_ms - now_ms;
  f->said_ms = now_ms;
  kwi_store_tell (s, f, KWI_TELL_BLOCK);
  return newly;
}

void
kwi_limits_set (struct kwi_bucket *to, const struct kwi_bucket *from)
{
  memcpy (to, from, offsetof (struct kwi_bucket, dimension));
}

int
kwi_limits_bucket (struct kwi_store *s, uint32_t subject, uint32_t model,
                   const struct kwi_bucket *b, int64_t seen_ms)
{
  struct kwi_fact *f = kwi_store_get (s, subject, model, b->dimension);

  if (f == NULL)
    return -1;
  if (f->bucket.have == 0 || seen_ms >= f->seen_ms) {
    kwi_limits_set (&f->bucket, b);
    f->seen_ms = seen_ms;
    kwi_store_tell (s, f, KWI_TELL_BUCKET);
  }
  return 0;
}

static void
free_fact (struct kwi_fact *f, int64_t epoch_ms)
{
  f->until_ms = f->ready_ms = 0;
  f->verdict = 0;
  f->probe = 0;
  f->epoch_ms = epoch_ms;
}

struct probe_state {
  struct kwi_store *store;
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
  kwi_store_tell (st->store, f, KWI_TELL_PROBE);
  return 1;
}

unsigned
kwi_limits_probe (struct kwi_store *s, const uint32_t *subjects, int n,
                  uint32_t model, uint64_t call, int64_t now_ms)
{
  struct probe_state st = { .store = s, .call = call, .now_ms = now_ms };

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
    free_fact (f, kwi_store_later (st->store, st->now_ms));
    kwi_store_tell (st->store, f, KWI_TELL_BLOCK);
    st->freed++;
  }
  return 1;
}

int
kwi_limits_probe_end (struct kwi_store *s, const uint32_t *subjects, int n,
                      uint32_t model, uint64_t call, int served, int64_t now_ms,
                      unsigned *ret_changed)
{
  struct probe_state st = { .store = s, .call = call, .now_ms = now_ms,
                            .served = served };

  *ret_changed = each_fact (s, subjects, n, model, probe_finish, &st);
  return st.freed;
}

/* ---- Forgetting, and what others say ---------------------------------------- */

struct forgetting {
  struct kwi_store *store;
  int64_t epoch_ms;
  int n;
};

static void
forget_one (void *user, struct kwi_fact *f)
{
  struct forgetting *g = user;

  if (f->epoch_ms >= g->epoch_ms)
    return;
  f->level.limit = 0;           /* what is known of its bucket, too */
  if (f->until_ms == 0 || f->said_ms <= g->epoch_ms) {
    g->n += f->until_ms != 0;
    free_fact (f, g->epoch_ms);
    return;
  }
  /* Said after a reset that we have not heard of before. */
  f->epoch_ms = g->epoch_ms;
  kwi_store_tell (g->store, f, KWI_TELL_BLOCK);
}

int
kwi_limits_forget (struct kwi_store *s, uint32_t subject, int64_t epoch_ms)
{
  struct forgetting g = { .store = s, .epoch_ms = epoch_ms };

  (void) kwi_store_set_epoch (s, subject, epoch_ms);
  if (subject != 0)
    kwi_store_each (s, subject, forget_one, &g);
  else
    kwi_store_every (s, forget_one, &g);
  return g.n;
}

static int
is_greater (const struct kwi_said *said, const struct kwi_fact *f)
{
  return said->until_ms != f->until_ms ? said->until_ms > f->until_ms
                                       : said->said_ms > f->said_ms;
}

static void
take_said (struct kwi_store *s, struct kwi_fact *f, const struct kwi_said *said,
           int64_t epoch_ms)
{
  f->probe = 0;
  f->verdict = said->verdict;
  f->epoch_ms = epoch_ms;
  f->until_ms = said->until_ms;
  f->ready_ms = said->until_ms + stagger_of (s, said->until_ms);
  f->said_ms = said->said_ms;
  f->span_ms = said->span_ms;
}

int
kwi_limits_merge (struct kwi_store *s, uint32_t subject, uint32_t model,
                  const char *dimension, const struct kwi_said *said,
                  int64_t now_ms)
{
  int64_t reset_ms = kwi_store_epoch (s, subject), epoch_ms = said->epoch_ms;
  struct kwi_fact *f = kwi_store_get (s, subject, model, dimension);
  int was, is_new;

  if (f == NULL)
    return -1;
  kwi_store_heard (s, said->epoch_ms);
  kwi_store_heard (s, said->said_ms);
  was = fact_standing (f, now_ms) != KWI_FREE;
  if (f->epoch_ms > reset_ms)
    reset_ms = f->epoch_ms;
  if (epoch_ms < reset_ms) {
    if (said->until_ms == 0 || said->said_ms <= reset_ms)
      return 0;
    epoch_ms = reset_ms;
  }
  if (epoch_ms > f->epoch_ms && f->until_ms > said->until_ms
      && f->said_ms > epoch_ms) {
    f->epoch_ms = epoch_ms;     /* ours was said behind that epoch */
    kwi_store_tell (s, f, KWI_TELL_BLOCK);
    return 0;
  }
  if (epoch_ms == f->epoch_ms && !is_greater (said, f))
    return 0;
  if (said->until_ms == 0) {
    free_fact (f, epoch_ms);
    return was ? 2 : 0;
  }
  is_new = said->until_ms > now_ms && said->until_ms != f->until_ms;
  take_said (s, f, said, epoch_ms);
  if (epoch_ms > said->epoch_ms)
    kwi_store_tell (s, f, KWI_TELL_BLOCK);
  return is_new;
}

void
kwi_limits_others_probe (struct kwi_store *s, uint32_t subject, uint32_t model,
                         const char *dimension, int64_t epoch_ms,
                         int64_t until_ms)
{
  struct kwi_fact *f = kwi_store_get (s, subject, model, dimension);

  /* What we said ourselves comes back, too, and would hold us up when it is over. */
  if (f != NULL && f->until_ms != 0 && f->epoch_ms == epoch_ms
      && until_ms != f->probe_told_ms && until_ms > f->ready_ms)
    f->ready_ms = until_ms + kwi_store_offset (s);
}
