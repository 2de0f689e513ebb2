/* keyring-line - the ring's lines: who waits for what, who is next, and what is
 * held back meanwhile; where ring-line.c has the order and the arithmetic.
 *
 * A line is for any key of a model (all are parked, tried or full), or for what
 * a limit or a full key holds back: a subject (a key, an account, the provider)
 * and a model.  Only its first is ever told to look again: when something has
 * changed that may let it go, and when the one before it has gone.  So nobody
 * is overtaken, and none is forgotten as long as each that leaves, however it
 * ends, wakes the next. */
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_OUTCOME_* */

#include "keyring-private.h"

/* ---- Finding ------------------------------------------------------------------ */

static struct kwi_line *
find (const struct kwi_keyring *r, uint32_t subject, uint32_t model)
{
  struct kwi_line *l = r->lines[subject % RING_CHAINS];

  while (l != NULL && (l->subject != subject || l->model != model))
    l = l->next;
  return l;
}

/* Found or made; NULL: no memory. */
static struct kwi_line *
line_for (struct kwi_keyring *r, uint32_t subject, uint32_t model, size_t key)
{
  struct kwi_line *l = find (r, subject, model);

  if (l != NULL)
    return l;
  l = calloc (1, sizeof *l);
  if (l == NULL)
    return NULL;
  l->subject = subject;
  l->model = model;
  l->key = key;
  l->window = UINT32_MAX;
  l->next = r->lines[subject % RING_CHAINS];
  r->lines[subject % RING_CHAINS] = l;
  r->n_lines++;
  return l;
}

static struct kwi_line *
each_of (const struct kwi_keyring *r, const uint32_t subjects[3], uint32_t model,
         int (*is_it) (void *user, struct kwi_line *), void *user)
{
  int i, k;

  for (i = 0; i < 3; i++)
    for (k = 0; k < 2; k++) {
      uint32_t m = k == 0 ? model : KWI_EVERY_MODEL;
      struct kwi_line *l = subjects[i] != 0 && (k == 0 || m != model)
                           ? find (r, subjects[i], m) : NULL;
      if (l != NULL && is_it (user, l))
        return l;
    }
  return NULL;
}

struct holding {
  uint64_t call;
  int64_t now_ms, at_ms;
};

static int
holds (void *user, struct kwi_line *l)
{
  struct holding *h = user;

  h->at_ms = kwi_line_turn (l, h->call, h->now_ms);
  return h->at_ms > h->now_ms;
}

struct kwi_line *
kwi_ring_held_by (const struct kwi_keyring *r, size_t key,
                  const struct kwi_ask *ask, int64_t *ret_ms)
{
  /* Who only looks comes after all. */
  struct holding h = { ask->call != 0 ? ask->call : UINT64_MAX, ask->now_ms, 0 };
  struct kwi_line *l;
  uint32_t subjects[3];

  kwi_ring_subjects (r, &r->keys[key], subjects);
  l = each_of (r, subjects, ask->m, holds, &h);
  *ret_ms = h.at_ms;
  return l;
}

int
kwi_ring_is_behind (const struct kwi_keyring *r, const struct kwi_ask *ask)
{
  const struct kwi_line *l = find (r, 0, ask->m);

  return l != NULL && l->first != NULL
         && (ask->call == 0 || l->first->call < ask->call);
}

int
kwi_ring_stands (const struct kwi_keyring *r, const struct kwi_line *l)
{
  return r->stay && r->strategy == KWI_PRIORITY && l->window < UINT32_MAX;
}

void
kwi_ring_stand (struct kwi_line *l, size_t key, const struct kwi_ask *ask,
                struct kwi_pick *p)
{
  p->picked = KWI_PICK_LINE;
  p->line = l;
  p->limited_key = key;
  p->limited_ready_ms = kwi_line_when (l, ask->now_ms);
}

/* ---- Waking, and what is no longer needed ----------------------------------------- */

/* Whether there is one. */
static int
wake_first (struct kwi_keyring *r, struct kwi_line *l)
{
  if (l->first == NULL)
    return 0;
  if (l->first->woken)
    return 1;
  l->first->woken = 1;
  r->wake (l->first);
  return 1;
}

/* Of a subject; 0: those for any key. */
static int
wake_subject (struct kwi_keyring *r, uint32_t subject)
{
  struct kwi_line *l;
  int any = 0;

  for (l = r->lines[subject % RING_CHAINS]; l != NULL; l = l->next)
    if (l->subject == subject)
      any |= wake_first (r, l);
  return any;
}

int
kwi_ring_wake (struct kwi_keyring *r, size_t key)
{
  int any = wake_subject (r, 0);

  any |= wake_subject (r, r->keys[key].subject);
  any |= wake_subject (r, r->provider);
  if (r->keys[key].account != 0)
    any |= wake_subject (r, r->keys[key].account);
  return any;
}

/* Keys that were passed over for it are to be looked at again. */
static void
reopen (struct kwi_keyring *r, const struct kwi_line *l)
{
  if (l->subject == r->provider)
    kwi_ring_changed_all (r);
  else
    kwi_ring_changed (r, l->key, l->subject, l->model);
}

static int
is_idle (const struct kwi_keyring *r, const struct kwi_line *l)
{
  return l->n == 0 && l->out == 0 && (l->subject == 0 || r->n_any == 0);
}

/* A gate is kept while somebody might come through it. */
static void
tidy (struct kwi_keyring *r)
{
  struct kwi_line **at, *l;
  size_t i;

  for (i = 0; i < RING_CHAINS; i++)
    for (at = &r->lines[i]; (l = *at) != NULL; ) {
      if (!is_idle (r, l)) {
        at = &l->next;
        continue;
      }
      *at = l->next;
      r->n_lines--;
      reopen (r, l);
      free (l);
    }
}

void
kwi_ring_free_lines (struct kwi_keyring *r)
{
  size_t i;

  for (i = 0; i < RING_CHAINS; i++)
    while (r->lines[i] != NULL) {
      struct kwi_line *l = r->lines[i];
      r->lines[i] = l->next;
      free (l);
    }
}

void
kwi_ring_freed (struct kwi_keyring *r, size_t key)
{
  const struct ring_key *k = &r->keys[key];
  struct kwi_line *l;

  if (r->n_any == 0)
    return;
  l = line_for (r, k->account != 0 ? k->account : k->subject, KWI_EVERY_MODEL, key);
  if (l != NULL)
    kwi_line_reset (l);
}

void
kwi_ring_reset_lines (struct kwi_keyring *r, size_t key)
{
  struct kwi_line *l;
  size_t i;

  for (i = 0; i < RING_CHAINS; i++)
    for (l = r->lines[i]; l != NULL; l = l->next) {
      if (l->window < UINT32_MAX
          && (key >= r->n || l->subject == r->provider
              || l->subject == r->keys[key].subject
              || l->subject == r->keys[key].account)) {
        kwi_line_reset (l);
        reopen (r, l);
      }
      (void) wake_first (r, l);
    }
}

/* ---- Those that wait ---------------------------------------------------------------- */

static size_t
join (struct kwi_keyring *r, struct kwi_line *l, struct kwi_waiter *w,
      uint64_t call)
{
  w->call = call;
  w->admitted = 1;
  r->n_waiting++;
  r->n_any += l->subject == 0;
  return kwi_line_join (l, w);
}

/* Returns whether a line may have become idle. */
static int
quit (struct kwi_keyring *r, struct kwi_waiter *w)
{
  struct kwi_line *l = w->line;

  kwi_line_quit (w);
  r->n_waiting--;
  r->n_any -= l->subject == 0;
  (void) wake_first (r, l);
  if (l->n == 0 && l->subject != 0)
    reopen (r, l);
  return l->n == 0;
}

void
kwi_ring_quit (struct kwi_keyring *r, struct kwi_waiter *w)
{
  if (w->line != NULL && quit (r, w))
    tidy (r);
}

/* One that has waited, and was let through, comes back whatever came since. */
static int
is_too_many (const struct kwi_keyring *r, const struct kwi_waiter *w)
{
  return r->max_waiting > 0 && !w->admitted
         && r->n_waiting + r->n_paced >= r->max_waiting;
}

void
kwi_ring_queue (struct kwi_keyring *r, const struct kwi_ask *ask,
                struct kwi_waiter *w, struct kwi_pick *p)
{
  struct kwi_line *l;

  w->woken = 0;
  if (p->picked == KWI_PICK_KEY || p->picked == KWI_PICK_MANY
      || (p->picked == KWI_PICK_NONE && p->limited_ready_ms == KWI_NEVER)) {
    kwi_ring_quit (r, w);
    return;
  }
  l = p->line != NULL ? p->line
      : p->full_key < r->n ? line_for (r, r->keys[p->full_key].subject, ask->m,
                                       p->full_key)
      : line_for (r, 0, ask->m, KWI_NO_KEY);
  if (l == NULL || is_too_many (r, w)) {
    p->picked = l == NULL ? KWI_PICK_NOWHERE : KWI_PICK_MANY;
    kwi_ring_quit (r, w);
    tidy (r);
    return;
  }
  if (w->line == l) {
    p->ahead = l->first != w;
    return;
  }
  if (w->line != NULL)
    (void) quit (r, w);
  p->joined = 1;
  p->ahead = join (r, l, w, ask->call);
  tidy (r);
}

size_t
kwi_keyring_waiting (struct kwi_keyring *r)
{
  size_t n;

  (void) pthread_mutex_lock (&r->lock);
  n = r->n_waiting + r->n_paced;
  (void) pthread_mutex_unlock (&r->lock);
  return n;
}

void
kwi_keyring_max_waiting (struct kwi_keyring *r, int max)
{
  r->max_waiting = (size_t) max;
}

/* ---- Those that are let through ------------------------------------------------------- */

static int
first_there (void *user, struct kwi_line *l)
{
  (void) user;
  return l->subject != 0;
}

void
kwi_ring_pass (struct kwi_keyring *r, const struct kwi_ask *ask,
               struct kwi_hold *hold)
{
  hold->line = each_of (r, hold->subjects, ask->m, first_there, NULL);
  if (hold->line == NULL)
    return;
  hold->mark = kwi_line_go (hold->line, ask->now_ms);
  hold->refusals = hold->line->refusals;
}

static int
is_limit (const struct kwi_judgement *j)
{
  return j->outcome == KW_OUTCOME_RATE_LIMIT
         || j->outcome == KW_OUTCOME_DAILY_LIMIT;
}

struct closing {
  const struct kwi_judgement *j;
  int64_t seen_ms, now_ms;
};

/* Whoever was refused, and whichever way it had come. */
static int
close_gate (void *user, struct kwi_line *l)
{
  const struct closing *c = user;

  if (l->window < UINT32_MAX)
    kwi_line_refused (l, c->j, 0, c->seen_ms, c->now_ms);
  return 0;
}

void
kwi_ring_passed (struct kwi_keyring *r, struct kwi_hold *hold,
                 const struct kwi_judgement *j, int parks, int64_t seen_ms)
{
  struct closing closing = { j, seen_ms, r->last_ms };
  struct kwi_line *l = hold->line;

  if (j != NULL && is_limit (j) && parks)
    (void) each_of (r, hold->subjects, hold->model, close_gate, &closing);
  /* A short limit that is waited out: until it is said for how long, nobody
   * else is let through. */
  if (l == NULL || (j != NULL && j->outcome == KW_OUTCOME_RATE_LIMIT && !parks))
    return;
  hold->line = NULL;
  kwi_line_over (l);
  if (j != NULL && j->outcome == KW_OUTCOME_OK && hold->refusals == l->refusals)
    kwi_line_served (l, hold->mark, j, seen_ms);
  reopen (r, l);
  tidy (r);
}

int
kwi_keyring_line_up (struct kwi_keyring *r, struct kwi_hold *hold,
                     const char *model, uint64_t call, struct kwi_waiter *w,
                     const struct kwi_judgement *j, int64_t ready_ms,
                     int64_t received_ms, int64_t now_ms, size_t *ret_ahead)
{
  const struct ring_key *k = &r->keys[hold->key];
  uint32_t subject, m;
  struct kwi_line *l;
  int code = 0;

  (void) pthread_mutex_lock (&r->lock);
  now_ms = kwi_ring_now (r, now_ms);
  subject = kwi_ring_scope_subject (r, k, j->scope);
  if (subject == 0)
    subject = k->subject;
  m = kwi_ring_scope_model (r, j->scope, model, hold->model);
  l = w != NULL ? line_for (r, subject, m, hold->key) : find (r, subject, m);
  if (l != NULL)
    kwi_line_refused (l, j, ready_ms, received_ms, now_ms);
  if (hold->line != NULL)
    kwi_line_over (hold->line);
  hold->line = NULL;
  if (w != NULL && l == NULL)
    code = -1;
  else if (w != NULL && is_too_many (r, w))
    code = 1;
  else if (w != NULL)
    *ret_ahead = join (r, l, w, call);
  if (l != NULL)
    reopen (r, l);
  if (r->n_lines > 0 && (l == NULL || l->first != w))
    (void) kwi_ring_wake (r, hold->key);
  tidy (r);
  (void) pthread_mutex_unlock (&r->lock);
  return code;
}

/* ---- A parked key comes back ------------------------------------------------------------ */

struct kwi_fact *
kwi_ring_probed (const struct kwi_keyring *r, const struct kwi_hold *hold,
                 uint64_t call)
{
  int i, k;

  for (i = 0; i < 3; i++)
    for (k = 0; k < 2; k++) {
      struct kwi_fact *f = hold->subjects[i] == 0 ? NULL
                           : kwi_store_find (r->store, hold->subjects[i],
                                             k == 0 ? hold->model
                                                    : KWI_EVERY_MODEL);
      for (; f != NULL; f = f->next)
        if (f->probe == call)
          return f;
    }
  return NULL;
}

void
kwi_ring_revived (struct kwi_keyring *r, const struct kwi_hold *hold,
                  const struct kwi_fact *f, const struct kwi_judgement *j,
                  int64_t seen_ms, int64_t now_ms)
{
  struct kwi_line *l = line_for (r, f->subject, f->model, hold->key);
  int64_t mark;

  if (l == NULL)                /* then they come as they like */
    return;
  kwi_line_reset (l);
  kwi_line_show (l, &f->bucket, f->span_ms, f->seen_ms);
  /* As if it had been there when the probe went. */
  mark = kwi_line_go (l, now_ms);
  kwi_line_over (l);
  kwi_line_served (l, mark, j, seen_ms);
}
