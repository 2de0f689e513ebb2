/* transport - HTTP by libcurl; the only file that includes <curl/curl.h>.
 * A lane is one exchange at a time, with its connections kept alive; lanes are
 * pooled, the most recently used first. */
#ifndef KWI_TRANSPORT_H
#define KWI_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

struct kw_error;
struct kw_request;
struct kwi_answer;
struct kwi_secret;
struct kwi_transport;
struct kwi_lane;

struct kwi_transport *kwi_transport_new (struct kw_error *err);
void kwi_transport_free (struct kwi_transport *);

/* Ends every exchange and wait, now and later.  Async-signal-safe. */
void kwi_transport_cancel (struct kwi_transport *);
int kwi_transport_cancelled (const struct kwi_transport *);

/* NULL: no memory. */
struct kwi_lane *kwi_lane_take (struct kwi_transport *);
void kwi_lane_give (struct kwi_transport *, struct kwi_lane *);

struct kwi_exchange {
  const struct kw_request *request;
  const struct kwi_secret *secret;
  int64_t attempt_timeout_ms;
  int64_t connect_timeout_ms;
  int64_t left_ms;              /* of the call's deadline                 */
  int64_t max_response;
  int64_t wall_ms;              /* what received_ms is counted from       */
  int stream;                   /* the timeout is the longest silence     */
  int _reserved;
  /* A stream's body goes here as it comes (status and headers are in the
   * answer); NULL: the body is kept in the answer.  Non-zero: stop. */
  int (*sink) (void *user, struct kwi_answer *, const void *data, size_t len);
  void *user;
};

/* One exchange; everything that can go wrong is in the answer. */
void kwi_lane_exchange (struct kwi_lane *, const struct kwi_exchange *,
                        struct kwi_answer *);

/* Sleeps for ms, less if the lane is woken or cancelled. */
void kwi_lane_wait (struct kwi_lane *, int64_t ms);
/* From any thread. */
void kwi_lane_wake (struct kwi_lane *);

#endif
