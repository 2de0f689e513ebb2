/* failover - from a provider that cannot serve a request to the next one of its
 * fallback.  A call that ended before anything was handed to the client begins
 * anew there, with the same body but for the model's name; a provider whose
 * breaker is open is passed over.  The deadline is over all of it. */
#ifndef GW_FAILOVER_H
#define GW_FAILOVER_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "error.h"
#include "providers.h"

struct gw_config;
struct gw_gateway;
struct gw_request;
struct json_object;
struct kw_error;
struct kw_event;
struct kw_start;

/* A request's way through the providers. */
struct gw_way {
  struct gw_provider *provider; /* that is asked, or was; NULL: none yet  */
  int64_t deadline_ms;          /* of the first one, over all             */
  int64_t began_ms;
  const char *rest;             /* of its fallback; NULL: there is none   */
  uint64_t era;                 /* of provider's breaker                  */
  struct gw_buffer body;        /* what has come of it, where there is a rest */
  struct gw_error *error;       /* why they could not serve it; NULL      */
  char left[160];               /* "groq=keys_exhausted, ...": who was left, why */
  int attempts, switches;       /* at those that were left                */
  int64_t waited_ms;
  int moves;                    /* to another one                         */
  int moving;                   /* the call is cancelled, to go on elsewhere */
  int waits;                    /* for the rest of the body, to go on     */
  int lost;                     /* the body is too large to be sent again */
};

/* Sends the request to its provider, whose name is in the route, or to another;
 * or fills in r->error; or it will be sent when its body is there.  length: as
 * gw_call_begin's. */
void gw_failover_begin (struct gw_request *, int64_t length);
/* More of its body, and all of it.  gw_failover_fed may do what
 * gw_failover_begin does. */
void gw_failover_feed (struct gw_request *, const char *data, size_t len);
void gw_failover_fed (struct gw_request *);

/* Of its call. */
void gw_failover_event (struct gw_request *, const struct kw_event *);
void gw_failover_started (struct gw_request *, const struct kw_start *);
/* 1: another call has begun, or will; 0: this one was the last, and r->error is
 * filled in where it is not the call's own. */
int gw_failover_ended (struct gw_request *, int code, const struct kw_error *why);

/* No call is under way any more. */
void gw_way_clear (struct gw_way *);

/* Closes the breakers of the provider, or (NULL) of all, as the newest configuration has
 * them; those that older ones' requests meet, too. */
void gw_failover_reset (struct gw_gateway *, struct gw_config *newest,
                        const char *provider);

/* What /status says of a provider besides. */
void gw_failover_status (struct gw_gateway *, const struct gw_provider *, int64_t now_ms,
                         struct json_object *provider);
/* What the page is told of it, with times as Unix has them; nothing where there is
 * neither a fallback nor a breaker. */
void gw_failover_view (struct gw_gateway *, const struct gw_provider *, int64_t now_ms,
                       int64_t unix_ms, struct json_object *provider);

#endif
