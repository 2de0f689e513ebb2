/* accept - who comes in, and where to (see accept.h). */
#include "accept.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"
#include "http.h"
#include "worker.h"

/* Descriptors besides those of connections: the store's, the log's, those that
 * listen, and each loop's. */
#define OTHERS 32
#define EACH_LOOP 8

/* A connection on its way to its loop. */
struct coming {
  struct gw_post post;
  struct gw_worker *worker;
  struct gw_arrival arrival;
};

static void
watch_ports (struct gw_accept *a, int on)
{
  if (a->watching == on)
    return;
  a->watching = on;
  for (size_t i = 0; i < a->listeners.n; i++)
    (void) gw_loop_change (a->loop, &a->ports[i].watch, on ? EPOLLIN : 0);
}

static struct gw_worker *
idlest (const struct gw_gateway *g)
{
  struct gw_worker *found = &g->workers[0];
  size_t least = atomic_load (&found->n_conns);

  for (size_t i = 1; i < g->n_workers && least > 0; i++) {
    size_t load = atomic_load (&g->workers[i].n_conns);
    if (load < least) {
      least = load;
      found = &g->workers[i];
    }
  }
  return found;
}

static void
on_coming (struct gw_post *post)
{
  struct coming *c = (struct coming *) post;

  (void) gw_http_add (c->worker, &c->arrival);
  free (c);
}

/* From now on it counts there.  0, or -1: it was closed, for want of memory. */
static int
deal (struct gw_accept *a, const struct gw_arrival *arrival)
{
  struct gw_worker *w = idlest (a->gateway);
  struct coming *c;

  atomic_fetch_add (&w->n_conns, 1);
  if (&w->loop == a->loop)
    return gw_http_add (w, arrival);
  c = malloc (sizeof *c);
  if (c == NULL) {
    atomic_fetch_sub (&w->n_conns, 1);
    (void) close (arrival->fd);
    return -1;
  }
  *c = (struct coming) { .post = { .run = on_coming }, .worker = w, .arrival = *arrival };
  gw_loop_post (&w->loop, &c->post);
  return 0;
}

/* A few at a time, so that a flood of them does not starve those who are in. */
static void
on_port (struct gw_watch *watch, uint32_t events)
{
  struct gw_port *port = (struct gw_port *) watch;
  struct gw_accept *a = port->accept;
  const int yes = 1;

  (void) events;
  for (int i = 0; i < 32 && a->watching; i++) {
    struct gw_arrival arrival = { .len = sizeof arrival.address,
                                  .is_unix = port->listener->is_unix };
    arrival.fd = accept4 (watch->fd, (struct sockaddr *) &arrival.address, &arrival.len,
                          SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (arrival.fd < 0) {
      /* Without descriptors the port would be ready for ever: until the next
       * sweep, others may end meanwhile. */
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        watch_ports (a, 0);
      return;
    }
    if (!arrival.is_unix)
      (void) setsockopt (arrival.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (deal (a, &arrival) != 0)
      watch_ports (a, 0);
    a->full = gw_n_conns (a->gateway) >= a->most;
    if (a->full)
      watch_ports (a, 0);
  }
}

/* What a connection's request is to be sent with is there as well, or its client
 * would hear that the provider cannot be reached. */
static void
bound_by_descriptors (struct gw_accept *a)
{
  struct rlimit limit;
  size_t others = OTHERS + EACH_LOOP * a->gateway->n_workers, n;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= others + 2 * a->most)
    return;
  n = limit.rlim_cur > others + 2 ? (size_t) (limit.rlim_cur - others) / 2 : 1;
  cli_say ("max_connections is %zu, but there are descriptors for %zu connections only; more "
           "have to wait (LimitNOFILE, or ulimit -Hn, is %llu)", a->most, n,
           (unsigned long long) limit.rlim_cur);
  a->most = n;
}

int
gw_accept_begin (struct gw_accept *a)
{
  int r = 0;

  bound_by_descriptors (a);
  for (size_t i = 0; r == 0 && i < a->listeners.n; i++) {
    struct gw_port *port = &a->ports[i];
    *port = (struct gw_port) { .watch = { .on_ready = on_port,
                                          .fd = a->listeners.of[i].fd },
                               .accept = a, .listener = &a->listeners.of[i] };
    r = gw_loop_add (a->loop, &port->watch, EPOLLIN);
  }
  a->watching = 1;
  return r;
}

void
gw_accept_end (struct gw_accept *a)
{
  watch_ports (a, 0);
  a->most = 0;
  for (size_t i = 0; i < a->listeners.n; i++)
    gw_loop_remove (a->loop, &a->ports[i].watch);
  gw_listen_close (&a->listeners);
}

void
gw_accept_turn (struct gw_accept *a)
{
  if (a->full)
    gw_accept_sweep (a);
}

void
gw_accept_sweep (struct gw_accept *a)
{
  if (gw_n_conns (a->gateway) >= a->most)
    return;
  a->full = 0;
  watch_ports (a, 1);
}
