/* state - the thread that shares a client's facts, and its beginning and end; see
 * state.h. */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <keywheel/keywheel.h>

#include "fail.h"
#include "state-fact.h"
#include "state-private.h"

/* What nobody runs into is collected for so long; what was changed elsewhere is
 * read no more often than that; and a store that tells nothing is asked. */
enum { COLLECT_MS = 50, READ_GAP_MS = 10, ASK_MS = 250, LIVE_MS = 5000 };
/* No function of a module takes longer. */
enum { TIMEOUT_MS = 1000 };

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
  at = kwi_earlier (s->lease_at, s->last_ms + (has_fd ? LIVE_MS : ASK_MS));
  if (atomic_load (&s->dirty)) {
    if (s->dirty_since == 0)
      s->dirty_since = kwi_state_mono (s);
    at = kwi_earlier (at, s->dirty_since + COLLECT_MS);
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
    int64_t now = kwi_state_mono (s), at = due_at (s, fd >= 0);
    int64_t gap = s->last_ms + READ_GAP_MS - now;
    struct pollfd fds[2] = { { s->wake_fd, POLLIN, 0 },
                             { gap > 0 ? -1 : fd, POLLIN, 0 } };

    if (fd >= 0 && gap > 0)
      at = kwi_earlier (at, now + gap);
    (void) pthread_mutex_unlock (&s->lock);
    (void) poll (fds, 2, at > now ? (int) (at - now) : 0);
    drain (s->wake_fd);
    (void) pthread_mutex_lock (&s->lock);
    if (atomic_load (&s->closing))
      break;
    if (fds[1].revents != 0 || kwi_state_mono (s) >= due_at (s, fd >= 0)) {
      (void) kwi_state_turn (s);
      (void) pthread_mutex_unlock (&s->lock);
      kwi_news_tell (&s->news, &s->hooks);
      (void) pthread_mutex_lock (&s->lock);
    }
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
  if (s->handle == NULL)
    code = kwi_fail (err, KW_ERR_UNAVAILABLE, "the client is being closed");
  else if (kwi_state_turn (s) != 0)
    code = kwi_fail (err, KW_ERR_UNAVAILABLE, "the state could not be shared: %s",
                     s->problem);
  (void) pthread_mutex_unlock (&s->lock);
  kwi_news_tell (&s->news, &s->hooks);
  if (atomic_load (&s->started))
    wake (s);                   /* it may be waiting for what is done now */
  return code;
}

/* ---- Beginning and end ------------------------------------------------------------ */

static void
module_log (void *user, int level, const char *line)
{
  struct kwi_state *s = user;

  kwi_news_line (&s->news, level < 0 ? 0 : level > 3 ? 3 : level, line);
}

static int64_t
module_now (void *user)
{
  return kwi_state_wall (user);
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
  /* Asked for here, as anybody may want to know while another thread is in it. */
  s->where = strdup (s->store->where (s->handle));
  return s->where != NULL ? 0 : kwi_fail (err, KW_ERR_MEMORY, "out of memory");
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
  s->text = calloc (KWI_STATE_BATCH, sizeof *s->text);
  s->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  (void) pthread_mutex_init (&s->lock, NULL);
  (void) pthread_mutex_init (&s->start_lock, NULL);
  kwi_news_begin (&s->news);
  (void) snprintf (s->holder, sizeof s->holder, "%016" PRIx64,
                   s->clock->random (s->clock->ctx));
  if (s->spec == NULL || s->text == NULL || s->wake_fd < 0
      || (setup->dir != NULL && s->dir == NULL)
      || (setup->state_dir != NULL && s->state_dir == NULL))
    code = kwi_fail (err, KW_ERR_MEMORY, "out of memory, or of descriptors");
  else
    code = open_module (s, err);
  kwi_news_tell (&s->news, &s->hooks);
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
  struct kw_store_handle *handle;
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
      (void) kwi_state_turn (s);
    kwi_news_tell (&s->news, &s->hooks);        /* who is told may call kw_sync */
    handle = s->handle;
    s->handle = NULL;
    s->store->close (handle);
    kwi_news_tell (&s->news, &s->hooks);
  }
  for (i = 0; i < s->n_rings; i++)
    free (s->rings[i].scope);
  free (s->rings);
  if (s->wake_fd >= 0)
    (void) close (s->wake_fd);
  kwi_news_end (&s->news);
  (void) pthread_mutex_destroy (&s->lock);
  (void) pthread_mutex_destroy (&s->start_lock);
  free (s->text);
  free (s->spec);
  free (s->dir);
  free (s->state_dir);
  free (s->where);
  free (s);
}

int
kwi_state_ring (struct kwi_state *s, struct kwi_keyring *ring,
                const char *scope, void *ring_user)
{
  const uint64_t spread_ms = 250;
  struct kwi_shared_ring *rings
    = realloc (s->rings, (s->n_rings + 1) * sizeof *rings);
  char *own = strdup (scope);

  if (rings != NULL)
    s->rings = rings;
  if (rings == NULL || own == NULL) {
    free (own);
    return -1;
  }
  rings[s->n_rings++] = (struct kwi_shared_ring) { ring, ring_user, own };
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
kwi_state_where (const struct kwi_state *s)
{
  return s->where;
}
