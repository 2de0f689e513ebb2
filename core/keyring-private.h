/* keyring-private - the keyring's insides, for the keyring-*.c and ring-*.c. */
#ifndef KWI_KEYRING_PRIVATE_H
#define KWI_KEYRING_PRIVATE_H

#include <pthread.h>

#include "keyring.h"
#include "ring-cache.h"
#include "ring-kin.h"
#include "ring-line.h"

/* In front of an account's name among the store's subjects. */
#define ACCOUNT_PREFIX "account:"

/* What each answer touches is in one cache line: up to half of the account's
 * name, which is all of it as a rule. */
#define KEY_ALIGN 64
struct ring_key {
  uint32_t subject;             /* the store's number for this key        */
  uint32_t account;             /* and for its account; 0: not learnt     */
  uint32_t weight;
  uint32_t in_flight;           /* requests on it                         */
  uint64_t requests, tokens;
  uint64_t told_requests, told_tokens; /* of these, to others             */
  uint64_t all_requests, all_tokens;   /* what all told, these too        */
  uint32_t tell, next_tell;     /* RING_TELL_*; the next one's number + 1 */
  int64_t account_ms;           /* when account was learnt                */
  uint32_t slots;               /* of max_concurrency, that are leased    */
  uint32_t want, peak;          /* that were asked for; in use lately     */
  uint32_t denied;              /* there were not as many                 */
  uint32_t leased, next_lease;  /* in the list of leases; key + 1         */
  int64_t ask_ms;               /* when the lease is to be asked for      */
  char account_name[64];        /* beside it: each answer is compared     */
  char name[64];
  char fingerprint[17];
  uint64_t handed_requests, handed_tokens; /* to a ring that comes after this one */
  struct kwi_place *place;      /* in_flight of all its kin; NULL: it has none */
} __attribute__ ((__aligned__ (KEY_ALIGN)));

struct ring_account {
  uint32_t *member;             /* its keys, in order                     */
  size_t n, size;
};

/* What of a key others have not been told. */
enum { RING_TELL_ACCOUNT = 1, RING_TELL_COUNTS = 2 };
/* Resets that are still to be told, one by one. */
#define RING_RESETS 64

/* Models whose keys are kept at hand. */
#define RING_CACHES 64

/* Chains of lines, by subject. */
#define RING_CHAINS 64

struct kwi_keyring {
  pthread_mutex_t lock;
  struct kwi_store *store;
  atomic_uint_fast64_t *seq;
  void (*wake) (struct kwi_waiter *);
  struct ring_key *keys;
  size_t n, size;
  size_t current;               /* the last one picked                    */
  uint32_t provider;            /* the subject "every key"                */
  uint32_t first_account;       /* the subject of accounts[0]             */
  struct ring_account *accounts;
  size_t n_accounts;
  struct kwi_line *lines[RING_CHAINS];
  size_t n_lines;               /* 0: nobody waits, and nothing is held back */
  size_t n_waiting;             /* in lines                               */
  size_t n_any;                 /* of them, for any key                   */
  size_t n_paced;               /* in the buckets' own                    */
  size_t max_waiting;           /* 0: no bound                            */
  int pace, stay;               /* as kwi_keyring_pace was given them     */
  enum kwi_strategy strategy;
  uint32_t max_concurrency;     /* 0: no bound                            */
  struct kwi_pace_model *models; /* what is learnt, by the store's numbers */
  size_t n_models;
  struct kwi_pace_model others; /* of models that there is no room for    */
  int64_t last_ms;              /* the latest time that it was told       */
  uint32_t epoch;               /* counts how often the clock was set back */
  uint32_t _reserved;
  void (*nudge) (void *user, int urgent); /* NULL: nobody is told        */
  void *nudge_user;
  uint32_t first_tell;          /* key + 1                                */
  uint32_t n_tell_accounts;     /* keys whose account is to be told       */
  size_t tell_account;          /* none of them is before this one        */
  uint32_t first_lease;         /* the same                               */
  int leases;                   /* places are leased                      */
  uint32_t n_resets, tell_resets; /* the subject + 1 that is next of all  */
  uint32_t resets[RING_RESETS]; /* subjects                               */
  uint64_t uses;                /* of caches                              */
  struct kwi_cache *caches[RING_CACHES];
  size_t n_caches;
  uint8_t cache_of[KWI_STORE_MODELS + 1]; /* its place + 1; 0: none      */
  _Atomic (struct kwi_kin *) kin; /* until the ring ends; NULL: it has none */
  struct kwi_keyring *newer;    /* the next of them                       */
  atomic_size_t promised;       /* key + 1: the next free place is ours   */
};

/* ---- keyring.c ------------------------------------------------------------- */

/* Of a lock that is held for moments. */
void kwi_ring_init_lock (pthread_mutex_t *);

/* ---- ring-account.c ------------------------------------------------------- */

/* The key becomes one of the account's.  0, or -1 (no memory), and nothing is
 * changed. */
int kwi_ring_join (struct kwi_keyring *, size_t key, uint32_t account);
const uint32_t *kwi_ring_members (const struct kwi_keyring *, uint32_t account,
                                  size_t *ret_n);
void kwi_ring_free_accounts (struct kwi_keyring *);

/* The cache of a model; NULL: no memory. */
struct kwi_cache *kwi_ring_cache (struct kwi_keyring *, uint32_t model);
void kwi_ring_drop_caches (struct kwi_keyring *);

/* Facts of a subject have changed: of the key's, or of an account's. */
void kwi_ring_changed (struct kwi_keyring *, size_t key, uint32_t subject,
                       uint32_t model);
void kwi_ring_changed_all (struct kwi_keyring *);

/* ---- keyring-line.c --------------------------------------------------------- */

struct kwi_ask;

/* What follows may be left out while r->n_lines is 0. */

/* Somebody who came before call waits for any key of this model, too. */
int kwi_ring_is_behind (const struct kwi_keyring *, const struct kwi_ask *);
/* The gate, or those before it, that hold call back from a key that is free;
 * and until when: KWI_NEVER: something has to happen.  NULL: nothing does. */
struct kwi_line *kwi_ring_held_by (const struct kwi_keyring *, size_t key,
                                   const struct kwi_ask *, int64_t *ret_ms);
/* A request goes out on the hold's key; it is over: j NULL, without answer. */
void kwi_ring_pass (struct kwi_keyring *, const struct kwi_ask *,
                    struct kwi_hold *);
void kwi_ring_passed (struct kwi_keyring *, struct kwi_hold *,
                      const struct kwi_judgement *, int parks, int64_t seen_ms);
/* A probe is about to end: what it tries, if somebody waits for it.  It was
 * served: they follow one after the other. */
struct kwi_fact *kwi_ring_probed (const struct kwi_keyring *,
                                  const struct kwi_hold *, uint64_t call);
void kwi_ring_revived (struct kwi_keyring *, const struct kwi_hold *,
                       const struct kwi_fact *, const struct kwi_judgement *,
                       int64_t seen_ms, int64_t now_ms);

/* Calls stay in the line of the first key, though others are free. */
int kwi_ring_stands (const struct kwi_keyring *, const struct kwi_line *);
void kwi_ring_stand (struct kwi_line *, size_t key, const struct kwi_ask *,
                     struct kwi_pick *);

/* What a pick came to: the waiter's place is taken, kept or given up. */
void kwi_ring_queue (struct kwi_keyring *, const struct kwi_ask *,
                     struct kwi_waiter *, struct kwi_pick *);
void kwi_ring_quit (struct kwi_keyring *, struct kwi_waiter *);

/* What those wait for who wait for any key, or for this one, may have changed.  Whether
 * somebody does. */
int kwi_ring_wake (struct kwi_keyring *, size_t key);
/* What parked a key is forgotten: those who wait still follow one another. */
void kwi_ring_freed (struct kwi_keyring *, size_t key);
/* Limits are forgotten, of one key or (the count) of all. */
void kwi_ring_reset_lines (struct kwi_keyring *, size_t key);
void kwi_ring_free_lines (struct kwi_keyring *);

/* ---- keyring-left.c ------------------------------------------------------- */

/* Adds what is known to be left of a fact's bucket, as a key of that account sees
 * it.  0 or -1 (no memory). */
int kwi_ring_view_left (const struct kwi_keyring *, const struct ring_key *,
                        const struct kwi_fact *, int64_t now_ms,
                        struct kwi_ring_view *);

/* ---- ring-share.c --------------------------------------------------------- */

/* Others are to be told of it, if there are others. */
void kwi_ring_tell_key (struct kwi_keyring *, size_t key, uint32_t what);
void kwi_ring_tell_reset (struct kwi_keyring *, uint32_t subject);
/* Which key, by its subject; KWI_NO_KEY. */
size_t kwi_ring_key_of (const struct kwi_keyring *, uint32_t subject);
/* The same of another ring, by the subject's name; takes its lock. */
size_t kwi_ring_find (struct kwi_keyring *, const char *subject);
/* A reset of what is known of a subject, of key or its account; 0: of all.
 * Returns how many facts were blocked. */
int kwi_ring_forget (struct kwi_keyring *, size_t key, uint32_t subject,
                     int64_t epoch_ms);

/* ---- ring-lease.c --------------------------------------------------------- */

/* Leases are on, and a request on the key has no place: 1, as there are no more
 * for now; 2: it is being asked for. */
int kwi_ring_lacks_place (struct kwi_keyring *, size_t key);

/* ---- ring-rank.c ---------------------------------------------------------- */

struct kwi_ask;

/* A model's number, new if there is plenty of room: what a strategy keeps of a
 * model begins with its first request. */
uint32_t kwi_ring_number (struct kwi_keyring *, const char *model);

/* What the strategy needs: sizes of requests; that buckets are kept going. */
int kwi_ring_learns (const struct kwi_keyring *);
int kwi_ring_books (const struct kwi_keyring *);
int64_t kwi_ring_fresh (const struct kwi_keyring *);
/* The rank of a key now, the least first, in a pick that looks at all keys. */
int64_t kwi_ring_rank (const struct kwi_keyring *, size_t key,
                       const struct kwi_ask *);
/* Sees to the ranks of a few keys before a pick. */
void kwi_ring_refresh (struct kwi_keyring *, const struct kwi_ask *);

/* 1: no place for now; 2: the next one is asked for. */
int kwi_ring_is_full (struct kwi_keyring *, size_t key);
/* A request goes out on the hold's key; stays: it was not the strategy's. */
void kwi_ring_hold (struct kwi_keyring *, const struct kwi_ask *,
                    struct kwi_hold *, int stays);
/* It is over; j NULL: without an answer.  1: its kin are to be told of it. */
int kwi_ring_unhold (struct kwi_keyring *, struct kwi_hold *,
                     const struct kwi_judgement *);
/* A key that was full is to be looked at again. */
void kwi_ring_open_full (struct kwi_keyring *, size_t key);

/* ---- ring-pick.c ---------------------------------------------------------- */

/* The time that counts: that of the latest, if now_ms is behind it by less than
 * a moment. */
int64_t kwi_ring_now (struct kwi_keyring *, int64_t now_ms);
/* The pick in a cache; the linear one is keyring.c's. */
void kwi_ring_pick (struct kwi_keyring *, const struct kwi_ask *, size_t prefer,
                    struct kwi_pick *);
int64_t kwi_ring_next_ready (struct kwi_keyring *, const struct kwi_ask *);
/* Key is the call's; wait_ms above 0: a place in its line.  stays: it was its
 * before. */
void kwi_ring_take (struct kwi_keyring *, size_t key, const struct kwi_ask *,
                    const struct kwi_pace_look *, int64_t wait_ms, int stays,
                    struct kwi_pick *);
/* The call tries what its hold's facts park; gives that back, and returns how
 * many facts that freed. */
void kwi_ring_probe (struct kwi_keyring *, const struct kwi_ask *,
                     struct kwi_hold *);
int kwi_ring_probe_end (struct kwi_keyring *, struct kwi_hold *, uint64_t call,
                        int served);

/* ---- keyring-pace.c: requests' sizes ------------------------------------ */

/* A pick's question: who asks, and how much it needs. */
struct kwi_ask {
  struct kwi_cache *cache;      /* the model's; NULL: no memory           */
  const char *model;
  uint32_t m;                   /* its number in the store; 0             */
  uint32_t _reserved;
  uint64_t call;
  int64_t now_ms;
  struct kwi_pace_model *learnt;
  struct kwi_need need;
};

/* What is learnt of a model, or of all those that there is no room for. */
struct kwi_pace_model *kwi_ring_model (struct kwi_keyring *, uint32_t m);

/* What holds a key back: itself, its account, the provider. */
void kwi_ring_subjects (const struct kwi_keyring *, const struct ring_key *,
                        uint32_t subjects[3]);
struct kwi_pace_look kwi_ring_look (const struct kwi_keyring *, size_t key,
                                    const struct kwi_ask *);

/* The pick of a call that was given a place before; 0: it has lost it. */
int kwi_ring_take_turn (struct kwi_keyring *, const struct kwi_ask *,
                        const struct kwi_want *, struct kwi_pick *);

/* A place in a bucket's line is new, and counts as one that waits; no longer. */
void kwi_ring_note_turn (struct kwi_keyring *, struct kwi_pick *);
void kwi_ring_unbook (struct kwi_keyring *, struct kwi_booking *);

/* What an answer shows of buckets, and teaches. */
void kwi_ring_learn (struct kwi_keyring *, struct ring_key *,
                     struct kwi_hold *, const char *model,
                     const struct kwi_size *, const struct kwi_judgement *,
                     int64_t received_ms);
/* The subject and the model of a scope; 0: it parks nothing.  m: the model's
 * number, or 0. */
uint32_t kwi_ring_scope_subject (const struct kwi_keyring *,
                                 const struct ring_key *, uint32_t scope);
uint32_t kwi_ring_scope_model (struct kwi_keyring *, uint32_t scope,
                               const char *model, uint32_t m);

#endif
