/* transport - HTTP by libcurl; transport*.c and no other file
 * include <curl/curl.h>.
 *
 * A lane is what one thread at a time sends with: any number of exchanges at
 * once, over connections that are kept alive.  A blocking call takes one from
 * the pool, the most recently used first; the asynchronous ones share one. */
#ifndef KWI_TRANSPORT_H
#define KWI_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "timers.h"

struct kw_error;
struct kw_request;
struct kwi_answer;
struct kwi_handle;
struct kwi_lane;
struct kwi_loop;
struct kwi_net;
struct kwi_secret;
struct kwi_transport;
struct kwi_upload;

struct kwi_transport *kwi_transport_new (struct kw_error *err);
void kwi_transport_free (struct kwi_transport *);

/* Ends every exchange and wait, now and later.  Async-signal-safe. */
void kwi_transport_cancel (struct kwi_transport *);
int kwi_transport_cancelled (const struct kwi_transport *);

/* NULL: no memory, or no descriptors. */
struct kwi_lane *kwi_lane_take (struct kwi_transport *);
void kwi_lane_give (struct kwi_transport *, struct kwi_lane *);
/* Timers, messages, and running it. */
struct kwi_loop *kwi_lane_loop (struct kwi_lane *);
/* stop is called on the lane's thread when kwi_transport_cancel was. */
void kwi_lane_on_cancel (struct kwi_lane *, void (*stop) (void *user),
                         void *user);

/* What a sink returns besides 0 (go on) and 1 (stop): take no more until
 * kwi_exchange_resume; *ret_taken says how much of this was taken. */
enum { KWI_SINK_STOP = 1, KWI_SINK_PAUSE = 2 };

struct kwi_exchange {
  /* The caller's, borrowed until it is done. */
  const struct kw_request *request;
  const struct kwi_secret *secret;
  const char *secret_line;      /* header and key, as kwi_secrets_line has
                                   it; NULL: to be put together           */
  const struct kwi_net *net;    /* NULL: the defaults                     */
  struct kwi_answer *answer;    /* what comes; all that can go wrong, too */
  int64_t attempt_timeout_ms;
  int64_t connect_timeout_ms;
  int64_t left_ms;              /* of the call's deadline                 */
  int64_t max_response;
  int64_t wall_ms;              /* what received_ms is counted from       */
  int stream;                   /* not to be compressed                   */
  int by_silence;               /* the timeout is the longest silence     */
  int may_pause;                /* the sink may say KWI_SINK_PAUSE        */
  struct kwi_upload *upload;    /* sent in place of the request's body, from
                                   its beginning; NULL: none              */
  /* A stream's body goes here as it comes (status and headers are in the
   * answer); NULL: the body is kept in the answer. */
  int (*sink) (void *user, struct kwi_answer *, const void *data, size_t len,
               size_t *ret_taken);
  /* It is over, told from kwi_loop_run, never from kwi_exchange_begin. */
  void (*done) (void *user);
  void *user;

  /* The transport's, zero between exchanges. */
  int paused;
  int upload_paused;
  int rejected;                 /* the answer came first, and is an error */
  struct kwi_lane *lane;
  struct kwi_handle *handle;    /* libcurl's, and what belongs to it      */
  int again;                    /* sent on a second connection            */
  struct kwi_exchange *next;    /* of those that ended at once            */
  char *url;                    /* with the key in it; guarded            */
  size_t skip;                  /* bytes that come again after a pause    */
  int64_t began_ms, heard_ms;   /* sent; the last byte came               */
  struct kwi_timer timer;
  int late;                     /* looks since a time-out has passed      */
};

void kwi_exchange_begin (struct kwi_lane *, struct kwi_exchange *);
/* Ends it without done; nothing if it is not under way. */
void kwi_exchange_abort (struct kwi_exchange *);
/* Is its whole body on its way, and read by nobody any more? */
int kwi_exchange_has_sent (const struct kwi_exchange *);
/* On the lane's thread: the sink gets what comes on.  May call it at once. */
void kwi_exchange_resume (struct kwi_exchange *);
/* The upload, which had paused, has more. */
void kwi_exchange_resume_upload (struct kwi_exchange *);

#endif
