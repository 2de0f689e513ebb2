/* account - a request that is over, in the metrics and in the log. */
#ifndef GW_ACCOUNT_H
#define GW_ACCOUNT_H

#include "request.h"

/* "ok", or the code of what went wrong. */
const char *gw_account_code (const struct gw_request *);
void gw_account (struct gw_request *);
/* One of a call's events. */
void gw_account_event (struct gw_gateway *, const kw_event *);

#endif
