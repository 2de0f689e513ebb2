/* reload - opening a configuration while the old one serves, and closing what
 * is not used any more: on a thread, since files, keys' commands and stores may
 * take their time.  One thread at a time. */
#ifndef GW_RELOAD_H
#define GW_RELOAD_H

#include <pthread.h>

#include <keywheel/keywheel.h>

#include "loop.h"

struct cli_options;
struct gw_old;                  /* a client to be closed                  */

struct gw_reload {
  struct gw_watch watch;        /* the thread is through                  */
  const struct cli_options *options;
  /* On the loop's thread: the new client, which is yours, or NULL: it was told
   * why. */
  void (*on_opened) (void *user, kw_client *);
  void *user;
  pthread_t thread;
  int running;
  int wanted;                   /* another reload, when it is through     */
  struct gw_old *closing;       /* likewise                               */
  struct gw_old *at_work;       /* the thread's                           */
  int open;                     /* the thread is to open                  */
  kw_client *opened;            /* its; NULL: it failed, and has told why */
};

/* 0 or a negative errno. */
int gw_reload_init (struct gw_reload *, struct gw_loop *);
/* Waits for the thread. */
void gw_reload_clear (struct gw_reload *);

void gw_reload_ask (struct gw_reload *);
/* A client without calls. */
void gw_reload_close (struct gw_reload *, kw_client *);

#endif
