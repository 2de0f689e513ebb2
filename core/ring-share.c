/* ring-share - a keyring's side of what processes share; see ring-share.h. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_* */

#include "keyring-private.h"
#include "ring-share.h"

/* ---- Telling ------------------------------------------------------------------ */

void
kwi_keyring_share (struct kwi_keyring *r,
                   void (*nudge) (void *user, int urgent), void *user,
                   int64_t offset_ms)
{
  r->nudge = nudge;
  r->nudge_user = user;
  kwi_store_share (r->store, nudge, user, offset_ms);
}

void
kwi_ring_tell_key (struct kwi_keyring *r, size_t key, uint32_t what)
{
  struct ring_key *k = &r->keys[key];

  if (r->nudge == NULL)
    return;
  if ((what & ~k->tell & RING_TELL_ACCOUNT) != 0 && r->n_tell_accounts++ == 0)
    r->tell_account = key;
  if ((what & RING_TELL_ACCOUNT) != 0 && key < r->tell_account)
    r->tell_account = key;
  if (k->tell == 0) {
    k->next_tell = r->first_tell;
    r->first_tell = (uint32_t) key + 1;
  }
  k->tell |= what;
  r->nudge (r->nudge_user, what != RING_TELL_COUNTS);
}

void
kwi_ring_tell_reset (struct kwi_keyring *r, uint32_t subject)
{
  size_t i;

  if (r->nudge == NULL)
    return;
  for (i = 0; i < r->n_resets && r->resets[i] != subject; i++)
    ;
  if (i == r->n_resets) {
    /* No room for one more: all of them are told again instead. */
    if (r->n_resets == RING_RESETS)
      r->tell_resets = 1;
    else
      r->resets[r->n_resets++] = subject;
  }
  r->nudge (r->nudge_user, 1);
}

int
kwi_ring_forget (struct kwi_keyring *r, size_t key, uint32_t subject,
                 int64_t epoch_ms)
{
  int n = kwi_limits_forget (r->store, subject, epoch_ms);

  if (subject == 0)
    kwi_ring_changed_all (r);
  else
    kwi_ring_changed (r, key, subject, KWI_EVERY_MODEL);
  return n;
}

static int
next_reset (struct kwi_keyring *r, struct kwi_change *c)
{
  uint32_t subject;

  /* Every subject that was ever reset, one at a time. */
  for (; r->n_resets == 0 && r->tell_resets; r->tell_resets++) {
    subject = r->tell_resets - 1;
    if (subject > 0 && kwi_store_subject_name (r->store, subject)[0] == '\0') {
      r->tell_resets = 0;
      return 0;
    }
    if (kwi_store_own_epoch (r->store, subject) > 0)
      r->resets[r->n_resets++] = subject;
  }
  if (r->n_resets == 0)
    return 0;
  subject = r->resets[--r->n_resets];
  c->kind = KWI_CHANGE_RESET;
  c->subject = subject == 0 ? KWI_EVERY_SUBJECT
                            : kwi_store_subject_name (r->store, subject);
  c->at_ms = kwi_store_own_epoch (r->store, subject);
  return 1;
}

/* One of what is to be told of a fact; what of it is left. */
static uint32_t
tell_of (struct kwi_fact *f, uint32_t what, int64_t probe_ms,
         int64_t now_ms, struct kwi_change *c)
{
  if ((what & KWI_TELL_BLOCK) != 0) {
    c->kind = KWI_CHANGE_BLOCK;
    c->said = (struct kwi_said) { f->verdict, 0, f->epoch_ms, f->until_ms,
                                  f->said_ms, f->span_ms };
    return what & ~(uint32_t) KWI_TELL_BLOCK;
  }
  if ((what & KWI_TELL_PROBE) != 0) {
    if (f->probe != 0)          /* else it is over */
      c->kind = KWI_CHANGE_PROBE;
    c->said.epoch_ms = f->epoch_ms;
    c->said.until_ms = f->probe_told_ms = now_ms + probe_ms;
    return what & ~(uint32_t) KWI_TELL_PROBE;
  }
  c->kind = KWI_CHANGE_BUCKET;
  c->bucket = f->bucket;
  c->at_ms = f->seen_ms;
  return 0;
}

static int
next_fact (struct kwi_keyring *r, int64_t probe_ms, int64_t now_ms,
           struct kwi_change *c)
{
  struct kwi_fact *f;
  uint32_t what;

  while (c->kind == 0 && (f = kwi_store_next_told (r->store, &what)) != NULL) {
    c->subject = kwi_store_subject_name (r->store, f->subject);
    c->model = kwi_store_model_name (r->store, f->model);
    c->dimension = f->bucket.dimension;
    what = tell_of (f, what, probe_ms, now_ms, c);
    if (what != 0)
      kwi_store_tell (r->store, f, what);
  }
  return c->kind != 0;
}

/* Before what is known of the accounts: who hears of a limit is to know whose it
 * is. */
static int
next_account (struct kwi_keyring *r, struct kwi_change *c)
{
  struct ring_key *k;

  if (r->n_tell_accounts == 0)
    return 0;
  while ((r->keys[r->tell_account].tell & RING_TELL_ACCOUNT) == 0)
    r->tell_account++;
  k = &r->keys[r->tell_account];
  c->kind = KWI_CHANGE_ACCOUNT;
  c->subject = kwi_store_subject_name (r->store, k->subject);
  memcpy (c->account, k->account_name, sizeof c->account);
  c->at_ms = k->account_ms;
  /* It stays in the list of keys: its counts have been told when it leaves. */
  k->tell = RING_TELL_COUNTS;
  r->n_tell_accounts--;
  return 1;
}

static int
next_of_key (struct kwi_keyring *r, struct kwi_change *c)
{
  struct ring_key *k;

  if (r->first_tell == 0)
    return 0;
  k = &r->keys[r->first_tell - 1];
  c->subject = kwi_store_subject_name (r->store, k->subject);
  if (k->requests > k->told_requests) {
    c->kind = KWI_CHANGE_REQUESTS;
    c->n = (int64_t) (k->requests - k->told_requests);
    k->told_requests = k->requests;
  }
  else if (k->tokens > k->told_tokens) {
    c->kind = KWI_CHANGE_TOKENS;
    c->n = (int64_t) (k->tokens - k->told_tokens);
    k->told_tokens = k->tokens;
  }
  else {
    r->first_tell = k->next_tell;
    k->tell = 0;
    return -1;
  }
  return 1;
}

int
kwi_keyring_next_change (struct kwi_keyring *r, int64_t probe_ms,
                         int64_t now_ms, struct kwi_change *ret)
{
  int got;

  *ret = (struct kwi_change) { .model = "", .dimension = "" };
  (void) pthread_mutex_lock (&r->lock);
  got = next_reset (r, ret) || next_account (r, ret)
        || next_fact (r, probe_ms, now_ms, ret);
  while (got <= 0 && r->first_tell != 0)
    got = next_of_key (r, ret);
  (void) pthread_mutex_unlock (&r->lock);
  return got > 0;
}

static void
tell_fact (void *user, struct kwi_fact *f)
{
  struct kwi_keyring *r = user;
  uint32_t what = (f->until_ms != 0 || f->epoch_ms != 0 ? KWI_TELL_BLOCK : 0u)
                  | (f->bucket.have != 0 ? KWI_TELL_BUCKET : 0u);

  if (what != 0)
    kwi_store_tell (r->store, f, what);
}

void
kwi_keyring_tell_all (struct kwi_keyring *r)
{
  size_t i;

  (void) pthread_mutex_lock (&r->lock);
  kwi_store_every (r->store, tell_fact, r);
  for (i = 0; i < r->n; i++)
    if (r->keys[i].account_name[0] != '\0')
      kwi_ring_tell_key (r, i, RING_TELL_ACCOUNT);
  r->tell_resets = 1;
  (void) pthread_mutex_unlock (&r->lock);
}

/* ---- Hearing ------------------------------------------------------------------ */

/* They are numbered in the keys' order. */
size_t
kwi_ring_key_of (const struct kwi_keyring *r, uint32_t subject)
{
  size_t i = (size_t) subject - r->keys[0].subject;

  if (subject < r->keys[0].subject || i >= r->n
      || r->keys[i].subject != subject)
    return KWI_NO_KEY;
  return i;
}

size_t
kwi_ring_find (struct kwi_keyring *r, const char *subject)
{
  size_t key;

  (void) pthread_mutex_lock (&r->lock);
  key = kwi_ring_key_of (r, kwi_store_find_subject (r->store, subject));
  (void) pthread_mutex_unlock (&r->lock);
  return key;
}

/* The store's number of what others name; an account's is made, as a key may be
 * learnt to belong to it yet.  0: none of ours. */
static uint32_t
subject_of (struct kwi_keyring *r, const char *name)
{
  if (strncmp (name, ACCOUNT_PREFIX, strlen (ACCOUNT_PREFIX)) == 0)
    return kwi_store_subject (r->store, name);
  return kwi_store_find_subject (r->store, name);
}

/* Whose facts they are; 0: of no key that is ours. */
static int
owner_of (const struct kwi_keyring *r, uint32_t subject, size_t *ret_key)
{
  const uint32_t *member;
  size_t n;

  *ret_key = kwi_ring_key_of (r, subject);
  if (*ret_key != KWI_NO_KEY || subject == r->provider)
    return 1;
  member = kwi_ring_members (r, subject, &n);
  if (n > 0)
    *ret_key = member[0];
  return n > 0;
}

static enum kwi_heard
hear_account (struct kwi_keyring *r, const struct kwi_change *c, size_t key)
{
  struct ring_key *k;
  char subject[80] = ACCOUNT_PREFIX;
  uint32_t id;

  if (key == KWI_NO_KEY)
    return KWI_HEARD_NOTHING;
  k = &r->keys[key];
  if (c->at_ms <= k->account_ms || strcmp (k->account_name, c->account) == 0)
    return KWI_HEARD_NOTHING;
  (void) memccpy (subject + strlen (ACCOUNT_PREFIX), c->account, '\0',
                  sizeof subject - sizeof ACCOUNT_PREFIX);
  id = kwi_store_subject (r->store, subject);
  if (id == 0 || kwi_ring_join (r, key, id) != 0)
    return KWI_HEARD_NOTHING;
  memset (k->account_name, 0, sizeof k->account_name);
  (void) memccpy (k->account_name, c->account, '\0',
                  sizeof k->account_name - 1);
  k->account_ms = c->at_ms;
  return KWI_HEARD_ACCOUNT;
}

/* What others saw has in it all that our last sighting had; of what we have sent
 * since, nobody knows. */
static void
hear_bucket (struct kwi_keyring *r, uint32_t subject, uint32_t m,
             const struct kwi_change *c)
{
  struct kwi_fact *f = kwi_store_get (r->store, subject, m, c->dimension);

  if (f == NULL || (f->bucket.have != 0 && c->at_ms <= f->seen_ms))
    return;
  kwi_limits_set (&f->bucket, &c->bucket);
  f->seen_ms = c->at_ms;
  if (kwi_ring_books (r))
    kwi_level_see (&f->level, &f->bucket, f->level.seen, 0, c->at_ms);
}

/* Those who wait for a key, or (KWI_NO_KEY) for any. */
static void
look_again (struct kwi_keyring *r, size_t key, int freed)
{
  size_t i = key != KWI_NO_KEY ? key : 0, end = key != KWI_NO_KEY ? key + 1 : r->n;

  if (r->n_lines == 0)
    return;
  for (; i < end; i++)
    if (freed)
      kwi_ring_freed (r, i);
    else
      (void) kwi_ring_wake (r, i);
  if (freed)
    kwi_ring_reset_lines (r, key != KWI_NO_KEY ? key : r->n);
}

static enum kwi_heard
hear_block (struct kwi_keyring *r, uint32_t subject, uint32_t m, size_t key,
            const struct kwi_change *c, int64_t now_ms)
{
  int got = kwi_limits_merge (r->store, subject, m, c->dimension, &c->said,
                              now_ms);

  if (got <= 0)
    return KWI_HEARD_NOTHING;
  kwi_ring_changed (r, key != KWI_NO_KEY ? key : 0, subject, m);
  look_again (r, key, got == 2);
  return got == 1 ? KWI_HEARD_BLOCK : KWI_HEARD_FREE;
}

static enum kwi_heard
hear_reset (struct kwi_keyring *r, uint32_t subject, size_t key,
            int64_t epoch_ms)
{
  if (epoch_ms <= kwi_store_own_epoch (r->store, subject))
    return KWI_HEARD_NOTHING;
  (void) kwi_ring_forget (r, key != KWI_NO_KEY ? key : 0, subject, epoch_ms);
  look_again (r, subject != 0 ? key : KWI_NO_KEY, 1);
  return KWI_HEARD_RESET;
}

/* A total is of all that was told, ours too. */
static void
hear_count (struct kwi_keyring *r, size_t key, const struct kwi_change *c)
{
  if (key == KWI_NO_KEY || c->n < 0)
    return;
  if (c->kind == KWI_CHANGE_REQUESTS)
    r->keys[key].all_requests = (uint64_t) c->n;
  else
    r->keys[key].all_tokens = (uint64_t) c->n;
}

static enum kwi_heard
hear (struct kwi_keyring *r, const struct kwi_change *c, int64_t now_ms,
      size_t *ret_key)
{
  uint32_t subject = 0, m = KWI_EVERY_MODEL;
  int ours;

  if (c->kind == KWI_CHANGE_RESET
      && strcmp (c->subject, KWI_EVERY_SUBJECT) == 0)
    return hear_reset (r, 0, 0, c->at_ms);
  subject = subject_of (r, c->subject);
  if (subject != 0 && c->model[0] != '\0')
    m = kwi_store_model (r->store, c->model);
  if (subject == 0 || m == 0)
    return KWI_HEARD_NOTHING;
  ours = owner_of (r, subject, ret_key);
  switch (c->kind) {
  case KWI_CHANGE_BLOCK:
    if (!ours) {                /* kept: a key may turn out to be of it */
      (void) kwi_limits_merge (r->store, subject, m, c->dimension, &c->said,
                               now_ms);
      return KWI_HEARD_NOTHING;
    }
    return hear_block (r, subject, m, *ret_key, c, now_ms);
  case KWI_CHANGE_PROBE:
    kwi_limits_others_probe (r->store, subject, m, c->dimension,
                             c->said.epoch_ms, c->said.until_ms);
    if (ours)
      kwi_ring_changed (r, *ret_key != KWI_NO_KEY ? *ret_key : 0, subject, m);
    return KWI_HEARD_NOTHING;
  case KWI_CHANGE_BUCKET:
    hear_bucket (r, subject, m, c);
    return KWI_HEARD_NOTHING;
  case KWI_CHANGE_ACCOUNT:
    return hear_account (r, c, *ret_key);
  case KWI_CHANGE_RESET:
    return hear_reset (r, subject, *ret_key, c->at_ms);
  default:
    hear_count (r, *ret_key, c);
    return KWI_HEARD_NOTHING;
  }
}

enum kwi_heard
kwi_keyring_hear (struct kwi_keyring *r, const struct kwi_change *c,
                  int64_t now_ms, size_t *ret_key)
{
  enum kwi_heard heard;

  *ret_key = KWI_NO_KEY;
  (void) pthread_mutex_lock (&r->lock);
  heard = r->n > 0 ? hear (r, c, kwi_ring_now (r, now_ms), ret_key)
                   : KWI_HEARD_NOTHING;
  (void) pthread_mutex_unlock (&r->lock);
  return heard;
}
