/* account - what is counted and logged of a request (see account.h). */
#include "account.h"

#include <string.h>

#include "cli.h"

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

static void
count_it (const struct gw_request *r, const char *code, int64_t now_ms)
{
  struct gw_metrics *m = &r->gateway->metrics;
  int64_t first_byte_ms = r->first_byte_ms > 0 ? r->first_byte_ms - r->began_ms : -1;

  gw_metrics_count (m, GW_CLIENT_REQUESTS, 1, r->client != NULL ? r->client->name : "",
                    code, NULL, NULL);
  if (r->record.provider[0] == '\0')
    return;
  gw_pulse_add (&r->gateway->pulse, now_ms, r->status >= 400, first_byte_ms);
  gw_metrics_count (m, GW_REQUESTS, 1, r->record.provider,
                    gw_metrics_model (m, r->record.model), code, NULL);
  gw_metrics_time (m, GW_DURATION, r->record.provider, now_ms - r->began_ms);
  if (first_byte_ms >= 0)
    gw_metrics_time (m, GW_FIRST_BYTE, r->record.provider, first_byte_ms);
}

void
gw_account (struct gw_request *r)
{
  const char *code = gw_account_code (r);
  int64_t now_ms = gw_now_ms ();

  if (r->method == NULL)
    return;                     /* not even its head came */
  gw_lock (r->gateway);
  count_it (r, code, now_ms);
  gw_unlock (r->gateway);
  if (gw_log_is_open (&r->gateway->log))
    log_it (r, code, now_ms);
}

void
gw_account_event (struct gw_gateway *g, const kw_event *e)
{
  struct gw_metrics *m = &g->metrics;

  gw_lock (g);
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
  gw_unlock (g);
}

void
gw_account_fallback (struct gw_gateway *g, const char *from, const char *to,
                     const char *reason)
{
  gw_lock (g);
  gw_metrics_count (&g->metrics, GW_FALLBACKS, 1, from, to, reason, NULL);
  gw_unlock (g);
  gw_notes_failover (g->notes, from, to, reason, gw_unix_ms ());
  if (atomic_load (&g->level) >= 2)
    cli_say ("a request goes from %s on to %s: %s", from, to, reason);
}

void
gw_account_breaker (struct gw_gateway *g, const char *provider, enum gw_breaker_state state,
                    int64_t wait_ms)
{
  int64_t now_ms = gw_unix_ms ();

  if (state == GW_BREAKER_CLOSED)
    gw_notes_breaker (g->notes, provider, "closed", 0, now_ms);
  else
    gw_notes_breaker (g->notes, provider, "open", now_ms + (wait_ms > 0 ? wait_ms : 1),
                      now_ms);
  if (atomic_load (&g->level) < 1)
    return;
  if (state == GW_BREAKER_OPEN)
    cli_say ("%s failed too often: nobody asks it for %.1f seconds", provider,
             (double) wait_ms / 1000.0);
  else if (state == GW_BREAKER_CLOSED)
    cli_say ("%s serves again", provider);
}

void
gw_account_breaker_reset (struct gw_gateway *g, const char *provider)
{
  gw_notes_breaker (g->notes, provider, "reset", 0, gw_unix_ms ());
  if (atomic_load (&g->level) >= 1)
    cli_say ("%s is asked again: it was reset", provider);
}
