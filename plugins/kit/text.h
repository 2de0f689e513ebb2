/* text - what plugins do with the texts of an answer: compare, cut out, count.
 * Texts come from outside: every number saturates, every copy is bounded.  By
 * hand, since strtod and isdigit follow the program's locale.  Knows no host. */
#ifndef KWP_TEXT_H
#define KWP_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define KWP_COUNT_MAX (INT64_MAX / 100) /* so that sums of a few cannot overflow */
#define KWP_ARRAY_SIZE(a) (sizeof (a) / sizeof (a)[0])

static inline int
kwp_is (const char *s, const char *other)
{
  return strcmp (s, other) == 0;
}

static inline int
kwp_starts_with (const char *s, const char *prefix)
{
  return strncmp (s, prefix, strlen (prefix)) == 0;
}

static inline int
kwp_is_digit (char c)
{
  return c >= '0' && c <= '9';
}

/* What stands behind the first word in s, or NULL.  after_any: in any case. */
static inline const char *
kwp_after (const char *s, const char *word)
{
  const char *p = strstr (s, word);
  return p != NULL ? p + strlen (word) : NULL;
}

static inline const char *
kwp_after_any (const char *s, const char *word)
{
  size_t len = strlen (word);

  for (; *s != '\0'; s++)
    if (strncasecmp (s, word, len) == 0)
      return s + len;
  return NULL;
}

/* All of it or, if it does not fit, nothing: half a name is another name. */
static inline void
kwp_copy (char *dst, size_t size, const char *s, size_t len)
{
  if (len >= size)
    len = 0;
  memcpy (dst, s, len);
  dst[len] = '\0';
}

/* Both of them or, if they do not fit, nothing; returns whether they did. */
static inline int
kwp_join (char *dst, size_t size, const char *a, const char *b)
{
  size_t a_len = strlen (a), b_len = strlen (b);

  dst[0] = '\0';
  if (a_len >= size || b_len >= size - a_len)
    return 0;
  memcpy (dst, a, a_len);
  memcpy (dst + a_len, b, b_len + 1);
  return 1;
}

/* "100000", "100,000", "~12903", ": 5"; -1 if s is NULL or no number. */
static inline int64_t
kwp_count (const char *s)
{
  int64_t n = 0;

  if (s == NULL || !kwp_is_digit (*(s += strspn (s, ": ~"))))
    return -1;
  for (; kwp_is_digit (*s); s++) {
    n = n < KWP_COUNT_MAX / 10 ? n * 10 + (*s - '0') : KWP_COUNT_MAX;
    if (s[1] == ',' && kwp_is_digit (s[2]) && kwp_is_digit (s[3]) && kwp_is_digit (s[4]))
      s++;
  }
  return n;
}

#endif
