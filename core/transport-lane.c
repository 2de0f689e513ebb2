/* transport-lane - transports and their lanes: made, pooled, cancelled, freed.
 * What a lane does with an exchange is transport.c's. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>

#include <keywheel/keywheel.h>  /* KW_ERR_* */

#include "fail.h"
#include "transport-handle.h"
#include "transport-share.h"

/* Idle connections that a lane keeps; libcurl's own choice, four times those
 * under way, closes most of them at the end of a burst.
 * Which one is used next is libcurl's, too, and no option changes it: of those
 * that fit the one made first (7.88.1 and 8.14.1, seen in the server's log, as
 * test_http2 does it), not the one used last.  It comes to the same: calls one
 * after the other keep to one connection, and the others age, until after 118 s
 * libcurl does not use them any more.  Of the lanes, each with one connection as
 * a rule, it is really the one used last. */
enum { MAX_CONNECTIONS = 1024 };

struct kwi_transport {
  pthread_mutex_t lock;
  struct kwi_lane *pool;        /* the most recently used first           */
  struct kwi_share *share;
  int cancel_fd;
  atomic_int cancelled;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_failed;

/* Process-wide, as libcurl wants it; never undone, since another user of
 * libcurl may live in the process. */
static void
init_once (void)
{
  once_failed = curl_global_init (CURL_GLOBAL_ALL) != CURLE_OK
                || sodium_init () < 0;
}

struct kwi_transport *
kwi_transport_new (struct kw_error *err)
{
  struct kwi_transport *t;

  (void) pthread_once (&once, init_once);
  if (once_failed) {
    (void) kwi_fail (err, KW_ERR_INTERNAL,
                     "libcurl or libsodium could not be initialized");
    return NULL;
  }
  t = calloc (1, sizeof *t);
  if (t == NULL) {
    (void) kwi_fail (err, KW_ERR_MEMORY, "out of memory");
    return NULL;
  }
  t->share = kwi_share_new ();
  if (t->share == NULL) {
    (void) kwi_fail (err, KW_ERR_MEMORY, "out of memory");
    free (t);
    return NULL;
  }
  t->cancel_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (t->cancel_fd < 0) {
    (void) kwi_fail (err, KW_ERR_INTERNAL, "no eventfd (errno %d)", errno);
    kwi_share_free (t->share);
    free (t);
    return NULL;
  }
  (void) pthread_mutex_init (&t->lock, NULL);
  return t;
}

static void
lane_free (struct kwi_lane *l)
{
  if (l == NULL)
    return;
  while (l->handles != NULL) {
    struct kwi_handle *h = l->handles;
    l->handles = h->next;
    kwi_handle_free (h);
  }
  (void) curl_multi_cleanup (l->multi); /* closes; so the loop is still there */
  kwi_loop_clear (&l->loop);
  free (l);
}

void
kwi_transport_free (struct kwi_transport *t)
{
  if (t == NULL)
    return;
  while (t->pool != NULL) {
    struct kwi_lane *l = t->pool;
    t->pool = l->next;
    lane_free (l);
  }
  kwi_share_free (t->share);
  (void) close (t->cancel_fd);
  (void) pthread_mutex_destroy (&t->lock);
  free (t);
}

void
kwi_transport_cancel (struct kwi_transport *t)
{
  const uint64_t one = 1;
  int saved = errno;
  ssize_t n;

  atomic_store (&t->cancelled, 1);
  /* Never read again: it wakes every lane, now and later. */
  n = write (t->cancel_fd, &one, sizeof one);
  (void) n;
  errno = saved;
}

int
kwi_transport_cancelled (const struct kwi_transport *t)
{
  return atomic_load (&t->cancelled);
}

/* ---- Lanes --------------------------------------------------------------- */

static struct kwi_lane *
lane_new (struct kwi_transport *t)
{
  struct kwi_lane *l = calloc (1, sizeof *l);

  if (l == NULL)
    return NULL;
  l->transport = t;
  l->share = kwi_share_curl (t->share);
  if (kwi_loop_init (&l->loop, t->cancel_fd) != 0) {
    free (l);
    return NULL;
  }
  l->multi = curl_multi_init ();
  if (l->multi == NULL || kwi_lane_wire (l) != 0
      || curl_multi_setopt (l->multi, CURLMOPT_MAXCONNECTS,
                            (long) MAX_CONNECTIONS) != CURLM_OK
      || curl_multi_setopt (l->multi, CURLMOPT_PIPELINING,
                            (long) CURLPIPE_MULTIPLEX) != CURLM_OK) {
    lane_free (l);
    return NULL;
  }
  return l;
}

struct kwi_lane *
kwi_lane_take (struct kwi_transport *t)
{
  struct kwi_lane *l;

  (void) pthread_mutex_lock (&t->lock);
  l = t->pool;
  if (l != NULL)
    t->pool = l->next;
  (void) pthread_mutex_unlock (&t->lock);
  return l != NULL ? l : lane_new (t);
}

void
kwi_lane_give (struct kwi_transport *t, struct kwi_lane *l)
{
  if (l == NULL)
    return;
  l->on_cancel = NULL;
  (void) pthread_mutex_lock (&t->lock);
  l->next = t->pool;
  t->pool = l;
  (void) pthread_mutex_unlock (&t->lock);
}

struct kwi_loop *
kwi_lane_loop (struct kwi_lane *l)
{
  return &l->loop;
}

void
kwi_lane_on_cancel (struct kwi_lane *l, void (*stop) (void *user), void *user)
{
  l->on_cancel = stop;
  l->user = user;
}
