/* feed - a provider of event streams on loopback that never end, for the benchmark
 * of many of them: each gets so many events a second, and each event says when it
 * was sent.  Those of all streams are spread evenly over the time.  Prints its
 * port, and serves until its standard input ends.
 *
 *   feed EVENTS/S */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 65536, REQUEST = 4096, AT_ONCE = 256 };

#define STAMP "0123456789abcdef"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" \
             "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
/* The client looks for the '@'; there is no other one. */
#define EVENT "data: {\"id\":\"chatcmpl-0c9a8b7d\",\"object\":\"chat.completion.chunk\"," \
              "\"created\":1767225600,\"model\":\"llama-3.3-70b-versatile\"," \
              "\"system_fingerprint\":\"fp_0123456789\",\"choices\":[{\"index\":0,\"delta\":" \
              "{\"content\":\"@" STAMP "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"

struct stream {
  char in[REQUEST];             /* of its request                         */
  size_t in_len;
  size_t place;                 /* in line, if it is fed                  */
  int fed;
};

static struct stream *streams[MAX_FD];
static int line[MAX_FD];        /* those that are fed, in turn            */
static size_t n_fed, next;
static char chunk[512];         /* an event as it is sent                 */
static size_t chunk_len, stamp_at;
static int epoll_fd;

static void
die (const char *what)
{
  (void) fprintf (stderr, "feed: %s: %s\n", what, strerror (errno));
  exit (1);
}

static int64_t
now_us (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
make_chunk (void)
{
  int n = snprintf (chunk, sizeof chunk, "%zx\r\n%s\r\n", strlen (EVENT), EVENT);

  if (n < 0 || (size_t) n >= sizeof chunk)
    die ("an event is too long");
  chunk_len = (size_t) n;
  stamp_at = (size_t) (strchr (chunk, '@') - chunk) + 1;
}

static void
drop (int fd)
{
  struct stream *s = streams[fd];

  if (s->fed) {
    line[s->place] = line[--n_fed];
    streams[line[s->place]]->place = s->place;
  }
  streams[fd] = NULL;
  free (s);
  (void) close (fd);
}

static void
feed (int fd)
{
  static const char digits[] = "0123456789abcdef";
  uint64_t now = (uint64_t) now_us ();

  for (size_t i = 16; i-- > 0; now >>= 4)
    chunk[stamp_at + i] = digits[now & 15];
  /* Who does not read for so long that nothing fits is late enough to see. */
  if (send (fd, chunk, chunk_len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) chunk_len)
    drop (fd);
}

static void
begin (int fd)
{
  struct stream *s = streams[fd];

  s->fed = 1;
  s->place = n_fed;
  line[n_fed++] = fd;
  if (send (fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) != sizeof HEAD - 1)
    drop (fd);
  else
    feed (fd);
}

static void
hear (int fd)
{
  struct stream *s = streams[fd];
  ssize_t n = recv (fd, s->in + s->in_len, sizeof s->in - 1 - s->in_len, 0);
  const char *end, *length;

  if (n <= 0) {
    if (n == 0 || errno != EAGAIN)
      drop (fd);
    return;
  }
  s->in_len += (size_t) n;
  s->in[s->in_len] = '\0';
  end = strstr (s->in, "\r\n\r\n");
  length = end != NULL ? strcasestr (s->in, "\r\nContent-Length:") : NULL;
  if (length == NULL || s->fed)
    return;
  if (s->in_len >= (size_t) (end + 4 - s->in)
                   + strtoul (length + sizeof "\r\nContent-Length:" - 1, NULL, 10))
    begin (fd);
}

static void
watch (int fd)
{
  struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

  if (epoll_ctl (epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
    die ("epoll_ctl");
}

static void
welcome (int listener)
{
  static const int on = 1;
  int fd;

  while ((fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    (void) setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd >= MAX_FD || (streams[fd] = calloc (1, sizeof *streams[fd])) == NULL)
      die ("too many connections");
    watch (fd);
  }
}

/* What was due since the last time, a millisecond ago or so; what is more than each
 * stream's next one is given up. */
static void
feed_due (double per_second)
{
  static int64_t last;
  static double due;
  int64_t now = now_us ();

  due += (double) (now - last) * 1e-6 * per_second * (double) n_fed;
  last = now;
  if (due > (double) n_fed)
    due = (double) n_fed;
  for (; due >= 1 && n_fed > 0; due--) {
    if (next >= n_fed)
      next = 0;
    feed (line[next++]);
  }
}

static int
listen_somewhere (void)
{
  struct sockaddr_in a = { .sin_family = AF_INET };
  socklen_t len = sizeof a;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  if (fd < 0 || bind (fd, (struct sockaddr *) &a, sizeof a) != 0 || listen (fd, 4096) != 0
      || getsockname (fd, (struct sockaddr *) &a, &len) != 0)
    die ("listen");
  if (printf ("%d\n", ntohs (a.sin_port)) < 0 || fflush (stdout) != 0)
    die ("stdout");
  return fd;
}

int
main (int argc, char **argv)
{
  double per_second = argc == 2 ? strtod (argv[1], NULL) : 0;
  struct epoll_event ready[AT_ONCE];
  struct rlimit files;
  int listener, n;

  if (per_second <= 0)
    die ("feed EVENTS/S");
  if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void) setrlimit (RLIMIT_NOFILE, &files);
  }
  make_chunk ();
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (epoll_fd < 0)
    die ("epoll_create1");
  listener = listen_somewhere ();
  watch (listener);
  watch (STDIN_FILENO);
  for (;;) {
    n = epoll_wait (epoll_fd, ready, AT_ONCE, n_fed > 0 ? 1 : -1);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd == STDIN_FILENO)
        return 0;
      if (fd == listener)
        welcome (fd);
      else if (streams[fd] != NULL)
        hear (fd);
    }
    feed_due (per_second);
  }
}
