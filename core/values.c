/* values - the texts of settings turned into numbers, and checked.
 * Pure functions; they know no file, no section and no option. */
#include "values.h"

#include <string.h>
#include <strings.h>

#include "config.h"

static int
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

static int
is_lower (char c)
{
  return c >= 'a' && c <= 'z';
}

static int
is_upper (char c)
{
  return c >= 'A' && c <= 'Z';
}

/* ---- Numbers ----------------------------------------------------------- */

/* Reads digits, at least one; where they end, or NULL: none, or too many. */
static const char *
read_digits (const char *s, int64_t *ret)
{
  int64_t n = 0;

  if (!is_digit (*s))
    return NULL;
  for (; is_digit (*s); s++)
    if (__builtin_mul_overflow (n, (int64_t) 10, &n)
        || __builtin_add_overflow (n, (int64_t) (*s - '0'), &n))
      return NULL;
  *ret = n;
  return s;
}

int
kwi_parse_integer (const char *s, int64_t min, int64_t max, int64_t *ret)
{
  int64_t n;
  const char *digits = s[0] == '-' ? s + 1 : s;

  if (digits[0] == '\0' || digits[strspn (digits, "0123456789")] != '\0')
    return -1;
  if (digits != s || read_digits (s, &n) == NULL || n < min || n > max)
    return -2;
  *ret = n;
  return 0;
}

int
kwi_parse_size (const char *s, int64_t *ret_bytes)
{
  static const struct { const char *suffix; int64_t bytes; } units[] = {
    { "", 1 },
    { "K", 1 << 10 }, { "KB", 1 << 10 },
    { "M", 1 << 20 }, { "MB", 1 << 20 },
    { "G", 1 << 30 }, { "GB", 1 << 30 },
  };
  int64_t n;
  const char *rest = read_digits (s, &n);

  if (rest == NULL)
    return -1;
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (strcasecmp (rest, units[i].suffix) != 0)
      continue;
    if (__builtin_mul_overflow (n, units[i].bytes, &n))
      return -1;
    *ret_bytes = n;
    return 0;
  }
  return -1;
}

/* The fraction behind a full stop as parts of unit, rounded up, so that a wait
 * is never shorter than what was said.  Nine digits count; of the others only
 * whether there is one.  Where it ends, or NULL: no digit. */
static const char *
read_fraction (const char *s, int64_t unit, int64_t *ret)
{
  int64_t n = 0, scale = 1;
  int more = 0;

  if (!is_digit (*s))
    return NULL;
  for (; is_digit (*s); s++) {
    if (scale < 1000000000) {
      n = n * 10 + (*s - '0');
      scale *= 10;
    } else if (*s != '0')
      more = 1;
  }
  /* unit is at most a day: 86,400,000 times 10^9 fits. */
  int64_t parts = n * unit;
  *ret = parts / scale + (parts % scale != 0 || more);
  return s;
}

/* Which unit s begins with, counted from the largest; -1: none. */
static int
find_unit (const char *s, int64_t *ret_ms, size_t *ret_len)
{
  static const struct { const char *name; size_t len; int64_t ms; } units[] = {
    { "d", 1, 86400000 }, { "h", 1, 3600000 }, { "ms", 2, 1 },
    { "m", 1, 60000 }, { "s", 1, 1000 },
  };
  static const int rank[] = { 0, 1, 4, 2, 3 };

  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
    if (strncmp (s, units[i].name, units[i].len) == 0) {
      *ret_ms = units[i].ms;
      *ret_len = units[i].len;
      return rank[i];
    }
  return -1;
}

int
kwi_parse_duration (const char *s, int64_t *ret_ms)
{
  int64_t total = 0;
  int last_rank = -1;

  if (strcmp (s, "0") == 0) {
    *ret_ms = 0;
    return 0;
  }
  do {
    int64_t n, part = 0, unit = 0;
    size_t len = 0;
    const char *number = s, *fraction = NULL;

    s = read_digits (s, &n);
    if (s == NULL)
      return -1;
    if (*s == '.') {
      /* Its unit comes behind it, so it is read once that is known. */
      fraction = s + 1;
      s = number + strspn (number, "0123456789.");
    }
    int rank = find_unit (s, &unit, &len);
    if (rank <= last_rank)
      return -1;
    if (fraction != NULL && read_fraction (fraction, unit, &part) != s)
      return -1;
    s += len;
    if (fraction != NULL && *s != '\0')
      return -1;                /* "1.5m30s": whatever that is to be */
    last_rank = rank;
    if (__builtin_mul_overflow (n, unit, &n)
        || __builtin_add_overflow (n, part, &n)
        || __builtin_add_overflow (total, n, &total))
      return -1;
  } while (*s != '\0');
  *ret_ms = total;
  return 0;
}

/* ---- Names ------------------------------------------------------------- */

/* 1 to 63 bytes, each a letter, a digit or one of more. */
static int
made_of (const char *s, const char *more)
{
  size_t n = 0;

  for (; s[n] != '\0'; n++)
    if (n >= 63 || !(is_lower (s[n]) || is_upper (s[n]) || is_digit (s[n])
                     || strchr (more, s[n]) != NULL))
      return 0;
  return n > 0;
}

int
kwi_valid_name (const char *s)
{
  return made_of (s, "._-");
}

int
kwi_valid_plugin_name (const char *s)
{
  for (const char *p = s; *p != '\0'; p++)
    if (is_upper (*p))
      return 0;
  return s[0] != '-' && made_of (s, "-");
}

int
kwi_valid_variable (const char *s)
{
  if (s[0] == '\0' || is_digit (s[0]))
    return 0;
  for (; *s != '\0'; s++)
    if (!(is_lower (*s) || is_upper (*s) || is_digit (*s) || *s == '_'))
      return 0;
  return 1;
}

int
kwi_looks_secret (const char *s)
{
  int lower = 0, digit = 0, other = 0;
  size_t len = strlen (s);

  for (size_t i = 0; i < len; i++) {
    lower |= is_lower (s[i]);
    digit |= is_digit (s[i]);
    other |= s[i] == '/' || s[i] == '.' || s[i] == ' ';
  }
  /* Variables are written in capitals; file names of this length have a full
   * stop, or no digit.  A name that is not shown is the lesser harm. */
  return len >= 20 && lower && digit && !other;
}

/* ---- UTF-8 ------------------------------------------------------------- */

/* The length of the well-formed sequence (Unicode, table 3-7) at s; 0: none. */
static size_t
utf8_sequence (const unsigned char *s, size_t left)
{
  unsigned char low = 0x80, high = 0xbf;
  size_t n;

  if (s[0] < 0x80)
    return 1;
  if (s[0] >= 0xc2 && s[0] <= 0xdf)
    n = 2;
  else if (s[0] >= 0xe0 && s[0] <= 0xef)
    n = 3;
  else if (s[0] >= 0xf0 && s[0] <= 0xf4)
    n = 4;
  else
    return 0;
  if (s[0] == 0xe0)
    low = 0xa0;                 /* shorter would have done */
  else if (s[0] == 0xed)
    high = 0x9f;                /* surrogates */
  else if (s[0] == 0xf0)
    low = 0x90;
  else if (s[0] == 0xf4)
    high = 0x8f;                /* beyond U+10FFFF */
  if (left < n || s[1] < low || s[1] > high)
    return 0;
  for (size_t i = 2; i < n; i++)
    if (s[i] < 0x80 || s[i] > 0xbf)
      return 0;
  return n;
}

size_t
kwi_utf8_valid (const char *s, size_t len)
{
  size_t i = 0, n;

  while (i < len
         && (n = utf8_sequence ((const unsigned char *) s + i, len - i)) > 0)
    i += n;
  return i;
}

/* ---- URLs -------------------------------------------------------------- */

/* Behind "http://" or "https://"; NULL: neither. */
static const char *
skip_scheme (const char *url)
{
  if (strncasecmp (url, "http://", 7) == 0)
    return url + 7;
  if (strncasecmp (url, "https://", 8) == 0)
    return url + 8;
  return NULL;
}

/* Where the host ends; NULL: a [ without its ]. */
static const char *
host_end (const char *host)
{
  if (host[0] == '[') {
    const char *end = host + strcspn (host, "]/");
    return *end == ']' ? end + 1 : NULL;
  }
  return host + strcspn (host, ":/");
}

const char *
kwi_check_base_url (const char *url)
{
  static const char wrong_port[] = "the port is not within 1 to 65535";

  for (const char *p = url; *p != '\0'; p++)
    if ((unsigned char) *p <= 0x20 || *p == 0x7f)
      return "it holds a blank or a control character";
  const char *host = skip_scheme (url);
  if (host == NULL)
    return strstr (url, "://") == NULL
             ? "it has no scheme; it must begin with https:// or http://"
             : "its scheme is not one of https, http";
  if (strchr (url, '?') != NULL || strchr (url, '#') != NULL)
    return "it has a query or a fragment";
  const char *slash = host + strcspn (host, "/");
  if (memchr (host, '@', (size_t) (slash - host)) != NULL)
    return "it has a user or a password in it; keys go into [key ...] sections";
  const char *end = host_end (host);
  if (end == NULL || end > slash)
    return "the [ of its host has no ]";
  if (end == host || strncmp (host, "[]", 2) == 0)
    return "it has no host";
  if (end == slash)
    return NULL;
  int64_t port;
  const char *rest = *end == ':' ? read_digits (end + 1, &port) : NULL;
  return rest != slash || port < 1 || port > 65535 ? wrong_port : NULL;
}

int
kwi_url_is_private (const char *url)
{
  static const char *const local[] = { "localhost", "[::1]" };
  const char *host = skip_scheme (url);

  if (host == NULL || strncasecmp (url, "https", 5) == 0)
    return 1;
  const char *end = host_end (host);
  size_t len = end != NULL ? (size_t) (end - host) : 0;
  for (size_t i = 0; i < 2; i++)
    if (len == strlen (local[i]) && strncasecmp (host, local[i], len) == 0)
      return 1;
  /* 127.0.0.0/8, and not a name that begins so. */
  return strncmp (host, "127.", 4) == 0
         && strspn (host, "0123456789.") == len;
}

/* ---- The nearest spelling ---------------------------------------------- */

#define LONGEST_WORD 64

static size_t
least (size_t a, size_t b)
{
  return a < b ? a : b;
}

static char
fold (char c)
{
  return is_upper (c) ? (char) (c - 'A' + 'a') : c;
}

/* Edit distance, where two neighbours in the wrong order are one slip (optimal
 * string alignment); capitals do not count.  Both are short. */
static size_t
distance (const char *a, size_t na, const char *b, size_t nb)
{
  size_t rows[3][LONGEST_WORD + 1];
  size_t *before = rows[0], *above = rows[1], *row = rows[2];

  for (size_t j = 0; j <= nb; j++)
    above[j] = j;
  for (size_t i = 1; i <= na; i++) {
    row[0] = i;
    for (size_t j = 1; j <= nb; j++) {
      char ca = fold (a[i - 1]), cb = fold (b[j - 1]);
      row[j] = least (above[j - 1] + (ca != cb),
                      least (above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && ca == fold (b[j - 2]) && fold (a[i - 2]) == cb)
        row[j] = least (row[j], before[j - 2] + 1);
    }
    size_t *oldest = before;
    before = above;
    above = row;
    row = oldest;
  }
  return above[nb];
}

const char *
kwi_nearest (const char *s, const char *const *words)
{
  size_t len = strlen (s);
  /* A third of the letters may be wrong, three at most, and of a short word
   * one: further away it is another word. */
  size_t best = (len < 5 ? 1 : least ((len + 2) / 3, 3)) + 1;
  const char *nearest = NULL;

  if (len > LONGEST_WORD)
    return NULL;
  for (size_t i = 0; words[i] != NULL; i++) {
    size_t n = strlen (words[i]);
    size_t d = n <= LONGEST_WORD ? distance (s, len, words[i], n) : best;
    if (d < best && d < n) {
      best = d;
      nearest = words[i];
    }
  }
  return nearest;
}

/* Appends what fits. */
static void
append (char *buf, size_t size, const char *text)
{
  size_t at = strlen (buf);
  size_t len = least (strlen (text), size - 1 - at);

  memcpy (buf + at, text, len);
  buf[at + len] = '\0';
}

const char *
kwi_suggest (const char *word, const char *const *words, char *buf,
             size_t size)
{
  const char *nearest = kwi_nearest (word, words);

  buf[0] = '\0';
  if (nearest != NULL) {
    append (buf, size, "; did you mean \"");
    append (buf, size, nearest);
    append (buf, size, "\"?");
  }
  append (buf, size, " (known: ");
  for (size_t i = 0; words[i] != NULL; i++) {
    append (buf, size, i > 0 ? ", " : "");
    append (buf, size, words[i]);
  }
  append (buf, size, ")");
  return buf;
}
