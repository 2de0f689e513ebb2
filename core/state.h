/* state - a client's facts to a state store and back: the thread that does it,
 * when it does it, and what happens while the store is away.
 *
 * The request path does no I/O for it: a ring lists what has changed, under the
 * lock that it holds anyway, and nudges; the thread collects, hands over and
 * reads.  Knows the rings by ring-share.h, a module by keywheel/store.h. */
#ifndef KWI_STATE_H
#define KWI_STATE_H

#include <keywheel/store.h>

#include "clock.h"
#include "ring-share.h"

struct kw_error;
struct kwi_keyring;
struct kwi_state;

/* Called on the state's thread or one that is in kwi_state_*, one at a time, no
 * lock held but for listens, which is called with the state's. */
struct kwi_state_hooks {
  int (*listens) (void *user);  /* else nothing is heard                  */
  /* level as an event's. */
  void (*say) (void *user, int level, const char *line);
  /* What another process told of a ring's key. */
  void (*heard) (void *user, void *ring_user, enum kwi_heard, size_t key,
                 const struct kwi_change *);
  void *user;
};

struct kwi_state_setup {
  const struct kw_store *store;
  const struct kwi_clock *clock;
  const char *spec, *dir, *state_dir;   /* as kw_store_setup's; copied    */
  struct kwi_state_hooks hooks;
};

/* KW_ERR_SETTINGS: what is behind "state =" is wrong. */
int kwi_state_new (const struct kwi_state_setup *, struct kwi_state **ret,
                   struct kw_error *err);
/* Hands over what is left, as far as that is possible at once.  Before the
 * rings are freed. */
void kwi_state_free (struct kwi_state *);

/* Before its first pick.  0 or -1 (no memory). */
int kwi_state_ring (struct kwi_state *, struct kwi_keyring *, const char *scope,
                    void *ring_user);
/* Begins the thread, if it is not there; with a clock that is not the system's
 * there is none, and kwi_state_sync does all. */
void kwi_state_start (struct kwi_state *);

/* Hands over and reads now.  0, or KW_ERR_UNAVAILABLE and why. */
int kwi_state_sync (struct kwi_state *, struct kw_error *err);

const char *kwi_state_name (const struct kwi_state *);
const char *kwi_state_where (const struct kwi_state *);

#endif
