/* ring-rank - the strategies: where a request begins, as ranks of keys for each
 * model, and how many requests are on a key at once. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_OK */

#include "keyring-private.h"

/* weighted: what a request adds to a key's rank is this, by its weight.  ranks
 * end far from overflowing. */
#define STRIDE (INT64_C (1) << 32)
#define RANK_MAX (INT64_MAX / 4)

/* most_remaining: the whole of a bucket. */
#define WHOLE 1000000000

/* ... and as many keys' buckets are looked at in every pick. */
enum { FEW = 8 };

void
kwi_keyring_strategy (struct kwi_keyring *r, enum kwi_strategy strategy,
                      int max_concurrency)
{
  r->strategy = strategy;
  r->max_concurrency = (uint32_t) max_concurrency;
  kwi_ring_drop_caches (r);
}

void
kwi_keyring_weigh (struct kwi_keyring *r, size_t key, uint32_t weight)
{
  r->keys[key].weight = weight > 0 ? weight : 1;
}

int
kwi_ring_books (const struct kwi_keyring *r)
{
  return r->pace != 0 || r->strategy == KWI_MOST_REMAINING;
}

int
kwi_ring_learns (const struct kwi_keyring *r)
{
  return kwi_ring_books (r) || r->strategy == KWI_LEAST_USED;
}

int64_t
kwi_ring_fresh (const struct kwi_keyring *r)
{
  return r->strategy == KWI_MOST_REMAINING ? -WHOLE : 0;
}

uint32_t
kwi_ring_number (struct kwi_keyring *r, const char *model)
{
  uint32_t m = kwi_store_find_model (r->store, model);

  if (m == 0 && kwi_store_n_models (r->store) < KWI_STORE_MODELS / 4)
    m = kwi_store_model (r->store, model);
  return m;
}

/* How much of the tightest bucket that is known is left, 0 to 1. */
static double
share_left (const struct kwi_store *s, const uint32_t subjects[3],
            uint32_t model, int64_t now_ms)
{
  double least = 1;
  int i, k;

  for (i = 0; i < 3; i++)
    for (k = 0; k < (model != KWI_EVERY_MODEL ? 2 : 1); k++) {
      const struct kwi_fact *f
        = kwi_store_find (s, subjects[i], k == 0 ? KWI_EVERY_MODEL : model);
      for (; f != NULL; f = f->next) {
        double share;
        if (f->level.limit <= 0)
          continue;
        share = (double) kwi_level_room (&f->level, now_ms)
                / (double) f->level.limit;
        if (share < least)
          least = share;
      }
    }
  return least;
}

/* What is not in the buckets yet counts a little, so that keys of which nothing
 * is known share, too. */
static int64_t
rank_by_remaining (const struct kwi_keyring *r, size_t key,
                   const struct kwi_ask *ask)
{
  uint32_t subjects[3];
  double share;

  kwi_ring_subjects (r, &r->keys[key], subjects);
  share = share_left (r->store, subjects, ask->m, ask->now_ms);
  return (int64_t) r->keys[key].in_flight - (int64_t) (share * WHOLE);
}

int64_t
kwi_ring_rank (const struct kwi_keyring *r, size_t key,
               const struct kwi_ask *ask)
{
  const struct kwi_cache *c = ask->cache;

  if (r->strategy == KWI_MOST_REMAINING)
    return rank_by_remaining (r, key, ask);
  if (c == NULL)
    return 0;
  if (c->rank != NULL)
    return c->rank[key];
  return (int64_t) (key >= c->next ? key - c->next : key + c->n - c->next);
}

/* Buckets refill without anybody's doing: a few keys a pick are looked at in
 * turn, and the first until it is the first for good (or nearly). */
void
kwi_ring_refresh (struct kwi_keyring *r, const struct kwi_ask *ask)
{
  struct kwi_cache *c = ask->cache;
  int i;

  if (r->strategy != KWI_MOST_REMAINING)
    return;
  c->level = INT64_MIN;         /* nothing to catch up with */
  for (i = 0; i < (c->n <= FEW ? (int) c->n : FEW / 4); i++) {
    c->next = c->next + 1 < c->n ? c->next + 1 : 0;
    kwi_cache_set_rank (c, c->next, rank_by_remaining (r, c->next, ask));
  }
  for (i = 0; i < FEW; i++) {
    size_t first = kwi_cache_first (c);
    if (first < c->n)
      kwi_cache_set_rank (c, first, rank_by_remaining (r, first, ask));
    if (first == kwi_cache_first (c))
      break;
  }
}

/* ---- Requests on a key ------------------------------------------------------- */

/* Those of its kin's calls, too. */
static uint32_t
on_key (const struct kwi_keyring *r, const struct ring_key *k)
{
  return k->place != NULL ? kwi_kin_taken (k->place, r) : k->in_flight;
}

int
kwi_ring_is_full (struct kwi_keyring *r, size_t key)
{
  if (r->max_concurrency == 0)
    return 0;
  if (on_key (r, &r->keys[key]) >= r->max_concurrency)
    return 1;
  return r->leases ? kwi_ring_lacks_place (r, key) : 0;
}

void
kwi_ring_hold (struct kwi_keyring *r, const struct kwi_ask *ask,
               struct kwi_hold *hold, int stays)
{
  struct ring_key *k = &r->keys[hold->key];
  struct kwi_cache *c = ask->cache;
  int64_t more = 0;

  k->in_flight++;
  if (k->place != NULL)
    kwi_kin_take (k->place);
  if (k->in_flight > k->peak)
    k->peak = k->in_flight;
  hold->held = 1;
  if (r->n_lines > 0)
    kwi_ring_pass (r, ask, hold);
  if (c == NULL)
    return;
  switch (r->strategy) {
  case KWI_ROUND_ROBIN:
    if (!stays)
      c->next = hold->key + 1 < c->n ? hold->key + 1 : 0;
    return;
  case KWI_WEIGHTED:
    more = STRIDE / r->keys[hold->key].weight;
    break;
  case KWI_LEAST_USED:
    more = ask->need.least;
    hold->charged = more;
    break;
  case KWI_MOST_REMAINING:
    kwi_cache_set_rank (c, hold->key, rank_by_remaining (r, hold->key, ask));
    return;
  default:
    return;
  }
  if (!stays && c->rank[hold->key] > c->level)
    c->level = c->rank[hold->key];
  if (c->rank[hold->key] > RANK_MAX - more)
    kwi_cache_refill (c);
  kwi_cache_set_rank (c, hold->key, c->rank[hold->key] + more);
}

/* What was charged becomes what it cost: nothing, if it was not served. */
static void
settle_charge (struct kwi_keyring *r, struct kwi_hold *hold,
               const struct kwi_judgement *j)
{
  uint32_t m = hold->model != 0 ? hold->model : KWI_EVERY_MODEL;
  int64_t cost = 0;
  struct kwi_cache *c;

  if (hold->charged == 0 || r->cache_of[m] == 0)
    return;
  c = r->caches[r->cache_of[m] - 1];
  if (j != NULL && j->outcome == KW_OUTCOME_OK) {
    cost = hold->charged;
    if (j->input_tokens >= 0 || j->output_tokens >= 0)
      cost = (j->input_tokens > 0 ? j->input_tokens : 0)
             + (j->output_tokens > 0 ? j->output_tokens : 0);
  }
  if (cost > RANK_MAX - (c->rank[hold->key] > 0 ? c->rank[hold->key] : 0))
    cost = hold->charged;
  kwi_cache_set_rank (c, hold->key, c->rank[hold->key] + cost - hold->charged);
  hold->charged = 0;
}

void
kwi_ring_open_full (struct kwi_keyring *r, size_t key)
{
  size_t i;

  if (r->max_concurrency == 0)
    return;
  for (i = 0; i < r->n_caches; i++)
    if (kwi_cache_is_full (r->caches[i], key))
      kwi_cache_open (r->caches[i], key);
}

int
kwi_ring_unhold (struct kwi_keyring *r, struct kwi_hold *hold,
                 const struct kwi_judgement *j)
{
  struct ring_key *k = &r->keys[hold->key];

  if (!hold->held)
    return 0;
  hold->held = 0;
  k->in_flight--;
  if (k->place != NULL)
    kwi_kin_give (k->place);
  settle_charge (r, hold, j);
  kwi_ring_open_full (r, hold->key);
  return k->place != NULL;
}
