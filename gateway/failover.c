/* failover - one provider behind the other (see failover.h). */
#include "failover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "call.h"
#include "request.h"
#include "settings.h"

/* ---- Errors ---------------------------------------------------------------------------- */

static void
circuit_error (struct gw_gateway *g, const struct gw_provider *p, struct gw_error *e)
{
  int64_t ms, now_ms = gw_now_ms ();
  enum gw_breaker_state state;

  gw_lock (g);
  ms = gw_breaker_wait_ms (&p->breaker, now_ms);
  state = p->breaker.state;
  gw_unlock (g);
  gw_error_set (e, 503, "server_error", "circuit_open",
                state == GW_BREAKER_HALF_OPEN
                  ? "%s is not asked: it failed, and one request tries it just now"
                  : "%s is not asked for the next %.1f seconds: it failed too often",
                p->name, (double) ms / 1000.0);
  gw_error_retry_in (e, ms > 0 ? ms : 1);
}

/* The first one's is the answer when nobody can serve the request; of the others it
 * has the words. */
static void
keep_error (struct gw_way *way, const char *name, const struct gw_error *e)
{
  struct gw_error *first = way->error;
  size_t len;

  if (first == NULL) {
    first = way->error = malloc (sizeof *first);
    if (first != NULL)
      *first = *e;
    return;
  }
  len = strlen (first->message);
  if (snprintf (first->message + len, sizeof first->message - len, "; %s: %s", name,
                e->message) < 0)
    first->message[len] = '\0';
}

/* Of a body that is not kept, at the end of the error's message. */
static void
say_lost (struct gw_error *e)
{
  size_t len = strlen (e->message);

  (void) snprintf (e->message + len, sizeof e->message - len, "; the request's body is "
                   "larger than replay_limit, so no other provider was asked");
}

static void
keep_left (struct gw_way *way, const char *name, const char *reason)
{
  size_t len = strlen (way->left);
  int n = snprintf (way->left + len, sizeof way->left - len, "%s%s=%s",
                    len > 0 ? ", " : "", name, reason);

  if (n < 0 || (size_t) n >= sizeof way->left - len)
    way->left[len] = '\0';
}

/* May another provider do better? */
static int
is_providers_trouble (const struct gw_request *r, int code, const struct kw_error *why)
{
  switch (code) {
  case KW_ERR_EXHAUSTED:
  case KW_ERR_SWITCHES:
  case KW_ERR_BILLING:
  case KW_ERR_RATE_LIMIT:
  case KW_ERR_UNAVAILABLE:
  case KW_ERR_TIMEOUT:
    return 1;
  case KW_ERR_AUTH:             /* no key was left to switch to */
    return r->way.provider->auth_switches;
  case KW_ERR_CANCELLED:
    return r->way.moving;
  case KW_ERR_REFUSED:          /* its plugin knows no such path */
    return r->way.error != NULL && why->attempts == 0;
  default:
    return 0;
  }
}

/* ---- Bodies ------------------------------------------------------------------------------ */

/* What is asked again elsewhere without harm: files and batches are a provider's
 * own, and its list of models is no other one's. */
static int
may_move (const struct gw_request *r)
{
  static const char *const paths[] = {
    "/chat/completions", "/completions", "/responses", "/embeddings", "/moderations",
    "/audio/transcriptions", "/audio/translations", "/audio/speech",
    "/images/generations", "/images/edits",
  };
  size_t len = strcspn (r->route.rest, "?");

  if (strcmp (r->method, MHD_HTTP_METHOD_POST) != 0)
    return 0;
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    if (strlen (paths[i]) == len && memcmp (paths[i], r->route.rest, len) == 0)
      return 1;
  return 0;
}

/* The body as p gets it; the model it has there is put into model.  0: p has none,
 * the body names none, or there is no memory. */
static int
body_for (const struct gw_request *r, const struct gw_provider *p, struct gw_buffer *ret)
{
  const struct gw_buffer *body = &r->way.body;
  const char *text = gw_buffer_bytes (body);
  const char *type = MHD_lookup_connection_value (r->connection, MHD_HEADER_KIND,
                                                  MHD_HTTP_HEADER_CONTENT_TYPE);
  char model[GW_MODEL_MAX], there[GW_MODEL_MAX];
  size_t len = gw_buffer_len (body), at, model_len;
  struct gw_buffer out = { .data = NULL };

  if (!kw_find_model (text, len, type, model, sizeof model, &at, &model_len)
      || !gw_model_there (p, model, there))
    return 0;
  if (strcmp (model, there) == 0) {
    at = len;                   /* as it stands there, escapes and all */
    model_len = 0;
    there[0] = '\0';
  }
  if (gw_buffer_put (&out, text, at) != 0
      || gw_buffer_put (&out, there, strlen (there)) != 0
      || gw_buffer_put (&out, text + at + model_len, len - at - model_len) != 0) {
    gw_buffer_clear (&out);
    return 0;
  }
  *ret = out;
  return 1;
}

/* ---- From one to the next ------------------------------------------------------------------ */

static void
forget_answer (struct gw_request *r)
{
  gw_buffer_clear (&r->head.fields);
  gw_buffer_clear (&r->out);
  gw_buffer_clear (&r->body);
  r->head = (struct gw_head) { .status = 0 };
  r->first_byte_ms = 0;
  r->out_bytes = 0;
  r->full = r->starved = r->paused = 0;
}

/* 1: it may be sent to p. */
static int
ask (struct gw_request *r, struct gw_provider *p)
{
  struct gw_way *way = &r->way;
  int64_t now_ms = gw_now_ms ();
  int may;

  way->provider = p;
  way->moving = 0;
  way->attempts = r->record.attempts;
  way->switches = r->record.switches;
  way->waited_ms = r->record.waited_ms;
  gw_lock (r->gateway);
  may = gw_breaker_ask (&p->breaker, &p->rules, now_ms, &way->era);
  gw_unlock (r->gateway);
  return may;
}

static void
stopped (struct gw_request *r, const struct gw_provider *p)
{
  struct gw_error e;

  circuit_error (r->gateway, p, &e);
  keep_error (&r->way, p->name, &e);
  keep_left (&r->way, p->name, e.code);
}

static void
nothing_came (struct gw_request *r)
{
  int64_t now_ms = gw_now_ms ();

  gw_lock (r->gateway);
  gw_breaker_nothing (&r->way.provider->breaker, now_ms, r->way.era);
  gw_unlock (r->gateway);
}

static int
send_to (struct gw_request *r, struct gw_provider *p, const char *from, const char *reason,
         int64_t left_ms)
{
  struct gw_buffer body;
  int64_t deadline_ms = p->deadline_ms > 0 && p->deadline_ms < left_ms ? p->deadline_ms
                                                                       : left_ms;

  if (!body_for (r, p, &body))
    return 0;
  if (!ask (r, p)) {
    stopped (r, p);
    gw_buffer_clear (&body);
    return 0;
  }
  forget_answer (r);
  gw_call_send (r, p->name, &body, 0, deadline_ms);
  gw_buffer_clear (&body);
  if (r->handle == NULL) {
    nothing_came (r);
    return 0;
  }
  r->way.moves++;
  gw_account_fallback (r->gateway, from, p->name, reason);
  return 1;
}

/* 1: it was sent to another one. */
static int
send_on (struct gw_request *r)
{
  struct gw_way *way = &r->way;
  const char *from = way->provider->name, *reason = strrchr (way->left, '='), *name;
  int64_t left_ms = way->began_ms + way->deadline_ms - gw_now_ms ();
  struct gw_provider *p;
  char why[32] = "";
  size_t len;

  if (reason != NULL)
    (void) strncat (why, reason + 1, sizeof why - 1);
  while (left_ms > 0 && (name = gw_next_word (&way->rest, &len)) != NULL) {
    p = gw_providers_find (&r->wheel->config->providers, name, len);
    if (p != NULL && send_to (r, p, from, why, left_ms))
      return 1;
  }
  return 0;
}

/* The provider could not, for the reason that was kept.  1: it goes on. */
static int
move_on (struct gw_request *r)
{
  struct gw_way *way = &r->way;

  if (way->rest == NULL || r->gone || r->completed)
    return 0;
  if (!r->arrived) {
    forget_answer (r);
    way->waits = 1;
    return 1;
  }
  return send_on (r);
}

/* Nobody could serve it. */
static void
take_error (struct gw_request *r)
{
  const struct gw_way *way = &r->way;

  forget_answer (r);
  if (way->error != NULL)
    r->error = *way->error;
  else
    gw_error_set (&r->error, 500, "server_error", "out_of_memory", "no memory for an error");
  if (way->lost)
    say_lost (&r->error);
}

void
gw_failover_begin (struct gw_request *r, int64_t length)
{
  struct gw_way *way = &r->way;
  struct gw_provider *p = gw_providers_find (&r->wheel->config->providers, r->route.provider,
                                             strlen (r->route.provider));

  r->sent = 1;
  (void) memccpy (r->record.provider, p->name, '\0', sizeof r->record.provider - 1);
  way->began_ms = gw_now_ms ();
  way->deadline_ms = p->deadline_ms;
  way->rest = may_move (r) ? p->fallback : NULL;
  if (way->rest != NULL && r->arrived) {
    way->body = r->body;
    r->body = (struct gw_buffer) { .data = NULL };
  }
  if (ask (r, p)) {
    gw_call_send (r, p->name, !r->arrived ? NULL : way->rest != NULL ? &way->body : &r->body,
                  length, 0);
    if (r->handle == NULL)
      nothing_came (r);
    if (r->arrived)
      gw_buffer_clear (&r->body); /* the library has a copy */
    return;
  }
  stopped (r, p);
  if (!move_on (r) && r->error.status == 0)
    take_error (r);
}

void
gw_failover_feed (struct gw_request *r, const char *data, size_t len)
{
  struct gw_way *way = &r->way;

  if (way->rest == NULL)
    return;
  if (r->received > r->wheel->config->settings.replay_limit
      || gw_buffer_put (&way->body, data, len) != 0) {
    gw_buffer_clear (&way->body);
    way->rest = NULL;
    way->lost = 1;
  }
}

void
gw_failover_fed (struct gw_request *r)
{
  struct gw_way *way = &r->way;

  if (!way->waits)
    return;
  way->waits = 0;
  if (r->error.status == 0 && !move_on (r) && r->error.status == 0)
    take_error (r);
}

int
gw_failover_ended (struct gw_request *r, int code, const struct kw_error *why)
{
  struct gw_way *way = &r->way;
  struct gw_error e;
  int before = way->moves > 0 || way->moving;

  nothing_came (r);
  if (code == 0 || r->error.status != 0 || (r->head.status > 0 && r->head.status < 400)
      || !is_providers_trouble (r, code, why)
      || (way->rest == NULL && !way->lost && !before))
    return 0;
  if (way->moving)
    circuit_error (r->gateway, way->provider, &e);
  else
    gw_error_of_call (&e, code, why, gw_unix_ms ());
  keep_error (way, way->provider->name, &e);
  keep_left (way, way->provider->name, e.code);
  if (move_on (r))
    return 1;
  if (r->error.status == 0 && (before || r->head.status == 0))
    take_error (r);
  return 0;
}

void
gw_way_clear (struct gw_way *way)
{
  gw_buffer_clear (&way->body);
  free (way->error);
  way->error = NULL;
}
