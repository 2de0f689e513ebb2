/* keyed - a server that answers by who asks: for each secret the bytes that it
 * was given, any number of times, whatever is asked.  For what a provider says
 * of whose a key is. */
#ifndef KEYED_H
#define KEYED_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kwtest.h"

struct keyed_answer {
  const char *secret, *answer;  /* the whole answer, its head included */
};

struct keyed {
  int fd;
  const struct keyed_answer *answers;
  size_t n;
  char url[64];
  pthread_t thread;
};

/* All of a request, so that closing resets nothing; 0: it came. */
static inline int
keyed_read (int fd, char *buf, size_t size)
{
  size_t len = 0, want = 0;
  ssize_t n;

  for (;;) {
    const char *end, *length;

    buf[len] = '\0';
    end = strstr (buf, "\r\n\r\n");
    if (end != NULL) {
      length = strcasestr (buf, "\r\ncontent-length:");
      want = (size_t) (end + 4 - buf)
             + (length != NULL && length < end ? strtoul (length + 17, NULL, 10) : 0);
      if (len >= want)
        return 0;
    }
    if (len == size - 1 || (n = read (fd, buf + len, size - 1 - len)) <= 0)
      return -1;
    len += (size_t) n;
  }
}

static inline void *
keyed_serve (void *user)
{
  struct keyed *k = user;
  int fd;

  while ((fd = accept (k->fd, NULL, NULL)) >= 0) {
    static const char nobody[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                                 "Connection: close\r\n\r\n";
    const char *p = nobody;
    char seen[64 * 1024];

    if (keyed_read (fd, seen, sizeof seen) == 0) {
      for (size_t i = 0; i < k->n; i++)
        if (strstr (seen, k->answers[i].secret) != NULL)
          p = k->answers[i].answer;
      for (size_t left = strlen (p); left > 0; ) {
        ssize_t n = send (fd, p, left, MSG_NOSIGNAL);
        if (n <= 0)
          break;
        p += n;
        left -= (size_t) n;
      }
    }
    (void) close (fd);
  }
  return NULL;
}

/* The answers stay the caller's, until keyed_stop. */
static inline struct keyed *
keyed_start (const struct keyed_answer *answers, size_t n)
{
  struct keyed *k = calloc (1, sizeof *k);
  struct sockaddr_in at = { .sin_family = AF_INET };
  socklen_t size = sizeof at;
  int len;

  ck_assert_ptr_nonnull (k);
  k->answers = answers;
  k->n = n;
  at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  k->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_ge (k->fd, 0);
  ck_assert_int_eq (bind (k->fd, (struct sockaddr *) &at, sizeof at), 0);
  ck_assert_int_eq (listen (k->fd, 8), 0);
  ck_assert_int_eq (getsockname (k->fd, (struct sockaddr *) &at, &size), 0);
  len = snprintf (k->url, sizeof k->url, "http://127.0.0.1:%d/v1", ntohs (at.sin_port));
  ck_assert (len > 0 && (size_t) len < sizeof k->url);
  ck_assert_int_eq (pthread_create (&k->thread, NULL, keyed_serve, k), 0);
  return k;
}

static inline void
keyed_stop (struct keyed *k)
{
  (void) shutdown (k->fd, SHUT_RDWR); /* ends the accept, too */
  ck_assert_int_eq (pthread_join (k->thread, NULL), 0);
  (void) close (k->fd);
  free (k);
}

#endif
