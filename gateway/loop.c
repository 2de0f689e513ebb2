/* loop - one epoll (see loop.h). */
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE 64

int
gw_loop_init (struct gw_loop *loop)
{
  loop->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  return loop->epoll_fd >= 0 ? 0 : -errno;
}

void
gw_loop_clear (struct gw_loop *loop)
{
  if (loop->epoll_fd >= 0)
    (void) close (loop->epoll_fd);
  loop->epoll_fd = -1;
}

static int
control (struct gw_loop *loop, int what, struct gw_watch *watch, uint32_t events)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  return epoll_ctl (loop->epoll_fd, what, watch->fd, &event) == 0 ? 0 : -errno;
}

int
gw_loop_add (struct gw_loop *loop, struct gw_watch *watch, uint32_t events)
{
  return control (loop, EPOLL_CTL_ADD, watch, events);
}

int
gw_loop_change (struct gw_loop *loop, struct gw_watch *watch, uint32_t events)
{
  return control (loop, EPOLL_CTL_MOD, watch, events);
}

void
gw_loop_remove (struct gw_loop *loop, struct gw_watch *watch)
{
  (void) control (loop, EPOLL_CTL_DEL, watch, 0);
}

void
gw_loop_wait (struct gw_loop *loop, int timeout_ms)
{
  struct epoll_event events[AT_ONCE];
  int n = epoll_wait (loop->epoll_fd, events, AT_ONCE, timeout_ms);

  for (int i = 0; i < n; i++) {
    struct gw_watch *watch = events[i].data.ptr;
    watch->on_ready (watch, events[i].events);
  }
}

static int64_t
clock_ms (clockid_t clock)
{
  struct timespec now;

  (void) clock_gettime (clock, &now);
  return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
gw_now_ms (void)
{
  return clock_ms (CLOCK_MONOTONIC);
}

int64_t
gw_unix_ms (void)
{
  return clock_ms (CLOCK_REALTIME);
}
