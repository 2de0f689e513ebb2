/* send - answers on the wire (see send.h).
 * Each connection has a thread of its own, so a reader may simply wait. */
#include "send.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BLOCK 32768
#define LOOK_MS 50              /* whether the end has come */

/* ---- pauses --------------------------------------------------------------- */

int
sim_pauses_init (struct sim_pauses *p)
{
  pthread_condattr_t attr;
  p->over = 0;
  if (pthread_condattr_init (&attr) != 0)
    return -1;
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  int bad = pthread_mutex_init (&p->lock, NULL) != 0
            || pthread_cond_init (&p->changed, &attr) != 0;
  pthread_condattr_destroy (&attr);
  return bad ? -1 : 0;
}

void
sim_pauses_end (struct sim_pauses *p)
{
  pthread_mutex_lock (&p->lock);
  p->over = 1;
  pthread_cond_broadcast (&p->changed);
  pthread_mutex_unlock (&p->lock);
}

void
sim_pauses_destroy (struct sim_pauses *p)
{
  pthread_cond_destroy (&p->changed);
  pthread_mutex_destroy (&p->lock);
}

void
sim_pause (struct sim_pauses *p, int64_t ms)
{
  struct timespec until;
  if (ms <= 0)
    return;
  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t) (ms / 1000);
  until.tv_nsec += (long) (ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  pthread_mutex_lock (&p->lock);
  while (!p->over
         && pthread_cond_timedwait (&p->changed, &p->lock, &until) != ETIMEDOUT)
    ;
  pthread_mutex_unlock (&p->lock);
}

/* ---- connections that end badly ---------------------------------------------- */

static int
socket_of (struct MHD_Connection *connection)
{
  const union MHD_ConnectionInfo *info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);

  return info != NULL ? info->connect_fd : -1;
}

/* To the peer at once, whatever libmicrohttpd does with it then. */
static void
reset_connection (int fd)
{
  const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

  (void) connect (fd, &nowhere, sizeof nowhere);
}

static int
is_over (struct sim_pauses *p)
{
  pthread_mutex_lock (&p->lock);
  int over = p->over;
  pthread_mutex_unlock (&p->lock);
  return over;
}

static void
wait_for_hangup (struct sim_pauses *p, int fd)
{
  struct pollfd client = { .fd = fd, .events = POLLRDHUP };

  while (!is_over (p) && poll (&client, 1, LOOK_MS) <= 0)
    ;
}

/* ---- bodies that are made while they are sent ------------------------------- */

struct sending {
  struct sim_answer answer;     /* its own */
  struct sim_pauses *pauses;
  int fd;                       /* the connection's */
  size_t piece, offset;         /* of a stream */
};

static void
sending_free (void *user)
{
  struct sending *s = user;
  sim_answer_clear (&s->answer);
  free (s);
}

static ssize_t
cut_here (const struct sending *s)
{
  if (s->answer.reset)
    reset_connection (s->fd);
  return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t
read_cut (void *user, uint64_t pos, char *buf, size_t max)
{
  const struct sending *s = user;
  const struct sim_answer *a = &s->answer;
  size_t end = a->body_len / 2;
  if (pos >= end)
    return cut_here (s);
  size_t n = end - (size_t) pos < max ? end - (size_t) pos : max;
  memcpy (buf, a->body + pos, n);
  return (ssize_t) n;
}

/* A piece, or what fits of it, a call: each goes out as a chunk of its own. */
static ssize_t
read_stream (void *user, uint64_t pos, char *buf, size_t max)
{
  struct sending *s = user;
  const struct sim_answer *a = &s->answer;
  (void) pos;
  if (s->offset == 0) {
    if (a->break_at >= 0 && (int64_t) s->piece >= a->break_at)
      return cut_here (s);
    if (s->piece == a->n_pieces)
      return MHD_CONTENT_READER_END_OF_STREAM;
    if (s->piece > 0)
      sim_pause (s->pauses, a->chunk_delay_ms);
  }
  const char *rest = a->pieces[s->piece] + s->offset;
  size_t n = strnlen (rest, max);
  memcpy (buf, rest, n);
  s->offset += n;
  if (rest[n] == '\0') {
    s->piece++;
    s->offset = 0;
  }
  return (ssize_t) n;
}

static const char huge_head[]
  = "{\"id\":\"chatcmpl-huge\",\"object\":\"chat.completion\",\"created\":0,"
    "\"model\":\"keywheel-sim\",\"choices\":[{\"index\":0,\"message\":"
    "{\"role\":\"assistant\",\"content\":\"";
static const char huge_tail[]
  = "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":"
    "{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n";

/* Copies what of text, which stands at from in the whole, belongs to buf. */
static void
overlay (char *buf, uint64_t pos, size_t len, const char *text, size_t text_len,
         uint64_t from)
{
  uint64_t start = pos > from ? pos : from;
  uint64_t end = pos + len < from + text_len ? pos + len : from + text_len;
  if (start < end)
    memcpy (buf + (start - pos), text + (start - from), (size_t) (end - start));
}

static ssize_t
read_huge (void *user, uint64_t pos, char *buf, size_t max)
{
  const struct sim_answer *a = &((struct sending *) user)->answer;
  uint64_t size = (uint64_t) a->big_size;
  if (pos >= size)
    return MHD_CONTENT_READER_END_OF_STREAM;
  size_t n = size - pos < max ? (size_t) (size - pos) : max;
  memset (buf, 'x', n);
  overlay (buf, pos, n, huge_head, sizeof huge_head - 1, 0);
  overlay (buf, pos, n, huge_tail, sizeof huge_tail - 1, size - (sizeof huge_tail - 1));
  return (ssize_t) n;
}

static struct MHD_Response *
made_response (struct sim_answer *a, struct sim_pauses *pauses, int fd)
{
  MHD_ContentReaderCallback reader = a->shape == SIM_CUT ? read_cut
                                     : a->shape == SIM_HUGE ? read_huge
                                                            : read_stream;
  uint64_t size = a->shape == SIM_CUT ? a->body_len
                  : a->shape == SIM_HUGE && !a->chunked ? (uint64_t) a->big_size
                                                        : MHD_SIZE_UNKNOWN;
  struct sending *s = calloc (1, sizeof *s);
  if (s == NULL)
    return NULL;
  s->answer = *a;
  s->pauses = pauses;
  s->fd = fd;
  sim_answer_init (a);          /* what it held is s's now */
  struct MHD_Response *r = MHD_create_response_from_callback (size, BLOCK, reader, s,
                                                              sending_free);
  if (r == NULL)
    sending_free (s);
  return r;
}

static struct MHD_Response *
whole_response (struct sim_answer *a)
{
  struct MHD_Response *r
    = MHD_create_response_from_buffer (a->body_len, a->body, MHD_RESPMEM_MUST_FREE);
  if (r != NULL)
    a->body = NULL;
  return r;
}

enum MHD_Result
sim_send (struct MHD_Connection *connection, struct sim_answer *a,
          struct sim_pauses *pauses)
{
  unsigned status = (unsigned) a->status;
  int fd = socket_of (connection);
  struct sim_header headers[SIM_HEADERS_MAX];
  size_t n = a->n_headers;

  sim_pause (pauses, a->delay_ms);
  if (a->shape == SIM_HUNG)
    wait_for_hangup (pauses, fd);
  if (a->shape == SIM_HUNG || a->shape == SIM_DROPPED) {
    if (a->reset)
      reset_connection (fd);
    sim_answer_clear (a);
    return MHD_NO;
  }
  memcpy (headers, a->headers, sizeof headers);
  struct MHD_Response *r = a->shape == SIM_WHOLE ? whole_response (a)
                                                 : made_response (a, pauses, fd);
  sim_answer_clear (a);
  if (r == NULL)
    return MHD_NO;
  for (size_t i = 0; i < n; i++)
    MHD_add_response_header (r, headers[i].name, headers[i].value);
  enum MHD_Result queued = MHD_queue_response (connection, status, r);
  MHD_destroy_response (r);
  return queued;
}
