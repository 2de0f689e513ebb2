/* concurrent - many requests at once on one thread: keywheel by kw_submit,
 * beside two bare loops of curl_multi_socket_action and epoll.  The plain one
 * obeys each socket callback at once, as libcurl's documentation teaches; the
 * best one tells epoll at the next wait, and only what really differs. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kit.h"

enum { MAX_FD = 8192 };

struct one {
  CURL *easy;
  struct bench_sink sink;
};

/* A bare loop. */
struct loop {
  int deferred;
  int epoll_fd;
  CURLM *multi;
  long timeout_ms;
  uint32_t wanted[MAX_FD], registered[MAX_FD];
  unsigned char dirty[MAX_FD];
  int list[MAX_FD], n_list;
};

struct sides {
  struct bench b;
  struct one *ones;
  struct loop plain, best;
  int which;                    /* the bare loop of these rounds          */
  kw_client *client;
  long begun, ended;            /* of the round's n                       */
};

/* ---- The bare loops -------------------------------------------------------- */

static void
tell_epoll (struct loop *l, int fd)
{
  struct epoll_event ev = { .events = l->wanted[fd], .data.fd = fd };
  int op = l->wanted[fd] == 0 ? EPOLL_CTL_DEL
           : l->registered[fd] == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

  if (l->wanted[fd] == l->registered[fd])
    return;
  if (epoll_ctl (l->epoll_fd, op, fd, &ev) != 0 && op == EPOLL_CTL_MOD)
    (void) epoll_ctl (l->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
  l->registered[fd] = l->wanted[fd];
}

static int
on_socket (CURL *easy, curl_socket_t fd, int what, void *user, void *ours)
{
  struct loop *l = user;

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

static void
settle (struct loop *l)
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
  ((struct loop *) user)->timeout_ms = ms;
  return 0;
}

static void
open_loop (struct loop *l, int deferred)
{
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
  (void) curl_multi_setopt (l->multi, CURLMOPT_MAXCONNECTS, 1024L);
}

/* Ended transfers are judged, and begun again while there are any to begin. */
static void
collect (struct sides *s, struct loop *l)
{
  CURLMsg *msg;
  int left;

  while ((msg = curl_multi_info_read (l->multi, &left)) != NULL) {
    CURL *e = msg->easy_handle;
    CURLcode rc = msg->data.result;
    struct one *o = NULL;
    (void) curl_easy_getinfo (e, CURLINFO_PRIVATE, &o);
    bench_judge (e, rc, &o->sink);
    (void) curl_multi_remove_handle (l->multi, e);
    s->ended++;
    if (s->begun < s->b.n) {
      s->begun++;
      (void) curl_multi_add_handle (l->multi, e);
    }
  }
}

static void
bare (struct sides *s, struct loop *l)
{
  struct epoll_event events[128];
  int i, n, running;
  long k;

  for (k = 0; k < s->b.at_once; k++) {
    s->begun++;
    (void) curl_multi_add_handle (l->multi, s->ones[k].easy);
  }
  while (s->ended < s->b.n) {
    if (l->deferred)
      settle (l);
    n = l->timeout_ms == 0 ? 0
        : epoll_wait (l->epoll_fd, events, 128, (int) l->timeout_ms);
    if (n == 0) {
      l->timeout_ms = -1;
      (void) curl_multi_socket_action (l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    for (i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      int mask = ((events[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0)
                 | ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0)
                 | ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0
                    ? CURL_CSELECT_ERR : 0);
      if (l->deferred && l->wanted[fd] == 0)
        tell_epoll (l, fd);
      else
        (void) curl_multi_socket_action (l->multi, fd, mask, &running);
    }
    collect (s, l);
  }
}

/* ---- keywheel's side -------------------------------------------------------- */

static void begin (struct sides *s);

static void
on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  struct sides *s = user;
  size_t len = 0;

  if (code != 0)
    bench_die ("keywheel's side: %s", err->message);
  if (kw_reply_body (reply, &len) == NULL || len == 0)
    bench_die ("keywheel's side: no answer");
  kw_reply_free (reply);
  s->ended++;
  if (s->begun < s->b.n)
    begin (s);
}

static void
begin (struct sides *s)
{
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request r = KW_REQUEST_INIT;

  bench_request (&s->b, &r);
  on.on_end = on_end;
  s->begun++;
  if (kw_submit (s->client, &r, &on, s) == NULL)
    bench_die ("keywheel's side: no memory");
}

static void
by_keywheel (struct sides *s)
{
  struct pollfd p = { .fd = kw_client_fd (s->client), .events = POLLIN };
  long k;

  for (k = 0; k < s->b.at_once; k++)
    begin (s);
  while (s->ended < s->b.n) {
    (void) poll (&p, 1, kw_client_timeout (s->client));
    (void) kw_client_process (s->client);
  }
}

/* ---- Both -------------------------------------------------------------------- */

/* Requests a second. */
static double
side (void *user, int keywheel)
{
  struct sides *s = user;
  double began = bench_us ();

  s->begun = s->ended = 0;
  if (keywheel)
    by_keywheel (s);
  else
    bare (s, s->which == 0 ? &s->plain : &s->best);
  return (double) s->b.n / (bench_us () - began) * 1e6;
}

int
main (int argc, char **argv)
{
  static struct sides s = { .b = { .n = 10000, .rounds = 9, .at_once = 64,
                                   .body_size = 300 } };
  static const char *const loops[] = { "plain", "best" };
  struct bench_pair p;
  char what[80];
  long k;

  bench_args (&s.b, argc, argv);
  s.ones = calloc ((size_t) s.b.at_once, sizeof *s.ones);
  if (s.ones == NULL)
    bench_die ("out of memory");
  for (k = 0; k < s.b.at_once; k++) {
    s.ones[k].easy = bench_easy (&s.b, &s.ones[k].sink);
    (void) curl_easy_setopt (s.ones[k].easy, CURLOPT_PRIVATE, &s.ones[k]);
  }
  open_loop (&s.plain, 0);
  open_loop (&s.best, 1);
  s.client = bench_client (&s.b);
  for (s.which = 0; s.which < 2; s.which++) {
    if (s.b.only[0] != '\0') {
      (void) side (&s, strcmp (s.b.only, "keywheel") == 0);
      return 0;
    }
    bench_rounds (s.b.rounds, side, &s, &p);
    if (snprintf (what, sizeof what, "%ld at once, beside the %s bare loop",
                  s.b.at_once, loops[s.which]) < 0)
      return 1;
    bench_row (what, "requests/s", &p, s.which == 0 ? 1.0 : 0.93, 0);
  }
  kw_client_close (s.client);
  return 0;
}
