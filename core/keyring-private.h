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
};

#endif
