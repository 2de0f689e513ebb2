/* account - what is counted and logged of a request (see account.h). */
#include "account.h"

#include <string.h>

#include "cli.h"
#include "events.h"

static const char *
or_null (const char *text)
{
  return text != NULL && text[0] != '\0' ? text : NULL;
}

const char *
gw_account_code (const struct gw_request *r)
{
  if (r->gone || r->status == 0)
    return "client_gone";
  return r->error.status != 0 ? r->error.code : "ok";
}

static void
log_it (const struct gw_request *r, const char *code, int64_t now_ms)
{
  struct gw_log_line line = {
    .at_unix_ms = r->began_unix_ms,
    .client = r->client != NULL ? r->client->name : NULL,
    .method = r->method,
    .provider = or_null (r->record.provider),
    .fallback = r->way.moves > 0 ? r->way.left : NULL,
    .model = or_null (r->record.model),
    .key = or_null (r->record.key),
    .code = code,
    .status = r->status,
    .attempts = r->record.attempts,
    .switches = r->record.switches,
    .waited_ms = r->record.waited_ms,
    .first_byte_ms = r->first_byte_ms > 0 ? r->first_byte_ms - r->began_ms : -1,
    .took_ms = now_ms - r->began_ms,
    .bytes_in = r->received,
    .bytes_out = r->out_bytes,
  };

  r->uri[strcspn (r->uri, "?")] = '\0';
  line.path = r->uri;
  gw_log_add (&r->gateway->log, &line);
}

void
gw_account (struct gw_request *r)
{
  struct gw_metrics *m = &r->gateway->metrics;
  const char *code = gw_account_code (r);
  int64_t now_ms = gw_now_ms ();

  if (r->method == NULL)
    return;                     /* not even its head came */
  gw_metrics_count (m, GW_CLIENT_REQUESTS, 1, r->client != NULL ? r->client->name : "",
                    code, NULL, NULL);
  if (r->record.provider[0] != '\0') {
    gw_events_served (r);
    gw_metrics_count (m, GW_REQUESTS, 1, r->record.provider,
                      gw_metrics_model (m, r->record.model), code, NULL);
    gw_metrics_time (m, GW_DURATION, r->record.provider, now_ms - r->began_ms);
    if (r->first_byte_ms > 0)
      gw_metrics_time (m, GW_FIRST_BYTE, r->record.provider,
                       r->first_byte_ms - r->began_ms);
  }
  if (r->gateway->log.fd >= 0)
    log_it (r, code, now_ms);
}

void
gw_account_event (struct gw_gateway *g, const kw_event *e)
{
  struct gw_metrics *m = &g->metrics;

  switch (e->type) {
  case KW_EVENT_VERDICT:
    gw_metrics_count (m, GW_ATTEMPTS, 1, e->provider, gw_metrics_model (m, e->model),
                      e->key, kw_verdict_name (e->verdict));
    break;
  case KW_EVENT_SWITCH:
    gw_metrics_count (m, GW_SWITCHES, 1, e->provider, NULL, NULL, NULL);
    break;
  case KW_EVENT_WAIT:
    gw_metrics_count (m, GW_WAITS, 1, e->provider, NULL, NULL, NULL);
    gw_metrics_count (m, GW_WAITED_MS, (uint64_t) e->wait_ms, e->provider, NULL, NULL,
                      NULL);
    break;
  default:
    break;
  }
}

void
gw_account_fallback (struct gw_gateway *g, const char *from, const char *to,
                     const char *reason)
{
  gw_metrics_count (&g->metrics, GW_FALLBACKS, 1, from, to, reason, NULL);
  if (g->level >= 2)
    cli_say ("a request goes from %s on to %s: %s", from, to, reason);
}

void
gw_account_breaker (struct gw_gateway *g, const struct gw_provider *p, int64_t now_ms)
{
  const struct gw_breaker *b = &p->breaker;

  if (g->level < 1)
    return;
  if (b->state == GW_BREAKER_OPEN)
    cli_say ("%s failed too often: nobody asks it for %.1f seconds", p->name,
             (double) gw_breaker_wait_ms (b, now_ms) / 1000.0);
  else if (b->state == GW_BREAKER_CLOSED)
    cli_say ("%s serves again", p->name);
}
