/* ring-heap - numbers in the order of a value, the smallest on top, equal ones
 * by number.  Each is in at most once and knows its place, so that one in the
 * middle can be moved or taken out.  Allocates nothing. */
#ifndef KWI_RING_HEAP_H
#define KWI_RING_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct kwi_heap_item {
  int64_t value;
  uint32_t i;
  uint32_t _reserved;
};

/* Heaps whose numbers are apart may share pos. */
struct kwi_heap {
  struct kwi_heap_item *item;   /* room for as many as there are numbers  */
  size_t n;
  uint32_t *pos;                /* pos[i] of an i in it: its place + 1    */
};

/* Puts i in, or moves it, if it is in. */
void kwi_heap_put (struct kwi_heap *, size_t i, int64_t value);
/* i must be in it. */
void kwi_heap_take (struct kwi_heap *, size_t i);

#endif
