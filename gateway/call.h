/* call - a request's call of the library. */
#ifndef GW_CALL_H
#define GW_CALL_H

#include "request.h"

/* Fills in r->error if what is asked of the provider cannot be done. */
void gw_call_check (struct gw_request *);
/* Begins the call, or fills in r->error.  length: of a body that is not there
 * yet; -1: not known. */
void gw_call_begin (struct gw_request *, int64_t length);
/* More of that body; r->full: it is to be waited with what follows.  0, or -1: no
 * memory. */
int gw_call_feed (struct gw_request *, const char *data, size_t len);
/* That was all. */
void gw_call_fed (struct gw_request *);

#endif
