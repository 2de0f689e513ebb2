/* facts - how facts and counters are written down on the server (see facts.h).
 *
 * A fact is its major, its minor, its value, a NUL and when it expires; numbers
 * have 20 digits, with 2^63 added where they may be negative.  So of two facts
 * the greater is the one whose bytes are; nothing has to be taken apart for that,
 * and Lua's numbers, which end at 2^53, need not hold any of it. */
#include "facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 20, NAME_MAX_BYTES = 1000, VALUE_MAX_BYTES = 4000 };
#define MIDDLE (UINT64_C (1) << 63)

void
redis_batch_keys (struct redis_words *w, const char *prefix, const struct kw_store_batch *batch)
{
  for (size_t i = 0; batch != NULL && i < batch->n_facts; i++) {
    redis_words_pair (w, prefix, "f:");
    redis_words_more (w, batch->facts[i].name, strlen (batch->facts[i].name));
  }
  for (size_t i = 0; batch != NULL && i < batch->n_counts; i++) {
    redis_words_pair (w, prefix, "c:");
    redis_words_more (w, batch->counts[i].name, strlen (batch->counts[i].name));
  }
}

void
redis_batch_values (struct redis_words *w, const struct kw_store_batch *batch)
{
  char buf[2 * DIGITS + 1];

  for (size_t i = 0; batch != NULL && i < batch->n_facts; i++) {
    const struct kw_store_fact *f = &batch->facts[i];
    snprintf (buf, sizeof buf, "%0*" PRIu64 "%0*" PRIu64, DIGITS, (uint64_t) f->major ^ MIDDLE,
              DIGITS, (uint64_t) f->minor ^ MIDDLE);
    redis_words_pair (w, buf, f->value);
    snprintf (buf, sizeof buf, "%0*" PRId64, DIGITS, f->expires_ms > 0 ? f->expires_ms : 0);
    redis_words_more (w, "", 1);
    redis_words_more (w, buf, DIGITS);
  }
  for (size_t i = 0; batch != NULL && i < batch->n_counts; i++)
    redis_words_number (w, (uint64_t) batch->counts[i].add);
}

/* ---- Reading ------------------------------------------------------------------------- */

/* DIGITS of them. */
static int
read_number (const char *s, uint64_t *ret)
{
  uint64_t v = 0;

  for (int i = 0; i < DIGITS; i++) {
    if (s[i] < '0' || s[i] > '9' || v > (UINT64_MAX - (uint64_t) (s[i] - '0')) / 10)
      return -1;
    v = v * 10 + (uint64_t) (s[i] - '0');
  }
  *ret = v;
  return 0;
}

static void
deliver_fact (const char *name, const redisReply *value, const struct kw_store_sink *sink)
{
  const char *s = value->str;
  uint64_t major, minor, expires;

  if (value->len < 3 * DIGITS + 1 || value->len > 3 * DIGITS + 1 + VALUE_MAX_BYTES)
    return;
  const char *nul = s + value->len - DIGITS - 1;
  if (memchr (s, '\0', value->len) != nul || read_number (s, &major) != 0
      || read_number (s + DIGITS, &minor) != 0 || read_number (nul + 1, &expires) != 0
      || expires > INT64_MAX)
    return;
  const struct kw_store_fact fact = {
    .name = name, .value = s + 2 * DIGITS, .major = (int64_t) (major ^ MIDDLE),
    .minor = (int64_t) (minor ^ MIDDLE), .expires_ms = (int64_t) expires,
  };
  sink->fact (sink->user, &fact);
}

static void
deliver_count (const char *name, const redisReply *value, const struct kw_store_sink *sink)
{
  char *end;

  errno = 0;
  long long total = strtoll (value->str, &end, 10);
  if (errno == 0 && end != value->str && *end == '\0')
    sink->count (sink->user, name, total);
}

void
redis_row_deliver (const redisReply *member, const redisReply *value,
                   const struct kw_store_sink *sink)
{
  if (member->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING
      || member->len < 3 || member->len > 2 + NAME_MAX_BYTES)
    return;
  for (size_t i = 0; i < member->len; i++)
    if (member->str[i] < ' ' || member->str[i] > '~')
      return;
  if (strncmp (member->str, "f:", 2) == 0)
    deliver_fact (member->str + 2, value, sink);
  else if (strncmp (member->str, "c:", 2) == 0)
    deliver_count (member->str + 2, value, sink);
}
