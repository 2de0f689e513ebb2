/* failover-watch - what exchanges tell a provider's breaker, and what it tells of
 * itself (see failover.h). */
#include "failover.h"

#include <json-c/json.h>
#include <sodium.h>

#include "account.h"
#include "request.h"
#include "settings.h"

/* ---- The breaker -------------------------------------------------------------------- */

static void
failed (struct gw_request *r)
{
  struct gw_provider *p = r->way.provider;
  enum gw_breaker_state before = p->breaker.state;
  int64_t now_ms = gw_now_ms ();

  gw_breaker_failure (&p->breaker, &p->rules, now_ms, r->way.era, randombytes_random ());
  if (p->breaker.state != before)
    gw_account_breaker (r->gateway, p, now_ms);
}

static void
succeeded (struct gw_request *r)
{
  struct gw_provider *p = r->way.provider;
  enum gw_breaker_state before = p->breaker.state;

  gw_breaker_success (&p->breaker, r->way.era);
  if (p->breaker.state != before)
    gw_account_breaker (r->gateway, p, gw_now_ms ());
}

/* A call that would wait, to ask a provider that others do not ask any more. */
static int
waits_in_vain (const struct gw_way *way)
{
  const struct gw_breaker *b = &way->provider->breaker;

  return b->state != GW_BREAKER_CLOSED && b->era != way->era;
}

void
gw_failover_event (struct gw_request *r, const kw_event *e)
{
  struct gw_way *way = &r->way;

  if (e->type == KW_EVENT_VERDICT && e->verdict == KW_VERDICT_TRANSIENT) {
    if (!r->starved)            /* else it waited for the client */
      failed (r);
  } else if (e->type == KW_EVENT_VERDICT && e->verdict != KW_VERDICT_UNKNOWN)
    succeeded (r);              /* a limit or a refusal is an answer, too */
  if (e->type == KW_EVENT_WAIT && r->handle != NULL && waits_in_vain (way)) {
    way->moving = 1;
    kw_handle_cancel (r->handle);
  }
}

void
gw_failover_started (struct gw_request *r, const kw_start *start)
{
  if (start->http_status >= 400)
    return;
  succeeded (r);
  r->way.rest = NULL;           /* what comes now is the client's */
  gw_buffer_clear (&r->way.body);
}

/* ---- /status ------------------------------------------------------------------------------ */

void
gw_failover_status (const struct gw_provider *p, int64_t now_ms, struct json_object *provider)
{
  const char *rest = p->fallback, *name;
  struct json_object *breaker = json_object_new_object ();
  struct json_object *names = json_object_new_array ();
  size_t len;

  while (names != NULL && (name = gw_next_word (&rest, &len)) != NULL)
    (void) json_object_array_add (names, json_object_new_string_len (name, (int) len));
  (void) json_object_object_add (provider, "fallback", names);
  if (breaker == NULL || p->rules.failures == 0) {
    json_object_put (breaker);
    breaker = NULL;
  } else {
    (void) json_object_object_add (breaker, "state",
      json_object_new_string (gw_breaker_word (p->breaker.state)));
    (void) json_object_object_add (breaker, "failures", json_object_new_int64 (p->breaker.n));
    (void) json_object_object_add (breaker, "next_try_in_seconds",
      json_object_new_double ((double) gw_breaker_wait_ms (&p->breaker, now_ms) / 1000.0));
  }
  (void) json_object_object_add (provider, "breaker", breaker);
}
