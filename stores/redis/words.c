/* words - what a command is made of (see words.h). */
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis.h>

enum { BYTES_MAX = 64 << 20, WORDS_MAX = 1 << 20 };

/* Room for one more of each, and len bytes. */
static int
has_room (struct redis_words *w, size_t len)
{
  if (w->nomem || len > BYTES_MAX - w->len || w->n >= WORDS_MAX)
    return 0;
  if (w->len + len > w->size) {
    size_t size = (w->len + len) * 2;
    char *bytes = realloc (w->bytes, size);
    if (bytes == NULL)
      return 0;
    w->bytes = bytes;
    w->size = size;
  }
  if (w->n == w->n_size) {
    size_t n_size = w->n_size * 2 + 32;
    size_t *ends = realloc (w->ends, n_size * sizeof *ends);
    if (ends == NULL)
      return 0;
    w->ends = ends;
    w->n_size = n_size;
  }
  return 1;
}

void
redis_words_add (struct redis_words *w, const char *bytes, size_t len)
{
  if (!has_room (w, len)) {
    w->nomem = 1;
    return;
  }
  w->ends[w->n++] = w->len;
  redis_words_more (w, bytes, len);
}

void
redis_words_more (struct redis_words *w, const char *bytes, size_t len)
{
  if (!has_room (w, len)) {
    w->nomem = 1;
    return;
  }
  if (len > 0)
    memcpy (w->bytes + w->len, bytes, len);
  w->len += len;
  w->ends[w->n - 1] = w->len;
}

void
redis_words_text (struct redis_words *w, const char *s)
{
  redis_words_add (w, s, strlen (s));
}

void
redis_words_number (struct redis_words *w, uint64_t v)
{
  char buf[24];

  snprintf (buf, sizeof buf, "%" PRIu64, v);
  redis_words_text (w, buf);
}

void
redis_words_pair (struct redis_words *w, const char *a, const char *b)
{
  redis_words_text (w, a);
  redis_words_more (w, b, strlen (b));
}

char *
redis_words_format (const struct redis_words *w, const char *const first[], size_t *ret_len)
{
  size_t n_first = 0, at = 0;
  char *formatted = NULL;

  while (first[n_first] != NULL)
    n_first++;
  size_t n = n_first + w->n;
  const char **argv = malloc (n * sizeof *argv);
  size_t *lens = malloc (n * sizeof *lens);
  if (argv != NULL && lens != NULL && !w->nomem) {
    for (size_t i = 0; i < n_first; i++) {
      argv[i] = first[i];
      lens[i] = strlen (first[i]);
    }
    for (size_t i = 0; i < w->n; i++) {
      argv[n_first + i] = w->bytes + at;
      lens[n_first + i] = w->ends[i] - at;
      at = w->ends[i];
    }
    long long len = redisFormatCommandArgv (&formatted, (int) n, argv, lens);
    if (len < 0)
      formatted = NULL;
    else
      *ret_len = (size_t) len;
  }
  free (argv);
  free (lens);
  return formatted;
}

void
redis_words_done (char *formatted, size_t len)
{
  if (formatted != NULL)
    explicit_bzero (formatted, len);
  redisFreeCommand (formatted);
}

void
redis_words_clear (struct redis_words *w)
{
  if (w->bytes != NULL)
    explicit_bzero (w->bytes, w->size);
  free (w->bytes);
  free (w->ends);
  *w = (struct redis_words) { 0 };
}
