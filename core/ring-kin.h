/* ring-kin - keyrings of one process that stand for the same server, as one client takes
 * the place of another and both have calls under way.  What calls of any of them hold of
 * a key's max_concurrency is counted as one, and whoever waits for a place is told when
 * any of them gives one back, the older ones first; what is reset in one is reset in
 * all. */
#ifndef KWI_RING_KIN_H
#define KWI_RING_KIN_H

#include <stddef.h>
#include <stdint.h>

struct kwi_keyring;
struct kwi_kin;
struct kwi_place;

/* The order of locks: the kin's, then one ring's; never two rings'.  Where nothing else
 * is said none is held. */

/* Ring takes the place of from: they are kin for as long as both are there.  Of rings
 * that have different kin already nothing is made.  0 or -1 (no memory). */
int kwi_kin_join (struct kwi_keyring *ring, struct kwi_keyring *from);
/* The ring ends: no call is under way on it, and none will be.  Again is allowed. */
void kwi_kin_leave (struct kwi_keyring *);

/* Takes the ring's lock, and sees to it that none of its kin takes a place until
 * kwi_kin_unlock, which gets what this returned.  looked: whoever the place was promised
 * to has looked for one. */
struct kwi_kin *kwi_kin_lock (struct kwi_keyring *);
void kwi_kin_unlock (struct kwi_keyring *, struct kwi_kin *, int looked);

/* Under the ring's lock. */
void kwi_kin_take (struct kwi_place *);
void kwi_kin_give (struct kwi_place *);
/* How many are taken or promised, as this ring sees it. */
uint32_t kwi_kin_taken (struct kwi_place *, const struct kwi_keyring *);

/* A call has given back its place on key (KWI_NO_KEY: it had none), or waits no more. */
void kwi_kin_tell (struct kwi_keyring *, size_t key);
/* Key (the count: all) was reset. */
void kwi_kin_reset (struct kwi_keyring *, size_t key, int64_t epoch_ms, int64_t now_ms);

#endif
