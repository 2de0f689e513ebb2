/* request - from the first line to the call and back (see request.h).
 *
 *   begin -> handle (headers) -> handle (body)... -> handle (end)
 *     -> call.c: sent, suspended -> handle (again) -> answer.c -> completed
 *
 * A call that is under way when its client goes is cancelled, and the request
 * lives until that is over. */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "account.h"
#include "answer.h"
#include "call.h"
#include "chunks.h"
#include "control.h"
#include "events.h"
#include "framing.h"
#include "gate.h"
#include "http.h"

/* A body up to here is read before anything is done with it: the library gets it
 * whole, and a refusal does not cost the connection.  What is larger goes on as
 * it comes. */
#define SMALL (64 * 1024)
/* What is read over max_body, or of a request that was refused, before the connection
 * ends without an answer. */
#define WASTE (8 * 1024 * 1024)
/* How slow a client may send its body, on average: bytes a second. */
#define SLOWEST 1024
/* How often an answer is looked for before its request sleeps: of a fast provider
 * it comes in the same turn, or in the next. */
#define LOOKS 3

void *
gw_request_begin (void *worker, const char *uri, struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  struct gw_worker *w = worker;
  struct gw_request *r = calloc (1, sizeof *r);

  if (r == NULL || info == NULL || info->socket_context == NULL
      || (r->uri = strdup (uri)) == NULL) {
    free (r);
    return NULL;
  }
  r->gateway = w->gateway;
  r->worker = w;
  r->connection = connection;
  r->conn = info->socket_context;
  r->conn->request = r;
  r->gone = r->conn->hung;
  r->began_ms = gw_now_ms ();
  r->began_unix_ms = gw_unix_ms ();
  atomic_fetch_add (&w->n_requests, 1);
  return r;
}

static void
request_free (struct gw_request *r)
{
  gw_account (r);
  gw_events_leave (r);
  if (r->entered)
    gw_client_leave (r->client);
  atomic_fetch_sub (&r->worker->n_requests, 1);
  if (r->wheel != NULL)
    r->wheel->calls--;
  gw_buffer_clear (&r->body);
  gw_buffer_clear (&r->head.fields);
  gw_buffer_clear (&r->out);
  gw_way_clear (&r->way);
  free (r->method);
  free (r->uri);
  free (r);
}

static void
keep_awake (struct gw_request *r, int awake)
{
  if (r->awake != awake)
    r->worker->n_awake += awake ? 1 : (size_t) -1;
  r->awake = awake;
}

void
gw_request_completed (void *worker, struct MHD_Connection *connection, void **request,
                      enum MHD_RequestTerminationCode why)
{
  struct gw_request *r = *request;
  struct gw_worker *w = worker;

  (void) connection;
  *request = NULL;
  /* A connection that ends is closed in the next run, which nothing asks for. */
  if (why != MHD_REQUEST_TERMINATED_COMPLETED_OK || w->draining)
    w->daemon_ready = 1;
  if (r == NULL)
    return;
  keep_awake (r, 0);
  r->past = 0;
  /* It may have been told that it stays, before the end was near. */
  if (w->draining)
    (void) shutdown (r->conn->watch.fd, SHUT_RDWR);
  r->conn->request = NULL;
  r->conn->head_by_ms = gw_now_ms () + w->wheel->config->settings.idle_timeout_ms
                        + w->wheel->config->settings.header_timeout_ms;
  r->conn = NULL;
  r->completed = 1;
  /* Who has got all of it may hang up before this is heard. */
  if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK && r->handle == NULL)
    r->gone = 0;
  if (r->handle != NULL)
    gw_request_hangup (r);
  else
    request_free (r);
}

void
gw_request_sleep (struct gw_request *r)
{
  r->suspended = 1;
  MHD_suspend_connection (r->connection);
}

void
gw_request_wake (struct gw_request *r)
{
  if (r->completed) {
    if (r->handle == NULL)
      request_free (r);
    return;
  }
  if (!r->suspended && !r->awake)
    return;
  if (r->suspended)
    MHD_resume_connection (r->connection);
  r->suspended = 0;
  r->worker->daemon_ready = 1;
}

void
gw_request_hangup (struct gw_request *r)
{
  r->gone = 1;
  if (r->handle != NULL)
    kw_handle_cancel (r->handle);
  else if (r->past)
    gw_chunks_end (r);
}

int64_t
gw_request_due_ms (const struct gw_request *r)
{
  const struct gw_settings *s = &r->worker->wheel->config->settings;

  if (r->wheel == NULL)
    return r->conn->head_by_ms;
  if (r->past && gw_buffer_len (&r->out) > 0)
    return r->moved_ms + s->idle_timeout_ms;
  if (r->arrived || r->queued || r->suspended)
    return 0;                   /* libmicrohttpd's idle time is enough */
  return r->began_ms + s->header_timeout_ms + s->idle_timeout_ms
         + r->received * 1000 / SLOWEST;
}

/* ---- What is asked ------------------------------------------------------------- */

static const char *
field (const struct gw_request *r, const char *name)
{
  return MHD_lookup_connection_value (r->connection, MHD_HEADER_KIND, name);
}

/* Of the body; 0: there is none, -1: not known. */
static int64_t
content_length (const struct gw_request *r)
{
  const char *text = field (r, MHD_HTTP_HEADER_CONTENT_LENGTH);

  if (field (r, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL)
    return -1;
  return text != NULL ? strtoll (text, NULL, 10) : 0;
}

/* It has nothing to do with a provider. */
static int
is_ours (const struct gw_request *r)
{
  return r->route.place != GW_PROVIDER || strcmp (r->method, MHD_HTTP_METHOD_OPTIONS) == 0;
}

static int64_t
max_body (const struct gw_request *r)
{
  return is_ours (r) ? SMALL : r->wheel->config->settings.max_body;
}

static void
too_large (struct gw_request *r)
{
  gw_error_set (&r->error, 413, "invalid_request_error", "request_too_large",
                "the request's body is over the gateway's max_body of %lld bytes",
                (long long) max_body (r));
}

static void
check_head (struct gw_request *r)
{
  size_t size = gw_http_head_size (r->connection);

  if (size <= r->worker->max_header) {
    gw_framing_check (r);
    return;
  }
  gw_error_set (&r->error, 431, "invalid_request_error", "header_too_large",
                "the request's head has %zu bytes; max_header of the gateway is %zu", size,
                r->worker->max_header);
  r->last = 1;
}

/* Fills in the error of a request that will not be served. */
static void
look (struct gw_request *r)
{
  gw_route_find (r->uri, &r->route);
  check_head (r);
  if (r->error.status == 0)
    gw_gate_check (r);
  if (r->error.status != 0)
    return;
  if (r->route.place == GW_NOWHERE)
    gw_error_set (&r->error, 404, "invalid_request_error", "unknown_url",
                  "there is nothing at %s %s; a provider's API is at /v1/... and "
                  "/PROVIDER/v1/...", r->method, r->uri);
  else if (is_ours (r))
    gw_control_check (r);
  else
    gw_call_check (r);
  if (r->error.status == 0 && content_length (r) > max_body (r))
    too_large (r);
}

/* The head is there. */
static enum MHD_Result
head (struct gw_request *r, const char *method)
{
  int64_t length = content_length (r);

  r->method = strdup (method);
  if (r->method == NULL)
    return MHD_NO;
  r->wheel = r->worker->wheel;
  r->wheel->calls++;
  look (r);
  if (r->error.status == 0 && !is_ours (r) && (length < 0 || length > SMALL))
    gw_failover_begin (r, length);
  /* Before a long body is sent in vain. */
  return r->error.status != 0 && (length > SMALL || r->last) ? gw_answer_error (r)
                                                             : MHD_YES;
}

/* What comes when the answer is known already is read all the same:
 * libmicrohttpd takes an answer before a body or behind it. */
static enum MHD_Result
body (struct gw_request *r, const char *data, size_t size)
{
  int bad = 0;

  r->received += (int64_t) size;
  if (r->error.status == 0 && r->received > max_body (r)) {
    too_large (r);
    gw_buffer_clear (&r->body);
    if (r->handle != NULL)
      kw_handle_cancel (r->handle);
  }
  if (r->gone)
    return MHD_NO;
  if (r->error.status != 0 || r->ended)
    return r->received <= (r->sent ? max_body (r) : 0) + WASTE ? MHD_YES : MHD_NO;
  if (!r->sent)
    bad = gw_buffer_put (&r->body, data, size);
  else
    bad = gw_call_feed (r, data, size);
  if (bad == 0 && r->full)
    gw_request_sleep (r);
  return bad == 0 ? MHD_YES : MHD_NO;
}

/* What there was to answer may be gone again: the next provider is asked.  To
 * sleep costs libmicrohttpd two system calls and a read; who does not is asked here
 * again in its next run (see gw_http_timeout). */
static enum MHD_Result
answer_or_sleep (struct gw_request *r)
{
  int there = r->head.status != 0 || r->ended;
  int awake = !there && r->looks++ < LOOKS && !r->worker->quiet;

  keep_awake (r, awake);
  if (there)
    return gw_answer (r);
  if (!awake)
    gw_request_sleep (r);
  return MHD_YES;
}

static enum MHD_Result
all_there (struct gw_request *r)
{
  if (r->sent)
    gw_call_fed (r);
  r->arrived = 1;
  if (r->error.status == 0 && is_ours (r))
    return gw_control_answer (r);
  if (r->gone)
    return MHD_NO;
  if (r->error.status == 0 && !r->sent)
    gw_failover_begin (r, 0);
  if (r->error.status != 0 && r->handle == NULL)
    return gw_answer_error (r);
  return answer_or_sleep (r);
}

enum MHD_Result
gw_request_handle (void *worker, struct MHD_Connection *connection, const char *url,
                   const char *method, const char *version, const char *data,
                   size_t *size, void **request)
{
  struct gw_request *r = *request;
  enum MHD_Result result;

  (void) worker, (void) connection, (void) url;
  if (r == NULL)
    return MHD_NO;              /* there was no memory for it */
  if (r->wheel == NULL) {
    r->http_1_1 = strcmp (version, MHD_HTTP_VERSION_1_1) == 0;
    return head (r, method);
  }
  if (*size > 0) {
    result = body (r, data, *size);
    *size = 0;
    return result;
  }
  return r->arrived ? answer_or_sleep (r) : all_there (r);
}
