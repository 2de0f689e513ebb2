/* exchange - a whole exchange under the eye of a fuzzer: a request is prepared,
 * and what comes back goes the way that the core gives it, translated where the
 * plugin translates.  An input is an answer as input.h has it, and behind a line
 * "%%" in its body the request that it answers, or nothing for a plain one:
 *
 *     200 stream
 *     content-type: text/event-stream
 *
 *     event: message_start
 *     data: {"type":"message_start",...
 *     %%
 *     {"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}
 *
 * The body of one with "stream" is the event stream as it came. */
#ifndef FUZZ_EXCHANGE_H
#define FUZZ_EXCHANGE_H

#include <stddef.h>

void fuzz_exchange_input (const char *data, size_t size);

#endif
