/* loop - descriptors, timers and messages of one thread at a time, behind one
 * descriptor that can be polled (an epoll's own).  Knows no HTTP.
 *
 * What is wanted of a descriptor is told to the system at the next wait, and
 * only if it really differs by then: a kept-alive connection is wanted, not
 * wanted and wanted again with each request, and each time would be a system
 * call.  One that stays registered although nobody wants it is taken out when
 * it stirs, so that a peer that closes an idle connection spins no core. */
#ifndef KWI_LOOP_H
#define KWI_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "timers.h"

/* A message to the loop's thread, part of what it is about; zero is "not on
 * its way". */
struct kwi_post {
  struct kwi_post *next;
  int posted;
  int _reserved;
  void (*run) (struct kwi_post *);
};

struct kwi_loop_fd {
  uint8_t wanted, registered;   /* KWI_LOOP_*                             */
  uint8_t dirty;                /* in the list                            */
  uint8_t keep;                 /* may stay registered: its end is told   */
};

enum { KWI_LOOP_IN = 1, KWI_LOOP_OUT = 2 };

struct kwi_loop {
  int epoll_fd, wake_fd, stop_fd;
  int64_t now_ms;               /* monotonic; of the last look            */
  struct kwi_timers timers;
  struct kwi_loop_fd *fds;      /* by number                              */
  int n_fds;
  int *dirty;                   /* wanted has changed, perhaps            */
  size_t n_dirty, dirty_size;

  pthread_mutex_t lock;         /* of the posts                           */
  struct kwi_post *posts, **last_post;
  atomic_int n_posts;
  _Atomic (const void *) thread; /* the one in kwi_loop_run; NULL         */
  int interrupted;              /* kwi_loop_run shall not wait any more   */
  int unread;                   /* more had happened than one look takes  */

  void (*on_fd) (void *user, int fd, int events);
  void (*on_turn) (void *user); /* after posts, timers or descriptors     */
  void (*on_stop) (void *user); /* stop_fd is readable; once              */
  void *user;
};

/* stop_fd: watched until it is readable; -1: none.  Zeroed, with its functions
 * and user set by the caller.  0 or a negative errno. */
int kwi_loop_init (struct kwi_loop *, int stop_fd);
void kwi_loop_clear (struct kwi_loop *);

/* A new descriptor whose closing will be told.  0 or -1: no memory. */
int kwi_loop_own (struct kwi_loop *, int fd);
/* events 0: nothing more.  keep: kwi_loop_forget comes before it is closed.
 * 0 or -1: no memory. */
int kwi_loop_want (struct kwi_loop *, int fd, int events, int keep);
void kwi_loop_forget (struct kwi_loop *, int fd);

/* From any thread: run (post) on the loop's, once for however many posts. */
void kwi_loop_post (struct kwi_loop *, struct kwi_post *);
/* It will not run; returns when that is sure.  On the loop's own thread, or
 * while nobody runs the loop. */
void kwi_loop_unpost (struct kwi_loop *, struct kwi_post *);

/* How long nothing is to be done, unless a descriptor stirs; -1: for ever. */
int kwi_loop_timeout (struct kwi_loop *);

/* Does what is due, waits up to wait_ms (-1: as long as kwi_loop_timeout says),
 * and does what came.  With interrupted set, then or before, it does not wait;
 * unset on return. */
void kwi_loop_run (struct kwi_loop *, int wait_ms);
/* Tells the system what is wanted now; for whoever polls epoll_fd himself. */
void kwi_loop_settle (struct kwi_loop *);

#endif
