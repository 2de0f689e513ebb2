/* failover-watch - what exchanges tell a provider's breaker, and what it tells of
 * itself (see failover.h). */
#include "failover.h"

#include <string.h>

#include <json-c/json.h>
#include <sodium.h>

#include "account.h"
#include "config.h"
#include "request.h"
#include "settings.h"

/* ---- The breaker -------------------------------------------------------------------- */

static void
tell_breaker (struct gw_request *r, int success)
{
  struct gw_provider *p = r->way.provider;
  struct gw_breaker *b = &p->breaker;
  enum gw_breaker_state before, after;
  int64_t now_ms = gw_now_ms (), wait_ms;

  gw_lock (r->gateway);
  before = b->state;
  if (success)
    gw_breaker_success (b, r->way.era);
  else
    gw_breaker_failure (b, &p->rules, now_ms, r->way.era, randombytes_random ());
  after = b->state;
  wait_ms = gw_breaker_wait_ms (b, now_ms);
  gw_unlock (r->gateway);
  if (after != before)
    gw_account_breaker (r->gateway, p->name, after, wait_ms);
}

/* A call that would wait, to ask a provider that others do not ask any more. */
static int
waits_in_vain (const struct gw_request *r)
{
  const struct gw_breaker *b = &r->way.provider->breaker;
  int in_vain;

  gw_lock (r->gateway);
  in_vain = b->state != GW_BREAKER_CLOSED && b->era != r->way.era;
  gw_unlock (r->gateway);
  return in_vain;
}

void
gw_failover_event (struct gw_request *r, const kw_event *e)
{
  struct gw_way *way = &r->way;

  if (e->type == KW_EVENT_VERDICT && e->verdict == KW_VERDICT_TRANSIENT) {
    if (!r->starved)            /* else it waited for the client */
      tell_breaker (r, 0);
  } else if (e->type == KW_EVENT_VERDICT && e->verdict != KW_VERDICT_UNKNOWN)
    tell_breaker (r, 1);        /* a limit or a refusal is an answer, too */
  if (e->type == KW_EVENT_WAIT && r->handle != NULL && waits_in_vain (r)) {
    way->moving = 1;
    kw_handle_cancel (r->handle);
  }
}

void
gw_failover_started (struct gw_request *r, const kw_start *start)
{
  if (start->http_status >= 400)
    return;
  tell_breaker (r, 1);
  r->way.rest = NULL;           /* what comes now is the client's */
  gw_buffer_clear (&r->way.body);
}

/* ---- A reset ---------------------------------------------------------------------------- */

static int
is_named (const struct gw_provider *p, const char *name)
{
  return name == NULL || strcmp (p->name, name) == 0;
}

void
gw_failover_reset (struct gw_gateway *g, struct gw_config *newest, const char *name)
{
  for (size_t i = 0; i < newest->providers.n; i++) {
    struct gw_provider *p = &newest->providers.of[i];
    int was_open = 0;
    gw_lock (g);
    if (is_named (p, name))
      was_open = gw_breaker_reset (&p->breaker);
    gw_unlock (g);
    if (was_open)
      gw_account_breaker_reset (g, p->name);
  }
  gw_lock (g);
  for (struct gw_config *c = g->configs; c != NULL; c = c->next)
    for (size_t i = 0; i < c->providers.n; i++)
      if (is_named (&c->providers.of[i], name))
        (void) gw_breaker_reset (&c->providers.of[i].breaker);
  gw_unlock (g);
}

/* ---- What is shown of it ------------------------------------------------------------- */

static struct json_object *
fallback_names (const struct gw_provider *p)
{
  const char *rest = p->fallback, *name;
  struct json_object *names = json_object_new_array ();
  size_t len;

  while (names != NULL && (name = gw_next_word (&rest, &len)) != NULL)
    (void) json_object_array_add (names, json_object_new_string_len (name, (int) len));
  return names;
}

static struct gw_breaker
breaker_of (struct gw_gateway *g, const struct gw_provider *p)
{
  struct gw_breaker b;

  gw_lock (g);
  b = p->breaker;
  gw_unlock (g);
  return b;
}

void
gw_failover_status (struct gw_gateway *g, const struct gw_provider *p, int64_t now_ms,
                    struct json_object *provider)
{
  const struct gw_breaker b = breaker_of (g, p);
  struct json_object *breaker = json_object_new_object ();

  (void) json_object_object_add (provider, "fallback", fallback_names (p));
  if (breaker == NULL || p->rules.failures == 0) {
    json_object_put (breaker);
    breaker = NULL;
  } else {
    (void) json_object_object_add (breaker, "state",
      json_object_new_string (gw_breaker_word (b.state)));
    (void) json_object_object_add (breaker, "failures", json_object_new_int64 (b.n));
    (void) json_object_object_add (breaker, "next_try_in_seconds",
      json_object_new_double ((double) gw_breaker_wait_ms (&b, now_ms) / 1000.0));
  }
  (void) json_object_object_add (provider, "breaker", breaker);
}

/* Two looks at the two clocks may differ by a moment, and nothing has changed. */
static int64_t
unix_time (int64_t at_ms, int64_t now_ms, int64_t unix_ms)
{
  const int64_t moment_ms = 100;

  return (unix_ms + (at_ms - now_ms) + moment_ms - 1) / moment_ms * moment_ms;
}

void
gw_failover_view (struct gw_gateway *g, const struct gw_provider *p, int64_t now_ms,
                  int64_t unix_ms, struct json_object *provider)
{
  const struct gw_breaker b = breaker_of (g, p);
  struct json_object *breaker;

  if (p->fallback != NULL)
    (void) json_object_object_add (provider, "fallback", fallback_names (p));
  if (p->rules.failures == 0 || (breaker = json_object_new_object ()) == NULL)
    return;
  (void) json_object_object_add (breaker, "state",
                                 json_object_new_string (gw_breaker_word (b.state)));
  if (b.state == GW_BREAKER_OPEN)
    (void) json_object_object_add (breaker, "until",
      json_object_new_int64 (unix_time (b.until_ms, now_ms, unix_ms)));
  if (b.state == GW_BREAKER_CLOSED && b.n > 0)
    (void) json_object_object_add (breaker, "failures", json_object_new_int64 (b.n));
  (void) json_object_object_add (provider, "breaker", breaker);
}
