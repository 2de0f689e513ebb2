/* timers - points in time that something is to be done at: a pairing heap
 * through the timers themselves, so that nothing is allocated and most of
 * them, which are taken out before their time, cost next to nothing.
 * Knows no clock.  One thread at a time. */
#ifndef KWI_TIMERS_H
#define KWI_TIMERS_H

#include <stdint.h>

/* Zero is "not set". */
struct kwi_timer {
  int64_t at_ms;
  struct kwi_timer *child;      /* the first; its siblings are a list     */
  struct kwi_timer *next;
  struct kwi_timer **link;      /* what points to it; NULL: not set       */
  void (*fire) (struct kwi_timer *);
};

struct kwi_timers {
  struct kwi_timer *first;      /* the earliest; NULL: none               */
};

/* Moves it if it is set already. */
void kwi_timer_set (struct kwi_timers *, struct kwi_timer *, int64_t at_ms);
void kwi_timer_unset (struct kwi_timers *, struct kwi_timer *);

/* Fires the first one whose time has come, taken out before; 0: none had. */
int kwi_timers_fire (struct kwi_timers *, int64_t now_ms);

#endif
