/* ring-lease - max_concurrency over all processes that share a state: a key's
 * places are leased from the store, a few at a time and ahead of their use, so
 * that a request waits for the store only when its process needs more places than
 * it has had lately.  See ring-share.h; who talks to the store is state.c. */
#include <string.h>

#include "keyring-private.h"
#include "ring-share.h"

/* A lease that is in use is asked for anew, and what is not needed given back, so
 * often; one that was not granted in full is asked for again. */
enum { RENEW_MS = 1000, AGAIN_MS = 100 };

static void
list (struct kwi_keyring *r, size_t key)
{
  struct ring_key *k = &r->keys[key];

  if (k->leased)
    return;
  k->leased = 1;
  k->next_lease = r->first_lease;
  r->first_lease = (uint32_t) key + 1;
}

static void
want (struct kwi_keyring *r, size_t key, uint32_t n)
{
  struct ring_key *k = &r->keys[key];

  if (n <= k->want)
    return;
  k->want = n;
  k->ask_ms = 0;
  list (r, key);
  r->nudge (r->nudge_user, 1);
}

void
kwi_keyring_lease_on (struct kwi_keyring *r, int on)
{
  size_t i;

  if (r->max_concurrency == 0 || r->leases == on)
    return;
  (void) pthread_mutex_lock (&r->lock);
  r->leases = on;
  for (i = 0; i < r->n; i++) {
    struct ring_key *k = &r->keys[i];
    k->slots = k->denied = k->want = 0;
    k->ask_ms = 0;
    if (on && k->in_flight > 0)
      want (r, i, k->in_flight);        /* others are to count them, too */
  }
  kwi_ring_changed_all (r);
  for (i = 0; i < r->n && r->n_lines > 0; i++)
    (void) kwi_ring_wake (r, i);
  (void) pthread_mutex_unlock (&r->lock);
}

int
kwi_ring_lacks_place (struct kwi_keyring *r, size_t key)
{
  struct ring_key *k = &r->keys[key];
  size_t n = (size_t) k->in_flight + 1 + r->n_waiting;

  if (k->in_flight < k->slots)
    return 0;
  want (r, key, n < r->max_concurrency ? (uint32_t) n : r->max_concurrency);
  return k->denied ? 1 : 2;
}

/* How many it could use: what it used lately, and, while somebody waits, what was
 * asked for. */
static uint32_t
wanted (const struct kwi_keyring *r, const struct ring_key *k)
{
  uint32_t want = k->peak > k->in_flight ? k->peak : k->in_flight;

  return (r->n_waiting > 0 || k->ask_ms == 0) && k->want > want ? k->want : want;
}

int
kwi_keyring_next_lease (struct kwi_keyring *r, int64_t now_ms,
                        struct kwi_lease_ask *ret, int64_t *ret_next_ms)
{
  uint32_t *at = &r->first_lease;
  int found = 0;

  (void) pthread_mutex_lock (&r->lock);
  *ret_next_ms = KWI_NEVER;
  while (*at != 0 && !found) {
    struct ring_key *k = &r->keys[*at - 1];
    if (k->ask_ms > now_ms) {
      if (k->ask_ms < *ret_next_ms)
        *ret_next_ms = k->ask_ms;
      at = &k->next_lease;
      continue;
    }
    *ret = (struct kwi_lease_ask) {
      .key = *at - 1,
      .subject = kwi_store_subject_name (r->store, k->subject),
      .limit = r->max_concurrency,
      .want = wanted (r, k),
      .floor = k->in_flight,
    };
    k->peak = k->in_flight;
    k->ask_ms = now_ms + RENEW_MS;
    k->want = ret->want;        /* whoever wants more from now on says so */
    found = 1;
    if (ret->want == 0) {       /* the last word about it */
      k->leased = 0;
      k->slots = 0;
      *at = k->next_lease;
    }
  }
  (void) pthread_mutex_unlock (&r->lock);
  return found;
}

void
kwi_keyring_leased (struct kwi_keyring *r, const struct kwi_lease_ask *ask,
                    uint32_t granted, int64_t now_ms)
{
  struct ring_key *k = &r->keys[ask->key];
  uint32_t had, was_denied;

  (void) pthread_mutex_lock (&r->lock);
  had = k->slots;
  was_denied = k->denied;
  k->slots = granted;
  k->denied = granted < ask->want;
  if (k->denied)
    k->ask_ms = now_ms + AGAIN_MS;
  else if (k->want == ask->want)        /* else more is wanted meanwhile */
    k->want = 0;
  if (granted > had || k->denied || was_denied) {
    kwi_ring_changed (r, ask->key, k->subject, KWI_EVERY_MODEL);
    if (r->n_lines > 0)
      (void) kwi_ring_wake (r, ask->key);
  }
  (void) pthread_mutex_unlock (&r->lock);
}
