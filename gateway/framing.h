/* framing - is a request's head one that everybody on its way reads in the same
 * way?  Where a proxy in front and libmicrohttpd do not agree on where a request
 * ends, somebody's bytes are another one's request.  Knows no clients. */
#ifndef GW_FRAMING_H
#define GW_FRAMING_H

#include "request.h"

/* Fills in r->error where it is not; nothing behind it is to be read then. */
void gw_framing_check (struct gw_request *);

#endif
