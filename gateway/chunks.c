/* chunks - past libmicrohttpd (see chunks.h).  What the socket does not take is in
 * the request's out, framed already. */
#include "chunks.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "call.h"
#include "request.h"

/* libmicrohttpd's memory of a connection is touched all over while a request is
 * read.  What it gives the reader to write to may be lost, as nothing stands there:
 * its whole pages are the system's again for as long as the stream lasts. */
static void
give_back (char *buf, size_t room)
{
  uintptr_t page = (uintptr_t) sysconf (_SC_PAGESIZE);
  uintptr_t from = ((uintptr_t) buf + page - 1) / page * page;
  uintptr_t to = ((uintptr_t) buf + room) / page * page;

  if (to > from)
    (void) madvise ((void *) from, to - from, MADV_DONTNEED);
}

void
gw_chunks_begin (struct gw_request *r, char *buf, size_t room)
{
  r->past = 1;
  gw_buffer_clear (&r->out);
  give_back (buf, room);
}

void
gw_chunks_stop (struct gw_request *r)
{
  if (r->past)
    gw_buffer_clear (&r->out);
  r->past = 0;
}

/* How many bytes went out; -1: the client has gone. */
static ssize_t
send_some (const struct gw_request *r, struct iovec *parts, size_t n)
{
  const struct msghdr message = { .msg_iov = parts, .msg_iovlen = n };
  ssize_t sent = sendmsg (r->conn->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

  return sent >= 0 ? sent : errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
}

/* The client's hanging up is waited for at any time. */
static void
watch (const struct gw_request *r, uint32_t events)
{
  (void) gw_loop_change (&r->worker->loop, &r->conn->watch,
                         events | EPOLLRDHUP | EPOLLET);
}

/* What is left of the parts behind the first sent bytes. */
static int
keep (struct gw_request *r, const struct iovec *parts, size_t n, size_t sent)
{
  for (size_t i = 0; i < n; i++) {
    size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
    sent -= skip;
    if (gw_buffer_put (&r->out, (const char *) parts[i].iov_base + skip,
                       parts[i].iov_len - skip) != 0)
      return -1;
  }
  return 0;
}

int
gw_chunks_put (struct gw_request *r, const void *data, size_t len)
{
  int waits = gw_buffer_len (&r->out) > 0, n;
  char size[24], end[] = "\r\n";
  ssize_t sent = 0;

  n = snprintf (size, sizeof size, "%zx\r\n", len);
  if (len == 0 || n < 0 || (size_t) n >= sizeof size)
    return len == 0 ? 0 : -1;
  struct iovec parts[] = { { size, (size_t) n }, { (void *) (uintptr_t) data, len },
                           { end, 2 } };
  if (!waits) {
    sent = send_some (r, parts, 3);
    if (sent == n + (ssize_t) len + 2)
      return 0;
    r->moved_ms = gw_now_ms ();
  }
  if (sent < 0 || keep (r, parts, 3, (size_t) sent) != 0)
    return -1;
  if (!waits)
    watch (r, EPOLLOUT);
  return 0;
}

void
gw_chunks_flush (struct gw_request *r)
{
  struct iovec rest = { gw_buffer_bytes (&r->out), gw_buffer_len (&r->out) };
  ssize_t sent;

  if (!r->past || rest.iov_len == 0)
    return;
  sent = send_some (r, &rest, 1);
  if (sent == 0)
    watch (r, EPOLLOUT);        /* it may have been another reason than a full socket */
  if (sent <= 0)
    return;                     /* that it has gone is told besides */
  r->moved_ms = gw_now_ms ();
  gw_buffer_drop (&r->out, (size_t) sent);
  if (gw_buffer_len (&r->out) == 0) {
    gw_buffer_clear (&r->out);
    watch (r, 0);
  }
  gw_call_taken (r);
  if (r->handle == NULL)
    gw_chunks_end (r);
}

void
gw_chunks_end (struct gw_request *r)
{
  if (r->gone || r->completed || gw_buffer_len (&r->out) == 0)
    gw_request_wake (r);
}
