/* facts - how facts and counters are written down on the server, and read. */
#ifndef REDIS_FACTS_H
#define REDIS_FACTS_H

#include <hiredis.h>

#include <keywheel/store.h>

#include "words.h"

/* The keys of a batch (NULL: none), and what sync.lua is given for each. */
void redis_batch_keys (struct redis_words *, const char *prefix, const struct kw_store_batch *);
void redis_batch_values (struct redis_words *, const struct kw_store_batch *);

/* A row of sync.lua's reply, to the sink; what makes no sense is left out. */
void redis_row_deliver (const redisReply *member, const redisReply *value,
                        const struct kw_store_sink *);

#endif
