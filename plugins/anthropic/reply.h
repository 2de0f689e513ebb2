/* reply - what whole answers and streams of Anthropic's have in common. */
#ifndef ANTHROPIC_REPLY_H
#define ANTHROPIC_REPLY_H

#include <stdint.h>

#include "../kit/chat.h"

/* As the API counts; -1: not said. */
struct anthropic_usage {
  int64_t input, cache_written, cached, output, thinking;
};
#define ANTHROPIC_NO_USAGE { -1, -1, -1, -1, -1 }

/* What usage says; the rest stays as it is. */
void anthropic_read_usage (struct json_object *usage, struct anthropic_usage *);
struct kwp_usage anthropic_usage (const struct anthropic_usage *);

/* The finish_reason; calls: whether tools are called. */
const char *anthropic_finish (const char *stop_reason, int calls);

/* A string's text, "" if it is none. */
const char *anthropic_text (struct json_object *, const char *name);

/* Why it was refused, borrowed; NULL: it does not say. */
struct json_object *anthropic_refusal (struct json_object *);

#endif
