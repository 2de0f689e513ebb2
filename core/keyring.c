/* keyring - which key a request goes out on, and what its answer means for
 * that key and its siblings; see keyring.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_*, KW_SCOPE_* */

#include "keyring-private.h"

struct kwi_keyring *
kwi_keyring_new (atomic_uint_fast64_t *seq, void (*wake) (struct kwi_waiter *))
{
  struct kwi_keyring *r = calloc (1, sizeof *r);

  if (r == NULL)
    return NULL;
  r->seq = seq;
  r->wake = wake;
  (void) pthread_mutex_init (&r->lock, NULL);
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
  kwi_store_free (r->store);
  (void) pthread_mutex_destroy (&r->lock);
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
    k = realloc (r->keys, size * sizeof *k);
    if (k == NULL)
      return -1;
    r->keys = k;
    r->size = size;
  }
  k = &r->keys[r->n];
  memset (k, 0, sizeof *k);
  memccpy (k->name, name, '\0', sizeof k->name - 1);
  memccpy (k->fingerprint, fingerprint, '\0', sizeof k->fingerprint - 1);
  if (snprintf (subject, sizeof subject, "key:%s", k->fingerprint) < 0)
    return -1;
  k->subject = kwi_store_subject (r->store, subject);
  if (k->subject == 0)
    return -1;
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

static void
stop_waiting (struct kwi_keyring *r, struct kwi_waiter *w)
{
  if (!w->listed)
    return;
  *(w->prev != NULL ? &w->prev->next : &r->first_waiter) = w->next;
  *(w->next != NULL ? &w->next->prev : &r->last_waiter) = w->prev;
  *w = (struct kwi_waiter) { 0 };
}

/* Behind those that wait already. */
static void
start_waiting (struct kwi_keyring *r, struct kwi_waiter *w)
{
  *w = (struct kwi_waiter) { .prev = r->last_waiter, .listed = 1 };
  *(w->prev != NULL ? &w->prev->next : &r->first_waiter) = w;
  r->last_waiter = w;
}

/* All of them: what they wait for has changed.  A wake-up only sets a flag, so
 * it is done under the lock, where the waiter surely still lives. */
static void
wake_waiters (struct kwi_keyring *r)
{
  struct kwi_waiter *w;

  while ((w = r->first_waiter) != NULL) {
    stop_waiting (r, w);
    r->wake (w);
  }
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

/* Key is the call's; wait_ms above 0: a place in its line. */
static void
take_key (struct kwi_keyring *r, size_t key, const struct kwi_ask *ask,
          const struct kwi_pace_look *look, int64_t wait_ms, struct kwi_pick *p)
{
  p->picked = KWI_PICK_KEY;
  p->probe = look->look.standing == KWI_HALF_OPEN;
  p->hold.key = key;
  p->wait_ms = wait_ms;
  kwi_ring_subjects (r, &r->keys[key], p->hold.subjects);
  if (ask->call == 0)           /* only a look */
    return;
  if (r->pace != 0) {
    kwi_pace_book (r->store, p->hold.subjects, 3, ask->model, &ask->need,
                   wait_ms > 0, ask->now_ms, &p->hold.booking);
    p->hold.booking.early = (uint32_t) look->early;
  }
  if (p->probe)
    kwi_limits_probe (r->store, p->hold.subjects, 3, ask->model, ask->call,
                      ask->now_ms);
  r->current = key;
}

/* The key whose buckets have room for the request first. */
struct soonest {
  size_t key;
  struct kwi_pace_look look;
};

/* 1: key is free, or this call's to probe, and taken; 2: it is to be waited
 * for. */
static int
try_key (struct kwi_keyring *r, size_t key, const struct kwi_ask *ask,
         struct soonest *soonest, struct kwi_pick *p)
{
  struct kwi_pace_look l = kwi_ring_look (r, key, ask);

  if (l.look.standing == KWI_FREE || l.look.standing == KWI_HALF_OPEN) {
    take_key (r, key, ask, &l, 0, p);
    return 1;
  }
  note_blocked (p, key, &l.look);
  if (!l.by_bucket || (r->pace & KWI_PACE_WAIT) == 0)
    return 0;
  if (soonest->key == KWI_NO_KEY
      || l.look.ready_ms < soonest->look.look.ready_ms) {
    soonest->key = key;
    soonest->look = l;
  }
  return r->stay && l.look.verdict == KW_OUTCOME_RATE_LIMIT ? 2 : 0;
}

static void
pick_locked (struct kwi_keyring *r, const struct kwi_ask *ask, size_t prefer,
             const struct kwi_want *want, struct kwi_pick *p)
{
  struct soonest soonest = { .key = KWI_NO_KEY };
  int64_t wait_ms;
  int tried = 0;
  size_t i;

  if (prefer < r->n) {
    tried = try_key (r, prefer, ask, &soonest, p);
    if (tried == 0)
      p->prefer_verdict = kwi_ring_look (r, prefer, ask).look.verdict;
  }
  for (i = 0; i < r->n && tried == 0; i++)
    if (i != prefer)
      tried = try_key (r, i, ask, &soonest, p);
  if (tried == 1 || soonest.key == KWI_NO_KEY)
    return;
  p->by = soonest.look.by->bucket.dimension;
  wait_ms = soonest.look.look.ready_ms - ask->now_ms;
  if (want == NULL || wait_ms >= want->left_ms)
    return;
  take_key (r, soonest.key, ask, &soonest.look, wait_ms, p);
}

void
kwi_keyring_pick (struct kwi_keyring *r, const char *model, size_t prefer,
                  uint64_t call, struct kwi_waiter *waiter,
                  const struct kwi_want *want, int64_t now_ms,
                  struct kwi_pick *ret)
{
  struct kwi_ask ask = { .model = model, .call = call, .now_ms = now_ms };

  *ret = (struct kwi_pick) {
    .picked = KWI_PICK_NONE,
    .hold = { .key = KWI_NO_KEY },
    .ready_key = KWI_NO_KEY,
    .ready_ms = KWI_NEVER,
    .limited_key = KWI_NO_KEY,
    .limited_ready_ms = KWI_NEVER,
  };
  (void) pthread_mutex_lock (&r->lock);
  if (waiter != NULL)
    stop_waiting (r, waiter);
  if (r->pace != 0) {
    ask.learnt = kwi_ring_model (r, model);
    kwi_pace_need (ask.learnt, want != NULL ? want->size : NULL, &ask.need);
  }
  if (want == NULL || want->turn == NULL
      || !kwi_ring_take_turn (r, &ask, want, ret))
    pick_locked (r, &ask, prefer, want, ret);
  if (ret->picked == KWI_PICK_BUSY && waiter != NULL)
    start_waiting (r, waiter);
  ret->seq = atomic_fetch_add (r->seq, KWI_SEQ_STEP) + 1;
  (void) pthread_mutex_unlock (&r->lock);
}

/* Names the keys of an account, "primary, backup-1 and backup-4", in order. */
static void
name_members (const struct kwi_keyring *r, uint32_t account,
              struct kwi_effect *e)
{
  size_t i, named = 0, len = 0;

  for (i = 0; i < r->n; i++)
    e->n_members += r->keys[i].account == account;
  for (i = 0; i < r->n; i++) {
    int n;
    if (r->keys[i].account != account)
      continue;
    n = snprintf (e->members + len, sizeof e->members - len, "%s%s",
                  named == 0 ? "" : named + 1 == e->n_members ? " and " : ", ",
                  r->keys[i].name);
    if (n < 0 || (size_t) n >= sizeof e->members - len)
      return;                   /* a long list is cut: it is for people   */
    len += (size_t) n;
    named++;
  }
}

/* The account that an answer named becomes the key's. */
static void
learn_account (struct kwi_keyring *r, struct ring_key *k, const char *account,
               struct kwi_effect *e)
{
  char subject[80];
  uint32_t id;
  int n = snprintf (subject, sizeof subject, ACCOUNT_PREFIX "%s", account);

  if (account[0] == '\0' || n < 0 || (size_t) n >= sizeof subject)
    return;
  id = kwi_store_subject (r->store, subject);
  if (id == 0 || id == k->account)
    return;
  k->account = id;
  e->account_learnt = 1;
  name_members (r, id, e);
}

/* The subject and the model of a scope; 0: it parks nothing. */
uint32_t
kwi_ring_scope_subject (const struct kwi_keyring *r, const struct ring_key *k,
               uint32_t scope)
{
  switch (scope) {
  case KW_SCOPE_KEY:
  case KW_SCOPE_KEY_MODEL:
    return k->subject;
  case KW_SCOPE_ACCOUNT:
  case KW_SCOPE_ACCOUNT_MODEL:
  case KW_SCOPE_DEFAULT:        /* a bucket that did not say: its owner's */
    return k->account != 0 ? k->account : k->subject;
  case KW_SCOPE_PROVIDER:
    return r->provider;
  default:
    return 0;
  }
}

/* Without room for one model more it is every model's: parking too much is a
 * detour, too little a loop. */
uint32_t
kwi_ring_scope_model (struct kwi_keyring *r, uint32_t scope, const char *model)
{
  uint32_t m = 0;

  if (scope != KW_SCOPE_KEY && scope != KW_SCOPE_ACCOUNT
      && scope != KW_SCOPE_PROVIDER)
    m = kwi_store_model (r->store, model);
  return m != 0 ? m : KWI_EVERY_MODEL;
}

/* Which allowance ran out: the bucket that counted this request; else the
 * verdict's own token, which for limits names the dimension. */
static const char *
dimension_of (const struct kwi_judgement *j)
{
  uint32_t i;

  for (i = 0; i < j->n_buckets; i++)
    if ((j->bucket[i].have & KW_HAVE_REQUESTED) != 0)
      return j->bucket[i].dimension;
  if (j->outcome == KW_OUTCOME_DAILY_LIMIT
      || j->outcome == KW_OUTCOME_RATE_LIMIT)
    return j->reason;
  return "";
}

static void
park (struct kwi_keyring *r, const struct ring_key *k, const char *model,
      const struct kwi_judgement *j, int64_t now_ms, struct kwi_effect *e)
{
  uint32_t subject = kwi_ring_scope_subject (r, k, j->scope);
  uint32_t m = kwi_ring_scope_model (r, j->scope, model);
  int64_t until_ms = e->park_ms == KWI_NEVER ? KWI_NEVER : now_ms + e->park_ms;
  const char *dimension = dimension_of (j);

  if (subject == 0)
    return;
  e->newly_parked = kwi_limits_block (r->store, subject, m, dimension,
                                      j->outcome, until_ms, now_ms) > 0;
  /* A model inside another (an agent's) ran out: both are parked, the one
   * asked for so that it is not asked again on this key. */
  if (m != KWI_EVERY_MODEL && j->model[0] != '\0'
      && strcmp (j->model, model) != 0)
    (void) kwi_limits_block (r->store, subject,
                             kwi_ring_scope_model (r, j->scope, j->model), dimension,
                             j->outcome, until_ms, now_ms);
}

/* How long a verdict parks.  Never less than a moment: a limit that is over at
 * once would send a switch back to the key it left. */
static int64_t
park_ms (const struct kwi_judgement *j, int64_t default_park_ms,
         int64_t received_ms, int64_t now_ms)
{
  const int64_t least_ms = 1000;
  int64_t ms = j->wait_ms >= 0 ? j->wait_ms : default_park_ms;

  if (ms < 0)
    return KWI_NEVER;
  ms -= now_ms - received_ms;
  return ms > least_ms ? ms : least_ms;
}

static void
count_answer (struct ring_key *k, const struct kwi_judgement *j)
{
  if (j->outcome != KW_OUTCOME_OK)
    return;
  k->requests++;
  if (j->input_tokens > 0)
    k->tokens += (uint64_t) j->input_tokens;
  if (j->output_tokens > 0)
    k->tokens += (uint64_t) j->output_tokens;
}

void
kwi_keyring_report (struct kwi_keyring *r, struct kwi_hold *hold,
                    const char *model, uint64_t call,
                    const struct kwi_size *size,
                    const struct kwi_judgement *j, int parks,
                    int64_t default_park_ms, int64_t received_ms,
                    int64_t now_ms, struct kwi_effect *ret)
{
  struct ring_key *k = &r->keys[hold->key];

  *ret = (struct kwi_effect) {
    .park_ms = park_ms (j, default_park_ms, received_ms, now_ms)
  };
  (void) pthread_mutex_lock (&r->lock);
  learn_account (r, k, j->account, ret);
  kwi_ring_learn (r, k, hold, model, size, j, received_ms);
  if (parks)
    park (r, k, model, j, now_ms, ret);
  ret->revived = kwi_limits_probe_end (r->store, hold->subjects, 3, model,
                                       call, j->outcome == KW_OUTCOME_OK);
  if (ret->revived > 0 && r->pace != 0)
    kwi_pace_revived (kwi_ring_model (r, model));
  count_answer (k, j);
  wake_waiters (r);
  ret->seq = atomic_fetch_add (r->seq, KWI_SEQ_STEP) + 1;
  (void) pthread_mutex_unlock (&r->lock);
}

void
kwi_keyring_leave (struct kwi_keyring *r, struct kwi_hold *hold,
                   const char *model, uint64_t call, struct kwi_waiter *waiter)
{
  (void) pthread_mutex_lock (&r->lock);
  if (waiter != NULL)
    stop_waiting (r, waiter);
  if (hold->key < r->n) {
    kwi_pace_unbook (&hold->booking);
    (void) kwi_limits_probe_end (r->store, hold->subjects, 3, model, call, 0);
    wake_waiters (r);
  }
  (void) pthread_mutex_unlock (&r->lock);
}

void
kwi_keyring_reset (struct kwi_keyring *r, size_t key)
{
  size_t i = key < r->n ? key : 0, end = key < r->n ? key + 1 : r->n;

  (void) pthread_mutex_lock (&r->lock);
  for (; i < end; i++) {
    (void) kwi_limits_forget (r->store, r->keys[i].subject);
    (void) kwi_limits_forget (r->store, r->keys[i].account);
  }
  (void) kwi_limits_forget (r->store, r->provider);
  wake_waiters (r);
  (void) pthread_mutex_unlock (&r->lock);
}
