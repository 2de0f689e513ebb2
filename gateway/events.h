/* events - GET /events: the page's live view, as server-sent events.
 *
 *   hello   on connecting: everything
 *   keys    the providers and keys that have changed
 *   note    something happened: a switch, an exhaustion, a revival, a reset, a
 *           failover, a breaker that opened or closed
 *   tick    each second: the figures of it; also the heartbeat
 *   bye     the gateway ends, or has read its configuration again
 *
 * Nobody is waited for: whoever does not read is cut off, and gets a hello when he
 * comes back. */
#ifndef GW_EVENTS_H
#define GW_EVENTS_H

#include "request.h"

/* On all loops. */
enum { GW_EVENTS_WATCHERS = 32 };

struct gw_events;

/* Those of one loop.  0 or a negative errno. */
int gw_events_new (struct gw_worker *, struct gw_events **ret);
/* No watcher may be there any more. */
void gw_events_free (struct gw_events *);

/* Keys were reset by request; provider or key NULL: all of them. */
void gw_events_reset (struct gw_request *, const char *provider, const char *key);

/* GET /events. */
enum MHD_Result gw_events_answer (struct gw_request *);
/* The request ends. */
void gw_events_leave (struct gw_request *);

/* What is due each second. */
void gw_events_sweep (struct gw_events *);
/* All streams end; their pages may come again. */
void gw_events_end (struct gw_events *);

#endif
