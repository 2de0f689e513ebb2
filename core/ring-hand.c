/* ring-hand - what one keyring knows, handed to another in the same process: when a
 * client takes the place of an older one.  Neither lock is held while the other is. */
#include <stdlib.h>
#include <string.h>

#include "keyring-private.h"
#include "ring-share.h"

struct handing {
  const struct kwi_keyring *ring;
  struct kwi_change *of;
  size_t n, size;
  int failed;
};

static void
add (struct handing *h, const struct kwi_change *c)
{
  if (h->n == h->size) {
    size_t size = h->size == 0 ? 64 : h->size * 2;
    struct kwi_change *of = realloc (h->of, size * sizeof *of);
    if (of == NULL) {
      h->failed = 1;
      return;
    }
    h->of = of;
    h->size = size;
  }
  h->of[h->n++] = *c;
}

static void
add_fact (void *user, struct kwi_fact *f)
{
  struct handing *h = user;
  struct kwi_change c = {
    .subject = kwi_store_subject_name (h->ring->store, f->subject),
    .model = kwi_store_model_name (h->ring->store, f->model),
    .dimension = f->bucket.dimension,
  };

  if (f->until_ms != 0 || f->epoch_ms != 0) {
    c.kind = KWI_CHANGE_BLOCK;
    c.said = (struct kwi_said) { f->verdict, 0, f->epoch_ms, f->until_ms,
                                 f->said_ms, f->span_ms };
    add (h, &c);
  }
  if (f->bucket.have != 0) {
    c.kind = KWI_CHANGE_BUCKET;
    c.bucket = f->bucket;
    c.at_ms = f->seen_ms;
    add (h, &c);
  }
}

/* In this order: what was reset is no more, and who hears of a limit is to know
 * whose it is.  The names live as long as the ring. */
static void
collect (struct kwi_keyring *r, struct handing *h)
{
  struct kwi_change c = { .model = "", .dimension = "", .kind = KWI_CHANGE_RESET };
  uint32_t subject;
  size_t i;

  (void) pthread_mutex_lock (&r->lock);
  for (subject = 0; subject == 0
       || kwi_store_subject_name (r->store, subject)[0] != '\0'; subject++) {
    c.subject = subject == 0 ? KWI_EVERY_SUBJECT
                             : kwi_store_subject_name (r->store, subject);
    c.at_ms = kwi_store_own_epoch (r->store, subject);
    if (c.at_ms > 0)
      add (h, &c);
  }
  c.kind = KWI_CHANGE_ACCOUNT;
  for (i = 0; i < r->n; i++)
    if (r->keys[i].account_name[0] != '\0') {
      c.subject = kwi_store_subject_name (r->store, r->keys[i].subject);
      c.at_ms = r->keys[i].account_ms;
      memcpy (c.account, r->keys[i].account_name, sizeof c.account);
      add (h, &c);
    }
  kwi_store_every (r->store, add_fact, h);
  (void) pthread_mutex_unlock (&r->lock);
}

/* ---- Counts --------------------------------------------------------------------- */

struct served {
  uint64_t requests, tokens;
};

/* What the key has served, for all that it knows of, and has not handed on yet. */
static struct served
take_served (struct kwi_keyring *r, size_t key)
{
  struct ring_key *k = &r->keys[key];
  struct served all, n;

  (void) pthread_mutex_lock (&r->lock);
  all = (struct served) { k->all_requests + k->requests - k->told_requests,
                          k->all_tokens + k->tokens - k->told_tokens };
  n = (struct served) { all.requests - k->handed_requests,
                        all.tokens - k->handed_tokens };
  k->handed_requests = all.requests;
  k->handed_tokens = all.tokens;
  (void) pthread_mutex_unlock (&r->lock);
  return n;
}

static void
hand_counts (struct kwi_keyring *ring, struct kwi_keyring *from)
{
  const char *subject;
  size_t i, key;

  for (i = 0; i < from->n; i++) {
    struct served n;
    (void) pthread_mutex_lock (&from->lock);
    subject = kwi_store_subject_name (from->store, from->keys[i].subject);
    (void) pthread_mutex_unlock (&from->lock);
    key = kwi_ring_find (ring, subject);
    if (key == KWI_NO_KEY)
      continue;
    n = take_served (from, i);
    (void) pthread_mutex_lock (&ring->lock);
    ring->keys[key].all_requests += n.requests;
    ring->keys[key].all_tokens += n.tokens;
    (void) pthread_mutex_unlock (&ring->lock);
  }
}

/* ---- Sizes ------------------------------------------------------------------------ */

/* What was learnt of requests' sizes, where nothing has been yet. */
static void
hand_model (struct kwi_keyring *ring, const char *name, const struct kwi_pace_model *m)
{
  static const struct kwi_estimate nothing;
  struct kwi_pace_model *own;

  (void) pthread_mutex_lock (&ring->lock);
  own = kwi_ring_model (ring, kwi_store_model (ring->store, name));
  if (own != &ring->others && memcmp (&own->estimate, &nothing, sizeof nothing) == 0)
    *own = *m;
  (void) pthread_mutex_unlock (&ring->lock);
}

static void
hand_models (struct kwi_keyring *ring, struct kwi_keyring *from)
{
  uint32_t m;

  for (m = KWI_EVERY_MODEL + 1; ; m++) {
    struct kwi_pace_model model;
    const char *name;
    (void) pthread_mutex_lock (&from->lock);
    name = m < from->n_models ? kwi_store_model_name (from->store, m) : "";
    if (name[0] != '\0')
      model = from->models[m];
    (void) pthread_mutex_unlock (&from->lock);
    if (name[0] == '\0')
      return;
    if (model.estimate.n > 0)
      hand_model (ring, name, &model);
  }
}

int
kwi_keyring_learn_from (struct kwi_keyring *ring, struct kwi_keyring *from,
                        int counts, int64_t now_ms)
{
  struct handing h = { .ring = from };
  size_t i, key;
  int failed;

  if (ring->n == 0 || from->n == 0 || ring == from)
    return 0;
  failed = kwi_kin_join (ring, from) != 0;
  collect (from, &h);
  for (i = 0; i < h.n; i++)
    (void) kwi_keyring_hear (ring, &h.of[i], now_ms, &key);
  if (counts)
    hand_counts (ring, from);
  hand_models (ring, from);
  free (h.of);
  return failed || h.failed ? -1 : 0;
}
