/* http - libmicrohttpd in our loop (see http.h). */
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "request.h"

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

  (void) events;
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
conn_open (struct gw_gateway *g, struct MHD_Connection *connection, void **socket_context)
{
  const union MHD_ConnectionInfo *info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  struct gw_conn *conn = calloc (1, sizeof *conn);

  *socket_context = conn;
  if (conn == NULL || info == NULL) {
    free (conn);
    *socket_context = NULL;     /* its requests will be refused */
    return;
  }
  conn->gateway = g;
  conn->watch.on_ready = on_hangup;
  conn->watch.fd = info->connect_fd;
  conn->head_by_ms = gw_now_ms () + g->wheel->settings.header_timeout_ms;
  conn->is_unix = g->accepting_on != NULL && g->accepting_on->listener->is_unix;
  conn->next = g->conns;
  conn->link = &g->conns;
  if (conn->next != NULL)
    conn->next->link = &conn->next;
  g->conns = conn;
  g->n_conns++;
  (void) gw_loop_add (&g->loop, &conn->watch, EPOLLRDHUP | EPOLLET);
}

static void
conn_close (struct gw_gateway *g, struct gw_conn *conn)
{
  *conn->link = conn->next;
  if (conn->next != NULL)
    conn->next->link = conn->link;
  g->n_conns--;
  gw_loop_remove (&g->loop, &conn->watch);
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

/* ---- Coming in ----------------------------------------------------------------- */

static void
watch_ports (struct gw_gateway *g, int on)
{
  if (g->accepting == on)
    return;
  g->accepting = on;
  for (size_t i = 0; i < g->listeners.n; i++)
    (void) gw_loop_change (&g->loop, &g->ports[i].watch, on ? EPOLLIN : 0);
}

/* A few at a time, so that a flood of them does not starve those who are in. */
static void
on_port (struct gw_watch *watch, uint32_t events)
{
  struct gw_port *port = (struct gw_port *) watch;
  struct gw_gateway *g = port->gateway;
  const int yes = 1;

  (void) events;
  for (int i = 0; i < 32 && g->accepting; i++) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    int fd = accept4 (watch->fd, (struct sockaddr *) &address, &len,
                      SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      /* Without descriptors the port would be ready for ever: until the next
       * sweep, others may end meanwhile. */
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        watch_ports (g, 0);
      return;
    }
    if (!port->listener->is_unix)
      (void) setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    g->accepting_on = port;
    if (MHD_add_connection (g->daemon, fd, (struct sockaddr *) &address, len) != MHD_YES)
      watch_ports (g, 0);       /* it has closed fd */
    g->accepting_on = NULL;
    g->daemon_ready = 1;
    if (g->n_conns >= (size_t) g->wheel->settings.max_connections)
      watch_ports (g, 0);
  }
}

/* ---- The whole ------------------------------------------------------------------- */

static void
on_daemon (struct gw_watch *watch, uint32_t events)
{
  struct gw_gateway *g = (struct gw_gateway *) (void *)
                           ((char *) watch - offsetof (struct gw_gateway, daemon_watch));

  (void) events;
  g->daemon_ready = 1;
}

static void
on_log (void *cls, const char *fmt, va_list ap)
{
  (void) cls, (void) fmt, (void) ap;    /* each is some client's doing */
}

static int
watch_all (struct gw_gateway *g)
{
  int r = gw_loop_add (&g->loop, &g->daemon_watch, EPOLLIN);

  for (size_t i = 0; r == 0 && i < g->listeners.n; i++) {
    struct gw_port *port = &g->ports[i];
    *port = (struct gw_port) { .watch = { .on_ready = on_port,
                                          .fd = g->listeners.of[i].fd },
                               .gateway = g, .listener = &g->listeners.of[i] };
    r = gw_loop_add (&g->loop, &port->watch, EPOLLIN);
  }
  g->accepting = 1;
  return r;
}

int
gw_http_start (struct gw_gateway *g)
{
  const struct gw_settings *s = &g->wheel->settings;
  const union MHD_DaemonInfo *info;

  errno = 0;
  g->daemon = MHD_start_daemon (
    MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET
      | MHD_USE_ERROR_LOG,
    0, NULL, NULL, gw_request_handle, g,
    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
    MHD_OPTION_URI_LOG_CALLBACK, gw_request_begin, g,
    MHD_OPTION_NOTIFY_COMPLETED, gw_request_completed, g,
    MHD_OPTION_NOTIFY_CONNECTION, on_connection, g,
    MHD_OPTION_CONNECTION_LIMIT, (unsigned) s->max_connections,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) s->max_header,
    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) (s->idle_timeout_ms / 1000),
    MHD_OPTION_STRICT_FOR_CLIENT, 1,
    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
    MHD_OPTION_END);
  if (g->daemon == NULL)
    return errno != 0 ? -errno : -ENOMEM;
  info = MHD_get_daemon_info (g->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (info == NULL)
    return -ENOSYS;
  g->daemon_watch = (struct gw_watch) { .on_ready = on_daemon, .fd = info->epoll_fd };
  return watch_all (g);
}

void
gw_http_stop (struct gw_gateway *g)
{
  if (g->daemon != NULL)
    MHD_stop_daemon (g->daemon);
  g->daemon = NULL;
}

void
gw_http_drain (struct gw_gateway *g)
{
  watch_ports (g, 0);
  g->draining = 1;
  for (struct gw_conn *c = g->conns; c != NULL; c = c->next)
    if (c->request == NULL)
      (void) shutdown (c->watch.fd, SHUT_RDWR);
}

int
gw_http_timeout (struct gw_gateway *g)
{
  MHD_UNSIGNED_LONG_LONG ms;

  if (g->daemon_ready)
    return 0;
  if (MHD_get_timeout (g->daemon, &ms) != MHD_YES)
    return -1;
  return ms < 3600000 ? (int) ms : 3600000;
}

void
gw_http_turn (struct gw_gateway *g)
{
  if (gw_http_timeout (g) != 0)
    return;
  g->daemon_ready = 0;
  (void) MHD_run (g->daemon);
}

void
gw_http_sweep (struct gw_gateway *g, int64_t now_ms)
{
  for (struct gw_conn *c = g->conns; c != NULL; c = c->next) {
    int64_t by = c->request != NULL ? gw_request_due_ms (c->request) : c->head_by_ms;
    /* libmicrohttpd sees that it is over, and cleans up. */
    if (by > 0 && now_ms > by)
      (void) shutdown (c->watch.fd, SHUT_RDWR);
    else
      remind (c);
  }
  if (!g->draining && g->n_conns < (size_t) g->wheel->settings.max_connections)
    watch_ports (g, 1);
}
