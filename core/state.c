/* state - facts to a state store and back; see state.h. */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <keywheel/keywheel.h>

#include "fail.h"
#include "state.h"
#include "state-fact.h"

/* What nobody runs into is collected for so long; what was changed elsewhere is
 * read no more often than that; and a store that tells nothing is asked. */
enum { COLLECT_MS = 50, READ_GAP_MS = 10, ASK_MS = 250, LIVE_MS = 5000 };
/* Tries of a store that is away. */
enum { RETRY_FIRST_MS = 200, RETRY_MAX_MS = 30000 };
/* No function of a module takes longer. */
enum { TIMEOUT_MS = 1000 };
/* After so long without a word a process is thought to be gone, and its places
 * are others'. */
enum { LEASE_MS = 5000 };
/* Who probes for longer is thought to be gone. */
enum { PROBE_MS = 10000 };
enum { BATCH = 32 };

struct shared_ring {
  struct kwi_keyring *ring;
  void *user;
  char *scope;
};

struct kwi_state {
  const struct kw_store *store;
  const struct kwi_clock *clock;
  struct kwi_state_hooks hooks;
  char *spec, *dir, *state_dir;
  char holder[17];
  struct shared_ring *rings;
  size_t n_rings;

  int wake_fd;
  atomic_int urgent, dirty, closing;
  pthread_t thread;
  pthread_mutex_t start_lock;
  atomic_int started;

  pthread_mutex_t lock;         /* of all below: one turn at a time       */
  struct kw_store_handle *handle;
  struct kwi_fact_text *text;   /* of the batch                           */
  size_t n;
  uint64_t number;
  int pending;                  /* the batch may not have arrived         */
  int away;
  int64_t dirty_since, last_ms, retry_at, retry_ms;
  int64_t lease_at;             /* when a lease is to be asked for        */
  char problem[512];
};

/* ---- What the thread is told ---------------------------------------------------- */

static void
wake (struct kwi_state *s)
{
  const uint64_t one = 1;

  /* It fails only when it is full, and then the thread is awake. */
  if (write (s->wake_fd, &one, sizeof one) < 0)
    return;
}

static void
nudge (void *user, int urgent)
{
  struct kwi_state *s = user;
  atomic_int *flag = urgent ? &s->urgent : &s->dirty;

  /* Mostly it is set already: then nothing is written, not even the flag. */
  if (atomic_load_explicit (flag, memory_order_relaxed) == 0
      && atomic_exchange (flag, 1) == 0)
    wake (s);
}

static int64_t
mono_now (const struct kwi_state *s)
{
  return s->clock->mono_ms (s->clock->ctx);
}

static int64_t
wall_now (const struct kwi_state *s)
{
  return s->clock->wall_ms (s->clock->ctx);
}

static int64_t
earlier (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* ---- One turn -------------------------------------------------------------------- */

/* Collects what the rings have to tell, up to a batch of it. */
static void
collect (struct kwi_state *s)
{
  struct kwi_change c;
  size_t i;

  s->n = 0;
  for (i = 0; i < s->n_rings; i++)
    while (s->n < BATCH
           && kwi_keyring_next_change (s->rings[i].ring, PROBE_MS, wall_now (s),
                                       &c))
      if (kwi_fact_write (s->rings[i].scope, &c, wall_now (s), &s->text[s->n])
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
    heard = kwi_keyring_hear (s->rings[i].ring, &r->change, wall_now (s), &key);
    if (heard != KWI_HEARD_NOTHING)
      s->hooks.heard (s->hooks.user, s->rings[i].user, heard, key, &r->change);
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
  struct kw_store_fact facts[BATCH];
  struct kw_store_count counts[BATCH];
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
  s->retry_at = mono_now (s) + s->retry_ms;
  (void) snprintf (s->problem, sizeof s->problem, "%s", why->text);
  if (s->away)
    return;
  for (i = 0; i < s->n_rings; i++)
    kwi_keyring_lease_on (s->rings[i].ring, 0);
  s->away = 1;
  n = snprintf (line, sizeof line, "the state is not shared for now: %s; going "
                "on in memory", why->text);
  if (n > 0)
    s->hooks.say (s->hooks.user, 1, line);
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
                s->store->where (s->handle)) > 0)
    s->hooks.say (s->hooks.user, 1, line);
}

static int
lease_places (struct kwi_state *s, struct shared_ring *r,
              struct kw_store_error *why)
{
  struct kw_store_lease l = { .struct_size = sizeof l, .ttl_ms = LEASE_MS };
  struct kwi_lease_ask ask;
  char name[KWI_FACT_NAME];
  int64_t next;

  kwi_keyring_lease_on (r->ring, 1);
  while (kwi_keyring_next_lease (r->ring, mono_now (s), &ask, &next)) {
    uint32_t granted = ask.want;
    l.limit = ask.limit;
    l.want = ask.want;
    l.floor = ask.floor;
    l.name = name;
    if (kwi_lease_name (r->scope, ask.subject, name) == 0
        && s->store->lease (s->handle, &l, &granted, why) != KW_STORE_OK)
      return KW_STORE_AWAY;
    kwi_keyring_leased (r->ring, &ask, granted, mono_now (s));
  }
  s->lease_at = earlier (s->lease_at, next);
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
static int
turn (struct kwi_state *s)
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
    more = s->n == BATCH || atomic_load (&s->urgent);
    s->pending = 0;
    s->n = 0;
    if (s->away) {
      come_back (s);
      more = 1;
    }
  }
  s->last_ms = mono_now (s);
  s->dirty_since = 0;
  return 0;
}

/* ---- The thread ------------------------------------------------------------------- */

/* When the next turn is due, if nothing stirs before. */
static int64_t
due_at (struct kwi_state *s, int has_fd)
{
  int64_t at;

  if (s->away)
    return s->retry_at;
  if (atomic_load (&s->urgent))
    return 0;
  at = earlier (s->lease_at, s->last_ms + (has_fd ? LIVE_MS : ASK_MS));
  if (atomic_load (&s->dirty)) {
    if (s->dirty_since == 0)
      s->dirty_since = mono_now (s);
    at = earlier (at, s->dirty_since + COLLECT_MS);
  }
  return at;
}

static void
drain (int fd)
{
  uint64_t n;

  if (read (fd, &n, sizeof n) < 0)
    return;                     /* nothing was there */
}

static void *
run (void *arg)
{
  struct kwi_state *s = arg;

  (void) pthread_mutex_lock (&s->lock);
  while (!atomic_load (&s->closing)) {
    int fd = s->away ? -1 : s->store->fd (s->handle);
    int64_t now = mono_now (s), at = due_at (s, fd >= 0);
    int64_t gap = s->last_ms + READ_GAP_MS - now;
    struct pollfd fds[2] = { { s->wake_fd, POLLIN, 0 },
                             { gap > 0 ? -1 : fd, POLLIN, 0 } };

    if (fd >= 0 && gap > 0)
      at = earlier (at, now + gap);
    (void) pthread_mutex_unlock (&s->lock);
    (void) poll (fds, 2, at > now ? (int) (at - now) : 0);
    drain (s->wake_fd);
    (void) pthread_mutex_lock (&s->lock);
    if (atomic_load (&s->closing))
      break;
    if (fds[1].revents != 0 || mono_now (s) >= due_at (s, fd >= 0))
      (void) turn (s);
  }
  (void) pthread_mutex_unlock (&s->lock);
  return NULL;
}

/* No signal of the program's is taken by our thread. */
static int
start_thread (struct kwi_state *s)
{
  sigset_t all, before;
  int failed;

  (void) sigfillset (&all);
  (void) pthread_sigmask (SIG_SETMASK, &all, &before);
  failed = pthread_create (&s->thread, NULL, run, s);
  (void) pthread_sigmask (SIG_SETMASK, &before, NULL);
  return failed;
}

void
kwi_state_start (struct kwi_state *s)
{
  if (s == NULL || atomic_load (&s->started) || s->clock->wait != NULL)
    return;
  (void) pthread_mutex_lock (&s->start_lock);
  if (!atomic_load (&s->started) && start_thread (s) == 0)
    atomic_store (&s->started, 1);             /* else the next call tries again */
  (void) pthread_mutex_unlock (&s->start_lock);
}

int
kwi_state_sync (struct kwi_state *s, struct kw_error *err)
{
  int code = 0;

  (void) pthread_mutex_lock (&s->lock);
  if (turn (s) != 0)
    code = kwi_fail (err, KW_ERR_UNAVAILABLE, "the state could not be shared: %s",
                     s->problem);
  (void) pthread_mutex_unlock (&s->lock);
  if (atomic_load (&s->started))
    wake (s);                   /* it may be waiting for what is done now */
  return code;
}

/* ---- Beginning and end ------------------------------------------------------------ */

static void
module_log (void *user, int level, const char *line)
{
  struct kwi_state *s = user;

  s->hooks.say (s->hooks.user, level < 0 ? 0 : level > 3 ? 3 : level, line);
}

static int64_t
module_now (void *user)
{
  return wall_now (user);
}

static char *
copy (const char *text)
{
  return text != NULL ? strdup (text) : NULL;
}

static int
open_module (struct kwi_state *s, struct kw_error *err)
{
  struct kw_store_error why = { "" };
  struct kw_store_setup setup = {
    .struct_size = sizeof setup,
    .timeout_ms = TIMEOUT_MS,
    .spec = s->spec,
    .dir = s->dir,
    .state_dir = s->state_dir,
    .holder = s->holder,
    .log = module_log,
    .now_ms = module_now,
    .user = s,
  };

  if (s->store->open (&setup, &s->handle, &why) != KW_STORE_OK)
    return kwi_fail (err, KW_ERR_SETTINGS, "%s", why.text);
  return 0;
}

int
kwi_state_new (const struct kwi_state_setup *setup, struct kwi_state **ret,
               struct kw_error *err)
{
  struct kwi_state *s = calloc (1, sizeof *s);
  int code;

  if (s == NULL)
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  s->store = setup->store;
  s->clock = setup->clock;
  s->hooks = setup->hooks;
  s->spec = copy (setup->spec);
  s->dir = copy (setup->dir);
  s->state_dir = copy (setup->state_dir);
  s->text = calloc (BATCH, sizeof *s->text);
  s->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  (void) pthread_mutex_init (&s->lock, NULL);
  (void) pthread_mutex_init (&s->start_lock, NULL);
  (void) snprintf (s->holder, sizeof s->holder, "%016" PRIx64,
                   s->clock->random (s->clock->ctx));
  if (s->spec == NULL || s->text == NULL || s->wake_fd < 0
      || (setup->dir != NULL && s->dir == NULL)
      || (setup->state_dir != NULL && s->state_dir == NULL))
    code = kwi_fail (err, KW_ERR_MEMORY, "out of memory, or of descriptors");
  else
    code = open_module (s, err);
  if (code != 0) {
    kwi_state_free (s);
    return code;
  }
  *ret = s;
  return 0;
}

void
kwi_state_free (struct kwi_state *s)
{
  size_t i;

  if (s == NULL)
    return;
  if (atomic_load (&s->started)) {
    atomic_store (&s->closing, 1);
    wake (s);
    (void) pthread_join (s->thread, NULL);
  }
  if (s->handle != NULL) {
    if (!s->away && (s->pending || atomic_load (&s->urgent)
                     || atomic_load (&s->dirty)))
      (void) turn (s);
    s->store->close (s->handle);
  }
  for (i = 0; i < s->n_rings; i++)
    free (s->rings[i].scope);
  free (s->rings);
  if (s->wake_fd >= 0)
    (void) close (s->wake_fd);
  (void) pthread_mutex_destroy (&s->lock);
  (void) pthread_mutex_destroy (&s->start_lock);
  free (s->text);
  free (s->spec);
  free (s->dir);
  free (s->state_dir);
  free (s);
}

int
kwi_state_ring (struct kwi_state *s, struct kwi_keyring *ring,
                const char *scope, void *ring_user)
{
  const uint64_t spread_ms = 250;
  struct shared_ring *rings
    = realloc (s->rings, (s->n_rings + 1) * sizeof *rings);
  char *own = strdup (scope);

  if (rings != NULL)
    s->rings = rings;
  if (rings == NULL || own == NULL) {
    free (own);
    return -1;
  }
  rings[s->n_rings++] = (struct shared_ring) { ring, ring_user, own };
  kwi_keyring_share (ring, nudge, s,
                     (int64_t) (s->clock->random (s->clock->ctx) % spread_ms));
  return 0;
}

const char *
kwi_state_name (const struct kwi_state *s)
{
  return s->store->name;
}

const char *
kwi_state_where (struct kwi_state *s)
{
  return s->store->where (s->handle);
}
