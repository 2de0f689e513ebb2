/* ring-cache - for one model: which keys may be free, which are parked and
 * until when; so that a pick looks at a key or two, however many are parked.
 * Kept lazily over the ledger, which alone is right: a key in "open" is looked
 * at before it is used, and one whose facts changed is put back into it.
 * Knows neither the ledger nor what a key is; the caller locks. */
#ifndef KWI_RING_CACHE_H
#define KWI_RING_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "limits-ledger.h"
#include "ring-bits.h"
#include "ring-heap.h"

struct kwi_cache {
  uint32_t model;               /* the store's number                     */
  uint32_t epoch;               /* of the ring's clock, when it was filled */
  uint64_t used;                /* the ring's count of uses, when it was  */
  size_t n;
  struct kwi_bits open;         /* may be free                            */
  struct kwi_heap ranked;       /* the same by rank; without ranks unused */
  struct kwi_heap parked;       /* by the time at which they come back    */
  struct kwi_heap limited;      /* those that a RATE_LIMIT parked         */
  uint8_t *state;               /* of each key; ring-cache.c's            */
  size_t n_probed;              /* another call tries them                */
  size_t n_full;                /* as many requests on it as may be       */
  size_t n_by_verdict[8];       /* of all that are parked or probed       */
  int64_t *rank;                /* of each key; NULL: by their order      */
  int64_t fresh;                /* that of a key which has not served     */
  int64_t level;                /* the least of those that serve;
                                   INT64_MIN: there is nothing to catch up */
  size_t next;                  /* where the next round goes on           */
};

/* For n keys, all open and, if ranked, fresh.  NULL: no memory.  Free it with
 * free. */
struct kwi_cache *kwi_cache_new (size_t n, int ranked, int64_t fresh);
/* All are to be looked at again, and fresh again. */
void kwi_cache_refill (struct kwi_cache *);
/* Key is to be looked at again.  It makes up for nothing that it missed: its
 * rank becomes the least of those that serve, if that is more. */
void kwi_cache_open (struct kwi_cache *, size_t key);
/* An open key was looked at, and is blocked or being probed; or is full. */
void kwi_cache_park (struct kwi_cache *, size_t key, const struct kwi_look *);
void kwi_cache_fill (struct kwi_cache *, size_t key);
int kwi_cache_is_full (const struct kwi_cache *, size_t key);
/* Those whose time has come are to be looked at again. */
void kwi_cache_come_back (struct kwi_cache *, int64_t now_ms);
/* The first open key, by rank or from next on; n: none. */
size_t kwi_cache_first (const struct kwi_cache *);
void kwi_cache_set_rank (struct kwi_cache *, size_t key, int64_t rank);
/* The first parked key to come back, of both heaps; NULL: none. */
const struct kwi_heap_item *kwi_cache_next_back (const struct kwi_cache *);

#endif
