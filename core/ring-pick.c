/* ring-pick - the pick in time that does not grow with the keys: by a model's
 * cache of which may be free; see ring-cache.h.  The provider's own facts hold
 * every key at once, so they are looked at first and are in no cache. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_* */

#include "keyring-private.h"

/* Threads read the clock before they come to the lock, so what they bring may
 * be behind by that; more is a clock that was set back, and then what the
 * caches have is worth nothing. */
#define MOMENT_MS 1000

int64_t
kwi_ring_now (struct kwi_keyring *r, int64_t now_ms)
{
  if (now_ms >= r->last_ms)
    r->last_ms = now_ms;
  else if (r->last_ms - now_ms >= MOMENT_MS) {
    r->last_ms = now_ms;
    r->epoch++;
  }
  return r->last_ms;
}

/* ---- Taking -------------------------------------------------------------------- */

/* Tells the caches of what changed, as the ledger returned it. */
static void
changed (struct kwi_keyring *r, const struct kwi_hold *hold, unsigned which)
{
  int i;

  for (i = 0; i < 2; i++) {
    if ((which & 1u << 2 * i) != 0)
      kwi_ring_changed (r, hold->key, hold->subjects[i], KWI_EVERY_MODEL);
    else if ((which & 2u << 2 * i) != 0)
      kwi_ring_changed (r, hold->key, hold->subjects[i], hold->model);
  }
}

void
kwi_ring_probe (struct kwi_keyring *r, const struct kwi_ask *ask,
                struct kwi_hold *hold)
{
  hold->probe = 1;
  hold->model = ask->m;
  changed (r, hold, kwi_limits_probe (r->store, hold->subjects, 3, ask->m,
                                      ask->call, ask->now_ms));
}

int
kwi_ring_probe_end (struct kwi_keyring *r, struct kwi_hold *hold, uint64_t call,
                    int served)
{
  unsigned which;
  int n;

  if (!hold->probe)
    return 0;
  hold->probe = 0;
  n = kwi_limits_probe_end (r->store, hold->subjects, 3, hold->model, call,
                            served, r->last_ms, &which);
  changed (r, hold, which);
  return n;
}

void
kwi_ring_take (struct kwi_keyring *r, size_t key, const struct kwi_ask *ask,
               const struct kwi_pace_look *look, int64_t wait_ms, int stays,
               struct kwi_pick *p)
{
  p->picked = KWI_PICK_KEY;
  p->probe = look->look.standing == KWI_HALF_OPEN;
  p->hold.key = key;
  p->hold.model = ask->m;
  p->wait_ms = wait_ms;
  kwi_ring_subjects (r, &r->keys[key], p->hold.subjects);
  if (ask->call == 0)           /* only a look */
    return;
  if (kwi_ring_books (r)) {
    kwi_pace_book (r->store, p->hold.subjects, 3, ask->model, &ask->need,
                   wait_ms > 0, ask->now_ms, &p->hold.booking);
    p->hold.booking.early = (uint32_t) look->early;
  }
  if (p->probe)
    kwi_ring_probe (r, ask, &p->hold);
  if (wait_ms <= 0)
    kwi_ring_hold (r, ask, &p->hold, stays);
  r->current = key;
}

/* ---- Looking ------------------------------------------------------------------- */

static int
is_usable (const struct kwi_look *l)
{
  return l->standing == KWI_FREE || l->standing == KWI_HALF_OPEN;
}

/* The one of two that holds back for longer. */
static const struct kwi_look *
longer (const struct kwi_look *own, const struct kwi_look *all)
{
  if (all->standing == KWI_FREE || all->standing < own->standing)
    return own;
  return all->standing > own->standing || all->ready_ms > own->ready_ms ? all
                                                                        : own;
}

/* The provider's facts apart. */
static struct kwi_look
look_own (const struct kwi_keyring *r, size_t key, const struct kwi_ask *ask)
{
  const uint32_t subjects[2] = { r->keys[key].subject, r->keys[key].account };

  return kwi_limits_look (r->store, subjects, 2, ask->m, ask->now_ms);
}

static struct kwi_look
look_all (const struct kwi_keyring *r, const struct kwi_ask *ask)
{
  return kwi_limits_look (r->store, &r->provider, 1, ask->m, ask->now_ms);
}

/* The first key, by the strategy, that is free by its own facts; n: none, and
 * all are parked or full. */
static size_t
find_open (struct kwi_keyring *r, const struct kwi_ask *ask,
           struct kwi_look *ret)
{
  struct kwi_cache *c = ask->cache;
  size_t key;
  int full;

  kwi_cache_come_back (c, ask->now_ms);
  kwi_ring_refresh (r, ask);
  while ((key = kwi_cache_first (c)) < c->n) {
    *ret = look_own (r, key, ask);
    if (!is_usable (ret)) {
      kwi_cache_park (c, key, ret);
      continue;
    }
    full = kwi_ring_is_full (r, key);
    if (full == 0)
      break;
    kwi_cache_fill (c, key);
    if (full == 2)              /* its place may come in a moment */
      return c->n;
  }
  return key;
}

/* ---- When nothing is free -------------------------------------------------------- */

/* The preferred key is named first among equals. */
static void
note_first (const struct kwi_heap_item *first, size_t prefer,
            const struct kwi_look *preferred, size_t *ret_key, int64_t *ret_ms)
{
  *ret_key = first->i;
  *ret_ms = first->value;
  if (preferred->standing == KWI_BLOCKED && preferred->ready_ms == first->value)
    *ret_key = prefer;
}

static void
note_parked (const struct kwi_keyring *r, const struct kwi_cache *c,
             size_t prefer, const struct kwi_look *preferred, struct kwi_pick *p)
{
  const struct kwi_heap_item *first = kwi_cache_next_back (c);
  const struct kwi_heap_item *limited = c->limited.n > 0 ? c->limited.item : NULL;
  struct kwi_look none = { 0 };

  p->picked = c->n_probed > 0 || c->n_full > 0 ? KWI_PICK_BUSY : KWI_PICK_NONE;
  p->full = c->n_full > 0 && r->max_concurrency > 0;
  memcpy (p->n_by_verdict, c->n_by_verdict, sizeof p->n_by_verdict);
  if (first != NULL)
    note_first (first, prefer, preferred, &p->ready_key, &p->ready_ms);
  if (limited != NULL && limited->value != KWI_NEVER)
    note_first (limited, prefer,
                preferred->verdict == KW_OUTCOME_RATE_LIMIT ? preferred : &none,
                &p->limited_key, &p->limited_ready_ms);
}

/* The provider itself is blocked, for this reason and until then, or tried by
 * another call: so is every key. */
static void
note_provider (struct kwi_keyring *r, const struct kwi_ask *ask,
               const struct kwi_look *all, struct kwi_pick *p)
{
  const struct kwi_cache *c = ask->cache;
  const struct kwi_heap_item *first;
  struct kwi_look own;
  size_t key;

  p->n_by_verdict[all->verdict < 8 ? all->verdict : 0] = r->n;
  if (all->standing == KWI_PROBED) {
    p->picked = KWI_PICK_BUSY;
    return;
  }
  key = find_open (r, ask, &own);
  first = kwi_cache_next_back (c);
  p->ready_ms = all->ready_ms;
  p->ready_key = key < r->n ? key : 0;
  if (key == r->n && first != NULL) {
    p->ready_key = first->i;
    if (c->n_probed + c->n_full == 0 && first->value > p->ready_ms)
      p->ready_ms = first->value;
  }
  if (all->verdict == KW_OUTCOME_RATE_LIMIT && p->ready_ms != KWI_NEVER) {
    p->limited_key = p->ready_key;
    p->limited_ready_ms = p->ready_ms;
  }
}

static int
take (struct kwi_keyring *r, size_t key, const struct kwi_ask *ask,
      const struct kwi_look *look, int stays, struct kwi_pick *p)
{
  struct kwi_pace_look l = { .look = *look };

  if (!is_usable (look))
    return 0;
  kwi_ring_take (r, key, ask, &l, 0, stays, p);
  return 1;
}

/* The same while calls wait: what a line holds back is passed over, or, if its
 * calls are to stay with it, waited for.  n: nothing is left, or p says it. */
static size_t
find_unheld (struct kwi_keyring *r, const struct kwi_ask *ask,
             struct kwi_look *ret, struct kwi_pick *p)
{
  struct kwi_look held = { .standing = KWI_BLOCKED,
                           .verdict = KW_OUTCOME_RATE_LIMIT };
  struct kwi_line *line;
  size_t key;

  while ((key = find_open (r, ask, ret)) < r->n
         && (line = kwi_ring_held_by (r, key, ask, &held.ready_ms)) != NULL) {
    if (kwi_ring_stands (r, line)) {
      kwi_ring_stand (line, key, ask, p);
      return r->n;
    }
    if (held.ready_ms == KWI_NEVER)
      kwi_cache_fill (ask->cache, key);
    else
      kwi_cache_park (ask->cache, key, &held);
  }
  if (key < r->n && kwi_ring_is_behind (r, ask)) {
    p->picked = KWI_PICK_BUSY;
    return r->n;
  }
  return key;
}

void
kwi_ring_pick (struct kwi_keyring *r, const struct kwi_ask *ask, size_t prefer,
               struct kwi_pick *p)
{
  struct kwi_look all = look_all (r, ask), own, preferred = { 0 };
  struct kwi_line *line = NULL;
  int64_t at;
  size_t key;

  if (r->n == 0)
    return;
  if (prefer < r->n) {
    preferred = look_own (r, prefer, ask);
    if (r->n_lines > 0 && is_usable (longer (&preferred, &all)))
      line = kwi_ring_held_by (r, prefer, ask, &at);
    if (line != NULL) {
      kwi_ring_stand (line, prefer, ask, p);
      return;
    }
    if (is_usable (longer (&preferred, &all)) && kwi_ring_is_full (r, prefer)) {
      p->picked = KWI_PICK_BUSY; /* it stays on its key */
      p->full = 1;
      p->full_key = prefer;
      return;
    }
    if (take (r, prefer, ask, longer (&preferred, &all), 1, p))
      return;
    p->prefer_verdict = longer (&preferred, &all)->verdict;
  }
  if (!is_usable (&all)) {
    note_provider (r, ask, &all, p);
    return;
  }
  key = r->n_lines == 0 ? find_open (r, ask, &own)
                        : find_unheld (r, ask, &own, p);
  if (p->picked != KWI_PICK_NONE)
    return;
  if (key == r->n || !take (r, key, ask, longer (&own, &all), 0, p))
    note_parked (r, ask->cache, prefer, &preferred, p);
}

int64_t
kwi_ring_next_ready (struct kwi_keyring *r, const struct kwi_ask *ask)
{
  struct kwi_look all = look_all (r, ask), own;
  const struct kwi_heap_item *first;
  int64_t ready = KWI_NEVER;

  if (find_open (r, ask, &own) < r->n || ask->cache->n_probed > 0
      || ask->cache->n_full > 0)
    ready = ask->now_ms;
  else if ((first = kwi_cache_next_back (ask->cache)) != NULL)
    ready = first->value;
  return all.standing == KWI_BLOCKED && all.ready_ms > ready ? all.ready_ms
                                                             : ready;
}
