/* gateway - what the loops of a gateway have in common.  There is no other
 * state: two gateways in one process would never meet. */
#ifndef GW_GATEWAY_H
#define GW_GATEWAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "metrics.h"
#include "notes.h"
#include "pulse.h"

struct gw_config;
struct gw_worker;

struct gw_gateway {
  /* Of metrics and pulse, of each configuration's breakers, and of their list, which
   * the main thread alone changes.  Held for as long as counting takes; nothing else is
   * called meanwhile. */
  pthread_mutex_t lock;
  struct gw_config *configs;    /* the newest first                       */
  struct gw_metrics metrics;
  struct gw_pulse pulse;
  struct gw_log log;            /* has a lock of its own; so have the notes */
  struct gw_notes *notes;
  struct gw_worker *workers;    /* the first is the main thread's         */
  size_t n_workers;
  atomic_int watchers;          /* of events, on all loops                */
  atomic_int draining;          /* nothing new; connections end           */
  atomic_int ending;            /* and there is no more patience          */
  atomic_int level;             /* of what is told: log_level and -v      */
  int64_t began_ms;
};

void gw_lock (struct gw_gateway *);
void gw_unlock (struct gw_gateway *);

/* On all loops: connections of clients, with those that are on their way to their
 * loop, and requests that have begun and are not over. */
size_t gw_n_conns (const struct gw_gateway *);
size_t gw_n_requests (const struct gw_gateway *);

#endif
