/* transport-share - TLS sessions and names for all lanes; see
 * transport-share.h.  libcurl locks around each look, not around I/O. */
#include <pthread.h>
#include <stdlib.h>

#include "transport-share.h"

struct kwi_share {
  CURLSH *curl;
  pthread_mutex_t lock[CURL_LOCK_DATA_LAST];
};

static void
lock (CURL *easy, curl_lock_data data, curl_lock_access access, void *user)
{
  struct kwi_share *s = user;

  (void) easy, (void) access;
  (void) pthread_mutex_lock (&s->lock[data]);
}

static void
unlock (CURL *easy, curl_lock_data data, void *user)
{
  struct kwi_share *s = user;

  (void) easy;
  (void) pthread_mutex_unlock (&s->lock[data]);
}

struct kwi_share *
kwi_share_new (void)
{
  struct kwi_share *s = calloc (1, sizeof *s);
  size_t i;

  if (s == NULL)
    return NULL;
  for (i = 0; i < CURL_LOCK_DATA_LAST; i++)
    (void) pthread_mutex_init (&s->lock[i], NULL);
  s->curl = curl_share_init ();
  if (s->curl == NULL
      || curl_share_setopt (s->curl, CURLSHOPT_LOCKFUNC, lock) != CURLSHE_OK
      || curl_share_setopt (s->curl, CURLSHOPT_UNLOCKFUNC, unlock) != CURLSHE_OK
      || curl_share_setopt (s->curl, CURLSHOPT_USERDATA, s) != CURLSHE_OK
      || curl_share_setopt (s->curl, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS)
           != CURLSHE_OK) {
    kwi_share_free (s);
    return NULL;
  }
  /* A libcurl without TLS says no, and needs none. */
  (void) curl_share_setopt (s->curl, CURLSHOPT_SHARE,
                            CURL_LOCK_DATA_SSL_SESSION);
  return s;
}

void
kwi_share_free (struct kwi_share *s)
{
  size_t i;

  if (s == NULL)
    return;
  (void) curl_share_cleanup (s->curl);
  for (i = 0; i < CURL_LOCK_DATA_LAST; i++)
    (void) pthread_mutex_destroy (&s->lock[i]);
  free (s);
}

CURLSH *
kwi_share_curl (struct kwi_share *s)
{
  return s->curl;
}
