/* keyring - a provider's keys in order, which of them a request goes out on,
 * and what an answer means for them.  Holds the ledger and the lock that
 * guards both; no callback of the user's and no I/O under it.
 * Knows a key by name and fingerprint, never its secret. */
#ifndef KWI_KEYRING_H
#define KWI_KEYRING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "limits-ledger.h"
#include "pace.h"
#include "ring-line.h"

struct kwi_keyring;

/* A pick or a report takes so many numbers at once, for the events that tell
 * of it. */
#define KWI_SEQ_STEP 4

/* seq: the client's counter, taken under the lock so that it tells in which
 * order things were decided.  wake: called under the lock for a waiter that is
 * to pick again: the first of a line, when what it waits for has changed or when
 * the one before it has gone; it must only set a flag. */
struct kwi_keyring *kwi_keyring_new (atomic_uint_fast64_t *seq,
                                     void (*wake) (struct kwi_waiter *));
void kwi_keyring_free (struct kwi_keyring *);

/* Before the first pick: KWI_PACE_*; stay: a key whose short limit is reached
 * is waited for, though others are free. */
void kwi_keyring_pace (struct kwi_keyring *, int flags, int stay);

/* Where a new request begins, and where a switch goes; for each model apart. */
enum kwi_strategy {
  KWI_PRIORITY = 0,             /* the first in order that is free        */
  KWI_ROUND_ROBIN,              /* one after the other                    */
  KWI_WEIGHTED,                 /* in proportion to their weights         */
  KWI_LEAST_USED,               /* the fewest tokens charged              */
  KWI_MOST_REMAINING            /* the largest part of its tightest bucket */
};

/* Before the first pick.  max_concurrency: requests at once on one key; 0: no
 * bound. */
void kwi_keyring_strategy (struct kwi_keyring *, enum kwi_strategy,
                           int max_concurrency);
void kwi_keyring_weigh (struct kwi_keyring *, size_t key, uint32_t weight);
/* How many may wait at once; 0: no bound. */
void kwi_keyring_max_waiting (struct kwi_keyring *, int max);

/* Before the first pick.  0 or -1 (no memory). */
int kwi_keyring_add (struct kwi_keyring *, const char *name,
                     const char *fingerprint);
size_t kwi_keyring_count (const struct kwi_keyring *);
const char *kwi_keyring_name (const struct kwi_keyring *, size_t key);
/* The key of that name, or the count if there is none. */
size_t kwi_keyring_index (const struct kwi_keyring *, const char *name);

enum kwi_picked {
  KWI_PICK_KEY = 0,             /* key is free for this model             */
  KWI_PICK_BUSY,                /* none is free, but one is being probed, has
                                   as many requests as may be, or others came
                                   before: the waiter is woken            */
  KWI_PICK_LINE,                /* limited_key is waited for, in its line:
                                   the waiter is woken; if it is the first, it
                                   also looks again at limited_ready_ms   */
  KWI_PICK_MANY,                /* it would wait, but max_waiting do      */
  KWI_PICK_NOWHERE,             /* it would wait, but there is no memory  */
  KWI_PICK_NONE                 /* all blocked; but if limited_ready_ms is
                                   known, as with LINE                    */
};

/* A key as it was picked; subjects are the keyring's own: an answer may name
 * another account than the one that was probed. */
struct kwi_hold {
  size_t key;                   /* KWI_NO_KEY: none                       */
  uint32_t subjects[3];
  uint32_t model;               /* the store's number for it; 0           */
  int probe;                    /* it tries what they park                */
  int held;                     /* one of the key's max_concurrency       */
  struct kwi_line *line;        /* that let it through; the ring's own    */
  uint32_t refusals;            /* that line had seen then                */
  int64_t mark;                 /* and its place in the line's bucket     */
  int64_t charged;              /* tokens, until it is known how many     */
  struct kwi_booking booking;   /* its place in the buckets               */
};

/* What a request asks of a key besides its model. */
struct kwi_want {
  const struct kwi_size *size;  /* NULL: any                              */
  int64_t left_ms;              /* of its deadline: no longer wait helps  */
  struct kwi_hold *turn;        /* that it was given before, or none      */
};

struct kwi_pick {
  enum kwi_picked picked;
  int probe;                    /* KEY: 1, this call probes it            */
  struct kwi_hold hold;         /* KEY                                    */
  int64_t wait_ms;              /* KEY: above 0, a place there, to be taken
                                   after so long by another pick          */
  const char *by;               /* the dimension that holds it up; NULL   */
  uint64_t seq;
  /* What was found on the way, but for a KEY. */
  size_t ready_key;             /* the first to come back                 */
  int64_t ready_ms;             /* when; KWI_NEVER                        */
  size_t limited_key;           /* the same of those that a RATE_LIMIT parked */
  int64_t limited_ready_ms;
  uint32_t prefer_verdict;      /* what parked the preferred key; 0       */
  int full;                     /* BUSY: max_concurrency is why           */
  int joined;                   /* the waiter has just begun to wait      */
  size_t ahead;                 /* how many came before it: just then; later
                                   only whether                           */
  struct kwi_line *line;        /* where it waits; the ring's own; or else: */
  size_t full_key;              /* the key that it stays with, which is full */
  size_t n_by_verdict[8];       /* keys by what blocks them               */
};

#define KWI_NO_KEY SIZE_MAX

/* How many wait. */
size_t kwi_keyring_waiting (struct kwi_keyring *);

/* The key on which call's next attempt goes out: prefer (a retry stays on its
 * key) if that is free, else the first in order that is; one whose reset has
 * passed is probed by one call at a time.  waiter: to be woken, and in order of
 * arrival, which the call's number tells; NULL with call 0: only a look.  want:
 * NULL, any size. */
void kwi_keyring_pick (struct kwi_keyring *, const char *model, size_t prefer,
                       uint64_t call, struct kwi_waiter *waiter,
                       const struct kwi_want *want, int64_t now_ms,
                       struct kwi_pick *ret);

/* What an answer on key is worth.  park: whether its verdict parks its scope
 * (the policy's choice for RATE_LIMIT and AUTH). */
struct kwi_effect {
  uint64_t seq;                 /* verdict; + 1 account, + 2 parked, + 3 revived */
  int newly_parked;             /* it was not before: tell of it once     */
  int revived;                  /* facts that this probe freed            */
  int account_learnt;
  int _reserved;
  int64_t park_ms;              /* how long from now; KWI_NEVER           */
  size_t n_members;             /* of the account learnt: how many keys,  */
  char members[128];            /* and which, for people                  */
};
void kwi_keyring_report (struct kwi_keyring *, struct kwi_hold *,
                         const char *model, uint64_t call,
                         const struct kwi_size *,
                         const struct kwi_judgement *, int park,
                         int64_t default_park_ms, int64_t received_ms,
                         int64_t now_ms, struct kwi_effect *ret);

/* After a report of a short limit that parks nothing, as the key is kept and
 * waited for: until ready_ms, and then in order.  The call waits for it, too; or
 * waiter NULL: it does not.  0, and how many came before it; 1: it cannot, as
 * max_waiting do; -1: no memory. */
int kwi_keyring_line_up (struct kwi_keyring *, struct kwi_hold *,
                         const char *model, uint64_t call,
                         struct kwi_waiter *, const struct kwi_judgement *,
                         int64_t ready_ms, int64_t received_ms, int64_t now_ms,
                         size_t *ret_ahead);

/* The call is over, or goes to another key: a probe it held is given back, its
 * waiter waits no more. */
void kwi_keyring_leave (struct kwi_keyring *, struct kwi_hold *,
                        const char *model, uint64_t call,
                        struct kwi_waiter *waiter);

/* Forgets what blocks a key (and its account); key == count: every key. */
void kwi_keyring_reset (struct kwi_keyring *, size_t key, int64_t now_ms);

/* When a request for model, of that size (NULL: any), finds a key: KWI_NEVER,
 * or a time at or before now_ms. */
int64_t kwi_keyring_next_ready (struct kwi_keyring *, const char *model,
                                const struct kwi_size *, int64_t now_ms);

/* ---- For status.c: a copy taken under the lock ------------------------- */

struct kwi_key_view {
  char name[64];
  char fingerprint[17];
  char account[64];
  char _reserved[7];
  struct kwi_look look;         /* for the configured model               */
  uint64_t requests, tokens;
  size_t first_fact, n_facts;   /* into facts: those that block now       */
  size_t first_left, n_left;    /* into left                              */
};
struct kwi_fact_view {
  char model[96];
  struct kwi_fact fact;         /* next is NULL                           */
  int account_wide;
  int _reserved;
};
/* A bucket, whether it blocks or not; numbers that are not known are -1, times 0. */
struct kwi_left_view {
  char model[96];
  char dimension[32];
  int64_t limit, remaining;
  int64_t window_ms, full_ms, seen_ms;
  int account_wide, rolling;
};
struct kwi_ring_view {
  struct kwi_key_view *keys;
  size_t n_keys;
  struct kwi_fact_view *facts;
  size_t n_facts, facts_size;
  struct kwi_left_view *left;
  size_t n_left, left_size;
  size_t current;
};
/* 0 or -1 (no memory). */
int kwi_keyring_view (struct kwi_keyring *, const char *model, int64_t now_ms,
                      struct kwi_ring_view *ret);
void kwi_ring_view_clear (struct kwi_ring_view *);

#endif
