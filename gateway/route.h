/* route - which of the gateway's places a path leads to.  Pure: text in, text
 * out. */
#ifndef GW_ROUTE_H
#define GW_ROUTE_H

#include <stddef.h>

enum gw_place {
  GW_NOWHERE = 0,               /* 404                                    */
  GW_PROVIDER,                  /* a provider's API                       */
  GW_HEALTHZ,
  GW_READYZ,
  GW_STATUS,
  GW_METRICS,
  GW_RESET,
  GW_PAGE,
  GW_EVENTS,
};

struct gw_route {
  enum gw_place place;
  char provider[64];            /* "": the default one                    */
  int or_default;               /* or the default one, if there is none of that name */
  const char *rest;             /* behind /v1, from its slash on, the query
                                   with it; within what was given         */
};

/* uri as it stood in the request line. */
void gw_route_find (const char *uri, struct gw_route *ret);

/* The methods of a place, for Allow: "GET, HEAD, OPTIONS". */
const char *gw_route_methods (enum gw_place);

#endif
