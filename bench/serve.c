/* serve - a server of streams on loopback, for the benchmarks: prints its port,
 * and serves until its standard input ends.  What a request gets goes by the
 * beginning of its path:
 *
 *   /each/   10,000 events, each by a send of its own, as providers write them
 *   /bulk/   the same bytes, as much at once as the socket takes
 *   /hold/   the first event, and then silence */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 10000, MAX_FD = 65536, REQUEST = 4096 };

struct conn {
  char in[REQUEST];
  size_t in_len;
  int answering;                /* 'e', 'b', 'h': which path; 0: reading  */
  size_t event, sent;           /* where in the answer                    */
};

/* The whole answer, and where each event's chunk ends: ends[0] is the head. */
static char *answer;
static size_t ends[EVENTS + 3], n_ends;
static struct conn *conns[MAX_FD];
static int epoll_fd;

static void
die (const char *what)
{
  (void) fprintf (stderr, "serve: %s: %s\n", what, strerror (errno));
  exit (1);
}

static void
append (size_t *at, const char *text, size_t room)
{
  size_t len = strlen (text);

  if (len >= room - *at)
    die ("no room");
  memcpy (answer + *at, text, len + 1);
  *at += len;
  ends[n_ends++] = *at;
}

static void
make_answer (void)
{
  static const char head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
  static const char event[] =
    "data: {\"id\":\"chatcmpl-0c9a8b7d\",\"object\":\"chat.completion.chunk\","
    "\"created\":1767225600,\"model\":\"llama-3.3-70b-versatile\","
    "\"system_fingerprint\":\"fp_0123456789\",\"choices\":[{\"index\":0,\"delta\":"
    "{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
  static const char last[] =
    "data: {\"id\":\"chatcmpl-0c9a8b7d\",\"object\":\"chat.completion.chunk\","
    "\"created\":1767225600,\"model\":\"llama-3.3-70b-versatile\",\"choices\":"
    "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":"
    "{\"prompt_tokens\":52,\"completion_tokens\":9998,\"total_tokens\":10050}}\n\n";
  const size_t room = sizeof head + (EVENTS + 2) * (sizeof event + sizeof last);
  char chunk[1024];
  size_t at = 0;
  int i, n;

  answer = malloc (room);
  if (answer == NULL)
    die ("malloc");
  append (&at, head, room);
  for (i = 0; i < EVENTS; i++) {
    const char *e = i < EVENTS - 2 ? event
                    : i == EVENTS - 2 ? last : "data: [DONE]\n\n";
    n = snprintf (chunk, sizeof chunk, "%zx\r\n%s\r\n", strlen (e), e);
    if (n < 0 || (size_t) n >= sizeof chunk)
      die ("an event is too long");
    append (&at, chunk, room);
  }
  append (&at, "0\r\n\r\n", room);
}

static void
watch (int op, int fd, uint32_t events)
{
  struct epoll_event ev = { .events = events, .data.fd = fd };

  if (epoll_ctl (epoll_fd, op, fd, &ev) != 0)
    die ("epoll_ctl");
}

static void
drop (int fd)
{
  free (conns[fd]);
  conns[fd] = NULL;
  (void) close (fd);
}

/* Sends what the socket takes; MSG_NOSIGNAL: a client may leave at any time. */
static void
go_on (int fd)
{
  struct conn *c = conns[fd];
  const size_t stop = c->answering == 'h' ? 2 : n_ends;

  while (c->event < stop) {
    size_t to = c->answering == 'b' ? ends[n_ends - 1] : ends[c->event];
    ssize_t n = send (fd, answer + c->sent, to - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
      watch (EPOLL_CTL_MOD, fd, EPOLLOUT);
      return;
    }
    if (n < 0) {
      drop (fd);
      return;
    }
    c->sent += (size_t) n;
    if (c->sent == to)
      c->event = c->answering == 'b' ? n_ends : c->event + 1;
  }
  if (c->answering != 'h')
    c->answering = 0;
  c->event = c->sent = 0;
  watch (EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void
take_request (int fd)
{
  struct conn *c = conns[fd];
  ssize_t n = recv (fd, c->in + c->in_len, sizeof c->in - 1 - c->in_len, 0);
  const char *end, *length;

  if (n <= 0) {
    if (n == 0 || errno != EAGAIN)
      drop (fd);
    return;
  }
  c->in_len += (size_t) n;
  c->in[c->in_len] = '\0';
  end = strstr (c->in, "\r\n\r\n");
  length = end != NULL ? strcasestr (c->in, "\r\nContent-Length:") : NULL;
  if (length != NULL) {
    long body = strtol (length + sizeof "\r\nContent-Length:" - 1, NULL, 10);
    if (body < 0 || body > REQUEST
        || c->in_len < (size_t) (end + 4 - c->in) + (size_t) body)
      return;
    c->answering = strncmp (c->in, "POST /each/", 11) == 0 ? 'e'
                   : strncmp (c->in, "POST /bulk/", 11) == 0 ? 'b' : 'h';
    c->in_len = 0;
    go_on (fd);
  }
}

static void
welcome (int listener)
{
  static const int on = 1;
  int fd;

  while ((fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    (void) setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd >= MAX_FD || (conns[fd] = calloc (1, sizeof *conns[fd])) == NULL)
      die ("too many connections");
    watch (EPOLL_CTL_ADD, fd, EPOLLIN);
  }
}

int
main (void)
{
  struct rlimit files;
  struct sockaddr_in a = { .sin_family = AF_INET };
  struct epoll_event events[256];
  socklen_t len = sizeof a;
  int listener, i, n;

  if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void) setrlimit (RLIMIT_NOFILE, &files);
  }
  make_answer ();
  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  listener = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (listener < 0 || epoll_fd < 0
      || bind (listener, (struct sockaddr *) &a, sizeof a) != 0
      || listen (listener, 4096) != 0
      || getsockname (listener, (struct sockaddr *) &a, &len) != 0)
    die ("listen");
  watch (EPOLL_CTL_ADD, listener, EPOLLIN);
  watch (EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN);
  if (printf ("%d\n", ntohs (a.sin_port)) < 0 || fflush (stdout) != 0)
    die ("stdout");
  for (;;) {
    n = epoll_wait (epoll_fd, events, 256, -1);
    for (i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == STDIN_FILENO)
        return 0;
      if (fd == listener)
        welcome (fd);
      else if (conns[fd] == NULL)
        continue;
      else if ((events[i].events & EPOLLOUT) != 0)
        go_on (fd);
      else
        take_request (fd);
    }
  }
}
