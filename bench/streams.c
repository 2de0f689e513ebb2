/* streams - a client of many event streams at once that all come from bench/feed,
 * through PORT: how late each event is there.  When all have begun, listens for so
 * many seconds; prints
 *
 *   EVENTS P50 P99 MAX CPU KB
 *
 * the lateness and the processor time of the process PID for each event in
 * microseconds, and its resident memory then.
 *
 *   streams PORT PATH STREAMS SECONDS PID */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY "{\"model\":\"llama-3.3-70b-versatile\",\"stream\":true,\"messages\":" \
             "[{\"role\":\"user\",\"content\":\"What is a key wheel, in one sentence?\"}]}"

enum { BATCH = 64,              /* begun at a time, and heard of before the next */
       AT_ONCE = 256, HEAD = 4096,
       STAMP = 16,              /* hexadecimal digits, behind an '@'      */
       SETTLE_US = 2000000 };

enum where { IN_HEAD, IN_SIZE, IN_CHUNK, BEHIND };

struct stream {
  int fd;
  enum where where;             /* in the answer                          */
  size_t left;                  /* of the chunk                           */
  size_t n_digits;              /* of a stamp that has begun: 1 with '@'  */
  uint64_t stamp;
  uint64_t last;                /* the one before                         */
  int heard;                    /* of an event                            */
  size_t head_len;
  char *head;                   /* freed behind it                        */
};

static struct stream *streams;
static char request[1024];
static size_t request_len;
static int32_t *late;           /* of each event, us                      */
static size_t n_late, late_size, n_heard;
static int listening;           /* it is counted                          */
static int epoll_fd;

static void die (const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 1, 2), __noreturn__));

static void
die (const char *fmt, ...)
{
  va_list ap;

  (void) fputs ("streams: ", stderr);
  va_start (ap, fmt);
  (void) vfprintf (stderr, fmt, ap);
  va_end (ap);
  (void) fputc ('\n', stderr);
  exit (1);
}

static int64_t
now_us (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- What is heard ----------------------------------------------------------- */

static void
event (struct stream *s)
{
  int64_t by = now_us () - (int64_t) s->stamp;

  if (s->stamp <= s->last)
    die ("an event came twice, or before another one");
  s->last = s->stamp;
  n_heard += !s->heard;
  s->heard = 1;
  if (listening && n_late < late_size)
    late[n_late++] = (int32_t) by;
}

static int
digit (char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void
data (struct stream *s, const char *p, size_t len)
{
  const char *end = p + len;

  if (memmem (p, len, "{\"error\":", 9) != NULL)
    die ("a stream broke off: %.*s", (int) len, p);
  while (p < end) {
    if (s->n_digits == 0) {
      p = memchr (p, '@', (size_t) (end - p));
      if (p == NULL)
        return;
      p++;
      s->n_digits = 1;
      s->stamp = 0;
    }
    for (; p < end && s->n_digits <= STAMP; p++, s->n_digits++) {
      if (digit (*p) < 0)
        die ("an event was damaged");
      s->stamp = s->stamp << 4 | (uint64_t) digit (*p);
    }
    if (s->n_digits > STAMP) {
      s->n_digits = 0;
      event (s);
    }
  }
}

/* Its end, or NULL. */
static const char *
head (struct stream *s, const char *p, size_t len)
{
  size_t before = s->head_len, room = HEAD - 1 - before, n = len < room ? len : room;
  const char *end;

  if (s->head == NULL)
    s->head = malloc (HEAD);
  if (s->head == NULL)
    die ("no memory");
  memcpy (s->head + before, p, n);
  s->head_len += n;
  s->head[s->head_len] = '\0';
  end = strstr (s->head, "\r\n\r\n");
  if (end == NULL && n < len)
    die ("the head of an answer is too long");
  if (end == NULL)
    return NULL;
  if (strncmp (s->head, "HTTP/1.1 200", 12) != 0
      || strcasestr (s->head, "\r\nTransfer-Encoding: chunked\r\n") == NULL)
    die ("this is no stream:\n%s", s->head);
  p += (size_t) (end + 4 - s->head) - before;
  free (s->head);
  s->head = NULL;
  return p;
}

/* The line break behind a chunk's size, and that behind a chunk. */
static const char *
break_of (const char *p, const char *end)
{
  p = memchr (p, '\n', (size_t) (end - p));
  return p != NULL ? p + 1 : end;
}

static const char *
size_line (struct stream *s, const char *p, const char *end)
{
  for (; p < end && digit (*p) >= 0; p++)
    s->left = s->left << 4 | (size_t) digit (*p);
  if (p < end && *p == '\n') {
    if (s->left == 0)
      die ("a stream has ended");
    s->where = IN_CHUNK;
    p++;
  } else if (p < end) {
    p++;
  }
  return p;
}

static void
take (struct stream *s, const char *p, size_t len)
{
  const char *end = p + len;

  if (s->where == IN_HEAD) {
    p = head (s, p, len);
    if (p == NULL)
      return;
    s->where = IN_SIZE;
  }
  while (p < end) {
    size_t n = (size_t) (end - p) < s->left ? (size_t) (end - p) : s->left;
    switch (s->where) {
    case IN_CHUNK:
      data (s, p, n);
      p += n;
      s->left -= n;
      if (s->left == 0)
        s->where = BEHIND;
      break;
    case BEHIND:
      p = break_of (p, end);
      if (p[-1] == '\n')
        s->where = IN_SIZE;
      break;
    default:
      p = size_line (s, p, end);
    }
  }
}

static void
hear (struct stream *s)
{
  char buf[65536];
  ssize_t n = recv (s->fd, buf, sizeof buf, 0);

  if (n <= 0)
    die ("a stream was cut");
  take (s, buf, (size_t) n);
}

static void
turn (int timeout_ms)
{
  struct epoll_event ready[AT_ONCE];
  int n = epoll_wait (epoll_fd, ready, AT_ONCE, timeout_ms);

  for (int i = 0; i < n; i++)
    hear (ready[i].data.ptr);
}

static void
listen_for (int64_t us)
{
  int64_t until = now_us () + us;

  while (now_us () < until)
    turn (10);
}

/* ---- The whole ----------------------------------------------------------------- */

static void
begin (struct stream *s, int port)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) port),
                            .sin_addr = { htonl (INADDR_LOOPBACK) } };
  struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };

  s->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s->fd < 0 || connect (s->fd, (struct sockaddr *) &at, sizeof at) != 0
      || epoll_ctl (epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) != 0
      || send (s->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t) request_len)
    die ("cannot connect");
}

/* Of all of its threads, us. */
static double
processor_time (pid_t pid)
{
  struct timespec t;
  clockid_t clock;

  if (clock_getcpuclockid (pid, &clock) != 0 || clock_gettime (clock, &t) != 0)
    die ("there is no process %d", (int) pid);
  return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static long
resident_kb (pid_t pid)
{
  char text[256];
  long kb = 0;
  FILE *f;

  (void) snprintf (text, sizeof text, "/proc/%d/status", (int) pid);
  f = fopen (text, "r");
  while (f != NULL && kb == 0 && fgets (text, sizeof text, f) != NULL)
    if (strncmp (text, "VmRSS:", 6) == 0)
      kb = strtol (text + 6, NULL, 10);
  if (f != NULL)
    (void) fclose (f);
  return kb;
}

static int
by_size (const void *a, const void *b)
{
  int32_t x = *(const int32_t *) a, y = *(const int32_t *) b;

  return x < y ? -1 : x > y;
}

static void
print (double cpu_us, long kb)
{
  if (n_late == 0)
    die ("no event came");
  qsort (late, n_late, sizeof *late, by_size);
  (void) printf ("%zu %d %d %d %.2f %ld\n", n_late, late[n_late / 2], late[n_late * 99 / 100],
                 late[n_late - 1], cpu_us / (double) n_late, kb);
}

int
main (int argc, char **argv)
{
  struct rlimit files;
  double cpu_us;

  if (argc != 6)
    die ("streams PORT PATH STREAMS SECONDS PID");
  int port = (int) strtol (argv[1], NULL, 10);
  size_t n = strtoul (argv[3], NULL, 10);
  double seconds = strtod (argv[4], NULL);
  pid_t pid = (pid_t) strtol (argv[5], NULL, 10);
  int len = snprintf (request, sizeof request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                      "Authorization: Bearer none\r\nContent-Type: application/json\r\n"
                      "Accept: */*\r\nUser-Agent: bench\r\n"
                      "Content-Length: %zu\r\n\r\n%s", argv[2], port, strlen (BODY), BODY);
  if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void) setrlimit (RLIMIT_NOFILE, &files);
  }
  streams = calloc (n, sizeof *streams);
  late_size = (size_t) ((double) n * seconds * 16);
  late = malloc (late_size * sizeof *late);
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (len <= 0 || n == 0 || streams == NULL || late == NULL || epoll_fd < 0)
    die ("these arguments do not go");
  request_len = (size_t) len;
  for (size_t i = 0; i < n; i++) {
    begin (&streams[i], port);
    while (i % BATCH == BATCH - 1 && n_heard <= i)
      turn (-1);
  }
  while (n_heard < n)
    turn (-1);
  listen_for (SETTLE_US);
  listening = 1;
  cpu_us = processor_time (pid);
  listen_for ((int64_t) (seconds * 1e6));
  print (processor_time (pid) - cpu_us, resident_kb (pid));
  free (late);
  free (streams);
  return 0;
}
