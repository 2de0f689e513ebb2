/* json-scan - JSON read in one pass over its bytes; see json-scan.h.
 *
 * Most bytes of a chat are in long strings, so those are skipped many at a
 * time.  Everything that this file is not sure of is a 0, and json-c's. */
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "json-scan.h"

typedef const unsigned char *bytes;

/* A call for each of the short pieces that JSON is made of costs a fifth. */
#define INLINE static inline __attribute__ ((always_inline))

/* ---- Strings ------------------------------------------------------------- */

static inline int
is_plain (unsigned char c, int utf8)
{
  return c >= 0x20 && c != '"' && c != '\\' && (!utf8 || c < 0x80);
}

#ifdef __SSE2__

/* Bit i: byte i of the 16 is not plain. */
static inline unsigned
odd_ones (bytes p, int utf8)
{
  __m128i x = _mm_loadu_si128 ((const __m128i *) (const void *) p);
  __m128i odd = _mm_or_si128 (_mm_cmpeq_epi8 (x, _mm_set1_epi8 ('"')),
                              _mm_cmpeq_epi8 (x, _mm_set1_epi8 ('\\')));
  /* Signed, so that a byte of 0x80 and above is below a blank as well. */
  __m128i low = utf8 ? _mm_cmplt_epi8 (x, _mm_set1_epi8 (0x20))
                     : _mm_cmpeq_epi8 (_mm_max_epu8 (x, _mm_set1_epi8 (0x1f)),
                                       _mm_set1_epi8 (0x1f));

  return (unsigned) _mm_movemask_epi8 (_mm_or_si128 (odd, low));
}

/* At the first byte that is not plain, or at the end. */
INLINE bytes
skip_plain (bytes p, bytes end, int utf8)
{
  for (; end - p >= 16; p += 16) {
    unsigned odd = odd_ones (p, utf8);
    if (odd != 0)
      return p + __builtin_ctz (odd);
  }
  while (p < end && is_plain (*p, utf8))
    p++;
  return p;
}

#else

#define EACH(byte) (UINT64_C (0x0101010101010101) * (byte))

/* Non-zero: one of the 8 is not plain, or follows one that is not. */
static inline uint64_t
odd_ones (uint64_t x, int utf8)
{
  uint64_t quote = x ^ EACH ('"'), slash = x ^ EACH ('\\');
  uint64_t odd = ((quote - EACH (1)) & ~quote) | ((slash - EACH (1)) & ~slash)
                 | ((x - EACH (0x20)) & ~x);

  return (utf8 ? odd | x : odd) & EACH (0x80);
}

INLINE bytes
skip_plain (bytes p, bytes end, int utf8)
{
  for (; end - p >= 8; p += 8) {
    uint64_t x;
    memcpy (&x, p, sizeof x);
    if (odd_ones (x, utf8) != 0)
      break;
  }
  while (p < end && is_plain (*p, utf8))
    p++;
  return p;
}

#endif

static int
hex_digit (unsigned char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The 4 digits at p; -1: those are none. */
static int
hex_number (bytes p)
{
  int n = 0;

  for (int i = 0; i < 4; i++) {
    int digit = hex_digit (p[i]);
    if (digit < 0)
      return -1;
    n = n * 16 + digit;
  }
  return n;
}

/* Behind the escape at p; NULL: it is none. */
static inline bytes
skip_escape (bytes p, bytes end)
{
  if (end - p < 2)
    return NULL;
  switch (p[1]) {
  case '"': case '\\': case '/':
  case 'b': case 'f': case 'n': case 'r': case 't':
    return p + 2;
  case 'u':
    return end - p >= 6 && hex_number (p + 2) >= 0 ? p + 6 : NULL;
  default:
    return NULL;
  }
}

static inline int
is_tail (unsigned char c)
{
  return (c & 0xc0) == 0x80;
}

/* RFC 3629: behind the characters beyond ASCII at p; NULL: they are none. */
static inline bytes
skip_utf8 (bytes p, bytes end)
{
  while (p < end && *p >= 0x80) {
    unsigned char c = p[0];
    ptrdiff_t n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (c < 0xc2 || c > 0xf4 || end - p < n || !is_tail (p[1]))
      return NULL;
    if (n > 2 && !is_tail (p[2]))
      return NULL;
    if (n > 3 && !is_tail (p[3]))
      return NULL;
    /* Forms that are longer than needed, halves of pairs, beyond U+10FFFF. */
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f)
        || (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
      return NULL;
    p += n;
  }
  return p;
}

/* At the quote that ends the string of which p is the first byte; NULL: none
 * does, or it is no string. */
INLINE bytes
skip_string (bytes p, bytes end, int utf8, uint8_t *flags)
{
  for (;;) {
    p = skip_plain (p, end, utf8);
    if (p == end || *p < 0x20)
      return NULL;
    if (*p == '"')
      return p;
    if (*p == '\\') {
      *flags |= KWI_JSON_ESCAPED;
      p = skip_escape (p, end);
    }
    else
      p = skip_utf8 (p, end);
    if (p == NULL)
      return NULL;
  }
}

/* ---- Other scalars -------------------------------------------------------- */

INLINE bytes
skip_blanks (bytes p, bytes end)
{
  while (p < end && *p <= ' '
         && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  return p;
}

/* Behind one digit or more; NULL: there is none. */
INLINE bytes
skip_digits (bytes p, bytes end)
{
  bytes from = p;

  while (p < end && *p >= '0' && *p <= '9')
    p++;
  return p > from ? p : NULL;
}

static bytes
skip_number (bytes p, bytes end)
{
  if (*p == '-')
    p++;
  p = p < end && *p == '0' ? p + 1 : skip_digits (p, end);
  if (p != NULL && p < end && *p == '.')
    p = skip_digits (p + 1, end);
  if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end && (*p == '+' || *p == '-'))
      p++;
    p = skip_digits (p, end);
  }
  return p;
}

/* Behind null, true, false or a number; NULL: it is none of them. */
INLINE bytes
skip_scalar (bytes p, bytes end, uint8_t *kind)
{
  static const struct { const char *word; unsigned len; uint8_t kind; } words[] = {
    { "null", 4, KWI_JSON_NULL }, { "true", 4, KWI_JSON_TRUE },
    { "false", 5, KWI_JSON_FALSE },
  };

  if (*p == '-' || (*p >= '0' && *p <= '9')) {
    *kind = KWI_JSON_NUMBER;
    return skip_number (p, end);
  }
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (*p == (unsigned char) words[i].word[0]
        && (size_t) (end - p) >= words[i].len
        && memcmp (p, words[i].word, words[i].len) == 0) {
      *kind = words[i].kind;
      return p + words[i].len;
    }
  return NULL;
}

/* ---- The whole ------------------------------------------------------------ */

/* An array or an object that is open. */
struct level {
  struct kwi_json_node *node;   /* NULL: without one                      */
  struct kwi_json_node *last;   /* the last in it that has one            */
  uint32_t n;                   /* that have                              */
  uint8_t closed_by;
};

struct scan {
  struct kwi_json *json;
  bytes text, end;
  unsigned levels, depth;
  struct level open[KWI_JSON_DEPTH + 1]; /* [0]: the whole is its element */
  struct kwi_json_node unseen;  /* stands in for nodes that nobody wants  */
};

/* A node for the value that begins at p; NULL: the table is full. */
INLINE struct kwi_json_node *
add_node (struct scan *s, const struct kwi_json_node *key)
{
  struct level *in = &s->open[s->depth];
  struct kwi_json_node *n;

  if (in->node == NULL && s->depth > 0)
    return &s->unseen;
  if (s->depth > s->levels
      || (in->closed_by == ']' && in->n == KWI_JSON_ELEMENTS)) {
    in->node->flags |= KWI_JSON_CUT;
    return &s->unseen;
  }
  if (s->json->n == KWI_JSON_NODES)
    return NULL;
  n = &s->json->node[s->json->n];
  n->key = key->key;
  n->key_len = key->key_len;
  n->next = 0;
  n->names = 0;
  n->flags = 0;
  if (in->last != NULL)
    in->last->next = s->json->n;
  in->last = n;
  in->n++;
  if (in->closed_by == '}') {
    in->node->flags |= key->flags;
    if (key->key_len > 0)
      in->node->names |= kwi_json_bit ((char) s->text[key->key]);
  }
  s->json->n++;
  return n;
}

/* Behind a member's name and its colon. */
INLINE bytes
skip_key (const struct scan *s, bytes p, int utf8, struct kwi_json_node *ret)
{
  bytes from;

  p = skip_blanks (p, s->end);
  if (p == s->end || *p != '"')
    return NULL;
  from = p + 1;
  ret->flags = 0;
  p = skip_string (from, s->end, utf8, &ret->flags);
  if (p == NULL)
    return NULL;
  ret->key = (uint32_t) (from - s->text);
  ret->key_len = (uint16_t) (p - from);
  if (p - from > UINT16_MAX || p == from)
    ret->flags |= KWI_JSON_ESCAPED; /* nothing that is looked for here */
  p = skip_blanks (p + 1, s->end);
  return p < s->end && *p == ':' ? p + 1 : NULL;
}

/* Ends what is open as long as that is what stands at p, and goes behind the
 * comma that follows; NULL: something else does.  *ret_done: all has ended. */
INLINE bytes
close_levels (struct scan *s, bytes p, int *ret_done)
{
  for (;;) {
    struct level *in = &s->open[s->depth];

    p = skip_blanks (p, s->end);
    if (s->depth == 0) {
      *ret_done = 1;
      return p == s->end ? p : NULL;
    }
    if (p == s->end)
      return NULL;
    if (*p == ',')
      return p + 1;
    if (*p != in->closed_by)
      return NULL;
    p++;
    if (in->node != NULL)
      in->node->len = (uint32_t) (p - s->text) - in->node->at;
    s->depth--;
  }
}

/* Opens what begins at p; NULL: too deep. */
INLINE bytes
open_level (struct scan *s, bytes p, struct kwi_json_node *n)
{
  struct level *in;

  if (s->depth == KWI_JSON_DEPTH)
    return NULL;
  in = &s->open[++s->depth];
  in->node = n == &s->unseen ? NULL : n;
  in->last = NULL;
  in->n = 0;
  in->closed_by = *p == '{' ? '}' : ']';
  n->kind = *p == '{' ? KWI_JSON_OBJECT : KWI_JSON_ARRAY;
  n->at = (uint32_t) (p - s->text);
  return p + 1;
}

INLINE bytes
take_scalar (struct scan *s, bytes p, struct kwi_json_node *n, int utf8)
{
  bytes end;

  if (*p != '"') {
    end = skip_scalar (p, s->end, &n->kind);
    n->at = (uint32_t) (p - s->text);
    n->len = end != NULL ? (uint32_t) (end - p) : 0;
    return end;
  }
  p++;
  end = skip_string (p, s->end, utf8, &n->flags);
  if (end == NULL)
    return NULL;
  n->kind = KWI_JSON_STRING;
  n->at = (uint32_t) (p - s->text);
  n->len = (uint32_t) (end - p);
  return end + 1;
}

/* Twice in the program: with and without a look at UTF-8. */
INLINE int
scan (struct scan *s, int utf8)
{
  struct kwi_json_node key = { 0 };
  bytes p = s->text;
  int done = 0;

  while (!done) {
    struct kwi_json_node *n;

    if (s->open[s->depth].closed_by == '}') {
      p = skip_key (s, p, utf8, &key);
      if (p == NULL)
        return 0;
    }
    p = skip_blanks (p, s->end);
    n = p < s->end ? add_node (s, &key) : NULL;
    if (n == NULL)
      return 0;
    if (*p == '{' || *p == '[') {
      p = open_level (s, p, n);
      if (p == NULL)
        return 0;
      p = skip_blanks (p, s->end);
      if (p == s->end || *p != s->open[s->depth].closed_by)
        continue;               /* it has something in it */
    }
    else if ((p = take_scalar (s, p, n, utf8)) == NULL)
      return 0;
    p = close_levels (s, p, &done);
    if (p == NULL)
      return 0;
  }
  return 1;
}

static void
begin (struct scan *s, struct kwi_json *json, const char *text, size_t len,
       unsigned levels)
{
  json->text = text;
  json->n = 0;
  s->json = json;
  s->text = (bytes) text;
  s->end = s->text + len;
  s->levels = levels;
  s->depth = 0;
  s->open[0] = (struct level) { .closed_by = '\0' };
  s->unseen = (struct kwi_json_node) { 0 };
}

int
kwi_json_scan (struct kwi_json *json, const char *text, size_t len,
               unsigned levels)
{
  struct scan s;

  if (len > INT32_MAX)
    return 0;
  begin (&s, json, text, len, levels);
  return scan (&s, 0);
}

int
kwi_json_scan_utf8 (struct kwi_json *json, const char *text, size_t len,
                    unsigned levels)
{
  struct scan s;

  if (len > INT32_MAX)
    return 0;
  begin (&s, json, text, len, levels);
  return scan (&s, 1);
}
