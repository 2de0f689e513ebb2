/* keyring - which key a request goes out on, and what its answer means for
 * that key and its siblings; see keyring.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_*, KW_SCOPE_* */

#include "keyring-private.h"

/* Held for a fraction of a microsecond: who finds it taken spins for a moment
 * before the kernel puts him to sleep. */
void
kwi_ring_init_lock (pthread_mutex_t *lock)
{
  pthread_mutexattr_t attr;

  (void) pthread_mutexattr_init (&attr);
#ifdef __GLIBC__
  (void) pthread_mutexattr_settype (&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
  (void) pthread_mutex_init (lock, &attr);
  (void) pthread_mutexattr_destroy (&attr);
}

struct kwi_keyring *
kwi_keyring_new (atomic_uint_fast64_t *seq, void (*wake) (struct kwi_waiter *))
{
  struct kwi_keyring *r = calloc (1, sizeof *r);

  if (r == NULL)
    return NULL;
  r->seq = seq;
  r->wake = wake;
  kwi_ring_init_lock (&r->lock);
  r->store = kwi_store_new ();
  if (r->store != NULL)
    r->provider = kwi_store_subject (r->store, "provider");
  if (r->provider == 0) {
    kwi_keyring_free (r);
    return NULL;
  }
  return r;
}

void
kwi_keyring_free (struct kwi_keyring *r)
{
  if (r == NULL)
    return;
  kwi_kin_leave (r);
  kwi_store_free (r->store);
  (void) pthread_mutex_destroy (&r->lock);
  kwi_ring_drop_caches (r);
  kwi_ring_free_accounts (r);
  kwi_ring_free_lines (r);
  free (r->keys);
  free (r->models);
  free (r);
}

int
kwi_keyring_add (struct kwi_keyring *r, const char *name,
                 const char *fingerprint)
{
  struct ring_key *k;
  char subject[64];

  if (r->n == r->size) {
    size_t size = r->size == 0 ? 8 : r->size * 2;
    k = aligned_alloc (KEY_ALIGN, size * sizeof *k);
    if (k == NULL)
      return -1;
    if (r->n > 0)
      memcpy (k, r->keys, r->n * sizeof *k);
    free (r->keys);
    r->keys = k;
    r->size = size;
  }
  k = &r->keys[r->n];
  memset (k, 0, sizeof *k);
  k->weight = 1;
  memccpy (k->name, name, '\0', sizeof k->name - 1);
  memccpy (k->fingerprint, fingerprint, '\0', sizeof k->fingerprint - 1);
  if (snprintf (subject, sizeof subject, "key:%s", k->fingerprint) < 0)
    return -1;
  k->subject = kwi_store_subject (r->store, subject);
  if (k->subject == 0)
    return -1;
  kwi_ring_drop_caches (r);     /* they are as large as the ring was */
  r->n++;
  return 0;
}

size_t
kwi_keyring_count (const struct kwi_keyring *r)
{
  return r->n;
}

const char *
kwi_keyring_name (const struct kwi_keyring *r, size_t key)
{
  return key < r->n ? r->keys[key].name : "";
}

size_t
kwi_keyring_index (const struct kwi_keyring *r, const char *name)
{
  size_t i;

  for (i = 0; i < r->n; i++)
    if (strcmp (r->keys[i].name, name) == 0)
      break;
  return i;
}

/* Takes note of a key that cannot be picked. */
static void
note_blocked (struct kwi_pick *p, size_t key, const struct kwi_look *look)
{
  p->n_by_verdict[look->verdict < 8 ? look->verdict : 0]++;
  if (look->standing == KWI_PROBED) {
    p->picked = KWI_PICK_BUSY;
    return;
  }
  if (look->ready_ms < p->ready_ms || p->ready_key == KWI_NO_KEY) {
    p->ready_ms = look->ready_ms;
    p->ready_key = key;
  }
  if (look->verdict == KW_OUTCOME_RATE_LIMIT
      && look->ready_ms < p->limited_ready_ms) {
    p->limited_ready_ms = look->ready_ms;
    p->limited_key = key;
  }
}

/* The key whose buckets have room for the request first. */
struct soonest {
  size_t key;
  struct kwi_pace_look look;
};

/* 1: key is free, or this call's to probe; 2: it is to be waited for. */
static int
try_key (struct kwi_keyring *r, size_t key, const struct kwi_ask *ask,
         int stays, struct soonest *soonest, struct kwi_pick *p)
{
  struct kwi_pace_look l = kwi_ring_look (r, key, ask);
  struct kwi_line *line = NULL;
  int64_t at;
  int full;

  if (l.look.standing == KWI_FREE || l.look.standing == KWI_HALF_OPEN) {
    if (r->n_lines > 0)
      line = kwi_ring_held_by (r, key, ask, &at);
    if (line != NULL && (stays || kwi_ring_stands (r, line))) {
      kwi_ring_stand (line, key, ask, p);
      return 2;
    }
    full = line == NULL ? kwi_ring_is_full (r, key) : 0;
    if (line == NULL && full == 0)
      return 1;
    p->picked = KWI_PICK_BUSY;
    p->full |= line == NULL;
    if (stays)
      p->full_key = key;
    if (line != NULL && at < p->ready_ms) {
      p->ready_ms = at;
      p->ready_key = key;
    }
    return stays || full == 2 ? 2 : 0;
  }
  note_blocked (p, key, &l.look);
  if (!l.by_bucket || (r->pace & KWI_PACE_WAIT) == 0)
    return 0;
  if (soonest->key == KWI_NO_KEY
      || l.look.ready_ms < soonest->look.look.ready_ms) {
    soonest->key = key;
    soonest->look = l;
  }
  stays |= r->strategy == KWI_PRIORITY;
  return stays && r->stay && l.look.verdict == KW_OUTCOME_RATE_LIMIT ? 2 : 0;
}

/* The key, of those that are free, which the strategy ranks first; n: none is
 * free, and one is to be waited for (*ret_tried 2) or not. */
static size_t
try_all (struct kwi_keyring *r, const struct kwi_ask *ask, size_t prefer,
         struct soonest *soonest, struct kwi_pick *p, int *ret_tried)
{
  int64_t best = INT64_MAX;
  size_t i, key = r->n;

  for (i = 0; i < r->n; i++) {
    int64_t rank;
    if (i == prefer)
      continue;
    *ret_tried = try_key (r, i, ask, 0, soonest, p);
    if (*ret_tried == 2)
      break;
    if (*ret_tried == 0)
      continue;
    if (r->strategy == KWI_PRIORITY)
      return i;
    rank = kwi_ring_rank (r, i, ask);
    if (rank < best || key == r->n) {
      best = rank;
      key = i;
    }
  }
  return key;
}

/* By looking at one key after the other: where what is free depends on the size
 * of the request, and so cannot be kept at hand. */
static void
pick_in_turn (struct kwi_keyring *r, const struct kwi_ask *ask, size_t prefer,
             const struct kwi_want *want, struct kwi_pick *p)
{
  struct soonest soonest = { .key = KWI_NO_KEY };
  size_t key = prefer < r->n ? prefer : r->n;
  struct kwi_pace_look look;
  int64_t wait_ms;
  int tried = 0;

  if (prefer < r->n) {
    tried = try_key (r, prefer, ask, 1, &soonest, p);
    if (tried == 0)
      p->prefer_verdict = kwi_ring_look (r, prefer, ask).look.verdict;
  }
  if (tried == 0 && r->n_lines > 0 && kwi_ring_is_behind (r, ask)) {
    p->picked = KWI_PICK_BUSY;
    return;
  }
  if (tried == 0)
    key = try_all (r, ask, prefer, &soonest, p, &tried);
  if (key < r->n && tried != 2) {
    look = kwi_ring_look (r, key, ask);
    kwi_ring_take (r, key, ask, &look, 0, key == prefer, p);
    return;
  }
  if (soonest.key == KWI_NO_KEY || p->picked == KWI_PICK_LINE
      || (p->full && soonest.key != prefer))
    return;
  p->by = soonest.look.by->bucket.dimension;
  wait_ms = soonest.look.look.ready_ms - ask->now_ms;
  if (want == NULL || wait_ms >= want->left_ms)
    return;
  kwi_ring_take (r, soonest.key, ask, &soonest.look, wait_ms, 0, p);
}

void
kwi_keyring_pick (struct kwi_keyring *r, const char *model, size_t prefer,
                  uint64_t call, struct kwi_waiter *waiter,
                  const struct kwi_want *want, int64_t now_ms,
                  struct kwi_pick *ret)
{
  struct kwi_ask ask = { .model = model, .call = call };
  struct kwi_kin *kin;

  *ret = (struct kwi_pick) {
    .picked = KWI_PICK_NONE,
    .hold = { .key = KWI_NO_KEY },
    .ready_key = KWI_NO_KEY,
    .ready_ms = KWI_NEVER,
    .limited_key = KWI_NO_KEY,
    .full_key = KWI_NO_KEY,
    .limited_ready_ms = KWI_NEVER,
  };
  kin = kwi_kin_lock (r);
  ask.now_ms = kwi_ring_now (r, now_ms);
  ask.m = r->strategy == KWI_PRIORITY && !kwi_ring_learns (r)
          ? kwi_store_find_model (r->store, model) : kwi_ring_number (r, model);
  if (kwi_ring_learns (r)) {
    ask.learnt = kwi_ring_model (r, ask.m);
    kwi_pace_need (ask.learnt, want != NULL ? want->size : NULL, &ask.need);
  }
  ask.cache = kwi_ring_cache (r, ask.m);
  if (r->pace == 0 && ask.cache != NULL)
    kwi_ring_pick (r, &ask, prefer, ret);
  else if (want == NULL || want->turn == NULL
           || !kwi_ring_take_turn (r, &ask, want, ret)) {
    pick_in_turn (r, &ask, prefer, want, ret);
    kwi_ring_note_turn (r, ret);
  }
  if (waiter != NULL && (r->n_lines > 0 || ret->picked != KWI_PICK_KEY))
    kwi_ring_queue (r, &ask, waiter, ret);
  ret->seq = atomic_fetch_add (r->seq, KWI_SEQ_STEP) + 1;
  kwi_kin_unlock (r, kin, waiter != NULL);
}

void
kwi_keyring_leave (struct kwi_keyring *r, struct kwi_hold *hold,
                   const char *model, uint64_t call, struct kwi_waiter *waiter)
{
  size_t gave = KWI_NO_KEY;

  (void) model;                 /* its number is in the hold */
  (void) pthread_mutex_lock (&r->lock);
  if (waiter != NULL)
    kwi_ring_quit (r, waiter);
  if (hold->key < r->n) {
    kwi_ring_unbook (r, &hold->booking);
    if (kwi_ring_unhold (r, hold, NULL))
      gave = hold->key;
    (void) kwi_ring_probe_end (r, hold, call, 0);
    if (r->n_lines > 0) {
      kwi_ring_passed (r, hold, NULL, 0, 0);
      (void) kwi_ring_wake (r, hold->key);
    }
  }
  (void) pthread_mutex_unlock (&r->lock);
  kwi_kin_tell (r, gave);
}

/* Tell: others that this key was reset, and not all. */
static void
reset_key (struct kwi_keyring *r, size_t key, int64_t epoch_ms, int tell)
{
  const uint32_t subjects[2] = { r->keys[key].subject, r->keys[key].account };
  int i, freed = 0;

  for (i = 0; i < 2; i++)
    if (subjects[i] != 0) {
      freed += kwi_ring_forget (r, key, subjects[i], epoch_ms);
      if (tell)
        kwi_ring_tell_reset (r, subjects[i]);
    }
  if (freed > 0)
    kwi_ring_freed (r, key);
}

void
kwi_keyring_reset (struct kwi_keyring *r, size_t key, int64_t now_ms)
{
  const int one = key < r->n;
  size_t i = one ? key : 0, end = one ? key + 1 : r->n;
  int64_t epoch_ms;

  (void) pthread_mutex_lock (&r->lock);
  epoch_ms = kwi_store_later (r->store, kwi_ring_now (r, now_ms));
  for (; i < end; i++)
    reset_key (r, i, epoch_ms, one);
  (void) kwi_ring_forget (r, key, one ? r->provider : 0, epoch_ms);
  kwi_ring_tell_reset (r, one ? r->provider : 0);
  kwi_ring_reset_lines (r, key);
  (void) pthread_mutex_unlock (&r->lock);
  kwi_kin_reset (r, key, epoch_ms, now_ms);
}
