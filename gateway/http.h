/* http - the HTTP server of the gateway: libmicrohttpd's, turned by our loop.
 * Connections come and go here; what is asked on them is request.c's.
 *
 * Why this library: requests are parsed, bounded, kept alive and chunked by it,
 * and have been for years at others'; with its own epoll inside ours one thread
 * waits for clients and providers alike.  A server of our own was a quarter
 * faster as a prototype, and would have been all of that anew. */
#ifndef GW_HTTP_H
#define GW_HTTP_H

#include "gateway.h"

/* Listens on gateway->listeners, which are open.  0 or a negative errno. */
int gw_http_start (struct gw_gateway *);
/* Every connection ends.  No request may be suspended. */
void gw_http_stop (struct gw_gateway *);

/* Nothing new comes in; what is kept alive and idle ends. */
void gw_http_drain (struct gw_gateway *);

/* Does what is due, if anything is. */
void gw_http_turn (struct gw_gateway *);
/* How long nothing will be; -1: for ever. */
int gw_http_timeout (struct gw_gateway *);

/* Ends connections whose time is over; about once a second. */
void gw_http_sweep (struct gw_gateway *, int64_t now_ms);

#endif
