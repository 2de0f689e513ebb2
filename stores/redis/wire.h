/* wire - commands to the server and its replies, over a link; a connection of a
 * state begins with its login and its database. */
#ifndef REDIS_WIRE_H
#define REDIS_WIRE_H

#include <hiredis.h>

#include "link.h"
#include "spec.h"
#include "turn.h"
#include "words.h"

struct redis_wire;

/* As redis_link_open.  After a failure of any of these a wire is to be closed. */
int redis_wire_open (const struct redis_spec *, struct redis_names **names,
                     const struct redis_address *, struct redis_turn *,
                     struct redis_wire **ret);
void redis_wire_close (struct redis_wire *);

/* The words of first (NULL at its end), then those of w (may be NULL). */
int redis_wire_say (struct redis_wire *, struct redis_turn *, const char *const first[],
                    const struct redis_words *w);
/* The next reply, the caller's to freeReplyObject; without wait *ret may be NULL.
 * An error of the server's is a reply. */
int redis_wire_hear (struct redis_wire *, struct redis_turn *, int wait, redisReply **ret);
/* Both.  An error of the server's is KW_STORE_AWAY. */
int redis_wire_ask (struct redis_wire *, struct redis_turn *, const char *const first[],
                    const struct redis_words *w, redisReply **ret);

int redis_wire_fd (const struct redis_wire *);
struct redis_address redis_wire_address (const struct redis_wire *);
/* redis_ticks, when something came last. */
int64_t redis_wire_heard (const struct redis_wire *);

/* For a reply that is an error: says so, and what is to be done; KW_STORE_AWAY. */
int redis_refused (struct redis_turn *, const redisReply *);
/* reply in *ret, unless it is an error, which is freed: redis_refused. */
int redis_take_reply (struct redis_turn *, redisReply *reply, redisReply **ret);
/* A reply that is none of what was asked for. */
int redis_nonsense (struct redis_turn *);

#endif
