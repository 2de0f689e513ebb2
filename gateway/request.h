/* request - one request of a client's, from its first line to its last byte.
 * The functions down to the first gap are libmicrohttpd's callbacks. */
#ifndef GW_REQUEST_H
#define GW_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include <keywheel/keywheel.h>

#include "buffer.h"
#include "error.h"
#include "failover.h"
#include "route.h"
#include "worker.h"

/* What the provider's answer begins with. */
struct gw_head {
  int status;                   /* 0: there is none yet                   */
  int events;                   /* it is a stream of them                 */
  int64_t length;               /* of its body; -1: not known             */
  struct gw_buffer fields;      /* name, NUL, value, NUL, ...             */
};

/* How a request came to its answer; for its headers and the log. */
struct gw_record {
  char key[KW_NAME_MAX];        /* the last one's name                    */
  char provider[KW_NAME_MAX];
  char model[128];
  int attempts, switches;
  int64_t waited_ms;
};

struct gw_request {
  struct gw_gateway *gateway;
  struct gw_worker *worker;
  struct gw_conn *conn;
  struct MHD_Connection *connection;
  struct gw_wheel *wheel;       /* holds it; NULL: not yet                */
  char *uri;                    /* as it stood in the request line        */
  char *method;                 /* a copy: it outlives the connection   */
  struct gw_route route;
  struct gw_client *client;     /* the wheel's; NULL: not known           */
  int entered;                  /* it counts among the client's           */
  struct gw_error error;        /* the answer, if status is not 0         */

  struct gw_buffer body;
  int64_t received;             /* bytes of it, kept or not               */
  int64_t began_ms;
  int64_t began_unix_ms;
  int64_t first_byte_ms;        /* 0: not yet                             */
  int64_t out_bytes;            /* of the answer's body                   */

  kw_handle *handle;            /* the call, while it is under way        */
  struct gw_record record;
  struct gw_way way;
  struct gw_head head;          /* of the answer                          */
  struct gw_buffer out;         /* of its body, what has not gone yet     */
  size_t out_limit;             /* of a watcher; more is too much for him */
  int sent;                     /* the call has begun                     */
  int arrived;                  /* the body is there, all of it           */
  int full;                     /* enough of it waits for the provider    */
  int starved;                  /* the library waits for more of it       */
  int ended;                    /* it is over                             */
  int broken;                   /* in the middle of the answer            */
  int status;                   /* of the answer; 0: there was none       */
  int queued;                   /* an answer is libmicrohttpd's now       */
  int http_1_1;                 /* the client knows chunks                */
  int last;                     /* its connection ends with it            */
  int past;                     /* it goes past libmicrohttpd; see chunks.h */
  int64_t moved_ms;             /* some of it went out, where more waits  */
  int suspended;                /* libmicrohttpd waits for us             */
  int looks;                    /* for an answer, before it does          */
  int awake;                    /* between two of them                    */
  int paused;                   /* the provider waits for the client      */
  int gone;                     /* the client is                          */
  int watching;                 /* in the gateway's events                */
  int completed;                /* libmicrohttpd is through with it       */
};

void *gw_request_begin (void *worker, const char *uri, struct MHD_Connection *);
enum MHD_Result gw_request_handle (void *worker, struct MHD_Connection *, const char *url,
                                   const char *method, const char *version,
                                   const char *data, size_t *size, void **request);
void gw_request_completed (void *worker, struct MHD_Connection *, void **request,
                           enum MHD_RequestTerminationCode);

/* The client has hung up. */
void gw_request_hangup (struct gw_request *);
/* When its connection's patience is over; 0: it is not the client's turn. */
int64_t gw_request_due_ms (const struct gw_request *);

/* libmicrohttpd shall wait for gw_request_wake. */
void gw_request_sleep (struct gw_request *);
void gw_request_wake (struct gw_request *);

#endif
