/* ring-kin - keyrings that stand for the same server; see ring-kin.h.
 *
 * A place that is given back is promised to the oldest ring in which somebody waits: its
 * calls came first, and would not get any while the newer one has more to do than places.
 * The promise holds until that ring has looked once. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyring-private.h"
#include "ring-kin.h"
#include "ring-share.h"

/* A key's, in all rings that have it.  Who has the kin's lock may change all of it but n,
 * which is counted under each ring's. */
struct kwi_place {
  atomic_uint n;                /* requests on it                         */
  uint32_t rings;
  _Atomic (const struct kwi_keyring *) promised; /* one more; NULL: to nobody */
  char subject[24];
};

struct kwi_kin {
  pthread_mutex_t lock;
  struct kwi_keyring *oldest;
  size_t n;
};

/* ---- Coming and going -------------------------------------------------------------- */

static struct kwi_kin *
kin_new (void)
{
  struct kwi_kin *kin = calloc (1, sizeof *kin);

  if (kin != NULL)
    kwi_ring_init_lock (&kin->lock);
  return kin;
}

static void
kin_free (struct kwi_kin *kin)
{
  (void) pthread_mutex_destroy (&kin->lock);
  free (kin);
}

/* Before that one, if it is there; else as the newest. */
static void
enter (struct kwi_kin *kin, struct kwi_keyring *r, const struct kwi_keyring *before)
{
  struct kwi_keyring **at = &kin->oldest;

  (void) pthread_mutex_lock (&r->lock);
  if (atomic_load (&r->kin) == NULL) {
    while (*at != NULL && *at != before)
      at = &(*at)->newer;
    r->newer = *at;
    *at = r;
    kin->n++;
    atomic_store (&r->kin, kin);
  }
  (void) pthread_mutex_unlock (&r->lock);
}

/* What it has under way counts from now on. */
static void
adopt (struct kwi_keyring *r, size_t key, struct kwi_place *place)
{
  struct ring_key *k = &r->keys[key];

  (void) pthread_mutex_lock (&r->lock);
  k->place = place;
  (void) atomic_fetch_add (&place->n, k->in_flight);
  (void) pthread_mutex_unlock (&r->lock);
  place->rings++;
}

static int
share (struct kwi_keyring *ring, struct kwi_keyring *from, size_t i)
{
  struct ring_key *k = &from->keys[i];
  struct kwi_place *place = k->place;
  char subject[sizeof place->subject];
  size_t key;

  if (snprintf (subject, sizeof subject, "key:%s", k->fingerprint) < 0)
    return -1;
  key = kwi_ring_find (ring, subject);
  if (key == KWI_NO_KEY)
    return 0;
  if (place == NULL)
    place = ring->keys[key].place;
  if (place == NULL) {
    place = calloc (1, sizeof *place);
    if (place == NULL)
      return -1;
    memcpy (place->subject, subject, sizeof subject);
  }
  if (k->place == NULL)
    adopt (from, i, place);
  if (ring->keys[key].place == NULL)
    adopt (ring, key, place);
  return 0;
}

int
kwi_kin_join (struct kwi_keyring *ring, struct kwi_keyring *from)
{
  struct kwi_kin *kin = atomic_load (&from->kin);
  size_t i, n;
  int code = 0;

  if (kin == NULL)
    kin = atomic_load (&ring->kin);
  if (kin == NULL)
    kin = kin_new ();
  if (kin == NULL)
    return -1;
  (void) pthread_mutex_lock (&kin->lock);
  enter (kin, from, ring);
  enter (kin, ring, NULL);
  if ((ring->max_concurrency > 0 || from->max_concurrency > 0)
      && atomic_load (&ring->kin) == kin && atomic_load (&from->kin) == kin)
    for (i = 0; i < from->n && code == 0; i++)
      code = share (ring, from, i);
  n = kin->n;
  (void) pthread_mutex_unlock (&kin->lock);
  if (n == 0)
    kin_free (kin);
  return code;
}

/* ---- Promises ------------------------------------------------------------------------ */

/* Wakes those who wait for a place on the key.  1: the next one is theirs. */
static int
wake_in (struct kwi_keyring *r, struct kwi_place *place, int promise)
{
  int waits = 0;
  size_t key;

  (void) pthread_mutex_lock (&r->lock);
  key = kwi_ring_key_of (r, kwi_store_find_subject (r->store, place->subject));
  if (key != KWI_NO_KEY && r->keys[key].place == place) {
    kwi_ring_open_full (r, key);
    waits = r->n_lines > 0 && kwi_ring_wake (r, key);
  }
  promise = promise && waits && atomic_load (&r->promised) == 0;
  if (promise) {
    atomic_store (&place->promised, r);
    atomic_store (&r->promised, key + 1);
  }
  (void) pthread_mutex_unlock (&r->lock);
  return promise;
}

static void
tell (struct kwi_kin *kin, struct kwi_keyring *r, size_t key)
{
  struct kwi_place *place = r->keys[key].place;
  int older = place != NULL && atomic_load (&place->promised) == NULL;
  struct kwi_keyring *other;

  if (place == NULL)
    return;
  for (other = kin->oldest; other != NULL; other = other->newer) {
    if (other == r)
      older = 0;
    else if (other->max_concurrency > 0 && wake_in (other, place, older))
      return;                   /* the others are told when it has looked */
  }
}

/* It has looked: whatever it took, or left, the place is anybody's. */
static void
settle (struct kwi_kin *kin, struct kwi_keyring *r)
{
  size_t promised = atomic_exchange (&r->promised, 0);

  if (promised == 0)
    return;
  atomic_store (&r->keys[promised - 1].place->promised, NULL);
  tell (kin, r, promised - 1);
}

/* ---- For the ring -------------------------------------------------------------------- */

struct kwi_kin *
kwi_kin_lock (struct kwi_keyring *r)
{
  struct kwi_kin *kin;

  for (;;) {
    kin = r->max_concurrency > 0 ? atomic_load (&r->kin) : NULL;
    if (kin != NULL)
      (void) pthread_mutex_lock (&kin->lock);
    (void) pthread_mutex_lock (&r->lock);
    if (kin != NULL || r->max_concurrency == 0 || atomic_load (&r->kin) == NULL)
      return kin;
    (void) pthread_mutex_unlock (&r->lock);     /* it has some just now */
  }
}

void
kwi_kin_unlock (struct kwi_keyring *r, struct kwi_kin *kin, int looked)
{
  (void) pthread_mutex_unlock (&r->lock);
  if (kin == NULL)
    return;
  if (looked)
    settle (kin, r);
  (void) pthread_mutex_unlock (&kin->lock);
}

void
kwi_kin_take (struct kwi_place *place)
{
  (void) atomic_fetch_add (&place->n, 1);
}

void
kwi_kin_give (struct kwi_place *place)
{
  (void) atomic_fetch_sub (&place->n, 1);
}

uint32_t
kwi_kin_taken (struct kwi_place *place, const struct kwi_keyring *r)
{
  const struct kwi_keyring *promised = atomic_load (&place->promised);

  return atomic_load (&place->n) + (promised != NULL && promised != r);
}

void
kwi_kin_tell (struct kwi_keyring *r, size_t key)
{
  struct kwi_kin *kin = atomic_load (&r->kin);

  if (kin == NULL || (key == KWI_NO_KEY && atomic_load (&r->promised) == 0))
    return;
  (void) pthread_mutex_lock (&kin->lock);
  settle (kin, r);
  if (key != KWI_NO_KEY)
    tell (kin, r, key);
  (void) pthread_mutex_unlock (&kin->lock);
}

void
kwi_kin_leave (struct kwi_keyring *r)
{
  struct kwi_kin *kin = atomic_load (&r->kin);
  struct kwi_keyring **at;
  size_t i, n;

  if (kin == NULL)
    return;
  (void) pthread_mutex_lock (&kin->lock);
  settle (kin, r);
  for (at = &kin->oldest; *at != r; at = &(*at)->newer)
    ;
  *at = r->newer;
  n = --kin->n;
  for (i = 0; i < r->n; i++) {
    struct kwi_place *place = r->keys[i].place;
    if (place == NULL)
      continue;
    r->keys[i].place = NULL;
    (void) atomic_fetch_sub (&place->n, r->keys[i].in_flight);
    if (--place->rings == 0)
      free (place);
  }
  atomic_store (&r->kin, NULL);
  (void) pthread_mutex_unlock (&kin->lock);
  if (n == 0)
    kin_free (kin);
}

/* ---- Resets --------------------------------------------------------------------------- */

void
kwi_kin_reset (struct kwi_keyring *r, size_t key, int64_t epoch_ms, int64_t now_ms)
{
  struct kwi_kin *kin = atomic_load (&r->kin);
  struct kwi_change c = { .kind = KWI_CHANGE_RESET, .model = "", .dimension = "",
                          .at_ms = epoch_ms };
  const char *subjects[3] = { KWI_EVERY_SUBJECT, NULL, NULL };
  struct kwi_keyring *other;
  size_t i, whose;

  if (kin == NULL)
    return;
  (void) pthread_mutex_lock (&kin->lock);
  if (key < r->n) {
    (void) pthread_mutex_lock (&r->lock);
    subjects[0] = kwi_store_subject_name (r->store, r->keys[key].subject);
    subjects[1] = kwi_store_subject_name (r->store, r->provider);
    if (r->keys[key].account != 0)
      subjects[2] = kwi_store_subject_name (r->store, r->keys[key].account);
    (void) pthread_mutex_unlock (&r->lock);
  }
  for (other = kin->oldest; other != NULL; other = other->newer)
    for (i = 0; i < 3 && other != r; i++)
      if ((c.subject = subjects[i]) != NULL)
        (void) kwi_keyring_hear (other, &c, now_ms, &whose);
  (void) pthread_mutex_unlock (&kin->lock);
}
