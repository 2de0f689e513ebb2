/* state-private - what state.c, which has the thread, and state-turn.c, which talks
 * to the store, share. */
#ifndef KWI_STATE_PRIVATE_H
#define KWI_STATE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "state.h"
#include "state-news.h"

/* So much is told at once. */
#define KWI_STATE_BATCH 32

struct kwi_shared_ring {
  struct kwi_keyring *ring;
  void *user;
  char *scope;
};

struct kwi_state {
  const struct kw_store *store;
  const struct kwi_clock *clock;
  struct kwi_state_hooks hooks;
  struct kwi_news news;
  char *spec, *dir, *state_dir, *where;
  char holder[17];
  struct kwi_shared_ring *rings;
  size_t n_rings;

  int wake_fd;
  atomic_int urgent, dirty, closing;
  pthread_t thread;
  pthread_mutex_t start_lock;
  atomic_int started;

  pthread_mutex_t lock;         /* of all below: one turn at a time       */
  struct kw_store_handle *handle;
  struct kwi_fact_text *text;   /* of the batch                           */
  size_t n;
  uint64_t number;
  int pending;                  /* the batch may not have arrived         */
  int away;
  int64_t dirty_since, last_ms, retry_at, retry_ms;
  int64_t lease_at;             /* when a lease is to be asked for        */
  char problem[512];
};

static inline int64_t
kwi_state_mono (const struct kwi_state *s)
{
  return s->clock->mono_ms (s->clock->ctx);
}

static inline int64_t
kwi_state_wall (const struct kwi_state *s)
{
  return s->clock->wall_ms (s->clock->ctx);
}

static inline int64_t
kwi_earlier (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* All that is to be handed over, read, and leased: once, by one thread at a time.
 * 0 or KW_STORE_AWAY. */
int kwi_state_turn (struct kwi_state *);

#endif
