/* account - a request that is over, in the metrics and in the log. */
#ifndef GW_ACCOUNT_H
#define GW_ACCOUNT_H

#include "request.h"

/* "ok", or the code of what went wrong. */
const char *gw_account_code (const struct gw_request *);
void gw_account (struct gw_request *);
/* One of a call's events. */
void gw_account_event (struct gw_gateway *, const kw_event *);
/* A request was sent on from one provider to the next. */
void gw_account_fallback (struct gw_gateway *, const char *from, const char *to,
                          const char *reason);
/* A breaker has changed; wait_ms: how long it will not let anybody through.  Not
 * under the lock. */
void gw_account_breaker (struct gw_gateway *, const char *provider, enum gw_breaker_state,
                         int64_t wait_ms);
/* It was open, until somebody reset it. */
void gw_account_breaker_reset (struct gw_gateway *, const char *provider);

#endif
