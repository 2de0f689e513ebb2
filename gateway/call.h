/* call - a request's call of the library. */
#ifndef GW_CALL_H
#define GW_CALL_H

#include "request.h"

/* Fills in r->error if what is asked of the provider cannot be done. */
void gw_call_check (struct gw_request *);
/* Sends the request to a provider, or fills in r->error.  body NULL: it is taken
 * from r->body as it comes, and length is its length; -1: not known.  deadline_ms
 * 0: the provider's. */
void gw_call_send (struct gw_request *, const char *provider, const struct gw_buffer *body,
                   int64_t length, int64_t deadline_ms);
/* More of that body; r->full: it is to be waited with what follows.  0, or -1: no
 * memory. */
int gw_call_feed (struct gw_request *, const char *data, size_t len);
/* That was all. */
void gw_call_fed (struct gw_request *);

/* The client has taken some of r->out: a provider that waits for it may go on. */
void gw_call_taken (struct gw_request *);

#endif
