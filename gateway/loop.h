/* loop - the one wait of a thread: descriptors in an epoll, who is told of them,
 * and what other threads post.  Knows neither HTTP nor keywheel. */
#ifndef GW_LOOP_H
#define GW_LOOP_H

#include <pthread.h>
#include <stdint.h>

/* Part of what it watches for.  on_ready may not free any other watch: what is
 * ready besides has been counted already. */
struct gw_watch {
  void (*on_ready) (struct gw_watch *, uint32_t events);
  int fd;
  int _reserved;
};

/* Part of what it is about, which run may free. */
struct gw_post {
  struct gw_post *next;
  void (*run) (struct gw_post *);
};

struct gw_loop {
  int epoll_fd;
  int _reserved;
  struct gw_watch woken;        /* something was posted                   */
  pthread_mutex_t lock;         /* of the posts                           */
  struct gw_post *posts, **last;
};

/* 0 or a negative errno. */
int gw_loop_init (struct gw_loop *);
void gw_loop_clear (struct gw_loop *);

/* events: EPOLLIN and others, level-triggered unless it says otherwise.  0 or a
 * negative errno. */
int gw_loop_add (struct gw_loop *, struct gw_watch *, uint32_t events);
int gw_loop_change (struct gw_loop *, struct gw_watch *, uint32_t events);
/* A descriptor that is closed goes by itself. */
void gw_loop_remove (struct gw_loop *, struct gw_watch *);

/* From any thread: run is called on the loop's, in the order of the posts. */
void gw_loop_post (struct gw_loop *, struct gw_post *);
/* From any thread: it does not wait any longer. */
void gw_loop_wake (struct gw_loop *);

/* Waits up to timeout_ms (-1: for ever), and tells; returns how many. */
int gw_loop_wait (struct gw_loop *, int timeout_ms);

/* Monotonic; ms.  On a thread that has a loop the time when its wait ended: a
 * request asks often, and all that is done at once is done at one time. */
int64_t gw_now_ms (void);
/* Of the wall's clock, now. */
int64_t gw_unix_ms (void);

#endif
