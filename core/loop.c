/* loop - one descriptor for many, timers, messages; see loop.h. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "loop.h"

static int
watch (const struct kwi_loop *l, int fd)
{
  struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

  return epoll_ctl (l->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

int
kwi_loop_init (struct kwi_loop *l, int stop_fd)
{
  int saved;

  l->stop_fd = stop_fd;
  l->last_post = &l->posts;
  (void) pthread_mutex_init (&l->lock, NULL);
  l->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  l->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  l->now_ms = kwi_clock_system.mono_ms (NULL);
  if (l->wake_fd >= 0 && l->epoll_fd >= 0 && watch (l, l->wake_fd) == 0
      && (stop_fd < 0 || watch (l, stop_fd) == 0))
    return 0;
  saved = errno;
  kwi_loop_clear (l);
  return -saved;
}

void
kwi_loop_clear (struct kwi_loop *l)
{
  if (l->wake_fd >= 0)
    (void) close (l->wake_fd);
  if (l->epoll_fd >= 0)
    (void) close (l->epoll_fd);
  (void) pthread_mutex_destroy (&l->lock);
  free (l->fds);
  free (l->dirty);
}

/* ---- Descriptors --------------------------------------------------------- */

static int
make_room (struct kwi_loop *l, int fd)
{
  int n = l->n_fds == 0 ? 64 : l->n_fds;
  struct kwi_loop_fd *fds;

  if (fd < l->n_fds)
    return 0;
  while (n <= fd)
    n = n > INT_MAX / 2 ? INT_MAX : n * 2;
  fds = realloc (l->fds, (size_t) n * sizeof *fds);
  if (fds == NULL)
    return -1;
  memset (fds + l->n_fds, 0, (size_t) (n - l->n_fds) * sizeof *fds);
  l->fds = fds;
  l->n_fds = n;
  return 0;
}

/* Each is in the list once, so it has room for all that there are. */
static int
make_dirty_room (struct kwi_loop *l)
{
  size_t size = l->dirty_size == 0 ? 64 : l->dirty_size * 2;
  int *dirty;

  if (l->n_dirty < l->dirty_size)
    return 0;
  dirty = realloc (l->dirty, size * sizeof *dirty);
  if (dirty == NULL)
    return -1;
  l->dirty = dirty;
  l->dirty_size = size;
  return 0;
}

static uint32_t
epoll_events (int events)
{
  return ((events & KWI_LOOP_IN) != 0 ? EPOLLIN : 0U)
         | ((events & KWI_LOOP_OUT) != 0 ? EPOLLOUT : 0U);
}

/* Makes what is registered what is wanted.  A descriptor that was closed
 * behind our back and came again is not there to be changed: added anew. */
static void
settle (struct kwi_loop *l, int fd)
{
  struct kwi_loop_fd *f = &l->fds[fd];
  struct epoll_event ev = { .events = epoll_events (f->wanted), .data.fd = fd };
  int op = f->wanted == 0 ? EPOLL_CTL_DEL
           : f->registered == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

  if (f->wanted == f->registered)
    return;
  if (epoll_ctl (l->epoll_fd, op, fd, &ev) != 0) {
    if (op == EPOLL_CTL_MOD && errno == ENOENT)
      (void) epoll_ctl (l->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
    else if (op == EPOLL_CTL_ADD && errno == EEXIST)
      (void) epoll_ctl (l->epoll_fd, EPOLL_CTL_MOD, fd, &ev);
  }
  f->registered = f->wanted;
}

int
kwi_loop_want (struct kwi_loop *l, int fd, int events, int keep)
{
  struct kwi_loop_fd *f;

  if (make_room (l, fd) != 0)
    return -1;
  f = &l->fds[fd];
  f->wanted = (uint8_t) events;
  f->keep = keep != 0;
  if (events == 0 && !keep) {   /* it may be closed, and we not told */
    settle (l, fd);
    return 0;
  }
  if (f->dirty)
    return 0;
  if (make_dirty_room (l) != 0) {
    settle (l, fd);
    return 0;
  }
  f->dirty = 1;
  l->dirty[l->n_dirty++] = fd;
  return 0;
}

int
kwi_loop_own (struct kwi_loop *l, int fd)
{
  if (make_room (l, fd) != 0)
    return -1;
  l->fds[fd].wanted = l->fds[fd].registered = 0;
  l->fds[fd].keep = 1;
  return 0;
}

void
kwi_loop_forget (struct kwi_loop *l, int fd)
{
  if (fd < 0 || fd >= l->n_fds)
    return;
  l->fds[fd].wanted = 0;
  settle (l, fd);
  l->fds[fd].keep = 0;
}

void
kwi_loop_settle (struct kwi_loop *l)
{
  size_t i;

  for (i = 0; i < l->n_dirty; i++) {
    struct kwi_loop_fd *f = &l->fds[l->dirty[i]];
    f->dirty = 0;
    /* Not wanted now is most often wanted again soon. */
    if (f->wanted != 0 || !f->keep)
      settle (l, l->dirty[i]);
  }
  l->n_dirty = 0;
}

/* ---- Messages ------------------------------------------------------------ */

/* Its address tells threads apart. */
static _Thread_local char here;

void
kwi_loop_post (struct kwi_loop *l, struct kwi_post *p)
{
  const uint64_t one = 1;
  int wake = 0;

  (void) pthread_mutex_lock (&l->lock);
  if (!p->posted) {
    p->posted = 1;
    p->next = NULL;
    wake = l->posts == NULL && atomic_load (&l->thread) != &here;
    *l->last_post = p;
    l->last_post = &p->next;
    (void) atomic_fetch_add (&l->n_posts, 1);
  }
  if (wake && write (l->wake_fd, &one, sizeof one) < 0)
    wake = 0;                   /* full: it is readable, then */
  (void) pthread_mutex_unlock (&l->lock);
}

static void
unlink_post (struct kwi_loop *l, struct kwi_post **at)
{
  struct kwi_post *p = *at;

  *at = p->next;
  if (p->next == NULL)
    l->last_post = at;
  p->posted = 0;
  (void) atomic_fetch_sub (&l->n_posts, 1);
}

void
kwi_loop_unpost (struct kwi_loop *l, struct kwi_post *p)
{
  struct kwi_post **at;

  (void) pthread_mutex_lock (&l->lock);
  for (at = &l->posts; p->posted && *at != NULL; at = &(*at)->next)
    if (*at == p) {
      unlink_post (l, at);
      break;
    }
  (void) pthread_mutex_unlock (&l->lock);
}

static struct kwi_post *
next_post (struct kwi_loop *l)
{
  struct kwi_post *p;

  if (atomic_load (&l->n_posts) == 0)
    return NULL;
  (void) pthread_mutex_lock (&l->lock);
  p = l->posts;
  if (p != NULL)
    unlink_post (l, &l->posts);
  (void) pthread_mutex_unlock (&l->lock);
  return p;
}

/* ---- Turning ------------------------------------------------------------- */

/* What one turn does of a kind: a timer may set another that is due, a post
 * may post itself again. */
enum { A_TURN = 1024, TURNS = 64 };

int
kwi_loop_timeout (struct kwi_loop *l)
{
  const struct kwi_timer *first = l->timers.first;
  int64_t ms;

  if (atomic_load (&l->n_posts) > 0)
    return 0;
  if (first == NULL)
    return -1;
  ms = first->at_ms - kwi_clock_system.mono_ms (NULL);
  return ms <= 0 ? 0 : ms < INT_MAX ? (int) ms : INT_MAX;
}

/* Posts and timers that are due, and what comes of them, until nothing is: so
 * that a request which an ended call leads to is on its way before anybody
 * waits. */
static void
do_due (struct kwi_loop *l)
{
  struct kwi_post *p;
  int turn, n = 1;

  for (turn = 0; turn < TURNS && n > 0; turn++) {
    for (n = 0; n < A_TURN && (p = next_post (l)) != NULL; n++)
      p->run (p);
    while (n < 2 * A_TURN && kwi_timers_fire (&l->timers, l->now_ms))
      n++;
    if (n > 0)
      l->on_turn (l->user);
  }
}

static void
take_event (struct kwi_loop *l, int fd, uint32_t happened)
{
  struct kwi_loop_fd *f;
  uint64_t n;
  int events = 0;

  if (fd == l->wake_fd) {
    if (read (fd, &n, sizeof n) < 0)
      return;                   /* another look has read it */
    return;
  }
  if (fd == l->stop_fd) {
    (void) epoll_ctl (l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    l->stop_fd = -1;
    l->on_stop (l->user);
    return;
  }
  if (fd >= l->n_fds)
    return;
  f = &l->fds[fd];
  if (f->wanted == 0) {         /* idle: closed by its peer, as a rule */
    settle (l, fd);
    return;
  }
  if ((happened & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
    events |= KWI_LOOP_IN;
  if ((happened & (EPOLLOUT | EPOLLERR)) != 0)
    events |= KWI_LOOP_OUT;
  l->on_fd (l->user, fd, events);
}

void
kwi_loop_run (struct kwi_loop *l, int wait_ms)
{
  enum { A_LOOK = 128 };
  struct epoll_event events[A_LOOK];
  int i, n, left;

  atomic_store (&l->thread, &here);
  l->now_ms = kwi_clock_system.mono_ms (NULL);
  do_due (l);
  left = l->interrupted ? 0 : kwi_loop_timeout (l);
  if (wait_ms < 0 || (left >= 0 && left < wait_ms))
    wait_ms = left;
  kwi_loop_settle (l);
  n = epoll_wait (l->epoll_fd, events, A_LOOK, wait_ms);
  l->unread = n == A_LOOK;
  l->now_ms = kwi_clock_system.mono_ms (NULL);
  for (i = 0; i < n; i++)
    take_event (l, events[i].data.fd, events[i].events);
  if (n > 0)
    l->on_turn (l->user);
  do_due (l);
  kwi_loop_settle (l);
  l->interrupted = 0;
  atomic_store (&l->thread, NULL);
}
