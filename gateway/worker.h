/* worker - one loop of the gateway, with its HTTP server, its connections and
 * its share of the client's calls: a request lives on one of them from its first
 * byte to its last.  All but what gateway.h has belongs to the worker's thread,
 * and what others want of it they post to its loop. */
#ifndef GW_WORKER_H
#define GW_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway.h"
#include "loop.h"
#include "wheel.h"

struct MHD_Daemon;
struct gw_events;
struct gw_request;
struct gw_worker;

/* A connection of a client's. */
struct gw_conn {
  struct gw_watch watch;        /* its other end hangs up                 */
  struct gw_worker *worker;
  struct gw_conn *next, **link;
  struct gw_request *request;   /* being served; NULL: none               */
  int64_t head_by_ms;           /* when the next request's head has to be there */
  int hung;                     /* the client sends no more               */
  int is_unix;
};

/* A configuration, or none: the end, on its way. */
struct gw_order {
  struct gw_post post;
  struct gw_worker *worker;
  struct gw_config *config;
};

struct gw_worker {
  struct gw_gateway *gateway;
  struct gw_loop loop;

  struct MHD_Daemon *daemon;
  struct gw_watch daemon_watch;
  size_t max_header;            /* as it was at the start                 */
  int daemon_ready;             /* something is to be done there          */
  int quiet;                    /* nothing happened in this turn          */
  int64_t ran_ms;               /* when libmicrohttpd was last run        */
  size_t n_awake;               /* requests that wait, and do not sleep   */
  int adding_unix;              /* what is being added is of a unix socket */
  int opened;                   /* it came that far                       */
  struct gw_conn *conns;
  atomic_size_t n_conns;        /* with those that are on their way here  */
  atomic_size_t n_requests;     /* begun, and not over                    */

  struct gw_wheel *wheel;       /* the newest; older ones behind it       */
  struct gw_events *events;     /* for those who watch                    */
  int draining;
  int ending;                   /* sweeps since the gateway's patience is over */
  struct gw_order drain;        /* there is memory for it at any time     */
  _Atomic int64_t swept_ms;     /* what is due each second was done then  */

  pthread_t thread;
  int threaded;                 /* there is one, or was                   */
  atomic_int running;           /* it turns                               */
  struct gw_loop *main_loop;    /* is woken when it ends                  */
};

/* 0 or a negative errno.  To be cleared also on failure; zeroed before. */
int gw_worker_init (struct gw_worker *, struct gw_gateway *, struct gw_config *);
/* Its thread is over: its connections and wheels end. */
void gw_worker_clear (struct gw_worker *);

/* A thread that turns it until it is drained.  0 or a negative errno. */
int gw_worker_begin (struct gw_worker *, struct gw_loop *main_loop);
/* Waits for the end of its thread, if it has one. */
void gw_worker_join (struct gw_worker *);

/* Waits for something to do, and does it. */
void gw_worker_turn (struct gw_worker *);
/* It is drained. */
int gw_worker_is_over (const struct gw_worker *);

/* From any thread; done in its next turn.  0, or -1: no memory. */
int gw_worker_take_config (struct gw_worker *, struct gw_config *);
/* Likewise; once. */
void gw_worker_drain (struct gw_worker *);

#endif
