/* tunnel - a proxy that knows CONNECT, for one connection after the other. */
#ifndef TUNNEL_H
#define TUNNEL_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tlskit.h"

struct tunnel {
  int fd, port;
  const char *refusal;          /* the whole answer; NULL: it lets through */
  int asked;                    /* how often                              */
  char head[4096];              /* of the last request                    */
  pthread_t thread;
};

/* 0, or -1: one side has closed. */
static inline int
tunnel_move (int from, int to)
{
  char buf[16384];
  ssize_t n = read (from, buf, sizeof buf), m, at = 0;

  if (n <= 0)
    return -1;
  for (; at < n; at += m)
    if ((m = send (to, buf + at, (size_t) (n - at), MSG_NOSIGNAL)) < 0)
      return -1;
  return 0;
}

static inline void
tunnel_pass (int a, int b)
{
  struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };

  while (poll (p, 2, -1) > 0)
    if ((p[0].revents != 0 && tunnel_move (a, b) != 0)
        || (p[1].revents != 0 && tunnel_move (b, a) != 0))
      return;
}

/* "CONNECT anything:PORT": that port of this machine. */
static inline int
tunnel_connect (const char *head)
{
  struct sockaddr_in to = { .sin_family = AF_INET };
  const char *colon = strchr (head, ':');
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  to.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  to.sin_port = htons ((uint16_t) strtoul (colon != NULL ? colon + 1 : "0", NULL, 10));
  if (connect (fd, (struct sockaddr *) &to, sizeof to) == 0)
    return fd;
  (void) close (fd);
  return -1;
}

static inline void
tunnel_exchange (struct tunnel *t, int fd)
{
  static const char well[] = "HTTP/1.1 200 Connected\r\n\r\n";
  const char *answer = t->refusal != NULL ? t->refusal : well;
  size_t len = 0;
  ssize_t n;
  int to;

  memset (t->head, 0, sizeof t->head);
  while (strstr (t->head, "\r\n\r\n") == NULL && len < sizeof t->head - 1
         && (n = read (fd, t->head + len, sizeof t->head - 1 - len)) > 0)
    len += (size_t) n;
  t->asked++;
  if (send (fd, answer, strlen (answer), MSG_NOSIGNAL) < 0 || t->refusal != NULL)
    return;
  to = tunnel_connect (t->head);
  if (to >= 0) {
    tunnel_pass (fd, to);
    (void) close (to);
  }
}

static inline void *
tunnel_serve (void *user)
{
  struct tunnel *t = user;
  int fd;

  while ((fd = accept (t->fd, NULL, NULL)) >= 0) {
    tunnel_exchange (t, fd);
    (void) close (fd);
  }
  return NULL;
}

static inline void
tunnel_start (struct tunnel *t, const char *refusal)
{
  memset (t, 0, sizeof *t);
  t->refusal = refusal;
  t->fd = tlskit_listen (&t->port);
  ck_assert_int_eq (pthread_create (&t->thread, NULL, tunnel_serve, t), 0);
}

/* Once whoever went through it has closed. */
static inline void
tunnel_stop (struct tunnel *t)
{
  (void) shutdown (t->fd, SHUT_RDWR);   /* ends an accept, too */
  ck_assert_int_eq (pthread_join (t->thread, NULL), 0);
  (void) close (t->fd);
}

#endif
