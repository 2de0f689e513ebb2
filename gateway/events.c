/* events - the streams of those who watch (see events.h). */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "answer.h"
#include "view.h"

/* So much may wait for a watcher beyond what it was told first. */
#define BACKLOG (64 * 1024)
/* Between two looks at the keys, when much happens. */
#define LOOK_MS 100

struct gw_events {
  struct gw_watch fresh;        /* there are notes to take                */
  struct gw_worker *worker;
  struct gw_notes_reader reader;
  struct gw_view view;
  uint64_t told_seconds;        /* in a tick                              */
  int64_t looked_ms;
  struct gw_request *watchers[GW_EVENTS_WATCHERS];
  size_t n;
};

/* ---- Sending ----------------------------------------------------------------------- */

static void
end_stream (struct gw_request *r)
{
  r->ended = 1;
  gw_request_wake (r);
}

/* Its bytes will not go out any more: libmicrohttpd sees that it is over. */
static void
cut_off (struct gw_request *r)
{
  r->broken = 1;
  (void) shutdown (r->conn->watch.fd, SHUT_RDWR);
  end_stream (r);
}

static void
put (struct gw_request *r, const char *name, const char *json, size_t len)
{
  struct gw_buffer *out = &r->out;

  if (r->ended)
    return;
  if (gw_buffer_put (out, "event: ", 7) != 0 || gw_buffer_put (out, name, strlen (name)) != 0
      || gw_buffer_put (out, "\ndata: ", 7) != 0 || gw_buffer_put (out, json, len) != 0
      || gw_buffer_put (out, "\n\n", 2) != 0 || gw_buffer_len (out) > r->out_limit)
    cut_off (r);
  else
    gw_request_wake (r);
}

/* Its text is the object's; *ret_len 0: no memory. */
static const char *
text_of (struct json_object *object, size_t *ret_len)
{
  const char *text = json_object_to_json_string_ext (
    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

  *ret_len = text != NULL ? strlen (text) : 0;
  return text;
}

/* To all; takes the object over. */
static void
tell (struct gw_events *e, const char *name, struct json_object *object)
{
  size_t len;
  const char *text = text_of (object, &len);

  for (size_t i = 0; i < e->n && len > 0; i++)
    put (e->watchers[i], name, text, len);
  json_object_put (object);
}

/* ---- What they are told ------------------------------------------------------------- */

static void
add (struct json_object *object, const char *name, struct json_object *value)
{
  if (json_object_object_add (object, name, value) != 0)
    json_object_put (value);
}

static void
tell_changes (struct gw_events *e)
{
  struct json_object *providers;

  e->looked_ms = gw_now_ms ();
  providers = gw_view_changes (&e->view, e->worker->gateway, e->worker->wheel->config);
  if (providers != NULL)
    tell (e, "keys", providers);
}

static void
on_fresh (struct gw_watch *watch, uint32_t events)
{
  struct gw_events *e = (struct gw_events *) watch;
  struct gw_note note;
  eventfd_t n;
  int any = 0;

  (void) events;
  (void) eventfd_read (watch->fd, &n);
  while (gw_notes_take (e->worker->gateway->notes, &e->reader, &note)) {
    any = 1;
    if (e->n > 0)
      tell (e, "note", gw_view_note (&note));
  }
  if (any && e->n > 0 && gw_now_ms () - e->looked_ms >= LOOK_MS)
    tell_changes (e);
}

static struct json_object *
figures (struct gw_events *e, uint64_t from, uint64_t to)
{
  struct gw_gateway *g = e->worker->gateway;
  struct json_object *object = json_object_new_object ();
  int64_t requests = (int64_t) gw_n_requests (g) - atomic_load (&g->watchers);

  add (object, "now", json_object_new_int64 (gw_unix_ms ()));
  gw_lock (g);
  add (object, "seconds", gw_view_seconds (&g->pulse, from, to));
  add (object, "p50", json_object_new_int64 (gw_pulse_latency (&g->pulse, 0.5)));
  add (object, "p99", json_object_new_int64 (gw_pulse_latency (&g->pulse, 0.99)));
  gw_unlock (g);
  add (object, "connections", json_object_new_int64 ((int64_t) gw_n_conns (g)));
  /* Those who watch are none of them; they come and go meanwhile. */
  add (object, "requests", json_object_new_int64 (requests > 0 ? requests : 0));
  return object;
}

static struct json_object *
notes_view (struct gw_events *e)
{
  struct json_object *array = json_object_new_array ();
  struct gw_note *notes = calloc (GW_NOTES_KEPT, sizeof *notes);
  size_t n = notes != NULL ? gw_notes_all (e->worker->gateway->notes, notes) : 0;

  for (size_t i = 0; i < n; i++)
    if (json_object_array_add (array, gw_view_note (&notes[i])) != 0)
      break;
  free (notes);
  return array;
}

static struct json_object *
hello (struct gw_events *e, const struct gw_request *r)
{
  struct json_object *object = figures (e, 0, e->told_seconds);
  const struct gw_clients *clients = &r->wheel->config->clients;

  add (object, "version", json_object_new_string (kw_version ()));
  add (object, "uptime", json_object_new_int64 (gw_now_ms () - e->worker->gateway->began_ms));
  add (object, "state", json_object_new_string (kw_client_state (r->wheel->config->client)));
  if (clients->by_token)
    add (object, "client", json_object_new_string (r->client->name));
  add (object, "may_reset",
       json_object_new_boolean (!clients->by_token || r->client->admin));
  add (object, "providers", gw_view_all (r->gateway, r->wheel->config));
  add (object, "notes", notes_view (e));
  return object;
}

/* ---- Who watches --------------------------------------------------------------------- */

static int
greet (struct gw_events *e, struct gw_request *r)
{
  struct json_object *object = hello (e, r);
  const int kernels = BACKLOG;  /* it would take megabytes */
  size_t len;
  const char *text = text_of (object, &len);

  (void) setsockopt (r->conn->watch.fd, SOL_SOCKET, SO_SNDBUF, &kernels, sizeof kernels);
  r->out_limit = len + BACKLOG;
  if (len > 0)
    put (r, "hello", text, len);
  json_object_put (object);
  return len > 0 && !r->broken ? 0 : -1;
}

enum MHD_Result
gw_events_answer (struct gw_request *r)
{
  struct gw_events *e = r->worker->events;
  int draining = atomic_load (&r->gateway->draining);

  if (draining || atomic_fetch_add (&r->gateway->watchers, 1) >= GW_EVENTS_WATCHERS) {
    if (!draining)
      atomic_fetch_sub (&r->gateway->watchers, 1);
    gw_error_set (&r->error, 503, "server_error",
                  draining ? "shutting_down" : "too_many_watchers",
                  draining ? "the gateway is shutting down"
                           : "%d watch already, and more may not",
                  GW_EVENTS_WATCHERS);
    r->error.retry_after_ms = 1000;
    return gw_answer_error (r);
  }
  /* Of those who are there already: what it is told is not told them again. */
  tell_changes (e);
  r->head.status = MHD_HTTP_OK;
  r->head.length = -1;
  gw_head_put (&r->head, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream; charset=utf-8");
  gw_head_put (&r->head, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  gw_head_put (&r->head, "X-Content-Type-Options", "nosniff");
  gw_head_put (&r->head, "Cross-Origin-Resource-Policy", "same-origin");
  r->watching = 1;
  e->watchers[e->n++] = r;
  return greet (e, r) == 0 ? gw_answer (r) : MHD_NO;
}

void
gw_events_leave (struct gw_request *r)
{
  struct gw_events *e = r->worker->events;
  size_t i = 0;

  if (!r->watching)
    return;
  while (e->watchers[i] != r)
    i++;
  e->watchers[i] = e->watchers[--e->n];
  atomic_fetch_sub (&r->gateway->watchers, 1);
  r->watching = 0;
}

void
gw_events_end (struct gw_events *e)
{
  for (size_t i = 0; i < e->n; i++) {
    put (e->watchers[i], "bye", "{}", 2);
    end_stream (e->watchers[i]);
  }
  gw_view_clear (&e->view);     /* another client's keys come next */
}

void
gw_events_sweep (struct gw_events *e)
{
  struct gw_gateway *g = e->worker->gateway;
  uint64_t seconds;

  gw_lock (g);
  gw_pulse_turn (&g->pulse, gw_now_ms ());
  seconds = g->pulse.n;
  gw_unlock (g);
  if (e->n == 0) {
    e->told_seconds = seconds;
    return;
  }
  for (size_t i = 0; i < e->n; i++)
    if (e->watchers[i]->ended > 1)
      cut_off (e->watchers[i]);
    else if (e->watchers[i]->ended)
      e->watchers[i]->ended = 2;        /* it has a second for its last bytes */
  tell_changes (e);
  tell (e, "tick", figures (e, e->told_seconds, seconds));
  e->told_seconds = seconds;
}

/* ---- What happens ------------------------------------------------------------------------ */

void
gw_events_reset (struct gw_request *r, const char *provider, const char *key)
{
  gw_notes_reset (r->gateway->notes, provider, key,
                  r->wheel->config->clients.by_token ? r->client->name : NULL, gw_unix_ms ());
}

/* ---- Beginning and end ------------------------------------------------------------------- */

static void
wake (void *user)
{
  const struct gw_events *e = user;

  (void) eventfd_write (e->fresh.fd, 1);
}

int
gw_events_new (struct gw_worker *w, struct gw_events **ret)
{
  struct gw_events *e = calloc (1, sizeof *e);
  int r;

  if (e == NULL)
    return -ENOMEM;
  e->worker = w;
  e->fresh.on_ready = on_fresh;
  e->fresh.fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  r = e->fresh.fd >= 0 ? gw_loop_add (&w->loop, &e->fresh, EPOLLIN) : -errno;
  if (r != 0) {
    gw_events_free (e);
    return r;
  }
  e->reader.on_fresh = wake;
  e->reader.user = e;
  gw_notes_read (w->gateway->notes, &e->reader);
  *ret = e;
  return 0;
}

void
gw_events_free (struct gw_events *e)
{
  if (e == NULL)
    return;
  gw_notes_leave (e->worker->gateway->notes, &e->reader);
  gw_view_clear (&e->view);
  if (e->fresh.fd >= 0)
    (void) close (e->fresh.fd);
  free (e);
}
