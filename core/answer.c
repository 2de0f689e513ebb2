/* answer - what came back from one exchange.
 *
 * Keeps status, headers and body as the transport read them, and answers the
 * plugins' questions about headers; those about JSON are answer-json.c's.
 * Knows no plugin, no socket, and nothing about what an answer means.  The
 * bytes come from the network, so nothing about them is taken on trust. */
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "answer.h"

#define MAX_HEADERS ((size_t) 256 << 10)
/* json-c counts in int; max_response bounds what is really kept. */
#define MAX_BODY ((size_t) INT32_MAX - 2)
/* A buffer larger than this is not kept for the next exchange. */
#define KEEP ((size_t) 1 << 20)
/* No stated wait is longer; it also keeps sums far from overflow. */
#define MAX_WAIT_S (INT64_C (400) * 86400)

static void
keep_or_free (char **buf, size_t *size)
{
  if (*size > KEEP) {
    free (*buf);
    *buf = NULL;
    *size = 0;
  }
}

void
kwi_answer_reset (struct kwi_answer *a)
{
  char *body, *headers;
  size_t body_size, headers_size;

  kwi_answer_forget_json (a);
  keep_or_free (&a->body, &a->body_size);
  keep_or_free (&a->headers, &a->headers_size);
  body = a->body;
  body_size = a->body_size;
  headers = a->headers;
  headers_size = a->headers_size;
  memset (a, 0, sizeof *a);
  a->body = body;
  a->body_size = body_size;
  a->headers = headers;
  a->headers_size = headers_size;
  if (body != NULL)
    body[0] = '\0';
}

void
kwi_answer_clear (struct kwi_answer *a)
{
  kwi_answer_forget_json (a);
  free (a->body);
  free (a->headers);
  memset (a, 0, sizeof *a);
}

void
kwi_answer_trim (struct kwi_answer *a)
{
  char *less = a->headers_len > 0 ? realloc (a->headers, a->headers_len) : NULL;

  if (less == NULL)
    return;
  a->headers = less;
  a->headers_size = a->headers_len;
}

/* Makes room for more bytes behind len, never beyond max. */
static int
grow (char **buf, size_t len, size_t *size, size_t more, size_t max)
{
  size_t want, next = *size != 0 ? *size : 1024;
  char *p;

  if (more > max || len > max - more)
    return -1;
  want = len + more;
  if (want <= *size)
    return 0;
  while (next < want)
    next = next > max / 2 ? max : next * 2;
  p = realloc (*buf, next);
  if (p == NULL)
    return -1;
  *buf = p;
  *size = next;
  return 0;
}

static int
is_ows (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ASCII's capitals in lower case, 8 at a time; to has room for all. */
static void
copy_lower (char *to, const char *from, size_t len)
{
#define EACH(byte) (UINT64_C (0x0101010101010101) * (byte))
  size_t i;

  for (i = 0; i + 8 <= len; i += 8) {
    uint64_t x, low, capitals;
    memcpy (&x, from + i, sizeof x);
    low = x & EACH (0x7f);      /* so that no sum runs into the next byte */
    capitals = (low + EACH (0x80 - 'A')) & ~(low + EACH (0x80 - 'Z' - 1))
               & ~x & EACH (0x80);
    x |= capitals >> 2;         /* 0x80 becomes 0x20 */
    memcpy (to + i, &x, sizeof x);
  }
  for (; i < len; i++)
    to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char) (from[i] + 32) : from[i];
#undef EACH
}

/* Of a name that is not "", in any case. */
static uint8_t
sum_of (const char *name, size_t len)
{
  return (uint8_t) (len + (unsigned) (name[0] | 0x20) * 3
                    + (unsigned) (name[len / 2] | 0x20) * 5
                    + (unsigned) (name[len - 1] | 0x20) * 7);
}

/* Notes where the header that comes behind all others is; 0: it is one too
 * many. */
static int
mark (struct kwi_answer *a, const char *name, size_t len)
{
  if (a->headers_len == 0)
    a->n_marked = a->marked_len = 0; /* headers before a 100's end are gone */
  if (a->marked_len != a->headers_len || a->n_marked == KWI_MARKED)
    return 0;
  a->mark[a->n_marked] = (uint32_t) a->headers_len;
  a->sum[a->n_marked++] = sum_of (name, len);
  return 1;
}

int
kwi_answer_add_header (struct kwi_answer *a, const char *name,
                       size_t name_len, const char *value, size_t value_len)
{
  int is_marked;
  char *p;

  while (name_len > 0 && is_ows (name[name_len - 1]))
    name_len--;
  while (value_len > 0 && is_ows (value[value_len - 1]))
    value_len--;
  while (value_len > 0 && is_ows (value[0])) {
    value++;
    value_len--;
  }
  /* A NUL would shift every pair behind it; no server has a reason for it. */
  if (name_len == 0 || memchr (name, '\0', name_len) != NULL ||
      (value_len > 0 && memchr (value, '\0', value_len) != NULL))
    return 0;
  if (name_len > MAX_HEADERS || value_len > MAX_HEADERS ||
      grow (&a->headers, a->headers_len, &a->headers_size,
            name_len + value_len + 2, MAX_HEADERS) == -1)
    return -1;

  p = a->headers + a->headers_len;
  copy_lower (p, name, name_len);
  is_marked = mark (a, p, name_len);
  p += name_len;
  *p++ = '\0';
  if (value_len > 0)
    memcpy (p, value, value_len);
  p[value_len] = '\0';
  a->headers_len += name_len + value_len + 2;
  if (is_marked)
    a->marked_len = (uint32_t) a->headers_len;
  return 0;
}

int
kwi_answer_add_body (struct kwi_answer *a, const void *data, size_t len)
{
  kwi_answer_forget_json (a);
  if (len > MAX_BODY ||
      grow (&a->body, a->body_len, &a->body_size, len + 1, MAX_BODY) == -1)
    return -1;
  if (len > 0)
    memcpy (a->body + a->body_len, data, len);
  a->body_len += len;
  a->body[a->body_len] = '\0';
  return 0;
}

void
kwi_answer_take_body (struct kwi_answer *a, char *body, size_t len,
                      size_t size)
{
  kwi_answer_forget_json (a);
  free (a->body);
  a->body = body;
  a->body_len = len;
  a->body_size = size;
}

int
kwi_answer_set_header (struct kwi_answer *a, const char *name,
                       const char *value)
{
  char *p = a->headers;

  a->n_marked = a->marked_len = 0; /* what is taken out shifts the others */
  while (p != NULL && p < a->headers + a->headers_len) {
    char *next = p + strlen (p) + 1;
    next += strlen (next) + 1;
    if (strcasecmp (p, name) != 0) {
      p = next;
      continue;
    }
    memmove (p, next, (size_t) (a->headers + a->headers_len - next));
    a->headers_len -= (size_t) (next - p);
  }
  return kwi_answer_add_header (a, name, strlen (name), value, strlen (value));
}

const char *
kwi_answer_header (const struct kwi_answer *a, const char *name)
{
  const char *p, *end;
  size_t len;
  uint8_t sum;

  if (name == NULL || name[0] == '\0' || a->headers_len == 0)
    return NULL;
  len = strlen (name);
  sum = sum_of (name, len);
  for (uint32_t i = 0; i < a->n_marked; i++) {
    p = a->headers + a->mark[i];
    if (a->sum[i] == sum && strcasecmp (p, name) == 0)
      return p + len + 1;
  }
  p = a->headers + a->marked_len;
  end = a->headers + a->headers_len;
  while (p < end) {
    const char *value = p + strlen (p) + 1;
    if (strcasecmp (p, name) == 0)
      return value;
    p = value + strlen (value) + 1;
  }
  return NULL;
}

/* ---- Retry-After --------------------------------------------------------- */

/* "120", and "0.5", which RFC 9110 does not know but servers send; rounded up
 * to the millisecond.  -1: not that. */
static int64_t
seconds_ms (const char *s)
{
  int64_t ms = 0, scale = 100;

  if (!isdigit ((unsigned char) *s))
    return -1;
  for (; isdigit ((unsigned char) *s); s++) {
    ms = ms * 10 + (*s - '0');
    if (ms > MAX_WAIT_S)
      ms = MAX_WAIT_S;
  }
  ms *= 1000;
  if (*s == '.')
    for (s++; isdigit ((unsigned char) *s); s++) {
      ms += scale > 0 ? (*s - '0') * scale : 0;
      if (scale == 0 && *s != '0') {
        ms++;                   /* once is enough: */
        scale = -1;
      }
      else if (scale > 0)
        scale /= 10;
    }
  return *s == '\0' ? ms : -1;
}

/* The three forms of RFC 9110, 5.6.7, in Unix seconds; -1: none of them. */
static int64_t
http_date (const char *s)
{
  static const char *const forms[] = {
    "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %d %H:%M:%S %Y"
  };
  /* Day and month names are English whatever the program's locale is. */
  locale_t c = newlocale (LC_ALL_MASK, "C", (locale_t) 0);
  locale_t old;
  int64_t at = -1;

  if (c == (locale_t) 0)
    return -1;
  old = uselocale (c);
  for (size_t i = 0; at < 0 && i < sizeof forms / sizeof forms[0]; i++) {
    struct tm tm;
    const char *end;

    memset (&tm, 0, sizeof tm);
    end = strptime (s, forms[i], &tm);
    if (end != NULL && *end == '\0')
      at = (int64_t) timegm (&tm);
  }
  (void) uselocale (old);
  freelocale (c);
  return at;
}

int64_t
kwi_answer_retry_after (const struct kwi_answer *a)
{
  const char *s = kwi_answer_header (a, "retry-after");
  int64_t ms, at;

  if (s == NULL)
    return -1;
  ms = seconds_ms (s);
  if (ms >= 0)
    return ms;
  at = http_date (s);
  if (at < 0 || at > INT64_MAX / 1000)
    return -1;
  ms = at * 1000 - a->received_ms;
  if (ms < 0)
    return 0;                   /* it has passed: now is fine */
  return ms < MAX_WAIT_S * 1000 ? ms : MAX_WAIT_S * 1000;
}
