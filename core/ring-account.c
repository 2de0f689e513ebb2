/* ring-account - which keys each account has, and what is to be looked at again
 * when a fact of a key, of an account or of the provider changes. */
#include <stdlib.h>
#include <string.h>

#include "keyring-private.h"

/* ---- Members ---------------------------------------------------------------- */

static struct ring_account *
account_of (const struct kwi_keyring *r, uint32_t subject)
{
  size_t i = (size_t) subject - r->first_account;

  return subject >= r->first_account && i < r->n_accounts ? &r->accounts[i]
                                                          : NULL;
}

/* Room for the account among the others. */
static struct ring_account *
account_for (struct kwi_keyring *r, uint32_t subject)
{
  if (r->n_accounts == 0 && r->n > 0)
    r->first_account = r->keys[r->n - 1].subject + 1; /* numbers are in order */
  if (subject < r->first_account)
    return NULL;
  if ((size_t) subject - r->first_account >= r->n_accounts) {
    size_t n = ((size_t) subject - r->first_account + 4) * 2;
    struct ring_account *more = realloc (r->accounts, n * sizeof *more);
    if (more == NULL)
      return NULL;
    memset (more + r->n_accounts, 0, (n - r->n_accounts) * sizeof *more);
    r->accounts = more;
    r->n_accounts = n;
  }
  return account_of (r, subject);
}

/* Where the key is among the members, or would be. */
static size_t
place_of (const struct ring_account *a, size_t key)
{
  size_t low = 0, high = a->n;

  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (a->member[mid] < key)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

static void
leave_account (struct kwi_keyring *r, size_t key)
{
  struct ring_account *a = account_of (r, r->keys[key].account);
  size_t at;

  if (a == NULL)
    return;
  at = place_of (a, key);
  if (at < a->n && a->member[at] == key) {
    a->n--;
    memmove (a->member + at, a->member + at + 1, (a->n - at) * sizeof *a->member);
  }
}

int
kwi_ring_join (struct kwi_keyring *r, size_t key, uint32_t subject)
{
  struct ring_account *a = account_for (r, subject);
  size_t at;

  if (a == NULL)
    return -1;
  if (a->n == a->size) {
    size_t size = a->size == 0 ? 4 : a->size * 2;
    uint32_t *more = realloc (a->member, size * sizeof *more);
    if (more == NULL)
      return -1;
    a->member = more;
    a->size = size;
  }
  leave_account (r, key);
  at = place_of (a, key);
  memmove (a->member + at + 1, a->member + at, (a->n - at) * sizeof *a->member);
  a->member[at] = (uint32_t) key;
  a->n++;
  r->keys[key].account = subject;
  kwi_ring_changed (r, key, r->keys[key].subject, KWI_EVERY_MODEL);
  return 0;
}

const uint32_t *
kwi_ring_members (const struct kwi_keyring *r, uint32_t subject, size_t *ret_n)
{
  const struct ring_account *a = account_of (r, subject);

  *ret_n = a != NULL ? a->n : 0;
  return a != NULL ? a->member : NULL;
}

void
kwi_ring_free_accounts (struct kwi_keyring *r)
{
  size_t i;

  for (i = 0; i < r->n_accounts; i++)
    free (r->accounts[i].member);
  free (r->accounts);
}

/* ---- Caches ------------------------------------------------------------------- */

/* Memory, not number, is what is bounded: fewer caches where keys are many. */
static size_t
caches_max (const struct kwi_keyring *r)
{
  const size_t keys = 1 << 21;
  size_t max = keys / (r->n + 1);

  return max < 4 ? 4 : max > RING_CACHES ? RING_CACHES : max;
}

void
kwi_ring_drop_caches (struct kwi_keyring *r)
{
  while (r->n_caches > 0)
    free (r->caches[--r->n_caches]);
  memset (r->cache_of, 0, sizeof r->cache_of);
}

/* A new one, or the one that was not used for longest. */
static struct kwi_cache *
cache_for (struct kwi_keyring *r, uint32_t model)
{
  size_t i, at = 0;
  struct kwi_cache *c = NULL;

  if (r->n_caches < caches_max (r))
    c = kwi_cache_new (r->n, r->strategy > KWI_ROUND_ROBIN, kwi_ring_fresh (r));
  if (c != NULL) {
    at = r->n_caches++;
    r->caches[at] = c;
  }
  else {
    if (r->n_caches == 0)
      return NULL;
    for (i = 1; i < r->n_caches; i++)
      if (r->caches[i]->used < r->caches[at]->used)
        at = i;
    c = r->caches[at];
    r->cache_of[c->model] = 0;
    kwi_cache_refill (c);
  }
  c->model = model;
  c->epoch = r->epoch;
  r->cache_of[model] = (uint8_t) (at + 1);
  return c;
}

struct kwi_cache *
kwi_ring_cache (struct kwi_keyring *r, uint32_t model)
{
  struct kwi_cache *c;

  if (model == 0)               /* nothing of its own is known: every model's */
    model = KWI_EVERY_MODEL;
  if (r->cache_of[model] != 0)
    c = r->caches[r->cache_of[model] - 1];
  else {
    c = cache_for (r, model);
    if (c == NULL)
      return NULL;
  }
  if (c->epoch != r->epoch) {
    kwi_cache_refill (c);
    c->epoch = r->epoch;
  }
  c->used = ++r->uses;
  return c;
}

static void
changed_in (const struct kwi_keyring *r, struct kwi_cache *c, size_t key,
            uint32_t subject)
{
  const uint32_t *member;
  size_t i, n;

  if (subject == r->keys[key].subject) {
    kwi_cache_open (c, key);
    return;
  }
  member = kwi_ring_members (r, subject, &n);
  for (i = 0; i < n; i++)
    kwi_cache_open (c, member[i]);
}

void
kwi_ring_changed (struct kwi_keyring *r, size_t key, uint32_t subject,
                  uint32_t model)
{
  size_t i;

  if (subject == 0 || subject == r->provider)
    return;
  if (model != KWI_EVERY_MODEL) {
    if (r->cache_of[model] != 0)
      changed_in (r, r->caches[r->cache_of[model] - 1], key, subject);
    return;
  }
  for (i = 0; i < r->n_caches; i++)
    changed_in (r, r->caches[i], key, subject);
}

void
kwi_ring_changed_all (struct kwi_keyring *r)
{
  size_t i;

  for (i = 0; i < r->n_caches; i++)
    kwi_cache_refill (r->caches[i]);
}
