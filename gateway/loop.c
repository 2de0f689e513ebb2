/* loop - one epoll (see loop.h). */
#include "loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE 64

/* Of this thread's turn; 0: it has no loop. */
static _Thread_local int64_t turn_ms;

static int64_t
clock_ms (clockid_t clock)
{
  struct timespec now;

  (void) clock_gettime (clock, &now);
  return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
on_woken (struct gw_watch *watch, uint32_t events)
{
  struct gw_loop *loop = (struct gw_loop *) (void *) ((char *) watch
                                                      - offsetof (struct gw_loop, woken));
  struct gw_post *post;
  eventfd_t n;

  (void) events;
  (void) eventfd_read (watch->fd, &n);
  (void) pthread_mutex_lock (&loop->lock);
  post = loop->posts;
  loop->posts = NULL;
  loop->last = &loop->posts;
  (void) pthread_mutex_unlock (&loop->lock);
  while (post != NULL) {
    struct gw_post *next = post->next;
    post->run (post);
    post = next;
  }
}

int
gw_loop_init (struct gw_loop *loop)
{
  *loop = (struct gw_loop) { .epoll_fd = epoll_create1 (EPOLL_CLOEXEC),
                             .woken = { .on_ready = on_woken, .fd = -1 } };
  loop->last = &loop->posts;
  (void) pthread_mutex_init (&loop->lock, NULL);
  if (loop->epoll_fd < 0)
    return -errno;
  loop->woken.fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return loop->woken.fd >= 0 ? gw_loop_add (loop, &loop->woken, EPOLLIN) : -errno;
}

void
gw_loop_clear (struct gw_loop *loop)
{
  if (loop->epoll_fd >= 0)
    (void) close (loop->epoll_fd);
  if (loop->woken.fd >= 0)
    (void) close (loop->woken.fd);
  (void) pthread_mutex_destroy (&loop->lock);
}

void
gw_loop_wake (struct gw_loop *loop)
{
  (void) eventfd_write (loop->woken.fd, 1);
}

void
gw_loop_post (struct gw_loop *loop, struct gw_post *post)
{
  int first;

  post->next = NULL;
  (void) pthread_mutex_lock (&loop->lock);
  first = loop->posts == NULL;
  *loop->last = post;
  loop->last = &post->next;
  (void) pthread_mutex_unlock (&loop->lock);
  if (first)
    gw_loop_wake (loop);
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

int
gw_loop_wait (struct gw_loop *loop, int timeout_ms)
{
  struct epoll_event events[AT_ONCE];
  int n = epoll_wait (loop->epoll_fd, events, AT_ONCE, timeout_ms);

  turn_ms = clock_ms (CLOCK_MONOTONIC);

  for (int i = 0; i < n; i++) {
    struct gw_watch *watch = events[i].data.ptr;
    watch->on_ready (watch, events[i].events);
  }
  return n > 0 ? n : 0;
}

int64_t
gw_now_ms (void)
{
  return turn_ms != 0 ? turn_ms : clock_ms (CLOCK_MONOTONIC);
}

int64_t
gw_unix_ms (void)
{
  return clock_ms (CLOCK_REALTIME);
}
