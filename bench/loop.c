/* loop - bare curl_multi_socket_action and epoll; see loop.h. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kit.h"
#include "loop.h"

enum { MAX_FD = 65536, AT_A_TIME = 256 };

struct bench_loop {
  int deferred;
  int epoll_fd;
  CURLM *multi;
  long timeout_ms;
  uint32_t wanted[MAX_FD], registered[MAX_FD];
  unsigned char dirty[MAX_FD];
  int list[MAX_FD], n_list;     /* the dirty ones                         */
};

static void
tell_epoll (struct bench_loop *l, int fd)
{
  struct epoll_event ev = { .events = l->wanted[fd], .data.fd = fd };
  int op = l->wanted[fd] == 0 ? EPOLL_CTL_DEL
           : l->registered[fd] == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

  if (l->wanted[fd] == l->registered[fd])
    return;
  if (epoll_ctl (l->epoll_fd, op, fd, &ev) != 0)
    bench_die ("epoll_ctl failed");
  l->registered[fd] = l->wanted[fd];
}

static int
on_socket (CURL *easy, curl_socket_t fd, int what, void *user, void *ours)
{
  struct bench_loop *l = user;

  (void) easy, (void) ours;
  if (fd >= MAX_FD)
    bench_die ("more descriptors than this benchmark has room for");
  l->wanted[fd] = what == CURL_POLL_REMOVE ? 0
                  : ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U)
                    | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
  if (!l->deferred)
    tell_epoll (l, fd);
  else if (!l->dirty[fd]) {
    l->dirty[fd] = 1;
    l->list[l->n_list++] = fd;
  }
  return 0;
}

/* The kernel forgets what is closed, and the number comes back. */
static int
on_close (void *user, curl_socket_t fd)
{
  struct bench_loop *l = user;

  l->wanted[fd] = l->registered[fd] = 0;
  return close (fd);
}

/* What is idle stays registered, as its next request most likely comes first;
 * if its peer speaks or leaves before, the turn takes it out. */
static void
settle (struct bench_loop *l)
{
  int i;

  for (i = 0; i < l->n_list; i++) {
    l->dirty[l->list[i]] = 0;
    if (l->wanted[l->list[i]] != 0)
      tell_epoll (l, l->list[i]);
  }
  l->n_list = 0;
}

static int
on_timer (CURLM *multi, long ms, void *user)
{
  (void) multi;
  ((struct bench_loop *) user)->timeout_ms = ms;
  return 0;
}

struct bench_loop *
bench_loop_new (int deferred)
{
  struct bench_loop *l = calloc (1, sizeof *l);

  if (l == NULL)
    bench_die ("out of memory");
  l->deferred = deferred;
  l->timeout_ms = -1;
  l->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  l->multi = curl_multi_init ();
  if (l->epoll_fd < 0 || l->multi == NULL)
    bench_die ("no epoll, or no memory");
  (void) curl_multi_setopt (l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  (void) curl_multi_setopt (l->multi, CURLMOPT_SOCKETDATA, l);
  (void) curl_multi_setopt (l->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  (void) curl_multi_setopt (l->multi, CURLMOPT_TIMERDATA, l);
  (void) curl_multi_setopt (l->multi, CURLMOPT_MAXCONNECTS, (long) MAX_FD);
  return l;
}

void
bench_loop_free (struct bench_loop *l)
{
  (void) curl_multi_cleanup (l->multi);
  (void) close (l->epoll_fd);
  free (l);
}

void
bench_loop_fit (struct bench_loop *l, CURL *e)
{
  (void) curl_easy_setopt (e, CURLOPT_CLOSESOCKETFUNCTION, on_close);
  (void) curl_easy_setopt (e, CURLOPT_CLOSESOCKETDATA, l);
}

void
bench_loop_add (struct bench_loop *l, CURL *e)
{
  if (curl_multi_add_handle (l->multi, e) != CURLM_OK)
    bench_die ("curl_multi_add_handle failed");
}

void
bench_loop_turn (struct bench_loop *l, void (*ended) (void *, CURL *, CURLcode),
                 void *user)
{
  struct epoll_event events[AT_A_TIME];
  CURLMsg *msg;
  int i, n, running, left;

  if (l->deferred)
    settle (l);
  n = l->timeout_ms == 0
      ? 0 : epoll_wait (l->epoll_fd, events, AT_A_TIME, (int) l->timeout_ms);
  if (n == 0) {
    l->timeout_ms = -1;
    (void) curl_multi_socket_action (l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  for (i = 0; i < n; i++) {
    int fd = events[i].data.fd;
    uint32_t ev = events[i].events;
    if (l->wanted[fd] == 0)
      tell_epoll (l, fd);
    else
      (void) curl_multi_socket_action (
        l->multi, fd,
        ((ev & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0)
          | ((ev & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0)
          | ((ev & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0),
        &running);
  }
  while ((msg = curl_multi_info_read (l->multi, &left)) != NULL) {
    CURL *e = msg->easy_handle;
    CURLcode rc = msg->data.result;
    (void) curl_multi_remove_handle (l->multi, e);
    ended (user, e, rc);
  }
}
