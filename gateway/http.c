/* http - libmicrohttpd in our loop (see http.h). */
#include "http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "chunks.h"
#include "request.h"

#define AWAKE_MS 200            /* between two looks for an answer        */
/* A connection's memory holds the head of the request and that of its answer, for
 * which there has to be this much besides max_header; of it our own fields take
 * OWN at most, and each of the request's costs FIELD. */
#define ANSWER 8192
#define OWN 2048
#define FIELD 64

/* ---- Connections ------------------------------------------------------------ */

/* A suspended connection is out of libmicrohttpd's sight, so whoever hangs up
 * while the provider is at work would not be noticed; nor does it notice, being
 * told of changes alone, when the end came together with the last bytes (0.9.75):
 * see remind.  One that only closes its sending half counts as gone, as with other
 * proxies. */
static void
on_hangup (struct gw_watch *watch, uint32_t events)
{
  struct gw_conn *conn = (struct gw_conn *) watch;

  if (conn->request != NULL && (events & EPOLLOUT) != 0)
    gw_chunks_flush (conn->request);
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0)
    return;
  conn->hung = 1;
  if (conn->request != NULL)
    gw_request_hangup (conn->request);
}

/* What was sent can still be read, and then its end; it is told of again. */
static void
remind (struct gw_conn *conn)
{
  if (conn->hung && (conn->request == NULL || !conn->request->suspended))
    (void) shutdown (conn->watch.fd, SHUT_RD);
}

static void
conn_open (struct gw_worker *w, struct MHD_Connection *connection, void **socket_context)
{
  const union MHD_ConnectionInfo *info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  struct gw_conn *conn = calloc (1, sizeof *conn);

  *socket_context = conn;
  w->opened = 1;
  if (conn != NULL && info != NULL)
    conn->watch = (struct gw_watch) { .on_ready = on_hangup, .fd = info->connect_fd };
  if (conn == NULL || info == NULL
      || gw_loop_add (&w->loop, &conn->watch, EPOLLRDHUP | EPOLLET) != 0) {
    free (conn);
    *socket_context = NULL;     /* its requests will be refused */
    atomic_fetch_sub (&w->n_conns, 1);
    return;
  }
  conn->worker = w;
  conn->head_by_ms = gw_now_ms () + w->wheel->config->settings.header_timeout_ms;
  conn->is_unix = w->adding_unix;
  conn->next = w->conns;
  conn->link = &w->conns;
  if (conn->next != NULL)
    conn->next->link = &conn->next;
  w->conns = conn;
}

static void
conn_close (struct gw_worker *w, struct gw_conn *conn)
{
  *conn->link = conn->next;
  if (conn->next != NULL)
    conn->next->link = conn->link;
  atomic_fetch_sub (&w->n_conns, 1);
  gw_loop_remove (&w->loop, &conn->watch);
  free (conn);
}

static void
on_connection (void *cls, struct MHD_Connection *connection, void **socket_context,
               enum MHD_ConnectionNotificationCode what)
{
  if (what == MHD_CONNECTION_NOTIFY_STARTED)
    conn_open (cls, connection, socket_context);
  else if (*socket_context != NULL)
    conn_close (cls, *socket_context);
}

int
gw_http_add (struct gw_worker *w, const struct gw_arrival *arrival)
{
  enum MHD_Result r;

  w->adding_unix = arrival->is_unix;
  w->opened = 0;
  r = MHD_add_connection (w->daemon, arrival->fd,
                          (const struct sockaddr *) &arrival->address, arrival->len);
  if (r != MHD_YES && !w->opened)
    atomic_fetch_sub (&w->n_conns, 1);
  w->daemon_ready = 1;
  return r == MHD_YES ? 0 : -1; /* it has closed fd then */
}

/* ---- Heads -------------------------------------------------------------------- */

size_t
gw_http_head_size (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

  return info != NULL ? info->header_size : 0;
}

size_t
gw_http_room (const struct gw_worker *w, struct MHD_Connection *connection)
{
  const char *cookies = MHD_lookup_connection_value (connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_COOKIE);
  int n = MHD_get_connection_values (connection, MHD_HEADER_KIND | MHD_COOKIE_KIND
                                                   | MHD_GET_ARGUMENT_KIND, NULL, NULL);
  size_t taken = gw_http_head_size (connection) + FIELD * (size_t) (n > 0 ? n : 0) + OWN
                 + (cookies != NULL ? strlen (cookies) : 0); /* of which it has a copy */

  return taken < w->max_header + ANSWER ? w->max_header + ANSWER - taken : 0;
}

/* ---- The whole ------------------------------------------------------------------- */

static void
on_daemon (struct gw_watch *watch, uint32_t events)
{
  struct gw_worker *w = (struct gw_worker *) (void *)
                          ((char *) watch - offsetof (struct gw_worker, daemon_watch));

  (void) events;
  w->daemon_ready = 1;
}

static void
on_log (void *cls, const char *fmt, va_list ap)
{
  (void) cls, (void) fmt, (void) ap;    /* each is some client's doing */
}

int
gw_http_start (struct gw_worker *w)
{
  const struct gw_settings *s = &w->wheel->config->settings;
  const union MHD_DaemonInfo *info;

  errno = 0;
  w->max_header = (size_t) s->max_header;
  w->daemon = MHD_start_daemon (
    MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET
      | MHD_USE_ERROR_LOG,
    0, NULL, NULL, gw_request_handle, w,
    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
    MHD_OPTION_URI_LOG_CALLBACK, gw_request_begin, w,
    MHD_OPTION_NOTIFY_COMPLETED, gw_request_completed, w,
    MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
    MHD_OPTION_CONNECTION_LIMIT, (unsigned) s->max_connections,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, w->max_header + ANSWER,
    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) (s->idle_timeout_ms / 1000),
    MHD_OPTION_STRICT_FOR_CLIENT, 1,
    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
    MHD_OPTION_END);
  if (w->daemon == NULL)
    return errno != 0 ? -errno : -ENOMEM;
  info = MHD_get_daemon_info (w->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (info == NULL)
    return -ENOSYS;
  w->daemon_watch = (struct gw_watch) { .on_ready = on_daemon, .fd = info->epoll_fd };
  return gw_loop_add (&w->loop, &w->daemon_watch, EPOLLIN);
}

void
gw_http_stop (struct gw_worker *w)
{
  if (w->daemon != NULL)
    MHD_stop_daemon (w->daemon);
  w->daemon = NULL;
}

void
gw_http_drain (struct gw_worker *w)
{
  for (struct gw_conn *c = w->conns; c != NULL; c = c->next)
    if (c->request == NULL)
      (void) shutdown (c->watch.fd, SHUT_RDWR);
}

int
gw_http_timeout (struct gw_worker *w)
{
  MHD_UNSIGNED_LONG_LONG ms;

  if (w->daemon_ready)
    return 0;
  /* It would ask at once, and again and again, those that are awake; where there is
   * nobody else, that can wait.  Not longer, for they go by its idle time until they
   * sleep. */
  if (w->n_awake > 0 && w->n_awake == atomic_load (&w->n_conns)) {
    int64_t left = w->ran_ms + AWAKE_MS - gw_now_ms ();
    return left > 0 ? (int) left : 0;
  }
  if (MHD_get_timeout (w->daemon, &ms) != MHD_YES)
    return -1;
  return ms < 3600000 ? (int) ms : 3600000;
}

void
gw_http_turn (struct gw_worker *w)
{
  if (gw_http_timeout (w) != 0)
    return;
  w->daemon_ready = 0;
  w->ran_ms = gw_now_ms ();
  (void) MHD_run (w->daemon);
}

void
gw_http_sweep (struct gw_worker *w, int64_t now_ms)
{
  for (struct gw_conn *c = w->conns; c != NULL; c = c->next) {
    int64_t by = c->request != NULL ? gw_request_due_ms (c->request) : c->head_by_ms;
    /* libmicrohttpd sees that it is over, and cleans up.  At the end there is a
     * second for the last words. */
    if ((by > 0 && now_ms > by) || w->ending > 1)
      (void) shutdown (c->watch.fd, SHUT_RDWR);
    else
      remind (c);
  }
}
