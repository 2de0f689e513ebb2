/* ring-bits - a set of small numbers, summed up level by level; see
 * ring-bits.h. */
#include <string.h>

#include "ring-bits.h"

static size_t
words_of (size_t n)
{
  return (n + 63) / 64;
}

size_t
kwi_bits_words (size_t n)
{
  size_t words = 0;
  int l;

  for (l = 0; l < KWI_BITS_LEVELS; l++) {
    n = words_of (n);
    words += n;
  }
  return words;
}

void
kwi_bits_init (struct kwi_bits *b, uint64_t *zeroed, size_t n)
{
  int l;

  b->n = n;
  for (l = 0; l < KWI_BITS_LEVELS; l++) {
    b->level[l] = zeroed;
    n = words_of (n);
    zeroed += n;
  }
}

void
kwi_bits_fill (struct kwi_bits *b)
{
  size_t n = b->n;
  int l;

  for (l = 0; l < KWI_BITS_LEVELS; l++) {
    size_t words = words_of (n);
    memset (b->level[l], 0xff, words * sizeof (uint64_t));
    if (n % 64 != 0)
      b->level[l][words - 1] = (UINT64_C (1) << n % 64) - 1;
    n = words;
  }
}

void
kwi_bits_add (struct kwi_bits *b, size_t i)
{
  int l;

  for (l = 0; l < KWI_BITS_LEVELS; l++) {
    uint64_t *w = &b->level[l][i / 64], was = *w;
    *w |= UINT64_C (1) << i % 64;
    if (was != 0)               /* the levels above know of it            */
      return;
    i /= 64;
  }
}

void
kwi_bits_drop (struct kwi_bits *b, size_t i)
{
  int l;

  for (l = 0; l < KWI_BITS_LEVELS; l++) {
    uint64_t *w = &b->level[l][i / 64];
    *w &= ~(UINT64_C (1) << i % 64);
    if (*w != 0)
      return;
    i /= 64;
  }
}

size_t
kwi_bits_next (const struct kwi_bits *b, size_t from)
{
  size_t n = words_of (b->n);
  int l;

  /* Up to the first level that has one behind from, and down to it. */
  for (l = 0; l < KWI_BITS_LEVELS; l++) {
    uint64_t w = from / 64 < n ? b->level[l][from / 64] >> from % 64 : 0;
    if (w != 0) {
      from += (size_t) __builtin_ctzll (w);
      for (; l > 0; l--)
        from = from * 64 + (size_t) __builtin_ctzll (b->level[l - 1][from]);
      return from;
    }
    from = from / 64 + 1;
    n = words_of (n);
  }
  return b->n;
}
