/* accept - connections come in on the main thread, which deals them out: each
 * goes to the loop that has the fewest.  So a handful of long streams is spread
 * as evenly as a thousand short requests, which SO_REUSEPORT's hash would not do,
 * and any kind of socket that listens will do. */
#ifndef GW_ACCEPT_H
#define GW_ACCEPT_H

#include "listen.h"
#include "loop.h"

struct gw_gateway;

struct gw_port {                /* a listener at work                     */
  struct gw_watch watch;
  struct gw_accept *accept;
  const struct gw_listener *listener;
};

struct gw_accept {
  struct gw_gateway *gateway;
  struct gw_loop *loop;
  struct gw_listeners listeners;
  struct gw_port ports[GW_LISTEN_MAX];
  size_t most;                  /* connections at a time: max_connections */
  int watching;                 /* the ports are                          */
  int full;                     /* they are not, as there are most connections */
};

/* With gateway, loop, listeners and most set.  0 or a negative errno. */
int gw_accept_begin (struct gw_accept *);
/* Nothing new comes in. */
void gw_accept_end (struct gw_accept *);
/* Goes on where there were as many connections as may be; in every turn. */
void gw_accept_turn (struct gw_accept *);
/* Goes on where descriptors had run out, too; about once a second. */
void gw_accept_sweep (struct gw_accept *);

#endif
