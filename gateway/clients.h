/* clients - who may use the gateway, and how much of it at a time: those of the
 * file client_tokens, or, without one, whoever is on this machine, as one client
 * called "local". */
#ifndef GW_CLIENTS_H
#define GW_CLIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "settings.h"
#include "token.h"

struct gw_use;                  /* what a client uses of its bounds       */

struct gw_client {
  char name[64];
  unsigned char hash[GW_HASH_BYTES];
  int admin;                    /* may reset keys                         */
  int64_t per_minute;           /* 0: no bound                            */
  int64_t concurrency;          /* likewise                               */
  struct gw_use *use;
};

struct gw_clients {
  struct gw_client *of;
  size_t n;
  int by_token;                 /* 0: there is "local" alone              */
};

/* 0; -1: why is in text. */
int gw_clients_load (struct gw_clients *, const struct gw_settings *, char *text,
                     size_t size);
void gw_clients_clear (struct gw_clients *);

/* Of another reading of the file, from which requests may be under way still: whoever
 * has the same name, or the same token, goes on with what he has used of his bounds.
 * Before a request of the new ones' comes. */
void gw_clients_inherit (struct gw_clients *, const struct gw_clients *from);

/* The one whose token it is, or NULL. */
struct gw_client *gw_clients_find (struct gw_clients *, const char *token, size_t len);

/* Of a request, on any thread. */

/* One more request.  1, and gw_client_leave is due; 0: it is too much, and e says
 * so. */
int gw_client_enter (struct gw_client *, int64_t now_ms, struct gw_error *e);
void gw_client_leave (struct gw_client *);

#endif
