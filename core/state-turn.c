/* state-turn - one turn of a state: what the rings have to tell goes to the store,
 * what others told comes back, places are leased; and what happens when the store
 * goes away and comes back.  See state.h. */
#include <stdio.h>
#include <string.h>

#include <keywheel/keywheel.h>

#include "state-fact.h"
#include "state-private.h"

/* Tries of a store that is away. */
enum { RETRY_FIRST_MS = 200, RETRY_MAX_MS = 30000 };
/* After so long without a word a process is thought to be gone, and its places
 * are others'. */
enum { LEASE_MS = 5000 };
/* Who probes for longer is thought to be gone. */
enum { PROBE_MS = 10000 };

/* Collects what the rings have to tell, up to a batch of it. */
static void
collect (struct kwi_state *s)
{
  struct kwi_change c;
  size_t i;

  s->n = 0;
  for (i = 0; i < s->n_rings; i++)
    while (s->n < KWI_STATE_BATCH
           && kwi_keyring_next_change (s->rings[i].ring, PROBE_MS, kwi_state_wall (s),
                                       &c))
      if (kwi_fact_write (s->rings[i].scope, &c, kwi_state_wall (s), &s->text[s->n])
          == 0)
        s->n++;
  if (s->n > 0)
    s->number++;
}

static void
hear (struct kwi_state *s, const struct kwi_fact_read *r)
{
  size_t i, key;

  for (i = 0; i < s->n_rings; i++) {
    enum kwi_heard heard;
    if (strcmp (s->rings[i].scope, r->scope) != 0)
      continue;
    heard = kwi_keyring_hear (s->rings[i].ring, &r->change, kwi_state_wall (s), &key);
    if (heard != KWI_HEARD_NOTHING && s->hooks.listens (s->hooks.user))
      kwi_news_heard (&s->news, s->rings[i].user, heard, key, r);
  }
}

static void
on_fact (void *user, const struct kw_store_fact *f)
{
  struct kwi_fact_read r;

  if (kwi_fact_read (f->name, f->value, f->major, f->minor, &r) == 0)
    hear (user, &r);
}

static void
on_count (void *user, const char *name, int64_t total)
{
  struct kwi_fact_read r;

  if (kwi_fact_read (name, NULL, total, 0, &r) == 0)
    hear (user, &r);
}

/* Hands the batch over, and reads. */
static int
exchange (struct kwi_state *s, struct kw_store_error *why)
{
  struct kw_store_fact facts[KWI_STATE_BATCH];
  struct kw_store_count counts[KWI_STATE_BATCH];
  struct kw_store_batch batch = { .struct_size = sizeof batch,
                                  .number = s->number, .facts = facts,
                                  .counts = counts };
  struct kw_store_sink sink = { s, on_fact, on_count };
  size_t i;

  for (i = 0; i < s->n; i++) {
    const struct kwi_fact_text *t = &s->text[i];
    if (t->count > 0)
      counts[batch.n_counts++] = (struct kw_store_count) { t->name, t->count };
    else
      facts[batch.n_facts++] = (struct kw_store_fact) {
        t->name, t->value, t->major, t->minor, t->expires_ms };
  }
  return s->store->sync (s->handle, s->n > 0 ? &batch : NULL, &sink, why);
}

static void
go_away (struct kwi_state *s, const struct kw_store_error *why)
{
  char line[768];
  size_t i;
  int n;

  s->retry_ms = !s->away ? RETRY_FIRST_MS : s->retry_ms * 2 < RETRY_MAX_MS
                ? s->retry_ms * 2 : RETRY_MAX_MS;
  s->retry_at = kwi_state_mono (s) + s->retry_ms;
  (void) snprintf (s->problem, sizeof s->problem, "%s", why->text);
  if (s->away)
    return;
  for (i = 0; i < s->n_rings; i++)
    kwi_keyring_lease_on (s->rings[i].ring, 0);
  s->away = 1;
  n = snprintf (line, sizeof line, "the state is not shared for now: %s; going "
                "on in memory", why->text);
  if (n > 0)
    kwi_news_line (&s->news, 1, line);
}

/* It may have lost what it had, or have it from before: all is told again. */
static void
come_back (struct kwi_state *s)
{
  char line[256];
  size_t i;

  s->away = 0;
  s->problem[0] = '\0';
  for (i = 0; i < s->n_rings; i++)
    kwi_keyring_tell_all (s->rings[i].ring);
  if (snprintf (line, sizeof line, "the state is shared again: %s",
                s->where) > 0)
    kwi_news_line (&s->news, 1, line);
}

static int
lease_places (struct kwi_state *s, struct kwi_shared_ring *r,
              struct kw_store_error *why)
{
  struct kw_store_lease l = { .struct_size = sizeof l, .ttl_ms = LEASE_MS };
  struct kwi_lease_ask ask;
  char name[KWI_FACT_NAME];
  int64_t next;

  kwi_keyring_lease_on (r->ring, 1);
  while (kwi_keyring_next_lease (r->ring, kwi_state_mono (s), &ask, &next)) {
    uint32_t granted = ask.want;
    l.limit = ask.limit;
    l.want = ask.want;
    l.floor = ask.floor;
    l.name = name;
    if (kwi_lease_name (r->scope, ask.subject, name) == 0
        && s->store->lease (s->handle, &l, &granted, why) != KW_STORE_OK)
      return KW_STORE_AWAY;
    kwi_keyring_leased (r->ring, &ask, granted, kwi_state_mono (s));
  }
  s->lease_at = kwi_earlier (s->lease_at, next);
  return 0;
}

static int
lease_all (struct kwi_state *s, struct kw_store_error *why)
{
  size_t i;
  int code = 0;

  s->lease_at = INT64_MAX;
  for (i = 0; i < s->n_rings && code == 0; i++)
    code = lease_places (s, &s->rings[i], why);
  return code;
}

/* Until there is nothing more to hand over.  0 or KW_STORE_AWAY. */
int
kwi_state_turn (struct kwi_state *s)
{
  struct kw_store_error why = { "" };
  int more = 1;

  while (more) {
    /* Before they are looked at: what comes later sets them anew. */
    atomic_store (&s->urgent, 0);
    atomic_store (&s->dirty, 0);
    if (!s->pending)
      collect (s);
    s->pending = s->n > 0;
    if (exchange (s, &why) != KW_STORE_OK || lease_all (s, &why) != KW_STORE_OK) {
      go_away (s, &why);
      return KW_STORE_AWAY;
    }
    /* What was heard may be a reason to tell something, too. */
    more = s->n == KWI_STATE_BATCH || atomic_load (&s->urgent);
    s->pending = 0;
    s->n = 0;
    if (s->away) {
      come_back (s);
      more = 1;
    }
  }
  s->last_ms = kwi_state_mono (s);
  s->dirty_since = 0;
  return 0;
}
