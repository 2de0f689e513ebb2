/* vault - a provider's keys once they are found: kept, handed out, and taken
 * out of texts.  Knows no file and no variable. */
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint-key.h"
#include "secrets-private.h"
#include "sections.h"
#include "textfile.h"

/* A shorter key is some test's, and its bytes are in any text: "a" would
 * garble every message.  And this much of a key's beginning gives it away. */
#define REDACT_FROM 8

/* In front of each key's bytes: "Authorization: Bearer " is 22. */
#define LINE_ROOM 32

/* ---- Filling ----------------------------------------------------------- */

/* Makes room for len bytes more.  -1: no memory. */
static int
reserve (struct kwi_secrets *s, size_t len)
{
  size_t size = s->arena_size > 0 ? s->arena_size : 4096;

  if (s->arena_len + len <= s->arena_size)
    return 0;
  while (size < s->arena_len + len)
    size *= 2;
  char *arena = kwi_guarded (size);
  if (arena == NULL)
    return -1;
  if (s->arena_len > 0)
    memcpy (arena, s->arena, s->arena_len);
  sodium_free (s->arena);       /* wipes */
  s->arena = arena;
  s->arena_size = size;
  return 0;
}

/* 16 hexadecimal digits; blake2b gives no fewer than 16 bytes, of which the
 * first 8 are shown. */
static int
fingerprint (const unsigned char *key, const char *bytes, size_t len,
             char ret[17])
{
  static const unsigned char label[] = "keywheel-fingerprint-1"; /* and its 0 */
  unsigned char hash[crypto_generichash_BYTES_MIN];
  crypto_generichash_state state;
  int r = crypto_generichash_init (&state, key,
                                    key != NULL ? KWI_FINGERPRINT_KEY : 0,
                                    sizeof hash);

  r |= crypto_generichash_update (&state, label, sizeof label);
  r |= crypto_generichash_update (&state, (const unsigned char *) bytes, len);
  r |= crypto_generichash_final (&state, hash, sizeof hash);
  sodium_memzero (&state, sizeof state);
  sodium_bin2hex (ret, 17, hash, 8);
  return r;
}

int
kwi_secrets_add (struct kwi_secrets *s, const char *name, const char *source,
                 uint32_t weight, const char *bytes, size_t len)
{
  struct kwi_secret *list = kwi_grow (s->list, s->n, sizeof *list);

  if (list == NULL)
    return -1;
  s->list = list;
  if (reserve (s, LINE_ROOM + len + 1) != 0)
    return -1;
  struct kwi_secret *secret = &list[s->n];
  *secret = (struct kwi_secret) { .weight = weight, .len = len };
  int n = snprintf (secret->name, sizeof secret->name, "%s",
                    name != NULL ? name : "");
  int m = snprintf (secret->source, sizeof secret->source, "%s", source);
  if (n < 0 || m < 0 || fingerprint (s->fingerprint_key, bytes, len, secret->fingerprint)
                         != 0)
    return -1;
  memcpy (s->arena + s->arena_len + LINE_ROOM, bytes, len);
  s->arena[s->arena_len + LINE_ROOM + len] = '\0';
  s->arena_len += LINE_ROOM + len + 1;
  s->n++;
  return 0;
}

/* ---- Sealing ----------------------------------------------------------- */

/* The slot of secret i in a table of indexes + 1: its own, or that of the same
 * key before it. */
static size_t
slot_of (const struct kwi_secrets *s, const size_t *table, size_t size,
         size_t i)
{
  const struct kwi_secret *secret = &s->list[i];
  size_t hash = 0;

  for (const char *p = secret->fingerprint; *p != '\0'; p++)
    hash = hash * 31 + (unsigned char) *p;
  for (size_t slot = hash & (size - 1);; slot = (slot + 1) & (size - 1)) {
    if (table[slot] == 0)
      return slot;
    const struct kwi_secret *other = &s->list[table[slot] - 1];
    if (other->len == secret->len
        && sodium_memcmp (other->bytes, secret->bytes, secret->len) == 0)
      return slot;
  }
}

static void
say_repeated (const struct kwi_reporter *reporter,
              const struct kwi_secret *again, const struct kwi_secret *first)
{
  if (again->name[0] != '\0')
    kwi_report (reporter, 1, "key \"%s\" (%s) repeats key \"%s\" (%s); "
                "dropped", again->name, again->source, first->name,
                first->source);
  else
    kwi_report (reporter, 1, "%s repeats %s; dropped", again->source,
                first->source);
}

static int
drop_repeated (struct kwi_secrets *s, const struct kwi_reporter *reporter)
{
  size_t size = 16, kept = 0;

  while (size < 2 * s->n)
    size *= 2;
  size_t *table = calloc (size, sizeof *table);
  if (table == NULL)
    return -1;
  for (size_t i = 0; i < s->n; i++) {
    size_t slot = slot_of (s, table, size, i);
    if (table[slot] != 0) {
      say_repeated (reporter, &s->list[i], &s->list[table[slot] - 1]);
      continue;
    }
    s->list[kept] = s->list[i];
    table[slot] = ++kept;
  }
  s->n = kept;
  free (table);
  return 0;
}

struct length {
  size_t len, index;
};

static int
longest_first (const void *a, const void *b)
{
  const struct length *x = a, *y = b;

  if (x->len != y->len)
    return x->len < y->len ? 1 : -1;
  return x->index < y->index ? -1 : 1;
}

static int
sort_by_length (struct kwi_secrets *s)
{
  struct length *sorted = calloc (s->n + 1, sizeof *sorted);

  s->by_length = calloc (s->n + 1, sizeof *s->by_length);
  if (sorted == NULL || s->by_length == NULL) {
    free (sorted);
    return -1;
  }
  for (size_t i = 0; i < s->n; i++)
    sorted[i] = (struct length) { s->list[i].len, i };
  qsort (sorted, s->n, sizeof *sorted, longest_first);
  for (size_t i = 0; i < s->n; i++)
    s->by_length[i] = sorted[i].index;
  free (sorted);
  return 0;
}

/* The bit of the REDACT_FROM bytes at p. */
static size_t
beginning_of (const struct kwi_secrets *s, const char *p)
{
  uint64_t x;

  memcpy (&x, p, sizeof x);
  _Static_assert (sizeof x == REDACT_FROM, "as many are compared");
  return (size_t) (x * UINT64_C (0x9e3779b97f4a7c15) >> (64 - s->beginnings_log2));
}

/* So that a text without a key costs the same with 100,000 of them: 16 bits a
 * key are set or not. */
static int
note_beginnings (struct kwi_secrets *s)
{
  s->beginnings_log2 = 12;
  while (s->beginnings_log2 < 30 && (size_t) 1 << s->beginnings_log2 < 16 * s->n)
    s->beginnings_log2++;
  s->beginnings = (unsigned char *) kwi_guarded ((size_t) 1 << (s->beginnings_log2 - 3));
  if (s->beginnings == NULL)
    return -1;
  memset (s->beginnings, 0, (size_t) 1 << (s->beginnings_log2 - 3));
  for (size_t i = 0; i < s->n; i++)
    if (s->list[i].len >= REDACT_FROM) {
      size_t bit = beginning_of (s, s->list[i].bytes);
      s->beginnings[bit / 8] |= (unsigned char) (1u << bit % 8);
    }
  (void) sodium_mprotect_readonly (s->beginnings);
  return 0;
}

int
kwi_secrets_seal (struct kwi_secrets *s, const struct kwi_reporter *reporter)
{
  size_t at = 0;

  for (size_t i = 0; i < s->n; i++) {
    s->list[i].bytes = s->arena + at + LINE_ROOM;
    at += LINE_ROOM + s->list[i].len + 1;
  }
  if (drop_repeated (s, reporter) != 0 || sort_by_length (s) != 0
      || note_beginnings (s) != 0)
    return -1;
  for (size_t i = 0; i < s->n; i++) {
    struct kwi_secret *secret = &s->list[i];
    if (secret->name[0] != '\0')
      continue;
    int n = i == 0
      ? snprintf (secret->name, sizeof secret->name, "primary")
      : snprintf (secret->name, sizeof secret->name, "backup-%zu", i);
    if (n < 0)
      return -1;
  }
  /* Where the system cannot, the memory is still guarded and wiped. */
  if (s->arena != NULL)
    (void) sodium_mprotect_readonly (s->arena);
  return 0;
}

/* ---- Handing out ------------------------------------------------------- */

size_t
kwi_secrets_count (const struct kwi_secrets *s)
{
  return s->n;
}

const struct kwi_secret *
kwi_secrets_get (const struct kwi_secrets *s, size_t i)
{
  return i < s->n ? &s->list[i] : NULL;
}

/* Writes the same words in front of every key; returns their length, or -1. */
static int
compose (struct kwi_secrets *s, const char *header, const char *prefix)
{
  char words[LINE_ROOM + 1];
  int n = snprintf (words, sizeof words, "%s: %s", header, prefix);

  if (n < 0 || n > LINE_ROOM || sodium_mprotect_readwrite (s->arena) != 0)
    return -1;
  for (size_t i = 0; i < s->n; i++)
    memcpy (s->arena + (s->list[i].bytes - s->arena) - n, words, (size_t) n);
  (void) sodium_mprotect_readonly (s->arena);
  (void) memccpy (s->header, header, '\0', sizeof s->header - 1);
  (void) memccpy (s->prefix, prefix, '\0', sizeof s->prefix - 1);
  return n;
}

const char *
kwi_secrets_line (struct kwi_secrets *s, size_t i, const char *header,
                  const char *prefix)
{
  /* Held once in a provider's life. */
  static pthread_mutex_t composing = PTHREAD_MUTEX_INITIALIZER;
  int len = atomic_load_explicit (&s->line_len, memory_order_acquire);

  if (len == 0) {
    (void) pthread_mutex_lock (&composing);
    len = atomic_load (&s->line_len);
    if (len == 0) {
      len = compose (s, header, prefix);
      atomic_store_explicit (&s->line_len, len, memory_order_release);
    }
    (void) pthread_mutex_unlock (&composing);
  }
  return len > 0 && strcmp (header, s->header) == 0
         && strcmp (prefix, s->prefix) == 0 ? s->list[i].bytes - len : NULL;
}

void
kwi_secrets_free (struct kwi_secrets *s)
{
  if (s == NULL)
    return;
  sodium_free (s->arena);       /* wipes, read-only or not */
  sodium_free (s->beginnings);
  free (s->by_length);
  free (s->list);
  free (s);
}

/* ---- Taking out of texts ----------------------------------------------- */

/* Replaces every whole occurrence; returns the text's new length. */
static size_t
redact_whole (const struct kwi_secret *secret, char *text, size_t len,
              size_t size)
{
  char mark[80];
  int n = snprintf (mark, sizeof mark, "[key %s]", secret->name);
  size_t mark_len = n > 0 ? (size_t) n : 0;
  char *hit = text;

  while ((hit = memmem (hit, len - (size_t) (hit - text), secret->bytes,
                        secret->len)) != NULL) {
    if (mark_len == 0 || len - secret->len + mark_len >= size) {
      memset (hit, '*', secret->len);
      hit += secret->len;
      continue;
    }
    char *rest = hit + secret->len;
    memmove (hit + mark_len, rest, (size_t) (text + len - rest) + 1);
    memcpy (hit, mark, mark_len);
    len = len - secret->len + mark_len;
    hit += mark_len;
  }
  return len;
}

/* A text that was cut may end in the beginning of a key. */
static void
redact_end (const struct kwi_secret *secret, char *text, size_t len)
{
  size_t n = secret->len - 1 < len ? secret->len - 1 : len;

  for (; n >= REDACT_FROM; n--)
    if (memcmp (text + len - n, secret->bytes, n) == 0) {
      memset (text + len - n, '*', n);
      return;
    }
}

/* May a key, or the beginning of one, be in there? */
static int
may_hold_key (const struct kwi_secrets *s, const char *text, size_t len)
{
  for (size_t i = 0; i + REDACT_FROM <= len; i++) {
    size_t bit = beginning_of (s, text + i);
    if ((s->beginnings[bit / 8] >> bit % 8 & 1) != 0)
      return 1;
  }
  return 0;
}

void
kwi_secrets_redact (const struct kwi_secrets *s, char *text, size_t size)
{
  size_t len = strnlen (text, size);

  if (s == NULL || len == 0 || len == size)
    return;
  if (s->beginnings != NULL && !may_hold_key (s, text, len))
    return;
  /* One key may be the beginning of another: the longer goes first. */
  for (size_t i = 0; i < s->n; i++) {
    const struct kwi_secret *secret = &s->list[s->by_length[i]];
    if (secret->len >= REDACT_FROM)
      len = redact_whole (secret, text, len, size);
  }
  for (size_t i = 0; i < s->n; i++)
    if (s->list[i].len >= REDACT_FROM)
      redact_end (&s->list[i], text, len);
}
