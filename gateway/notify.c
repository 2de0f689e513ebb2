/* notify - sd_notify(3)'s protocol (see notify.h). */
#include "notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Half of what the watchdog waits, as its manual asks for. */
static int64_t
watchdog_ms (void)
{
  const char *pid = getenv ("WATCHDOG_PID"), *usec = getenv ("WATCHDOG_USEC");

  if (usec == NULL || (pid != NULL && strtol (pid, NULL, 10) != (long) getpid ()))
    return 0;
  return strtoll (usec, NULL, 10) / 2000;
}

/* A path, or "@" and a name that is in no folder. */
static int
connect_to (const char *where)
{
  struct sockaddr_un to = { .sun_family = AF_UNIX };
  size_t len = strlen (where);
  int fd;

  if ((where[0] != '/' && where[0] != '@') || len >= sizeof to.sun_path)
    return -1;
  memcpy (to.sun_path, where, len);
  if (where[0] == '@')
    to.sun_path[0] = '\0';
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect (fd, (const struct sockaddr *) &to,
                          (socklen_t) (offsetof (struct sockaddr_un, sun_path) + len)) != 0) {
    (void) close (fd);
    fd = -1;
  }
  return fd;
}

void
gw_notify_begin (struct gw_notify *n)
{
  const char *where = getenv ("NOTIFY_SOCKET");

  n->fd = where != NULL ? connect_to (where) : -1;
  n->every_ms = n->fd >= 0 ? watchdog_ms () : 0;
  n->next_ms = 0;
}

void
gw_notify_end (struct gw_notify *n)
{
  if (n->fd >= 0)
    (void) close (n->fd);
  n->fd = -1;
}

void
gw_notify (struct gw_notify *n, const char *text)
{
  if (n->fd >= 0)
    (void) send (n->fd, text, strlen (text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
gw_notify_reloading (struct gw_notify *n)
{
  struct timespec now;
  char text[80];

  (void) clock_gettime (CLOCK_MONOTONIC, &now);
  if (snprintf (text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000) > 0)
    gw_notify (n, text);
}

void
gw_notify_alive (struct gw_notify *n, int64_t now_ms)
{
  if (n->every_ms == 0 || now_ms < n->next_ms)
    return;
  n->next_ms = now_ms + n->every_ms;
  gw_notify (n, "WATCHDOG=1");
}
