/* keyring-pace - the size of a request against a key's buckets: where keyring.c
 * has a key, and its lock, and pace.c the arithmetic. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_* */

#include "keyring-private.h"

/* How many models are learnt, each on its own; callers name them. */
#define MODELS (KWI_STORE_MODELS / 4)

/* Its buckets have room, but max_concurrency has not: looks again after so
 * long. */
#define PLACE_MS 50

void
kwi_keyring_pace (struct kwi_keyring *r, int flags, int stay)
{
  r->pace = flags;
  r->stay = stay;
}

struct kwi_pace_model *
kwi_ring_model (struct kwi_keyring *r, uint32_t m)
{
  if (m == 0 || m >= MODELS)
    return &r->others;
  if (m >= r->n_models) {
    size_t n = m < 16 ? 16 : (size_t) m * 2;
    struct kwi_pace_model *more = realloc (r->models, n * sizeof *more);
    if (more == NULL)
      return &r->others;
    memset (more + r->n_models, 0, (n - r->n_models) * sizeof *more);
    r->models = more;
    r->n_models = n;
  }
  return &r->models[m];
}

void
kwi_ring_subjects (const struct kwi_keyring *r, const struct ring_key *k,
                   uint32_t subjects[3])
{
  subjects[0] = k->subject;
  subjects[1] = k->account;
  subjects[2] = r->provider;
}

struct kwi_pace_look
kwi_ring_look (const struct kwi_keyring *r, size_t key,
               const struct kwi_ask *ask)
{
  uint32_t subjects[3];

  kwi_ring_subjects (r, &r->keys[key], subjects);
  return kwi_pace_look (r->store, subjects, 3, ask->model, r->pace, ask->learnt,
                        &ask->need, ask->now_ms);
}

void
kwi_ring_note_turn (struct kwi_keyring *r, struct kwi_pick *p)
{
  if (p->hold.booking.n == 0 || !p->hold.booking.waits)
    return;
  r->n_paced++;
  if (r->max_waiting == 0 || r->n_waiting + r->n_paced <= r->max_waiting)
    return;
  kwi_ring_unbook (r, &p->hold.booking);
  p->picked = KWI_PICK_MANY;
}

void
kwi_ring_unbook (struct kwi_keyring *r, struct kwi_booking *b)
{
  if (b->n > 0 && b->waits)
    r->n_paced--;
  kwi_pace_unbook (b);
}

int
kwi_ring_take_turn (struct kwi_keyring *r, const struct kwi_ask *ask,
                    const struct kwi_want *want, struct kwi_pick *p)
{
  struct kwi_hold *turn = want->turn;
  struct kwi_look stated;
  int64_t at;

  if (turn->booking.n == 0)
    return 0;
  stated = kwi_limits_look (r->store, turn->subjects, 3, ask->m, ask->now_ms);
  if (stated.standing > KWI_HALF_OPEN && !turn->booking.early) {
    kwi_ring_unbook (r, &turn->booking);
    return 0;
  }
  at = kwi_ring_is_full (r, turn->key) ? ask->now_ms + PLACE_MS : 0;
  if (at == 0)
    at = kwi_pace_turn (r->store, turn->subjects, 3, ask->model, &ask->need,
                        ask->now_ms, &turn->booking);
  if (at - ask->now_ms >= want->left_ms) {
    kwi_ring_unbook (r, &turn->booking);
    return 0;
  }
  p->picked = KWI_PICK_KEY;
  p->hold = *turn;
  p->wait_ms = at - ask->now_ms;
  turn->booking.n = 0;          /* it is in p->hold now */
  if (p->wait_ms > 0)
    return 1;
  r->n_paced--;
  p->probe = stated.standing == KWI_HALF_OPEN;
  if (p->probe)
    kwi_ring_probe (r, ask, &p->hold);
  kwi_ring_hold (r, ask, &p->hold, 1);
  r->current = p->hold.key;
  return 1;
}

/* A key's own bucket, from before its account was known, is the account's. */
static void
forget_own (struct kwi_keyring *r, const struct ring_key *k,
            const struct kwi_fact *seen)
{
  struct kwi_fact *f;

  if (seen->subject != k->account)
    return;
  for (f = kwi_store_find (r->store, k->subject, seen->model); f != NULL; f = f->next)
    if (strcmp (f->bucket.dimension, seen->bucket.dimension) == 0)
      f->level.limit = 0;
}

/* The buckets of a model that nobody has met a limit on are kept as long as
 * there is plenty of room: whoever calls names the models. */
static void
note_buckets (struct kwi_keyring *r, const struct ring_key *k,
              const struct kwi_hold *hold, const char *model,
              const struct kwi_judgement *j, int64_t received_ms)
{
  uint32_t i;

  for (i = 0; i < j->n_buckets; i++) {
    const struct kwi_bucket *b = &j->bucket[i];
    uint32_t m = kwi_ring_scope_model (r, b->scope, model, hold->model);
    uint32_t subject = kwi_ring_scope_subject (r, k, b->scope);
    struct kwi_fact *f;

    if (m >= MODELS
        || kwi_limits_bucket (r->store, subject, m, b, received_ms) != 0
        || !kwi_ring_books (r))
      continue;
    f = kwi_store_get (r->store, subject, m, b->dimension);
    if (f == NULL)
      continue;
    kwi_pace_see (f, &hold->booking, b, j->outcome != KW_OUTCOME_OK, j->wait_ms,
                  received_ms);
    forget_own (r, k, f);
  }
}

/* As it was picked, without looking its name up again. */
static uint32_t
number_of (struct kwi_keyring *r, const struct kwi_hold *hold, const char *model)
{
  return hold->model != 0 ? hold->model : kwi_ring_number (r, model);
}

void
kwi_ring_learn (struct kwi_keyring *r, struct ring_key *k,
                struct kwi_hold *hold, const char *model,
                const struct kwi_size *size, const struct kwi_judgement *j,
                int64_t received_ms)
{
  if (kwi_ring_learns (r) && size != NULL)
    kwi_pace_answer (kwi_ring_model (r, number_of (r, hold, model)), &hold->booking, size, j,
                     received_ms);
  note_buckets (r, k, hold, model, j, received_ms);
  if (kwi_ring_books (r))
    kwi_pace_end (&hold->booking, j->outcome == KW_OUTCOME_OK, received_ms);
}

int64_t
kwi_keyring_next_ready (struct kwi_keyring *r, const char *model,
                        const struct kwi_size *size, int64_t now_ms)
{
  struct kwi_ask ask = { .model = model };
  int64_t earliest = KWI_NEVER;
  size_t i;

  (void) pthread_mutex_lock (&r->lock);
  ask.now_ms = kwi_ring_now (r, now_ms);
  ask.m = kwi_store_find_model (r->store, model);
  ask.cache = kwi_ring_cache (r, ask.m);
  if (r->pace == 0 && ask.cache != NULL) {
    earliest = kwi_ring_next_ready (r, &ask);
    (void) pthread_mutex_unlock (&r->lock);
    return earliest;
  }
  if (r->pace != 0) {
    ask.learnt = kwi_ring_model (r, ask.m);
    kwi_pace_need (ask.learnt, size, &ask.need);
  }
  for (i = 0; i < r->n && earliest > ask.now_ms; i++) {
    struct kwi_look look = kwi_ring_look (r, i, &ask).look;
    int64_t at = look.standing == KWI_BLOCKED ? look.ready_ms : ask.now_ms;

    if (at < earliest)
      earliest = at;
  }
  (void) pthread_mutex_unlock (&r->lock);
  return earliest;
}
