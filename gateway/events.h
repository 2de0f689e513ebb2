/* events - GET /events: the page's live view, as server-sent events.
 *
 *   hello   on connecting: everything
 *   keys    the providers and keys that have changed
 *   note    something happened: a switch, an exhaustion, a revival, a reset
 *   tick    each second: the figures of it; also the heartbeat
 *   bye     the gateway ends, or has read its configuration again
 *
 * Nobody is waited for: whoever does not read is cut off, and gets a hello when he
 * comes back. */
#ifndef GW_EVENTS_H
#define GW_EVENTS_H

#include "request.h"

enum { GW_EVENTS_WATCHERS = 32 };

struct gw_events;

/* 0 or a negative errno. */
int gw_events_new (struct gw_gateway *, struct gw_events **ret);
/* No watcher may be there any more, and no client whose events are noted. */
void gw_events_free (struct gw_events *);

/* An event of a client's; on any thread. */
void gw_events_note (struct gw_events *, const kw_event *);
/* Keys were reset by request; provider or key NULL: all of them. */
void gw_events_reset (struct gw_request *, const char *provider, const char *key);
/* A provider's request is over. */
void gw_events_served (const struct gw_request *);

/* GET /events. */
enum MHD_Result gw_events_answer (struct gw_request *);
/* The request ends. */
void gw_events_leave (struct gw_request *);

/* What is due each second. */
void gw_events_sweep (struct gw_gateway *);
/* All streams end; their pages may come again. */
void gw_events_end (struct gw_gateway *);

#endif
