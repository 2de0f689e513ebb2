/* bell - the second connection, on which the server says that something has
 * changed.  Not what: sync.lua tells that. */
#ifndef REDIS_BELL_H
#define REDIS_BELL_H

#include "wire.h"

struct redis_bell;

/* As redis_wire_open; to address, where the commands go.  pause_ms: how long it
 * may be still before the server is asked whether it is there. */
int redis_bell_open (const struct redis_spec *, const struct redis_address *,
                     const char *channel, int pause_ms, struct redis_turn *,
                     struct redis_bell **ret);
void redis_bell_close (struct redis_bell *);

/* Readable when something has come, and every pause_ms. */
int redis_bell_fd (const struct redis_bell *);

/* Takes what has come, and asks after a pause; KW_STORE_AWAY: the connection is
 * lost. */
int redis_bell_listen (struct redis_bell *, struct redis_turn *);

#endif
