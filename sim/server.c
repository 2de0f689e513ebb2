/* server - requests from libmicrohttpd to sim_serve (see server.h). */
#include "send.h"
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 4096
#define CONNECTION_MEMORY (128 * 1024)
#define STACK_SIZE (1024 * 1024)
#define BACKLOG 1024

struct sim_server {
  struct sim *sim;
  struct MHD_Daemon *daemon;
  struct sim_pauses pauses;
};

/* One request while it arrives. */
struct arrival {
  int64_t arrived_us;
  int64_t bytes;
  char *body;
  size_t len, room;
  int counted;                  /* among those under way */
};

static void
count_under_way (struct sim *sim, int by)
{
  pthread_mutex_lock (&sim->lock);
  sim->under_way += by;
  pthread_mutex_unlock (&sim->lock);
}

static void
arrival_end (void *cls, struct MHD_Connection *connection, void **req_cls,
             enum MHD_RequestTerminationCode why)
{
  struct arrival *r = *req_cls;
  struct sim_server *server = cls;
  (void) connection;
  (void) why;
  if (r == NULL)
    return;
  if (r->counted)
    count_under_way (server->sim, -1);
  free (r->body);
  free (r);
  *req_cls = NULL;
}

/* 0, or -1: no memory.  A body that is too long is counted, not kept.  One that
 * is kept has a NUL behind it, as texts are read from it. */
static int
keep (struct arrival *r, const char *data, size_t len)
{
  r->bytes += (int64_t) len;
  if (r->bytes > SIM_BODY_MAX) {
    free (r->body);
    r->body = NULL;
    r->len = r->room = 0;
    return 0;
  }
  if (r->room - r->len <= len) {
    size_t room = r->room == 0 ? 4096 : r->room;
    while (room - r->len <= len)
      room *= 2;
    char *bigger = realloc (r->body, room);
    if (bigger == NULL)
      return -1;
    r->body = bigger;
    r->room = room;
  }
  memcpy (r->body + r->len, data, len);
  r->len += len;
  r->body[r->len] = '\0';
  return 0;
}

static enum MHD_Result
answer (struct sim_server *server, struct MHD_Connection *connection,
        const char *method, const char *path, struct arrival *r)
{
  const struct sim_call call = {
    .method = method,
    .path = path,
    .authorization = MHD_lookup_connection_value (connection, MHD_HEADER_KIND,
                                                  MHD_HTTP_HEADER_AUTHORIZATION),
    .x_api_key = MHD_lookup_connection_value (connection, MHD_HEADER_KIND, "x-api-key"),
    .x_goog_api_key = MHD_lookup_connection_value (connection, MHD_HEADER_KIND,
                                                   "x-goog-api-key"),
    .content_type = MHD_lookup_connection_value (connection, MHD_HEADER_KIND,
                                                 MHD_HTTP_HEADER_CONTENT_TYPE),
    .ms = MHD_lookup_connection_value (connection, MHD_GET_ARGUMENT_KIND, "ms"),
    .body = r->body,
    .len = r->len,
    .bytes = r->bytes,
    .arrived_us = r->arrived_us,
  };
  struct sim_answer a;

  sim_answer_init (&a);
  if (!sim_control (server->sim, &call, &a)) {
    r->counted = 1;
    count_under_way (server->sim, 1);
    sim_serve (server->sim, &call, &a);
  }
  return sim_send (connection, &a, &server->pauses);
}

static enum MHD_Result
handle (void *cls, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size,
        void **req_cls)
{
  struct arrival *r = *req_cls;
  (void) version;
  if (r == NULL) {
    r = calloc (1, sizeof *r);
    if (r == NULL)
      return MHD_NO;
    r->arrived_us = sim_mono_us ();
    *req_cls = r;
    return MHD_YES;
  }
  if (*size == 0)
    return answer (cls, connection, method, url, r);
  int bad = keep (r, data, *size) != 0;
  *size = 0;
  return bad ? MHD_NO : MHD_YES;
}

struct sim_server *
sim_server_start (struct sim *sim, int port, int *ret_port)
{
  struct sockaddr_in address = {
    .sin_family = AF_INET,
    .sin_port = htons ((uint16_t) port),
    .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
  };
  struct sim_server *server = calloc (1, sizeof *server);
  if (server == NULL)
    return NULL;
  server->sim = sim;
  if (sim_pauses_init (&server->pauses) != 0) {
    free (server);
    return NULL;
  }
  errno = 0;
  server->daemon = MHD_start_daemon (
    MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL
      | MHD_USE_ITC,
    0, NULL, NULL, handle, server,
    MHD_OPTION_SOCK_ADDR, (struct sockaddr *) &address,
    MHD_OPTION_NOTIFY_COMPLETED, arrival_end, server,
    MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS_MAX,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
    MHD_OPTION_THREAD_STACK_SIZE, (size_t) STACK_SIZE,
    MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned) BACKLOG,
    MHD_OPTION_END);
  const union MHD_DaemonInfo *info
    = server->daemon == NULL
        ? NULL
        : MHD_get_daemon_info (server->daemon, MHD_DAEMON_INFO_BIND_PORT);
  if (info == NULL) {
    int saved = errno;
    sim_server_stop (server);
    errno = saved;
    return NULL;
  }
  *ret_port = info->port;
  return server;
}

void
sim_server_stop (struct sim_server *server)
{
  sim_pauses_end (&server->pauses);
  if (server->daemon != NULL)
    MHD_stop_daemon (server->daemon);
  sim_pauses_destroy (&server->pauses);
  free (server);
}
