/* metrics - counters and histograms (see metrics.h). */
#include "metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define LABEL 64
#define SERIES_MAX 16384        /* whatever else goes wrong               */

struct gw_series {
  int used;
  enum gw_counter counter;
  char value[GW_LABELS][LABEL];
  uint64_t n;
};

static const double bounds[] = {
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120
};
#define N_BOUNDS (sizeof bounds / sizeof bounds[0])

struct gw_spread {
  enum gw_histogram histogram;
  char provider[LABEL];
  uint64_t in[N_BOUNDS + 1];    /* the last: above all                    */
  uint64_t n;
  int64_t sum_ms;
};

static const struct {
  const char *name, *help;
  const char *labels[GW_LABELS];
} counters[GW_COUNTERS] = {
  [GW_REQUESTS] = { "keywheel_requests_total", "Requests by what they came to.",
                    { "provider", "model", "code" } },
  [GW_ATTEMPTS] = { "keywheel_attempts_total", "Exchanges with providers by verdict.",
                    { "provider", "model", "key", "verdict" } },
  [GW_SWITCHES] = { "keywheel_switches_total", "Switches to another key.", { "provider" } },
  [GW_WAITS] = { "keywheel_waits_total", "Waits for a limit or a provider.", { "provider" } },
  [GW_WAITED_MS] = { "keywheel_waited_seconds_total", "How long was waited.", { "provider" } },
  [GW_FALLBACKS] = { "keywheel_fallbacks_total", "Requests that went on to another provider.",
                     { "from", "to", "reason" } },
  [GW_CLIENT_REQUESTS] = { "keywheel_client_requests_total",
                           "Requests of clients by what they came to.", { "client", "code" } },
};

static const struct {
  const char *name, *help;
} histograms[GW_HISTOGRAMS] = {
  [GW_FIRST_BYTE] = { "keywheel_time_to_first_byte_seconds",
                      "From a request's begin to its answer's." },
  [GW_DURATION] = { "keywheel_request_duration_seconds",
                    "From a request's begin to its answer's end." },
};

/* ---- Counting -------------------------------------------------------------------- */

static void
copy (char to[LABEL], const char *from)
{
  size_t len = from != NULL ? strnlen (from, LABEL - 1) : 0;

  memcpy (to, from != NULL ? from : "", len);
  memset (to + len, 0, LABEL - len);
}

/* FNV-1a. */
static uint64_t
hash_of (enum gw_counter counter, const char *const values[GW_LABELS])
{
  uint64_t h = UINT64_C (14695981039346656037) ^ (uint64_t) counter;

  for (int i = 0; i < GW_LABELS; i++) {
    const char *s = values[i] != NULL ? values[i] : "";
    for (size_t k = 0; k < LABEL - 1 && s[k] != '\0'; k++)
      h = (h ^ (unsigned char) s[k]) * UINT64_C (1099511628211);
    h = (h ^ 0xff) * UINT64_C (1099511628211);
  }
  return h;
}

static int
is_same (const struct gw_series *s, enum gw_counter counter,
         const char *const values[GW_LABELS])
{
  if (s->counter != counter)
    return 0;
  for (int i = 0; i < GW_LABELS; i++)
    if (strncmp (s->value[i], values[i] != NULL ? values[i] : "", LABEL - 1) != 0)
      return 0;
  return 1;
}

/* Its place, or the free one where it goes. */
static struct gw_series *
place_of (struct gw_series *table, size_t size, enum gw_counter counter,
          const char *const values[GW_LABELS])
{
  size_t i = (size_t) hash_of (counter, values) & (size - 1);

  while (table[i].used && !is_same (&table[i], counter, values))
    i = (i + 1) & (size - 1);
  return &table[i];
}

/* 0, or -1: no memory, or more than enough. */
static int
grow (struct gw_metrics *m)
{
  size_t size = m->size > 0 ? m->size * 2 : 64;
  struct gw_series *table;

  if (size > 2 * SERIES_MAX)
    return -1;
  table = calloc (size, sizeof *table);
  if (table == NULL)
    return -1;
  for (size_t i = 0; i < m->size; i++) {
    const struct gw_series *s = &m->series[i];
    const char *const values[] = { s->value[0], s->value[1], s->value[2], s->value[3] };
    if (s->used)
      *place_of (table, size, s->counter, values) = *s;
  }
  free (m->series);
  m->series = table;
  m->size = size;
  return 0;
}

void
gw_metrics_count (struct gw_metrics *m, enum gw_counter counter, uint64_t by,
                  const char *a, const char *b, const char *c, const char *d)
{
  const char *const values[GW_LABELS] = { a, b, c, d };
  struct gw_series *s;

  if (2 * m->n >= m->size && grow (m) != 0)
    return;
  s = place_of (m->series, m->size, counter, values);
  if (!s->used) {
    s->used = 1;
    s->counter = counter;
    for (int i = 0; i < GW_LABELS; i++)
      copy (s->value[i], values[i]);
    m->n++;
  }
  s->n += by;
}

static struct gw_spread *
spread_of (struct gw_metrics *m, enum gw_histogram histogram, const char *provider)
{
  struct gw_spread *spreads;

  for (size_t i = 0; i < m->n_spreads; i++)
    if (m->spreads[i].histogram == histogram
        && strncmp (m->spreads[i].provider, provider, LABEL - 1) == 0)
      return &m->spreads[i];
  spreads = reallocarray (m->spreads, m->n_spreads + 1, sizeof *spreads);
  if (spreads == NULL)
    return NULL;
  m->spreads = spreads;
  spreads += m->n_spreads++;
  *spreads = (struct gw_spread) { .histogram = histogram };
  copy (spreads->provider, provider);
  return spreads;
}

void
gw_metrics_time (struct gw_metrics *m, enum gw_histogram histogram, const char *provider,
                 int64_t ms)
{
  struct gw_spread *s = spread_of (m, histogram, provider);
  size_t i = 0;

  if (s == NULL)
    return;
  while (i < N_BOUNDS && (double) ms / 1000.0 > bounds[i])
    i++;
  s->in[i]++;
  s->n++;
  s->sum_ms += ms;
}

/* Whole characters only: for half of one Prometheus would refuse all of it. */
const char *
gw_metrics_model (struct gw_metrics *m, const char *model)
{
  char label[LABEL];

  copy (label, model);
  label[cli_utf8_valid (label, strlen (label))] = '\0';
  for (size_t i = 0; i < m->n_models; i++)
    if (strcmp (m->models[i], label) == 0)
      return m->models[i];
  if (m->n_models == GW_MODELS_MAX)
    return "other";
  copy (m->models[m->n_models], label);
  return m->models[m->n_models++];
}

void
gw_metrics_clear (struct gw_metrics *m)
{
  free (m->series);
  free (m->spreads);
  m->series = NULL;
  m->spreads = NULL;
  m->n = m->size = m->n_spreads = m->n_models = 0;
}

int
gw_metrics_copy (const struct gw_metrics *m, struct gw_metrics *copy)
{
  *copy = *m;
  copy->series = calloc (m->size + 1, sizeof *copy->series);
  copy->spreads = calloc (m->n_spreads + 1, sizeof *copy->spreads);
  if (copy->series == NULL || copy->spreads == NULL) {
    gw_metrics_clear (copy);
    return -1;
  }
  if (m->size > 0)
    memcpy (copy->series, m->series, m->size * sizeof *copy->series);
  if (m->n_spreads > 0)
    memcpy (copy->spreads, m->spreads, m->n_spreads * sizeof *copy->spreads);
  return 0;
}

/* ---- Telling ------------------------------------------------------------------------ */

static void
write_label (FILE *f, const char *name, const char *value, const char *before)
{
  (void) fprintf (f, "%s%s=\"", before, name);
  for (; *value != '\0'; value++) {
    if (*value == '\n')
      (void) fputs ("\\n", f);
    else {
      if (*value == '"' || *value == '\\')
        (void) fputc ('\\', f);
      (void) fputc (*value, f);
    }
  }
  (void) fputc ('"', f);
}

void
gw_metrics_head (FILE *f, const char *name, const char *type, const char *help)
{
  (void) fprintf (f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
gw_metrics_gauge (FILE *f, const char *name, const char *provider, double value)
{
  (void) fputs (name, f);
  if (provider != NULL) {
    write_label (f, "provider", provider, "{");
    (void) fputc ('}', f);
  }
  if (__builtin_isnan (value))
    (void) fputs (" NaN\n", f);
  else
    (void) fprintf (f, " %.15g\n", value);
}

static void
write_counter (const struct gw_metrics *m, enum gw_counter counter, FILE *f)
{
  const char *name = counters[counter].name;

  gw_metrics_head (f, name, "counter", counters[counter].help);
  for (size_t i = 0; i < m->size; i++) {
    const struct gw_series *s = &m->series[i];
    if (!s->used || s->counter != counter)
      continue;
    (void) fputs (name, f);
    for (int k = 0; k < GW_LABELS && counters[counter].labels[k] != NULL; k++)
      write_label (f, counters[counter].labels[k], s->value[k], k == 0 ? "{" : ",");
    if (counter == GW_WAITED_MS)
      (void) fprintf (f, "} %.3f\n", (double) s->n / 1000.0);
    else
      (void) fprintf (f, "} %" PRIu64 "\n", s->n);
  }
}

static void
write_spread (const struct gw_spread *s, const char *name, FILE *f)
{
  uint64_t below = 0;

  for (size_t i = 0; i <= N_BOUNDS; i++) {
    below += s->in[i];
    (void) fprintf (f, "%s_bucket", name);
    write_label (f, "provider", s->provider, "{");
    if (i < N_BOUNDS)
      (void) fprintf (f, ",le=\"%g\"} %" PRIu64 "\n", bounds[i], below);
    else
      (void) fprintf (f, ",le=\"+Inf\"} %" PRIu64 "\n", below);
  }
  (void) fprintf (f, "%s_sum", name);
  write_label (f, "provider", s->provider, "{");
  (void) fprintf (f, "} %.3f\n%s_count", (double) s->sum_ms / 1000.0, name);
  write_label (f, "provider", s->provider, "{");
  (void) fprintf (f, "} %" PRIu64 "\n", s->n);
}

void
gw_metrics_write (const struct gw_metrics *m, FILE *f)
{
  for (int c = 0; c < GW_COUNTERS; c++)
    write_counter (m, (enum gw_counter) c, f);
  for (int h = 0; h < GW_HISTOGRAMS; h++) {
    gw_metrics_head (f, histograms[h].name, "histogram", histograms[h].help);
    for (size_t i = 0; i < m->n_spreads; i++)
      if (m->spreads[i].histogram == (enum gw_histogram) h)
        write_spread (&m->spreads[i], histograms[h].name, f);
  }
}
