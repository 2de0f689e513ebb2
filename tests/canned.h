/* canned - a server that answers with the bytes it was given, whatever is asked,
 * each on a connection of its own; for heads and endings that no proper server
 * writes. */
#ifndef CANNED_H
#define CANNED_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kwtest.h"

struct canned {
  int fd;
  int deaf;
  const char *answer[4];        /* to the first, the second, ...; NULL: no more */
  const char *forever;          /* then this, every 10 ms; or NULL */
  int served;
  char url[64];
  char seen[160 * 1024];        /* the last request, NUL-terminated */
  pthread_t thread;
};

/* Has all of the request come?  Closed before that a connection is reset, which may
 * take the answer away. */
static inline int
canned_is_whole (const char *seen, size_t len)
{
  const char *end = strstr (seen, "\r\n\r\n");
  const char *length = strcasestr (seen, "\r\nContent-Length:");

  return end != NULL
         && (length == NULL || length > end
             || len >= (size_t) (end + 4 - seen) + strtoul (length + 17, NULL, 10));
}

static inline void
canned_exchange (struct canned *c, int fd, const char *answer)
{
  size_t len = 0, left = strlen (answer);
  ssize_t n;

  c->seen[0] = '\0';
  while (len < sizeof c->seen - 1 && !canned_is_whole (c->seen, len)
         && (n = read (fd, c->seen + len, sizeof c->seen - 1 - len)) > 0) {
    len += (size_t) n;
    c->seen[len] = '\0';
  }
  while (left > 0 && (n = send (fd, answer, left, MSG_NOSIGNAL)) > 0) {
    answer += n;
    left -= (size_t) n;
  }
  /* Every 10 ms, until the other side closes. */
  while (c->forever != NULL
         && poll (&(struct pollfd) { .fd = fd, .events = POLLIN }, 1, 10) == 0
         && send (fd, c->forever, strlen (c->forever), MSG_NOSIGNAL) > 0)
    ;
}

static inline void *
canned_serve (void *user)
{
  struct canned *c = user;
  int fd;

  while (c->served < 4 && c->answer[c->served] != NULL
         && (fd = accept (c->fd, NULL, NULL)) >= 0) {
    canned_exchange (c, fd, c->answer[c->served++]);
    (void) close (fd);
  }
  return NULL;
}

static inline struct canned *
canned_listen (void)
{
  struct canned *c = calloc (1, sizeof *c);
  struct sockaddr_in at = { .sin_family = AF_INET };
  socklen_t size = sizeof at;
  int n;

  ck_assert_ptr_nonnull (c);
  at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  c->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_ge (c->fd, 0);
  ck_assert_int_eq (bind (c->fd, (struct sockaddr *) &at, sizeof at), 0);
  ck_assert_int_eq (listen (c->fd, 8), 0);
  ck_assert_int_eq (getsockname (c->fd, (struct sockaddr *) &at, &size), 0);
  n = snprintf (c->url, sizeof c->url, "http://127.0.0.1:%d/v1",
                ntohs (at.sin_port));
  ck_assert (n > 0 && (size_t) n < sizeof c->url);
  return c;
}

/* The texts stay the caller's, until canned_stop. */
static inline struct canned *
canned_start_each (const char *first, const char *second, const char *third,
                   const char *forever)
{
  struct canned *c = canned_listen ();

  c->answer[0] = first;
  c->answer[1] = second;
  c->answer[2] = third;
  c->forever = forever;
  ck_assert_int_eq (pthread_create (&c->thread, NULL, canned_serve, c), 0);
  return c;
}

static inline struct canned *
canned_start_forever (const char *answer, const char *forever)
{
  return canned_start_each (answer, NULL, NULL, forever);
}

static inline struct canned *
canned_start (const char *answer)
{
  return canned_start_each (answer, NULL, NULL, NULL);
}

/* One that is connected to and never says a word. */
static inline struct canned *
canned_deaf (void)
{
  struct canned *c = canned_listen ();

  c->deaf = 1;
  return c;
}

static inline const char *
canned_url (const struct canned *c)
{
  return c->url;
}

/* seen, if not NULL, gets what was asked (last); returns how often it was. */
static inline int
canned_stop (struct canned *c, char *seen, size_t size)
{
  int served;

  (void) shutdown (c->fd, SHUT_RDWR);   /* ends an accept, too */
  if (!c->deaf)
    ck_assert_int_eq (pthread_join (c->thread, NULL), 0);
  (void) close (c->fd);
  if (seen != NULL) {
    memset (seen, 0, size);
    (void) memccpy (seen, c->seen, '\0', size - 1);
  }
  served = c->served;
  free (c);
  return served;
}

#endif
