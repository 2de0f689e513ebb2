/* sim - the simulated provider itself, between the HTTP server and the parts:
 * one request in, one answer out.  Thread-safe; knows no sockets. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "accounts.h"
#include "answer.h"
#include "clock.h"
#include "log.h"
#include "options.h"
#include "shelf.h"

#include <pthread.h>

/* More than that is read to its end, not kept, and refused. */
#define SIM_BODY_MAX (INT64_C (100) * 1024 * 1024)

struct sim {
  struct sim_options options;   /* does not change, but for its faults */
  pthread_mutex_t lock;         /* of all that follows, and the faults */
  struct sim_clock clock;
  struct sim_accounts accounts;
  struct sim_log log;
  struct sim_shelf shelf;
  int64_t n;                    /* requests so far */
  int64_t under_way;            /* whose answers are not at their end */
};

struct sim_call {
  const char *method;
  const char *path;
  const char *authorization;    /* NULL: no such header; so the next two */
  const char *x_api_key, *x_goog_api_key;
  const char *content_type;     /* or NULL */
  const char *ms;               /* the query's "ms", or NULL */
  const char *body;             /* NULL: none, or too long to keep */
  size_t len;                   /* a NUL stands behind it          */
  int64_t bytes;                /* that arrived */
  int64_t arrived_us;           /* CLOCK_MONOTONIC */
};

/* What the provider says.  answer is set up by the caller and cleared by it. */
void sim_serve (struct sim *, const struct sim_call *, struct sim_answer *);

/* /sim/...: the clock, the faults, the log.  0: it is none of these paths. */
int sim_control (struct sim *, const struct sim_call *, struct sim_answer *);

#endif
