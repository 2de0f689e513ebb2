/* config - a configuration at work: a client of the library's, and what the
 * gateway itself keeps of it.  The loops share it; after a reload there are two,
 * until the requests of the old one are over. */
#ifndef GW_CONFIG_H
#define GW_CONFIG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <keywheel/keywheel.h>

#include "clients.h"
#include "providers.h"
#include "settings.h"

struct gw_gateway;

struct gw_config {
  kw_client *client;
  struct gw_settings settings;
  struct gw_clients clients;
  struct gw_providers providers; /* their breakers: under the gateway's lock */
  atomic_int holders;           /* loops with a wheel of it, or about to have one */
  struct gw_config *next;       /* an older one                           */
};

/* Takes the client over, also on failure.  0; -1: why is in text. */
int gw_config_new (kw_client *, struct gw_config **ret, char *text, size_t size);
/* It takes the place of the one behind it: what that one knows of its keys, its clients
 * and its providers it knows, too.  Before a loop has it. */
void gw_config_inherit (struct gw_gateway *, struct gw_config *, int64_t now_ms);
/* What the calls of older ones have found out since.  Now and then, and before one of
 * them ends. */
void gw_config_learn (struct gw_config *newest);
/* No loop may hold it; the client is the caller's again. */
kw_client *gw_config_end (struct gw_config *);

#endif
