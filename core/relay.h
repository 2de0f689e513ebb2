/* relay - an answer that is no event stream on its way to a caller to whom it
 * is passed on: held while something may still be found wrong with it, then
 * handed on as it comes. */
#ifndef KWI_RELAY_H
#define KWI_RELAY_H

#include <stddef.h>

struct kwi_answer;
struct kwi_stream;

/* 1: these bytes, and what is held before them, may be handed on. */
int kwi_relay_opens (const struct kwi_stream *, const struct kwi_answer *, size_t len);
/* As kwi_stream_sink, of such bytes, and of all behind them. */
int kwi_relay_hand_on (struct kwi_stream *, struct kwi_answer *,
                       const void *data, size_t len, size_t *ret_taken);

#endif
