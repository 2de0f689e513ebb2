/* client - the insides of a kw_client: the sections at work, and who is told
 * of events.  For open.c, client.c, status.c and the call. */
#ifndef KWI_CLIENT_H
#define KWI_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "config.h"
#include "policy.h"

struct kw_client;
struct kw_event;
struct kw_error;
struct kw_instance;
struct kw_loop;
struct kwi_keyring;
struct kwi_plugin;
struct kwi_secrets;
struct kwi_state;
struct kwi_mistakes;
struct kwi_transport;
struct kwi_waiter;

/* One [provider] section at work. */
struct kwi_provider {
  struct kw_client *client;
  const struct kwi_provider_config *config;
  char *base_url;               /* the INI's or the plugin's              */
  char *model;                  /* the INI's or the plugin's; "" if neither */
  struct kwi_plugin *plugin;
  struct kw_instance *instance;
  struct kwi_secrets *secrets;
  struct kwi_keyring *ring;
};

struct kw_client {
  struct kwi_clock clock;
  struct kwi_config *config;
  struct kwi_provider **providers;      /* the default one first          */
  size_t n_providers;
  struct kwi_transport *transport;
  struct kwi_state *share;      /* NULL: what is learnt stays in memory   */
  const struct kwi_reporter *opening;   /* while it is opened; NULL       */
  char **warnings;
  size_t n_warnings;
  atomic_uint_fast64_t seq;     /* orders events                          */
  atomic_uint_fast64_t calls;
  struct kw_loop *loops;        /* all of them                            */
  pthread_mutex_t loops_lock;
  struct kw_loop *own_loop;     /* made by the first who needs it         */
  pthread_mutex_t own_lock;
  void (*observer) (void *user, const struct kw_event *);
  void *observer_user;
  int wordless;                 /* events of this level have no text, nor of any
                                   above; 0: all have one                 */
};

int kwi_client_has_text (const struct kw_client *, int level);

/* Fills in what every event has (size, provider, time, "" for absent strings)
 * and tells the observer.  seq 0: takes the next one. */
void kwi_client_tell (struct kwi_provider *, struct kw_event *);

/* As kw_client_open, with a clock and an environment of the caller's; state: as
 * kw_options has it. */
struct kw_client *kwi_client_open (const char *ini_path, const char *state,
                                   const struct kwi_clock *,
                                   const struct kwi_env *,
                                   const struct kwi_reporter *,
                                   struct kw_error *err);

/* ---- client-state.c --------------------------------------------------------- */

/* The store that the configuration names, or otherwise (NULL: none).  After the
 * configuration is read, before a key is. */
void kwi_client_open_state (struct kw_client *, const struct kwi_env *,
                            const char *otherwise, struct kwi_mistakes *);
/* 0 or -1 (no memory). */
int kwi_client_share_ring (struct kwi_provider *);

/* ---- client.c and async.c ----------------------------------------------- */

struct kwi_call;
struct kw_client_request;
struct kw_reply;

void kwi_client_clear_error (struct kw_error *);
/* Makes call what rq asks for; *ret_own is a body for free(), or NULL. */
int kwi_client_take (struct kw_client *, const struct kw_client_request *rq,
                     struct kwi_call *, char **ret_own);
/* What a served call has for its caller. */
int kwi_client_hand_out (struct kwi_call *, struct kw_reply **ret);
/* Ends the calls that are under way; before the providers go. */
void kwi_async_close (struct kw_client *);

/* The section of that name (NULL: the default one), or NULL. */
struct kwi_provider *kwi_client_find (struct kw_client *, const char *name);

#endif
