/* gateway - clients of an HTTP server on loopback, for the benchmark of the
 * gateway: so many connections, each with one request at a time, for so many
 * requests; prints "REQUESTS/S P50 P99", the latter in microseconds.
 *
 *   gateway PORT PATH CONNECTIONS REQUESTS [FIELD...]
 *
 * FIELD: a header line more of each request. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 1024
#define BODY "{\"model\":\"llama-3.3-70b-versatile\",\"messages\":[{\"role\":\"user\"," \
             "\"content\":\"What is a key wheel, in one sentence?\"}]}"

struct conn {
  int fd;
  int64_t began_us;
  size_t got, want;             /* bytes of the answer; want 0: not known */
  char head[4096];
};

static char request[1024];
static size_t request_len;
static struct conn conns[MOST];
static int64_t *took;
static size_t n_sent, n_done, n_all;
static int epoll_fd;

static int64_t
now_us (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
die (const char *what)
{
  (void) fprintf (stderr, "gateway: %s\n", what);
  exit (1);
}

static void
ask (struct conn *c)
{
  c->began_us = now_us ();
  c->got = c->want = 0;
  n_sent++;
  if (send (c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t) request_len)
    die ("a request did not go out");
}

static void
open_one (struct conn *c, int port)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) port),
                            .sin_addr = { htonl (INADDR_LOOPBACK) } };
  struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
  const int yes = 1;

  c->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect (c->fd, (struct sockaddr *) &at, sizeof at) != 0
      || setsockopt (c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0
      || epoll_ctl (epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
    die ("cannot connect");
}

static void
learn_length (struct conn *c)
{
  const char *end, *length;

  c->head[c->got < sizeof c->head ? c->got : sizeof c->head - 1] = '\0';
  end = strstr (c->head, "\r\n\r\n");
  if (end == NULL)
    return;
  if (strncmp (c->head, "HTTP/1.1 200", 12) != 0)
    die (c->head);
  length = strcasestr (c->head, "content-length: ");
  if (length == NULL)
    die ("an answer without its length");
  c->want = (size_t) (end + 4 - c->head) + strtoul (length + 16, NULL, 10);
}

static void
hear (struct conn *c)
{
  char more[65536];
  size_t room = sizeof c->head - 1;
  ssize_t n = recv (c->fd, more, sizeof more, 0);

  if (n <= 0)
    die ("a connection was closed");
  if (c->got < room)
    memcpy (c->head + c->got, more, (size_t) n < room - c->got ? (size_t) n : room - c->got);
  c->got += (size_t) n;
  if (c->want == 0)
    learn_length (c);
  if (c->want == 0 || c->got < c->want)
    return;
  took[n_done++] = now_us () - c->began_us;
  if (n_sent < n_all)
    ask (c);
}

static int
by_size (const void *a, const void *b)
{
  int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

  return x < y ? -1 : x > y;
}

int
main (int argc, char **argv)
{
  struct epoll_event ready[64];
  int64_t began;

  if (argc < 5)
    die ("gateway PORT PATH CONNECTIONS REQUESTS [FIELD...]");
  int port = (int) strtol (argv[1], NULL, 10), n_conns = (int) strtol (argv[3], NULL, 10);
  n_all = strtoul (argv[4], NULL, 10);
  took = calloc (n_all, sizeof *took);
  char fields[512] = "";
  size_t at = 0;
  for (int i = 5; i < argc; i++) {
    int len = snprintf (fields + at, sizeof fields - at, "%s\r\n", argv[i]);
    if (len < 0 || (size_t) len >= sizeof fields - at)
      die ("these fields are too long");
    at += (size_t) len;
  }
  int n = snprintf (request, sizeof request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                    "Authorization: Bearer none\r\nContent-Type: application/json\r\n"
                    "Accept: */*\r\nUser-Agent: bench\r\n%s"
                    "Content-Length: %zu\r\n\r\n%s", argv[2], port, fields, strlen (BODY),
                    BODY);
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (n <= 0 || n_conns < 1 || n_conns > MOST || n_all < (size_t) n_conns || took == NULL)
    die ("these arguments do not go");
  request_len = (size_t) n;
  for (int i = 0; i < n_conns; i++)
    open_one (&conns[i], port);
  began = now_us ();
  for (int i = 0; i < n_conns; i++)
    ask (&conns[i]);
  while (n_done < n_all) {
    n = epoll_wait (epoll_fd, ready, 64, -1);
    for (int i = 0; i < n; i++)
      hear (ready[i].data.ptr);
  }
  double s = (double) (now_us () - began) / 1e6;
  qsort (took, n_done, sizeof *took, by_size);
  (void) printf ("%.0f %lld %lld\n", (double) n_done / s, (long long) took[n_done / 2],
                 (long long) took[n_done * 99 / 100]);
  free (took);
  return 0;
}
