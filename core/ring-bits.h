/* ring-bits - a set of small numbers whose first member at or after another is
 * found in a step a level, however many numbers there are: 64 words are
 * summed up in one.  Knows nothing of keys. */
#ifndef KWI_RING_BITS_H
#define KWI_RING_BITS_H

#include <stddef.h>
#include <stdint.h>

#define KWI_BITS_LEVELS 4       /* 64^4: more than a store has subjects   */

struct kwi_bits {
  size_t n;                     /* numbers below n                        */
  uint64_t *level[KWI_BITS_LEVELS];
};

/* How many words a set of n needs, and the set, empty, in such words. */
size_t kwi_bits_words (size_t n);
void kwi_bits_init (struct kwi_bits *, uint64_t *zeroed, size_t n);

void kwi_bits_fill (struct kwi_bits *);
void kwi_bits_add (struct kwi_bits *, size_t i);
void kwi_bits_drop (struct kwi_bits *, size_t i);
/* The first member at or after from; n if there is none. */
size_t kwi_bits_next (const struct kwi_bits *, size_t from);

#endif
