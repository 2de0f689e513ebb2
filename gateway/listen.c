/* listen - sockets that listen (see listen.h). */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "settings.h"

#define BACKLOG 1024
#define FIRST_PASSED 3          /* SD_LISTEN_FDS_START                    */

struct why {
  char *text;
  size_t size;
};

static int __attribute__ ((__format__ (__printf__, 2, 3)))
fail (const struct why *why, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  if (vsnprintf (why->text, why->size, fmt, ap) < 0)
    why->text[0] = '\0';
  va_end (ap);
  return -1;
}

static int
is_loopback (const struct sockaddr *address)
{
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const void *) address;
    return (ntohl (in->sin_addr.s_addr) >> 24) == 127;
  }
  if (address->sa_family == AF_INET6)
    return IN6_IS_ADDR_LOOPBACK (&((const struct sockaddr_in6 *) (const void *)
                                   address)->sin6_addr);
  return address->sa_family == AF_UNIX;
}

/* What is to be known of a socket that listens already. */
static int
describe (struct gw_listener *l, const struct why *why)
{
  struct sockaddr_storage address = { 0 };
  socklen_t len = sizeof address;
  char host[64] = "", port[16] = "";
  socklen_t listens_len = sizeof (int);
  int n, listens = 0;

  if (getsockname (l->fd, (struct sockaddr *) &address, &len) != 0)
    return fail (why, "a socket that was passed is none: %s", strerror (errno));
  l->local = is_loopback ((const struct sockaddr *) &address);
  l->is_unix = address.ss_family == AF_UNIX;
  if (getsockopt (l->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len) != 0 || !listens)
    return fail (why, "descriptor %d is no socket that listens: with systemd, a unit with "
                 "ListenStream and without Accept", l->fd);
  if (l->is_unix) {
    const struct sockaddr_un *un = (const void *) &address;
    n = un->sun_path[0] == '\0' && len > offsetof (struct sockaddr_un, sun_path) + 1
          ? snprintf (l->url, sizeof l->url, "unix:@%s", un->sun_path + 1)
          : snprintf (l->url, sizeof l->url, "unix:%s", un->sun_path);
  } else {
    if (getnameinfo ((const struct sockaddr *) &address, len, host, sizeof host, port,
                     sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
      return fail (why, "a socket that was passed is of no kind that is known");
    n = snprintf (l->url, sizeof l->url,
                  address.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s",
                  host, port);
  }
  return n < 0 ? fail (why, "out of memory") : 0;
}

static int
check_local (const struct gw_listener *l, int others_allowed, const struct why *why)
{
  if (l->local || others_allowed)
    return 0;
  return fail (why, "%s can be reached from outside this machine, and anybody there "
               "could use the keys: set client_tokens in [gateway] (keywheel token new), "
               "or listen on 127.0.0.1 or unix:PATH", l->url);
}

/* ---- unix ------------------------------------------------------------------ */

/* 0: it is removed; or what it is instead.  Nobody listens there any more only where a
 * connection is refused: a server may be too busy to take one, or another user's. */
static int
remove_stale (const struct sockaddr_un *address, const struct why *why)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int r;

  if (fd < 0)
    return fail (why, "unix:%s: %s", address->sun_path, strerror (errno));
  r = connect (fd, (const struct sockaddr *) address, sizeof *address) == 0 ? 0 : errno;
  (void) close (fd);
  if (r == 0 || r == EAGAIN)
    return fail (why, "unix:%s: another server listens there", address->sun_path);
  if (r != ECONNREFUSED)
    return fail (why, "unix:%s: is there already: %s", address->sun_path, strerror (r));
  (void) unlink (address->sun_path);
  return 0;
}

/* The file of a server that is gone is in the way; one that answers stays. */
static int
clear_the_way (const struct sockaddr_un *address, const struct why *why)
{
  struct stat st;

  if (lstat (address->sun_path, &st) != 0)
    return 0;
  if (!S_ISSOCK (st.st_mode))
    return fail (why, "unix:%s: is there, and is no socket", address->sun_path);
  return remove_stale (address, why);
}

static int
listen_unix (const char *path, size_t len, struct gw_listener *l, const struct why *why)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct stat st;

  if (len == 0 || len >= sizeof address.sun_path)
    return fail (why, "\"unix:%.*s\": allowed: a path of 1 to %zu bytes", (int) len, path,
                 sizeof address.sun_path - 1);
  memcpy (address.sun_path, path, len);
  if (clear_the_way (&address, why) != 0)
    return -1;
  l->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  /* Before it is bound: nobody else is to get in between. */
  if (l->fd < 0 || fchmod (l->fd, 0600) != 0
      || bind (l->fd, (const struct sockaddr *) &address, sizeof address) != 0
      || listen (l->fd, BACKLOG) != 0)
    return fail (why, "unix:%s: %s", address.sun_path, strerror (errno));
  l->path = strdup (address.sun_path);
  if (l->path == NULL || lstat (l->path, &st) != 0)
    return fail (why, "unix:%s: %s", address.sun_path, strerror (errno));
  l->device = st.st_dev;
  l->inode = st.st_ino;
  return describe (l, why);
}

/* Unless another server has put its own there meanwhile. */
static void
unlink_own (const struct gw_listener *l)
{
  struct stat st;

  if (lstat (l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
    (void) unlink (l->path);
}

/* ---- TCP ------------------------------------------------------------------- */

/* "[::1]:8787" becomes "::1" and "8787". */
static int
split (const char *text, size_t len, char host[128], char port[8], const struct why *why)
{
  const char *colon = memrchr (text, ':', len);
  size_t host_len = colon != NULL ? (size_t) (colon - text) : 0;
  size_t port_len = colon != NULL ? len - host_len - 1 : 0;
  int brackets = host_len >= 2 && text[0] == '[' && text[host_len - 1] == ']';

  if (port_len == 0 || port_len >= 8 || host_len == 0 || host_len >= 128
      || strspn (colon + 1, "0123456789") < port_len
      || (!brackets && memchr (text, ':', host_len) != NULL))
    return fail (why, "\"%.*s\" is no address; allowed: HOST:PORT, [V6]:PORT or unix:PATH",
                 (int) len, text);
  memcpy (host, text + brackets, host_len - 2 * (size_t) brackets);
  host[host_len - 2 * (size_t) brackets] = '\0';
  memcpy (port, colon + 1, port_len);
  port[port_len] = '\0';
  if (strtol (port, NULL, 10) > 65535)
    return fail (why, "\"%.*s\": a port is 0 to 65535", (int) len, text);
  return 0;
}

static int
open_tcp (const struct addrinfo *to, struct gw_listener *l)
{
  const int yes = 1;

  l->fd = socket (to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (l->fd < 0 || setsockopt (l->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0
      || (to->ai_family == AF_INET6
          && setsockopt (l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) != 0)
      || bind (l->fd, to->ai_addr, to->ai_addrlen) != 0 || listen (l->fd, BACKLOG) != 0)
    return -1;
  return 0;
}

static int
listen_tcp (const char *text, size_t len, int others_allowed, struct gw_listener *l,
            const struct why *why)
{
  const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                  .ai_socktype = SOCK_STREAM };
  struct addrinfo *found = NULL;
  char host[128], port[8];
  int r;

  if (split (text, len, host, port, why) != 0)
    return -1;
  r = getaddrinfo (host, port, &hints, &found);
  if (r != 0)
    return fail (why, "%.*s: %s", (int) len, text, gai_strerror (r));
  if (!is_loopback (found->ai_addr) && !others_allowed) {
    /* Before anything listens. */
    (void) snprintf (l->url, sizeof l->url, "%.*s", (int) len, text);
    r = check_local (l, 0, why);
  } else if (open_tcp (found, l) != 0)
    r = fail (why, "%.*s: %s", (int) len, text, strerror (errno));
  else
    r = describe (l, why);
  freeaddrinfo (found);
  return r;
}

/* ---- All of them -------------------------------------------------------------- */

int
gw_listen (const char *addresses, int others_allowed, struct gw_listeners *ret,
           char *text, size_t size)
{
  const struct why why = { text, size };
  const char *word;
  size_t len;

  ret->n = 0;
  while ((word = gw_next_word (&addresses, &len)) != NULL) {
    struct gw_listener *l = &ret->of[ret->n];
    int r;
    if (ret->n == GW_LISTEN_MAX) {
      gw_listen_close (ret);
      return fail (&why, "more than %d addresses", GW_LISTEN_MAX);
    }
    *l = (struct gw_listener) { .fd = -1 };
    ret->n++;
    r = len > 5 && memcmp (word, "unix:", 5) == 0
          ? listen_unix (word + 5, len - 5, l, &why)
          : listen_tcp (word, len, others_allowed, l, &why);
    if (r != 0) {
      gw_listen_close (ret);
      return -1;
    }
  }
  return ret->n > 0 ? 0 : fail (&why, "no address");
}

static long
variable (const char *name)
{
  const char *value = getenv (name);

  return value != NULL ? strtol (value, NULL, 10) : -1;
}

int
gw_listen_passed (int others_allowed, struct gw_listeners *ret, char *text, size_t size)
{
  const struct why why = { text, size };
  long n = variable ("LISTEN_PID") == (long) getpid () ? variable ("LISTEN_FDS") : 0;

  ret->n = 0;
  if (n > GW_LISTEN_MAX)
    return fail (&why, "more than %d sockets were passed", GW_LISTEN_MAX);
  for (int i = 0; i < n; i++) {
    struct gw_listener *l = &ret->of[i];
    *l = (struct gw_listener) { .fd = FIRST_PASSED + i };
    ret->n++;
    if (fcntl (l->fd, F_SETFD, FD_CLOEXEC) != 0
        || fcntl (l->fd, F_SETFL, fcntl (l->fd, F_GETFL) | O_NONBLOCK) != 0)
      return fail (&why, "LISTEN_FDS=%ld, but descriptor %d is not open", n, l->fd);
    if (describe (l, &why) != 0 || check_local (l, others_allowed, &why) != 0)
      return -1;
  }
  return 0;
}

void
gw_listen_close (struct gw_listeners *listeners)
{
  for (size_t i = 0; i < listeners->n; i++) {
    struct gw_listener *l = &listeners->of[i];
    if (l->fd >= 0)
      (void) close (l->fd);
    if (l->path != NULL)
      unlink_own (l);
    free (l->path);
    *l = (struct gw_listener) { .fd = -1 };
  }
  listeners->n = 0;
}
