/* metrics - what the gateway has counted, for Prometheus.  Knows no HTTP and no
 * client; labels are bounded, whatever clients ask for. */
#ifndef GW_METRICS_H
#define GW_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum gw_counter {
  GW_REQUESTS = 0,              /* provider, model, code                  */
  GW_ATTEMPTS,                  /* provider, model, key, verdict          */
  GW_SWITCHES,                  /* provider                               */
  GW_WAITS,                     /* provider                               */
  GW_WAITED_MS,                 /* provider                               */
  GW_FALLBACKS,                 /* from, to, reason                       */
  GW_CLIENT_REQUESTS,           /* client, code                           */
  GW_COUNTERS
};
enum gw_histogram { GW_FIRST_BYTE = 0, GW_DURATION, GW_HISTOGRAMS };

enum { GW_LABELS = 4, GW_MODELS_MAX = 64 };

struct gw_series;
struct gw_spread;

/* Zeroed: nothing counted. */
struct gw_metrics {
  struct gw_series *series;     /* a table by hash                        */
  size_t n, size;
  struct gw_spread *spreads;    /* histograms                             */
  size_t n_spreads;
  char models[GW_MODELS_MAX][64]; /* those that have a label of their own */
  size_t n_models;
};

void gw_metrics_clear (struct gw_metrics *);

/* Values of the labels in the order above; those that are too much are left out. */
void gw_metrics_count (struct gw_metrics *, enum gw_counter, uint64_t by,
                       const char *a, const char *b, const char *c, const char *d);
void gw_metrics_time (struct gw_metrics *, enum gw_histogram, const char *provider,
                      int64_t ms);
/* The label of a model: its own for the first GW_MODELS_MAX, then "other". */
const char *gw_metrics_model (struct gw_metrics *, const char *model);

/* As it is now, which can be written while the other is counted on.  0, or -1: no
 * memory. */
int gw_metrics_copy (const struct gw_metrics *, struct gw_metrics *copy);
/* All of it, in Prometheus' text format. */
void gw_metrics_write (const struct gw_metrics *, FILE *);
/* A line of it: NAME{provider="PROVIDER"} VALUE. */
void gw_metrics_gauge (FILE *, const char *name, const char *provider, double value);
void gw_metrics_head (FILE *, const char *name, const char *type, const char *help);

#endif
