/* keyring-private - the keyring's insides, for keyring.c and keyring-view.c. */
#ifndef KWI_KEYRING_PRIVATE_H
#define KWI_KEYRING_PRIVATE_H

#include <pthread.h>

#include "keyring.h"

/* In front of an account's name among the store's subjects. */
#define ACCOUNT_PREFIX "account:"

struct ring_key {
  char name[64];
  char fingerprint[17];
  uint32_t subject;             /* the store's number for this key        */
  uint32_t account;             /* and for its account; 0: not learnt     */
  uint64_t requests, tokens;
};

struct kwi_keyring {
  pthread_mutex_t lock;
  struct kwi_store *store;
  atomic_uint_fast64_t *seq;
  void (*wake) (struct kwi_waiter *);
  struct ring_key *keys;
  size_t n, size;
  size_t current;               /* the last one picked                    */
  uint32_t provider;            /* the subject "every key"                */
  struct kwi_waiter *first_waiter, *last_waiter; /* for a probe's end    */
  int pace, stay;               /* as kwi_keyring_pace was given them     */
  struct kwi_pace_model *models; /* what is learnt, by the store's numbers */
  size_t n_models;
  struct kwi_pace_model others; /* of models that there is no room for    */
};

/* ---- keyring-pace.c: requests' sizes ------------------------------------ */

/* A pick's question: who asks, and how much it needs. */
struct kwi_ask {
  const char *model;
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
/* The subject and the model of a scope; 0: it parks nothing. */
uint32_t kwi_ring_scope_subject (const struct kwi_keyring *,
                                 const struct ring_key *, uint32_t scope);
uint32_t kwi_ring_scope_model (struct kwi_keyring *, uint32_t scope,
                               const char *model);

#endif
