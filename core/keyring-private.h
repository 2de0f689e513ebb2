/* keyring-private - the keyring's insides, for the keyring-*.c and ring-*.c. */
#ifndef KWI_KEYRING_PRIVATE_H
#define KWI_KEYRING_PRIVATE_H

#include <pthread.h>

#include "keyring.h"
#include "ring-cache.h"

/* In front of an account's name among the store's subjects. */
#define ACCOUNT_PREFIX "account:"

struct ring_key {
  uint32_t subject;             /* the store's number for this key        */
  uint32_t account;             /* and for its account; 0: not learnt     */
  uint64_t requests, tokens;
  char name[64];
  char fingerprint[17];
};

struct ring_account {
  uint32_t *member;             /* its keys, in order                     */
  size_t n, size;
};

/* Models whose keys are kept at hand. */
#define RING_CACHES 64

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
  struct kwi_waiter *first_waiter, *last_waiter; /* for a probe's end    */
  int pace, stay;               /* as kwi_keyring_pace was given them     */
  struct kwi_pace_model *models; /* what is learnt, by the store's numbers */
  size_t n_models;
  struct kwi_pace_model others; /* of models that there is no room for    */
  int64_t last_ms;              /* the latest time that it was told       */
  uint32_t epoch;               /* counts how often the clock was set back */
  uint32_t _reserved;
  uint64_t uses;                /* of caches                              */
  struct kwi_cache *caches[RING_CACHES];
  size_t n_caches;
  uint8_t cache_of[KWI_STORE_MODELS + 1]; /* its place + 1; 0: none      */
};

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

/* ---- keyring.c ------------------------------------------------------------ */

/* Wakes all that wait: what they wait for has changed. */
void kwi_ring_wake (struct kwi_keyring *);

/* ---- ring-pick.c ---------------------------------------------------------- */

struct kwi_ask;

/* The time that counts: that of the latest, if now_ms is behind it by less than
 * a moment. */
int64_t kwi_ring_now (struct kwi_keyring *, int64_t now_ms);
/* The pick in a cache; the linear one is keyring.c's. */
void kwi_ring_pick (struct kwi_keyring *, struct kwi_cache *,
                    const struct kwi_ask *, size_t prefer, struct kwi_pick *);
int64_t kwi_ring_next_ready (struct kwi_keyring *, struct kwi_cache *,
                             const struct kwi_ask *);
/* Key is the call's; wait_ms above 0: a place in its line. */
void kwi_ring_take (struct kwi_keyring *, size_t key, const struct kwi_ask *,
                    const struct kwi_pace_look *, int64_t wait_ms,
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
  const char *model;
  uint32_t m;                   /* its number in the store; 0             */
  uint32_t _reserved;
  uint64_t call;
  int64_t now_ms;
  struct kwi_pace_model *learnt;
  struct kwi_need need;
};

/* What is learnt of a model, or of all those that there is no room for. */
struct kwi_pace_model *kwi_ring_model (struct kwi_keyring *, const char *model);

/* What holds a key back: itself, its account, the provider. */
void kwi_ring_subjects (const struct kwi_keyring *, const struct ring_key *,
                        uint32_t subjects[3]);
struct kwi_pace_look kwi_ring_look (const struct kwi_keyring *, size_t key,
                                    const struct kwi_ask *);

/* The pick of a call that was given a place before; 0: it has lost it. */
int kwi_ring_take_turn (struct kwi_keyring *, const struct kwi_ask *,
                        const struct kwi_want *, struct kwi_pick *);

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
