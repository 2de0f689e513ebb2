/* wheel - a kw_client at work in the gateway's loop.  After a reload there are
 * two: the new one takes what comes, the old one lives until its calls are
 * over. */
#ifndef GW_WHEEL_H
#define GW_WHEEL_H

#include <keywheel/keywheel.h>

#include "clients.h"
#include "loop.h"
#include "providers.h"
#include "settings.h"

struct gw_wheel {
  struct gw_watch watch;
  struct gw_loop *loop;
  kw_client *client;
  struct gw_settings settings;
  struct gw_clients clients;
  struct gw_providers providers;
  struct gw_wheel *next;        /* an older one                           */
  int calls;                    /* whose requests hold it                 */
  int ready;                    /* something is to be processed           */
};

/* Takes the client over, also on failure.  0; -1: why is in text. */
int gw_wheel_new (kw_client *, struct gw_loop *, struct gw_wheel **ret, char *text,
                  size_t size);
/* No call may be under way; the client is the caller's again. */
kw_client *gw_wheel_end (struct gw_wheel *);

/* Does what is due, if anything is. */
void gw_wheel_turn (struct gw_wheel *);
/* How long nothing will be; -1: for ever. */
int gw_wheel_timeout (struct gw_wheel *);

#endif
