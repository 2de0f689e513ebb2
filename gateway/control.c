/* control - pages of the gateway's own (see control.h). */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "answer.h"
#include "cli.h"
#include "events.h"
#include "page.h"

#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"

static int
is_options (const struct gw_request *r)
{
  return strcmp (r->method, MHD_HTTP_METHOD_OPTIONS) == 0;
}

void
gw_control_check (struct gw_request *r)
{
  int reads = strcmp (r->method, MHD_HTTP_METHOD_GET) == 0
              || strcmp (r->method, MHD_HTTP_METHOD_HEAD) == 0;
  int posts = strcmp (r->method, MHD_HTTP_METHOD_POST) == 0;

  if (!is_options (r) && !(r->route.place == GW_RESET ? posts : reads))
    gw_error_set (&r->error, 405, "invalid_request_error", "method_not_allowed",
                  "%s is not possible here; what is: %s", r->method,
                  gw_route_methods (r->route.place));
}

static enum MHD_Result
answer_json (struct gw_request *r, struct json_object *object)
{
  const char *text = object != NULL
    ? json_object_to_json_string_ext (object, JSON_C_TO_STRING_PRETTY
                                      | JSON_C_TO_STRING_SPACED
                                      | JSON_C_TO_STRING_NOSLASHESCAPE)
    : NULL;
  char *copy = NULL;
  int len = text != NULL ? asprintf (&copy, "%s\n", text) : -1;

  json_object_put (object);
  return len >= 0 ? gw_answer_text (r, 200, JSON, copy, (size_t) len) : MHD_NO;
}

/* ---- /status ----------------------------------------------------------------------- */

static struct json_object *
provider_json (struct gw_request *r, const struct gw_provider *p)
{
  kw_client *client = r->wheel->config->client;
  kw_status_info *status = NULL;
  struct json_object *object;

  if (kw_status (client, p->name, &status) != 0)
    return NULL;
  object = cli_status_json (status, kw_status_waiting (status), kw_status_bucket,
                            kw_client_state (client));
  kw_status_free (status);
  if (object != NULL)
    gw_failover_status (r->gateway, p, gw_now_ms (), object);
  return object;
}

static struct json_object *
gateway_json (const struct gw_gateway *g)
{
  struct json_object *object = json_object_new_object ();

  if (object == NULL)
    return NULL;
  (void) json_object_object_add (object, "version", json_object_new_string (kw_version ()));
  (void) json_object_object_add (object, "uptime_seconds",
                                 json_object_new_int64 ((gw_now_ms () - g->began_ms) / 1000));
  (void) json_object_object_add (object, "connections",
                                 json_object_new_int64 ((int64_t) gw_n_conns (g)));
  (void) json_object_object_add (object, "requests_under_way",
                                 json_object_new_int64 ((int64_t) gw_n_requests (g)));
  return object;
}

static enum MHD_Result
answer_status (struct gw_request *r)
{
  struct json_object *object = json_object_new_object ();
  struct json_object *providers = json_object_new_array ();

  if (object == NULL || providers == NULL) {
    json_object_put (object);
    json_object_put (providers);
    return MHD_NO;
  }
  for (size_t i = 0; i < r->wheel->config->providers.n; i++)
    (void) json_object_array_add (providers, provider_json (r,
                                                            &r->wheel->config->providers.of[i]));
  (void) json_object_object_add (object, "gateway", gateway_json (r->gateway));
  (void) json_object_object_add (object, "providers", providers);
  return answer_json (r, object);
}

/* ---- /metrics ----------------------------------------------------------------------- */

static double
available (const kw_status_info *s)
{
  return (double) s->available_keys;
}

static double
total (const kw_status_info *s)
{
  return (double) s->total_keys;
}

static double
waiting (const kw_status_info *s)
{
  return (double) kw_status_waiting (s);
}

/* NaN where nobody knows. */
static double
next_key (const kw_status_info *s)
{
  if (s->next_ready_ms == 0)
    return __builtin_nan ("");
  return s->next_ready_ms <= s->now_ms ? 0
                                       : (double) (s->next_ready_ms - s->now_ms) / 1000.0;
}

static const struct {
  const char *name, *help;
  double (*value) (const kw_status_info *);
} gauges[] = {
  { "keywheel_keys", "Keys of the provider.", total },
  { "keywheel_keys_available", "Keys that serve the configured model.", available },
  { "keywheel_next_key_seconds", "Until a key serves again; 0: one does.", next_key },
  { "keywheel_waiting_requests", "Requests that wait for a limit, a key or a place.", waiting },
};

static void
write_gauges (kw_client *client, FILE *f)
{
  for (size_t k = 0; k < sizeof gauges / sizeof gauges[0]; k++) {
    const char *name;
    gw_metrics_head (f, gauges[k].name, "gauge", gauges[k].help);
    for (size_t i = 0; (name = kw_client_provider (client, i)) != NULL; i++) {
      kw_status_info *status = NULL;
      if (kw_status (client, name, &status) == 0)
        gw_metrics_gauge (f, gauges[k].name, name, gauges[k].value (status));
      kw_status_free (status);
    }
  }
}

static void
write_breakers (const struct gw_providers *providers, FILE *f)
{
  gw_metrics_head (f, "keywheel_breaker_state", "gauge",
                   "Of the provider: 0 closed, 1 open, 2 half-open.");
  for (size_t i = 0; i < providers->n; i++)
    if (providers->of[i].rules.failures > 0)
      gw_metrics_gauge (f, "keywheel_breaker_state", providers->of[i].name,
                        (double) providers->of[i].breaker.state);
}

/* Nobody is to wait until it is written.  0, or -1: no memory. */
static int
write_counted (struct gw_gateway *g, FILE *f)
{
  struct gw_metrics now;
  int failed;

  gw_lock (g);
  failed = gw_metrics_copy (&g->metrics, &now);
  gw_unlock (g);
  if (failed)
    return -1;
  gw_metrics_write (&now, f);
  gw_metrics_clear (&now);
  return 0;
}

static enum MHD_Result
answer_metrics (struct gw_request *r)
{
  char *text = NULL;
  size_t len = 0;
  FILE *f = open_memstream (&text, &len);
  int no_memory;

  if (f == NULL)
    return MHD_NO;
  no_memory = write_counted (r->gateway, f);
  gw_lock (r->gateway);
  write_breakers (&r->wheel->config->providers, f);
  gw_unlock (r->gateway);
  write_gauges (r->wheel->config->client, f);
  gw_metrics_head (f, "keywheel_access_log_lost_total", "counter",
                   "Lines that the access log could not take.");
  gw_metrics_gauge (f, "keywheel_access_log_lost_total", NULL,
                    (double) atomic_load (&r->gateway->log.lost));
  gw_metrics_head (f, "keywheel_connections", "gauge", "Connections of clients.");
  gw_metrics_gauge (f, "keywheel_connections", NULL, (double) gw_n_conns (r->gateway));
  gw_metrics_head (f, "keywheel_requests_under_way", "gauge", "Requests, this one too.");
  gw_metrics_gauge (f, "keywheel_requests_under_way", NULL, (double) gw_n_requests (r->gateway));
  if (fclose (f) != 0 || no_memory) {
    free (text);
    return MHD_NO;
  }
  return gw_answer_text (r, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
}

/* ---- /reset ---------------------------------------------------------------------------- */

static const char *
argument (const struct gw_request *r, const char *name)
{
  return MHD_lookup_connection_value (r->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result
answer_reset (struct gw_request *r)
{
  const char *provider = argument (r, "provider"), *key = argument (r, "key");
  const char *name;
  int code = 0;

  if (provider != NULL || key != NULL)
    code = kw_reset (r->wheel->config->client, provider, key);
  else
    for (size_t i = 0; (name = kw_client_provider (r->wheel->config->client, i)) != NULL; i++)
      code = code != 0 ? code : kw_reset (r->wheel->config->client, name, NULL);
  if (code != 0) {
    gw_error_set (&r->error, 404, "invalid_request_error", "unknown_key",
                  "there is no such provider or key; /status has those that there are");
    return gw_answer_error (r);
  }
  gw_events_reset (r, provider, key);
  if (key == NULL)              /* else the key was meant, not its provider */
    gw_failover_reset (r->gateway, r->wheel->config, provider);
  return answer_status (r);
}

/* ---- All ---------------------------------------------------------------------------------- */

static enum MHD_Result
answer_text (struct gw_request *r, int status, const char *text)
{
  char *copy = strdup (text);

  return gw_answer_text (r, status, TEXT, copy, strlen (text));
}

enum MHD_Result
gw_control_answer (struct gw_request *r)
{
  if (is_options (r))
    return gw_answer_options (r);
  switch (r->route.place) {
  case GW_HEALTHZ:
    return answer_text (r, 200, "ok\n");
  case GW_READYZ:
    return r->gateway->draining ? answer_text (r, 503, "ending\n")
                                : answer_text (r, 200, "ready\n");
  case GW_STATUS:
    return answer_status (r);
  case GW_METRICS:
    return answer_metrics (r);
  case GW_RESET:
    return answer_reset (r);
  case GW_PAGE:
    return gw_page_answer (r);
  case GW_EVENTS:
    return gw_events_answer (r);
  case GW_NOWHERE:
  case GW_PROVIDER:
  default:
    return MHD_NO;
  }
}
