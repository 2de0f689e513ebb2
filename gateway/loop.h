/* loop - the gateway's one wait: descriptors in an epoll, and who is told of
 * them.  Knows neither HTTP nor keywheel. */
#ifndef GW_LOOP_H
#define GW_LOOP_H

#include <stdint.h>

/* Part of what it watches for.  on_ready may not free any other watch: what is
 * ready besides has been counted already. */
struct gw_watch {
  void (*on_ready) (struct gw_watch *, uint32_t events);
  int fd;
  int _reserved;
};

struct gw_loop {
  int epoll_fd;
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

/* Waits up to timeout_ms (-1: for ever), and tells. */
void gw_loop_wait (struct gw_loop *, int timeout_ms);

/* Monotonic; ms. */
int64_t gw_now_ms (void);
/* Of the wall's clock. */
int64_t gw_unix_ms (void);

#endif
