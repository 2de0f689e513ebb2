/* ring-report - what an answer means for the key it came on, and for that key's
 * siblings; see keyring.h. */
#include <stdio.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_*, KW_SCOPE_* */

#include "keyring-private.h"

/* Names the keys of an account, "primary, backup-1 and backup-4", in order. */
static void
name_members (const struct kwi_keyring *r, uint32_t account,
              struct kwi_effect *e)
{
  const uint32_t *member = kwi_ring_members (r, account, &e->n_members);
  size_t i, len = 0;

  for (i = 0; i < e->n_members; i++) {
    int n = snprintf (e->members + len, sizeof e->members - len, "%s%s",
                      i == 0 ? "" : i + 1 == e->n_members ? " and " : ", ",
                      r->keys[member[i]].name);
    if (n < 0 || (size_t) n >= sizeof e->members - len)
      return;                   /* a long list is cut: it is for people   */
    len += (size_t) n;
  }
}

/* The account that an answer named becomes the key's; mostly it is already. */
static void
learn_account (struct kwi_keyring *r, size_t key, const char *account,
               struct kwi_effect *e)
{
  struct ring_key *k = &r->keys[key];
  char subject[80];
  uint32_t id;
  int n;

  if (account[0] == '\0' || strcmp (k->account_name, account) == 0)
    return;
  n = snprintf (subject, sizeof subject, ACCOUNT_PREFIX "%s", account);
  if (n < 0 || (size_t) n >= sizeof subject)
    return;
  id = kwi_store_subject (r->store, subject);
  if (r->n_lines > 0)           /* who waits for the old one's sake */
    (void) kwi_ring_wake (r, key);
  if (id == 0 || kwi_ring_join (r, key, id) != 0)
    return;
  (void) memccpy (k->account_name, account, '\0', sizeof k->account_name - 1);
  k->account_ms = r->last_ms;
  kwi_ring_tell_key (r, key, RING_TELL_ACCOUNT);
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
kwi_ring_scope_model (struct kwi_keyring *r, uint32_t scope, const char *model,
                      uint32_t m)
{
  if (scope == KW_SCOPE_KEY || scope == KW_SCOPE_ACCOUNT
      || scope == KW_SCOPE_PROVIDER)
    return KWI_EVERY_MODEL;
  if (m == 0)
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

static int
block (struct kwi_keyring *r, size_t key, uint32_t subject, uint32_t m,
       const struct kwi_judgement *j, int64_t until_ms, int64_t now_ms)
{
  int newly = kwi_limits_block (r->store, subject, m, dimension_of (j),
                                j->outcome, until_ms, now_ms) > 0;

  kwi_ring_changed (r, key, subject, m);
  return newly;
}

static void
park (struct kwi_keyring *r, const struct kwi_hold *hold, const char *model,
      const struct kwi_judgement *j, int64_t until_ms, int64_t now_ms,
      struct kwi_effect *e)
{
  uint32_t subject = kwi_ring_scope_subject (r, &r->keys[hold->key], j->scope);
  uint32_t m = kwi_ring_scope_model (r, j->scope, model, hold->model);

  if (subject == 0)
    return;
  e->newly_parked = block (r, hold->key, subject, m, j, until_ms, now_ms);
  /* A model inside another (an agent's) ran out: both are parked, the one
   * asked for so that it is not asked again on this key. */
  if (m != KWI_EVERY_MODEL && j->model[0] != '\0'
      && strcmp (j->model, model) != 0)
    (void) block (r, hold->key, subject,
                  kwi_ring_scope_model (r, j->scope, j->model, 0), j, until_ms,
                  now_ms);
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
count_answer (struct kwi_keyring *r, size_t key, const struct kwi_judgement *j)
{
  struct ring_key *k = &r->keys[key];

  if (j->outcome != KW_OUTCOME_OK)
    return;
  k->requests++;
  if (j->input_tokens > 0)
    k->tokens += (uint64_t) j->input_tokens;
  if (j->output_tokens > 0)
    k->tokens += (uint64_t) j->output_tokens;
  kwi_ring_tell_key (r, key, RING_TELL_COUNTS);
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
  int64_t ms = park_ms (j, default_park_ms, received_ms, now_ms), until_ms;
  struct kwi_fact *probed = NULL;
  int gave;

  /* Not its members, which are an eighth of a kilobyte. */
  memset (ret, 0, offsetof (struct kwi_effect, members) + 1);
  ret->park_ms = ms;
  until_ms = ms == KWI_NEVER ? KWI_NEVER : now_ms + ms;
  (void) pthread_mutex_lock (&r->lock);
  now_ms = kwi_ring_now (r, now_ms);
  learn_account (r, hold->key, j->account, ret);
  kwi_ring_learn (r, k, hold, model, size, j, received_ms);
  if (parks)
    park (r, hold, model, j, until_ms, now_ms, ret);
  if (r->n_any > 0 && hold->probe && hold->line == NULL)
    probed = kwi_ring_probed (r, hold, call);
  ret->revived = kwi_ring_probe_end (r, hold, call, j->outcome == KW_OUTCOME_OK);
  if (ret->revived > 0 && r->pace != 0)
    kwi_pace_revived (kwi_ring_model (r, kwi_ring_number (r, model)));
  count_answer (r, hold->key, j);
  gave = kwi_ring_unhold (r, hold, j);
  if (r->n_lines > 0) {
    kwi_ring_passed (r, hold, j, parks, received_ms);
    if (probed != NULL && ret->revived > 0)
      kwi_ring_revived (r, hold, probed, j, received_ms, now_ms);
    (void) kwi_ring_wake (r, hold->key);
  }
  ret->seq = atomic_fetch_add (r->seq, KWI_SEQ_STEP) + 1;
  (void) pthread_mutex_unlock (&r->lock);
  if (gave)
    kwi_kin_tell (r, hold->key);
}
