/* script - what the server does in one go: sync.lua and lease.lua. */
#ifndef REDIS_SCRIPT_H
#define REDIS_SCRIPT_H

#include "wire.h"

extern const char redis_sync_script[], redis_lease_script[];

/* keys_and_args: n_keys keys, then the arguments.  As redis_wire_ask. */
int redis_script_run (struct redis_wire *, struct redis_turn *, const char *script,
                      const struct redis_words *keys_and_args, size_t n_keys,
                      redisReply **ret);

#endif
