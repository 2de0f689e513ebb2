/* keyring-view - a copy of the ring for status, taken under the lock, so that
 * nothing is formatted while callers wait. */
#include <stdlib.h>
#include <string.h>

#include "keyring-private.h"

struct collect {
  struct kwi_keyring *ring;
  struct kwi_ring_view *view;
  const struct ring_key *key;
  int64_t now_ms;
  uint32_t model;               /* its number, or 0                       */
  int failed;
};

static void
collect_fact (void *user, struct kwi_fact *f)
{
  struct collect *c = user;
  struct kwi_ring_view *v = c->view;
  struct kwi_fact_view *fv;

  if (kwi_ring_view_left (c->ring, c->key, f, c->now_ms, v) != 0)
    c->failed = 1;
  if (f->until_ms == 0)
    return;
  if (v->n_facts == v->facts_size) {
    size_t size = v->facts_size == 0 ? 8 : v->facts_size * 2;
    fv = realloc (v->facts, size * sizeof *fv);
    if (fv == NULL) {
      c->failed = 1;
      return;
    }
    v->facts = fv;
    v->facts_size = size;
  }
  fv = &v->facts[v->n_facts++];
  memset (fv, 0, sizeof *fv);
  memccpy (fv->model, kwi_store_model_name (c->ring->store, f->model), '\0',
           sizeof fv->model - 1);
  fv->fact = *f;
  fv->fact.next = NULL;
  fv->account_wide = f->subject == c->key->account;
}

static void
view_key (struct collect *c, struct kwi_key_view *kv)
{
  const struct ring_key *k = c->key;
  const char *account = kwi_store_subject_name (c->ring->store, k->account);
  uint32_t subjects[3] = { k->subject, k->account, c->ring->provider };
  int i;

  memcpy (kv->name, k->name, sizeof kv->name);
  memcpy (kv->fingerprint, k->fingerprint, sizeof kv->fingerprint);
  if (k->account != 0)
    memccpy (kv->account, account + strlen (ACCOUNT_PREFIX), '\0',
             sizeof kv->account - 1);
  kv->requests = k->all_requests + k->requests - k->told_requests;
  kv->tokens = k->all_tokens + k->tokens - k->told_tokens;
  kv->look = kwi_limits_look (c->ring->store, subjects, 3, c->model, c->now_ms);
  kv->first_fact = c->view->n_facts;
  kv->first_left = c->view->n_left;
  for (i = 0; i < 3; i++)
    kwi_store_each (c->ring->store, subjects[i], collect_fact, c);
  kv->n_facts = c->view->n_facts - kv->first_fact;
  kv->n_left = c->view->n_left - kv->first_left;
}

/* Where the next request would begin. */
static size_t
next_key (const struct kwi_keyring *r, const struct kwi_ring_view *v)
{
  size_t i;

  for (i = 0; i < v->n_keys; i++)
    if (v->keys[i].look.standing <= KWI_HALF_OPEN)
      return i;
  return r->current;
}

int
kwi_keyring_view (struct kwi_keyring *r, const char *model, int64_t now_ms,
                  struct kwi_ring_view *ret)
{
  struct kwi_ring_view v = { .n_keys = r->n };
  struct collect c = { .ring = r, .view = &v };
  size_t i;

  v.keys = calloc (r->n + 1, sizeof *v.keys);
  if (v.keys == NULL)
    return -1;
  (void) pthread_mutex_lock (&r->lock);
  c.now_ms = kwi_ring_now (r, now_ms);
  c.model = kwi_store_find_model (r->store, model);
  for (i = 0; i < r->n; i++) {
    c.key = &r->keys[i];
    view_key (&c, &v.keys[i]);
  }
  v.current = next_key (r, &v);
  (void) pthread_mutex_unlock (&r->lock);
  if (c.failed) {
    kwi_ring_view_clear (&v);
    return -1;
  }
  *ret = v;
  return 0;
}

void
kwi_ring_view_clear (struct kwi_ring_view *v)
{
  free (v->keys);
  free (v->facts);
  free (v->left);
  *v = (struct kwi_ring_view) { .n_keys = 0 };
}
