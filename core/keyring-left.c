/* keyring-left - what is known to be left of a bucket: what an answer showed last,
 * with what has come back since.  A ring that books keeps count of what it sends;
 * for the others it is what nobody has drawn on, and so the most that it can be. */
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_HAVE_* */

#include "keyring-private.h"

/* As it was shown; it may have ended, or nobody knows when it comes back. */
static void
as_shown (const struct kwi_bucket *b, struct kwi_left_view *v)
{
  if ((b->have & KW_HAVE_LIMIT) != 0 && b->limit > 0)
    v->limit = b->limit;
  if ((b->have & KW_HAVE_REMAINING) != 0)
    v->remaining = b->remaining > 0 ? b->remaining : 0;
  else if ((b->have & KW_HAVE_USED) != 0 && v->limit > 0)
    v->remaining = b->used < v->limit ? v->limit - b->used : 0;
  if (v->remaining > v->limit && v->limit > 0)
    v->remaining = v->limit;
}

/* As it is now.  0: nothing is known of how it comes back. */
static int
as_it_is (const struct kwi_fact *f, int64_t now_ms, struct kwi_left_view *v)
{
  const struct kwi_bucket *b = &f->bucket;
  struct kwi_level l = f->level;
  int64_t used;

  if (l.limit <= 0) {
    l = (struct kwi_level) { .limit = 0 };
    kwi_level_see (&l, b, 0, 0, f->seen_ms);
    if (l.limit <= 0
        || (!l.rolling && l.window_ms == 0 && (b->have & KW_HAVE_FULL_AT) == 0))
      return 0;
  }
  used = kwi_level_used (&l, now_ms);
  v->limit = l.limit;
  v->remaining = used < l.limit ? l.limit - used : 0;
  v->window_ms = l.window_ms;
  v->full_ms = kwi_level_full (&l, now_ms);
  v->rolling = l.rolling != 0;
  return 1;
}

/* The same of the account: what the key's own said was before that was known.  Of
 * one that came from a store it is not known whose it was meant to be. */
static int
is_the_accounts (const struct kwi_keyring *r, const struct ring_key *k,
                 const struct kwi_fact *f)
{
  const int meant = f->bucket.scope == KW_SCOPE_ACCOUNT
                    || f->bucket.scope == KW_SCOPE_ACCOUNT_MODEL;
  const struct kwi_fact *other;

  if (f->subject != k->subject || k->account == 0)
    return 0;
  for (other = kwi_store_find (r->store, k->account, f->model); other != NULL;
       other = other->next)
    if (other->bucket.have != 0 && (meant || other->seen_ms >= f->seen_ms)
        && strcmp (other->bucket.dimension, f->bucket.dimension) == 0)
      return 1;
  return 0;
}

static struct kwi_left_view *
more (struct kwi_ring_view *v)
{
  if (v->n_left == v->left_size) {
    size_t size = v->left_size == 0 ? 8 : v->left_size * 2;
    struct kwi_left_view *left = realloc (v->left, size * sizeof *left);
    if (left == NULL)
      return NULL;
    v->left = left;
    v->left_size = size;
  }
  memset (&v->left[v->n_left], 0, sizeof *v->left);
  return &v->left[v->n_left++];
}

int
kwi_ring_view_left (const struct kwi_keyring *r, const struct ring_key *k,
                    const struct kwi_fact *f, int64_t now_ms,
                    struct kwi_ring_view *view)
{
  struct kwi_left_view *v;

  /* What was seen before a reset is forgotten. */
  if ((f->bucket.have & (KW_HAVE_LIMIT | KW_HAVE_REMAINING)) == 0
      || f->seen_ms < kwi_store_epoch (r->store, f->subject)
      || is_the_accounts (r, k, f))
    return 0;
  v = more (view);
  if (v == NULL)
    return -1;
  v->limit = v->remaining = -1;
  if (!as_it_is (f, now_ms, v))
    as_shown (&f->bucket, v);
  if (v->limit < 0 && v->remaining < 0) {
    view->n_left--;
    return 0;
  }
  (void) memccpy (v->model, kwi_store_model_name (r->store, f->model), '\0',
                  sizeof v->model - 1);
  memcpy (v->dimension, f->bucket.dimension, sizeof v->dimension);
  v->seen_ms = f->seen_ms;
  v->account_wide = f->subject == k->account;
  return 0;
}
