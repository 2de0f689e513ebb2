/* gateway - the whole: one loop, its sockets, the HTTP server and the clients
 * of keywheel.  There is no other state: two of them in one process would never
 * meet. */
#ifndef GW_GATEWAY_H
#define GW_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#include "listen.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "wheel.h"

struct MHD_Daemon;
struct gw_events;
struct gw_gateway;
struct gw_request;

/* A connection of a client's. */
struct gw_conn {
  struct gw_watch watch;        /* its other end hangs up                 */
  struct gw_gateway *gateway;
  struct gw_conn *next, **link;
  struct gw_request *request;   /* being served; NULL: none               */
  int64_t head_by_ms;           /* when the next request's head has to be there */
  int hung;                     /* the client sends no more               */
  int is_unix;
};

struct gw_port {                /* a listener at work */
  struct gw_watch watch;
  struct gw_gateway *gateway;
  const struct gw_listener *listener;
};

struct gw_gateway {
  struct gw_loop loop;
  struct gw_listeners listeners;
  struct gw_port ports[GW_LISTEN_MAX];
  int accepting;                /* the ports are watched                  */
  int draining;                 /* nothing new; connections end           */

  struct MHD_Daemon *daemon;
  struct gw_watch daemon_watch;
  int daemon_ready;             /* something is to be done there          */
  const struct gw_port *accepting_on; /* while a connection is handed over */
  struct gw_conn *conns;
  size_t n_conns;
  size_t n_requests;            /* begun, and not over                    */

  struct gw_wheel *wheel;       /* the newest; older ones behind it       */
  struct gw_metrics metrics;
  struct gw_log log;
  struct gw_events *events;     /* for those who watch                    */
  int level;                    /* of what is told: log_level and -v      */
  int64_t began_ms;
};

#endif
