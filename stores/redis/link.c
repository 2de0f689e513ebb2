/* link - a connection to the server as a stream of bytes (see link.h). */
#include "link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "tls.h"

struct redis_link {
  int fd;
  struct redis_tls *tls;        /* NULL: none                             */
  struct redis_address address;
};

/* poll, whatever signals come.  0: not in time. */
static int
wait_for (int fd, short events, const struct redis_turn *turn)
{
  struct pollfd p = { .fd = fd, .events = events };
  int n;

  do
    n = poll (&p, 1, redis_turn_left (turn));
  while (n < 0 && errno == EINTR);
  return n > 0;
}

/* ---- Connecting ------------------------------------------------------------------ */

static const char *
advice (int error)
{
  switch (error) {
  case ECONNREFUSED: return ": nothing listens there; is the server running?";
  case ENOENT: return ": the server's unixsocket has another path, or it is not running";
  case EACCES: case EPERM: return ": this user may not; see the server's unixsocketperm";
  case ETIMEDOUT: return ": nothing answers in time; is a firewall in the way?";
  case EHOSTUNREACH: case ENETUNREACH: return ": is this machine's network up?";
  default: return "";
  }
}

/* "10.0.0.5", or what it is instead. */
static void
show_address (const struct redis_address *a, char *buf, size_t size)
{
  if (a->at.ss_family == AF_UNIX
      || getnameinfo ((const struct sockaddr *) &a->at, a->len, buf, (socklen_t) size, NULL, 0,
                      NI_NUMERICHOST) != 0)
    snprintf (buf, size, "the socket");
}

static int
cannot_connect (struct redis_turn *turn, const struct redis_address *a, int error)
{
  char shown[NI_MAXHOST];

  show_address (a, shown, sizeof shown);
  return redis_away (turn, "%s cannot be reached: %s%s", shown, strerrordesc_np (error),
                     advice (error));
}

/* 0 or errno. */
static int
connect_in_time (int fd, const struct redis_address *a, const struct redis_turn *turn)
{
  int error = 0;
  socklen_t len = sizeof error;

  if (connect (fd, (const struct sockaddr *) &a->at, a->len) == 0)
    return 0;
  if (errno != EINPROGRESS && errno != EINTR)
    return errno;
  if (!wait_for (fd, POLLOUT, turn))
    return ETIMEDOUT;
  return getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/* fd or -1. */
static int
connect_to (const struct redis_address *a, struct redis_turn *turn)
{
  const int on = 1;
  int fd = socket (a->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int error = fd < 0 ? errno : connect_in_time (fd, a, turn);

  if (error == 0) {
    /* No keep-alive: who listens asks every few seconds (bell.c). */
    if (a->at.ss_family != AF_UNIX)
      setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
  }
  if (fd >= 0)
    close (fd);
  cannot_connect (turn, a, error);
  return -1;
}

/* Each is given its share of the time, so that one that swallows packets does
 * not keep us from the next. */
static int
connect_to_any (const struct addrinfo *list, struct redis_turn *turn,
                struct redis_address *ret)
{
  int n = 0, fd = -1;

  for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
    n++;
  for (const struct addrinfo *ai = list; ai != NULL && fd < 0; ai = ai->ai_next, n--) {
    struct redis_turn share = *turn;
    if (ai->ai_addrlen > sizeof ret->at)
      continue;
    share.deadline = redis_ticks () + redis_turn_left (turn) / n;
    memcpy (&ret->at, ai->ai_addr, ai->ai_addrlen);
    ret->len = ai->ai_addrlen;
    fd = connect_to (ret, &share);
  }
  return fd;
}

static int
socket_address (const char *path, struct redis_turn *turn, struct redis_address *ret)
{
  struct sockaddr_un un = { .sun_family = AF_UNIX };

  if (strlen (path) >= sizeof un.sun_path)
    return redis_away (turn, "a socket's path has at most %zu bytes", sizeof un.sun_path - 1);
  memcpy (un.sun_path, path, strlen (path) + 1);
  memcpy (&ret->at, &un, sizeof un);
  ret->len = sizeof un;
  return 0;
}

/* fd or -1. */
static int
connect_by_spec (const struct redis_spec *spec, struct redis_names **names,
                 const struct redis_address *known, struct redis_turn *turn,
                 struct redis_address *ret)
{
  struct addrinfo *list;

  if (known->len > 0) {
    *ret = *known;
    return connect_to (ret, turn);
  }
  if (spec->is_unix)
    return socket_address (spec->host, turn, ret) == 0 ? connect_to (ret, turn) : -1;
  if (redis_names_find (names, spec, turn, &list) != 0)
    return -1;
  int fd = connect_to_any (list, turn, ret);
  freeaddrinfo (list);
  return fd;
}

/* ---- TLS --------------------------------------------------------------------------- */

/* After a result of tls.h that is no count: 0 when it is worth another try. */
static int
tls_wants (struct redis_link *l, struct redis_turn *turn, int result)
{
  if (result == REDIS_TLS_CLOSED)
    return redis_away (turn, "the server has closed the connection");
  if (result == REDIS_TLS_BROKEN)
    return redis_away (turn, "TLS: %s", redis_tls_reason (l->tls));
  if (!wait_for (l->fd, result == REDIS_TLS_WRITE ? POLLOUT : POLLIN, turn))
    return redis_away (turn, "the server does not answer in time");
  return 0;
}

static int
greet (struct redis_link *l, const struct redis_spec *spec, struct redis_turn *turn)
{
  char why[400];
  int result, rc = 0;

  if (redis_tls_open (spec, l->fd, &l->tls, why, sizeof why) != 0)
    return redis_away (turn, "%s", why);
  while (rc == 0 && (result = redis_tls_greet (l->tls)) != 1)
    rc = tls_wants (l, turn, result);
  if (rc != 0 && !redis_tls_answered (l->tls))
    redis_away_hint (turn, " (without TLS the state begins with redis://)");
  return rc;
}

/* ---- The link ------------------------------------------------------------------------ */

int
redis_link_open (const struct redis_spec *spec, struct redis_names **names,
                 const struct redis_address *known, struct redis_turn *turn,
                 struct redis_link **ret)
{
  struct redis_link *l = calloc (1, sizeof *l);

  if (l == NULL)
    return redis_away (turn, "there is no memory left");
  l->fd = connect_by_spec (spec, names, known, turn, &l->address);
  if (l->fd < 0) {
    free (l);
    return KW_STORE_AWAY;
  }
  if (spec->tls && greet (l, spec, turn) != 0) {
    redis_link_close (l);
    return KW_STORE_AWAY;
  }
  *ret = l;
  return 0;
}

void
redis_link_close (struct redis_link *l)
{
  if (l == NULL)
    return;
  redis_tls_free (l->tls);
  close (l->fd);
  free (l);
}

int
redis_link_fd (const struct redis_link *l)
{
  return l->fd;
}

struct redis_address
redis_link_address (const struct redis_link *l)
{
  return l->address;
}

/* What a socket without TLS had to say, in tls.h's words.  0 bytes: the end. */
static int
moved (ssize_t n, int wants)
{
  if (n > 0)
    return (int) n;
  if (n == 0)
    return REDIS_TLS_CLOSED;
  return errno == EAGAIN || errno == EINTR ? wants : REDIS_TLS_BROKEN;
}

static int
lost (struct redis_link *l, struct redis_turn *turn, int result)
{
  if (l->tls == NULL && result == REDIS_TLS_BROKEN)
    return redis_away (turn, "the connection is lost: %s", strerrordesc_np (errno));
  return tls_wants (l, turn, result);
}

int
redis_link_write (struct redis_link *l, struct redis_turn *turn, const char *buf, size_t len)
{
  while (len > 0) {
    int n = l->tls != NULL ? redis_tls_send (l->tls, buf, len)
                           : moved (send (l->fd, buf, len, MSG_NOSIGNAL), REDIS_TLS_WRITE);
    if (n > 0) {
      buf += n;
      len -= (size_t) n;
    } else if (lost (l, turn, n) != 0)
      return KW_STORE_AWAY;
  }
  return 0;
}

int
redis_link_read (struct redis_link *l, struct redis_turn *turn, int wait, char *buf,
                 size_t size, size_t *ret_n)
{
  for (;;) {
    int n = l->tls != NULL ? redis_tls_receive (l->tls, buf, size)
                           : moved (recv (l->fd, buf, size, 0), REDIS_TLS_READ);
    if (n > 0) {
      *ret_n = (size_t) n;
      return 0;
    }
    if (!wait && (n == REDIS_TLS_READ || n == REDIS_TLS_WRITE)) {
      *ret_n = 0;
      return 0;
    }
    if (lost (l, turn, n) != 0)
      return KW_STORE_AWAY;
  }
}
