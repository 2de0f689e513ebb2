/* http - the HTTP server of the gateway: libmicrohttpd's, turned by our loop.
 * Connections come and go here; what is asked on them is request.c's.
 *
 * Why this library: requests are parsed, bounded, kept alive and chunked by it,
 * and have been for years at others'; with its own epoll inside ours a
 * thread waits for clients and providers alike.  A server of our own was a quarter
 * faster as a prototype, and would have been all of that anew. */
#ifndef GW_HTTP_H
#define GW_HTTP_H

#include <sys/socket.h>

#include <microhttpd.h>

#include "worker.h"

/* A connection that was accepted. */
struct gw_arrival {
  int fd;
  int is_unix;
  socklen_t len;
  struct sockaddr_storage address;
};

/* 0 or a negative errno. */
int gw_http_start (struct gw_worker *);
/* Every connection ends.  No request may be suspended. */
void gw_http_stop (struct gw_worker *);

/* One more connection, which is among n_conns already, and whose descriptor it takes
 * over.  0, or -1: it was closed. */
int gw_http_add (struct gw_worker *, const struct gw_arrival *);
/* What is kept alive and idle ends. */
void gw_http_drain (struct gw_worker *);

/* Does what is due, if anything is. */
void gw_http_turn (struct gw_worker *);
/* How long nothing will be; -1: for ever. */
int gw_http_timeout (struct gw_worker *);

/* How large a request's head is. */
size_t gw_http_head_size (struct MHD_Connection *);
/* How many bytes of a provider's header fields there is surely room for in its answer. */
size_t gw_http_room (const struct gw_worker *, struct MHD_Connection *);

/* Ends connections whose time is over; about once a second. */
void gw_http_sweep (struct gw_worker *, int64_t now_ms);

#endif
