/* ring-share - what a keyring tells other processes that share its state, and
 * what it is told.  No I/O: state.c carries it to a store and back. */
#ifndef KWI_RING_SHARE_H
#define KWI_RING_SHARE_H

#include <stdint.h>

#include "limits-ledger.h"

struct kwi_keyring;

enum kwi_change_kind {
  KWI_CHANGE_BLOCK = 1,         /* subject, model, dimension; said; its
                                   until_ms 0: freed                      */
  KWI_CHANGE_PROBE,             /* the same; said.epoch_ms and until_ms   */
  KWI_CHANGE_BUCKET,            /* the same; bucket, at_ms                */
  KWI_CHANGE_ACCOUNT,           /* subject is a key; account, at_ms       */
  KWI_CHANGE_RESET,             /* subject, at_ms                         */
  KWI_CHANGE_REQUESTS,          /* subject is a key; n more, or n in all  */
  KWI_CHANGE_TOKENS
};

/* The subject of a reset of everything. */
#define KWI_EVERY_SUBJECT "*"

struct kwi_change {
  enum kwi_change_kind kind;
  int _reserved;
  const char *subject;          /* "key:FINGERPRINT", "account:NAME",
                                   "provider"                             */
  const char *model;            /* "": every model                        */
  const char *dimension;
  struct kwi_said said;
  struct kwi_bucket bucket;
  int64_t at_ms;
  int64_t n;
  char account[64];
};

/* Before the first pick.  nudge is called under the ring's lock when there is
 * something to be told, which others may run into if it is urgent; it may only
 * set a flag.  offset_ms: kwi_store_share. */
void kwi_keyring_share (struct kwi_keyring *,
                        void (*nudge) (void *user, int urgent), void *user,
                        int64_t offset_ms);

/* Takes the next of what is to be told; 0: there is none.  Its names are good
 * as long as the ring is.  probe_ms: how long a probe may take. */
int kwi_keyring_next_change (struct kwi_keyring *, int64_t probe_ms,
                             int64_t now_ms, struct kwi_change *ret);
/* Everything is to be told again: the store may have lost it. */
void kwi_keyring_tell_all (struct kwi_keyring *);

/* What another process told.  Whose it is: a key's number, or KWI_NO_KEY. */
enum kwi_heard {
  KWI_HEARD_NOTHING = 0,        /* known, or not ours                     */
  KWI_HEARD_BLOCK,              /* *ret_key (of the account) is out       */
  KWI_HEARD_FREE,
  KWI_HEARD_ACCOUNT,
  KWI_HEARD_RESET
};
enum kwi_heard kwi_keyring_hear (struct kwi_keyring *,
                                 const struct kwi_change *, int64_t now_ms,
                                 size_t *ret_key);

/* ---- A ring that comes after another ------------------------------------------ */

/* What from knows becomes known to ring, too, as if another process had told it: of
 * keys that are in both.  Both may be at work, and again is allowed: then what is new.
 * counts: what has been served, too, each of it once.  0 or -1 (no memory). */
int kwi_keyring_learn_from (struct kwi_keyring *ring, struct kwi_keyring *from,
                            int counts, int64_t now_ms);

/* ---- Places, with max_concurrency ------------------------------------------- */

/* The store is there, and places are leased from it; else each process has all of
 * them to itself. */
void kwi_keyring_lease_on (struct kwi_keyring *, int on);

struct kwi_lease_ask {
  size_t key;
  const char *subject;
  uint32_t limit, want, floor;  /* as kw_store_lease's                    */
};
/* The next lease that is to be asked for now, or given back (want 0); 0: none, and
 * *ret_next_ms says when one will be (KWI_NEVER).  now_ms: monotonic. */
int kwi_keyring_next_lease (struct kwi_keyring *, int64_t now_ms,
                            struct kwi_lease_ask *ret, int64_t *ret_next_ms);
void kwi_keyring_leased (struct kwi_keyring *, const struct kwi_lease_ask *,
                         uint32_t granted, int64_t now_ms);

#endif
