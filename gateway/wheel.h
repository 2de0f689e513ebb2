/* wheel - a configuration in one loop of the gateway: the loop's calls of its
 * client.  After a reload there are two: the new one takes what comes, the old
 * one lives until its calls are over. */
#ifndef GW_WHEEL_H
#define GW_WHEEL_H

#include <keywheel/keywheel.h>

#include "config.h"
#include "loop.h"

struct gw_wheel {
  struct gw_watch watch;
  struct gw_loop *loop;
  struct gw_config *config;
  kw_loop *kw;                  /* the client's, for this loop            */
  struct gw_wheel *next;        /* an older one                           */
  int calls;                    /* whose requests hold it                 */
  int ready;                    /* something is to be processed           */
};

/* For one of the configuration's holders, which it is from now on, also on
 * failure.  NULL: no memory or descriptors. */
struct gw_wheel *gw_wheel_new (struct gw_config *, struct gw_loop *);
/* No call may be under way. */
void gw_wheel_free (struct gw_wheel *);

/* Does what is due, if anything is. */
void gw_wheel_turn (struct gw_wheel *);
/* How long nothing will be; -1: for ever. */
int gw_wheel_timeout (struct gw_wheel *);

#endif
