/* call - a request handed to the library, and what comes back (see call.h).
 * The callbacks run within kw_loop_process. */
#include "call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "account.h"
#include "answer.h"
#include "chunks.h"
#include "http.h"

/* So much of a stream waits for a slow client; then its provider waits, too. */
#define HIGH (64 * 1024)
/* When no more than this waits, its provider is read from again. */
#define LOW (16 * 1024)
#define EVENTS "text/event-stream"
/* No Content-Type that anybody knows is longer. */
#define TYPE 255

static void
copy_text (char *to, size_t size, const char *text)
{
  size_t len = strnlen (text, size - 1);

  memcpy (to, text, len);
  to[len] = '\0';
}

/* ---- Before ------------------------------------------------------------------ */

static int
has_provider (const kw_client *client, const char *name)
{
  const char *other;

  if (name[0] == '\0')
    return 1;                   /* the default one */
  for (size_t i = 0; (other = kw_client_provider (client, i)) != NULL; i++)
    if (strcmp (other, name) == 0)
      return 1;
  return 0;
}

void
gw_call_check (struct gw_request *r)
{
  static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD" };

  if (r->route.or_default && !has_provider (r->wheel->config->client, r->route.provider))
    r->route.provider[0] = '\0';
  if (!has_provider (r->wheel->config->client, r->route.provider)) {
    gw_error_set (&r->error, 404, "invalid_request_error", "unknown_provider",
                  "there is no provider \"%s\"; /status has those that there are",
                  r->route.provider);
    return;
  }
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    if (strcmp (r->method, methods[i]) == 0)
      return;
  gw_error_set (&r->error, 405, "invalid_request_error", "method_not_allowed",
                "%s is not possible here", r->method);
}

/* ---- Meanwhile ------------------------------------------------------------------ */

static void
on_event (void *user, const kw_event *e)
{
  struct gw_request *r = user;
  struct gw_record *record = &r->record;

  gw_account_event (r->gateway, e);
  gw_failover_event (r, e);
  switch (e->type) {
  case KW_EVENT_ATTEMPT:
    record->attempts = r->way.attempts + e->attempt;
    copy_text (record->key, sizeof record->key, e->key);
    copy_text (record->provider, sizeof record->provider, e->provider);
    copy_text (record->model, sizeof record->model, e->model);
    break;
  case KW_EVENT_SWITCH:
    record->switches++;
    break;
  case KW_EVENT_WAIT:
    record->waited_ms += e->wait_ms;
    break;
  default:
    break;
  }
}

/* What a provider says more than there is room for is left out: without it the
 * answer can still be used, and with it there would be none. */
static void
put_field (struct gw_request *r, size_t *room, const char *name, const char *value)
{
  size_t size = strlen (name) + strlen (value) + 4;

  if (size > *room)
    return;
  *room -= size;
  gw_head_put (&r->head, name, value);
}

static void
put_fields (struct gw_request *r, const kw_start *start)
{
  size_t room = r->completed ? 0 : gw_http_room (r->worker, r->connection);

  if (strlen (start->content_type) <= TYPE)
    gw_head_put (&r->head, MHD_HTTP_HEADER_CONTENT_TYPE, start->content_type);
  if (r->head.events)           /* nor is a proxy in front to hold it back */
    gw_head_put (&r->head, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
  for (int i = 0; i < start->n_fields; i++)
    put_field (r, &room, start->fields[i].name, start->fields[i].value);
}

static void
on_start (void *user, const kw_start *start)
{
  struct gw_request *r = user;

  if (r->arrived && gw_buffer_len (&r->body) == 0)
    gw_buffer_clear (&r->body); /* its room, where it went on as it came */
  r->first_byte_ms = gw_now_ms ();
  r->head.status = start->http_status;
  r->head.length = start->content_length;
  r->head.events = strncasecmp (start->content_type, EVENTS, sizeof EVENTS - 1) == 0;
  copy_text (r->record.key, sizeof r->record.key, start->key);
  r->record.attempts = r->way.attempts + start->attempts;
  r->record.switches = r->way.switches + start->switches;
  r->record.waited_ms = r->way.waited_ms + start->waited_ms;
  gw_failover_started (r, start);
  put_fields (r, start);
}

static int
put (struct gw_request *r, const void *data, size_t len)
{
  return r->past ? gw_chunks_put (r, data, len) : gw_buffer_put (&r->out, data, len);
}

static int
on_data (void *user, const void *data, size_t len)
{
  struct gw_request *r = user;

  if (r->gone || r->completed)
    return 1;
  if (put (r, data, len) != 0) {
    r->gone = 1;                /* or half a piece went out: nothing can follow */
    return 1;
  }
  r->out_bytes += (int64_t) len;
  r->paused = gw_buffer_len (&r->out) > HIGH;
  if (!r->past)
    gw_request_wake (r);
  return r->paused ? KW_PAUSE : 0;
}

void
gw_call_taken (struct gw_request *r)
{
  if (!r->paused || r->handle == NULL || gw_buffer_len (&r->out) > LOW)
    return;
  r->paused = 0;
  kw_handle_resume (r->handle);
}

/* What was sent cannot be taken back: the SDKs know an error in an event, and
 * that the answer was cut short shows in how it ends. */
static void
put_error_event (struct gw_request *r)
{
  size_t len = 0;
  char *text = gw_error_json (&r->error, &len);

  if (text != NULL && put (r, "data: ", 6) == 0 && put (r, text, len) == 0)
    (void) put (r, "\n\n", 2);
  free (text);
}

static void
on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  struct gw_request *r = user;

  r->handle = NULL;
  kw_reply_free (reply);
  if (gw_failover_ended (r, code, err)) {
    if (r->way.waits)
      gw_request_wake (r);
    return;
  }
  r->ended = 1;
  if (code != 0 && r->error.status == 0)
    gw_error_of_call (&r->error, code, err, gw_unix_ms ());
  r->broken = code != 0 && r->head.status != 0 && r->head.status < 400;
  if (r->broken && r->head.events && !r->gone)
    put_error_event (r);
  if (r->past)
    gw_chunks_end (r);
  else
    gw_request_wake (r);
}

/* Some more of the request's body. */
static int64_t
on_upload (void *user, void *buf, size_t size)
{
  struct gw_request *r = user;
  size_t n = gw_buffer_take (&r->body, buf, size);

  if (r->gone || r->completed || r->error.status != 0)
    return -1;
  r->starved = n == 0 && !r->arrived;
  if (r->starved)
    return KW_PAUSE;
  if (r->full && gw_buffer_len (&r->body) <= HIGH) {
    r->full = 0;
    gw_request_wake (r);
  }
  return (int64_t) n;
}

/* ---- The call ------------------------------------------------------------------- */

struct fields {
  kw_field *of;
  int32_t n, size;
};

static enum MHD_Result
add_field (void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
  struct fields *f = user;

  (void) kind;
  if (name != NULL && value != NULL && f->n < f->size)
    f->of[f->n++] = (kw_field) { name, value };
  return MHD_YES;
}

/* All of the client's, for free(); 0, or -1: no memory. */
static int
take_fields (struct gw_request *r, struct fields *f)
{
  int n = MHD_get_connection_values (r->connection, MHD_HEADER_KIND, NULL, NULL);

  *f = (struct fields) { .of = calloc ((size_t) (n > 0 ? n : 0) + 1, sizeof *f->of),
                         .size = n };
  if (f->of != NULL)
    (void) MHD_get_connection_values (r->connection, MHD_HEADER_KIND, add_field, f);
  return f->of != NULL ? 0 : -1;
}

void
gw_call_send (struct gw_request *r, const char *provider, const struct gw_buffer *body,
              int64_t length, int64_t deadline_ms)
{
  kw_request rq = KW_REQUEST_INIT;
  kw_callbacks on = KW_CALLBACKS_INIT;
  struct fields fields;

  rq.pass = 1;
  rq.provider = provider;
  rq.deadline_ms = deadline_ms;
  rq.method = r->method;
  rq.path = r->route.rest;
  rq.content_type = MHD_lookup_connection_value (r->connection, MHD_HEADER_KIND,
                                                 MHD_HTTP_HEADER_CONTENT_TYPE);
  on.on_start = on_start;
  on.on_data = on_data;
  on.on_event = on_event;
  on.on_end = on_end;
  if (body != NULL) {
    rq.body = gw_buffer_bytes (body);
    rq.body_len = gw_buffer_len (body);
  } else {
    on.on_upload = on_upload;
    rq.upload_len = length;
    rq.replay_limit = r->wheel->config->settings.replay_limit;
  }
  if (take_fields (r, &fields) == 0) {
    rq.fields = fields.of;
    rq.n_fields = fields.n;
    r->handle = kw_loop_submit (r->wheel->kw, &rq, &on, r);
    free (fields.of);
  }
  if (r->handle == NULL) {
    gw_error_set (&r->error, 500, "server_error", "out_of_memory",
                  "no memory or no descriptors for another call");
    return;
  }
  r->wheel->ready = 1;
}

/* ---- A body that comes meanwhile ------------------------------------------------ */

static void
feed (struct gw_request *r)
{
  if (!r->starved || r->handle == NULL)
    return;
  r->starved = 0;
  r->wheel->ready = 1;
  kw_handle_resume_upload (r->handle);
}

int
gw_call_feed (struct gw_request *r, const char *data, size_t len)
{
  gw_failover_feed (r, data, len);
  if (r->way.waits)
    return 0;
  if (gw_buffer_put (&r->body, data, len) != 0)
    return -1;
  r->full = gw_buffer_len (&r->body) > HIGH;
  feed (r);
  return 0;
}

void
gw_call_fed (struct gw_request *r)
{
  r->arrived = 1;
  r->full = 0;                  /* nobody waits for room any more */
  feed (r);
  gw_failover_fed (r);
}
