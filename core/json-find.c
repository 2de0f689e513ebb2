/* json-find - what stands where in a text that was scanned; see json-scan.h.
 *
 * Gives the answers that json-c's pointers and texts would, or none: an escape
 * in a member's name, an element beyond the table, a number that json-c may
 * print otherwise are not looked into here. */
#include <string.h>

#include "json-scan.h"

/* ---- Places --------------------------------------------------------------- */

int
kwi_json_member (const struct kwi_json *json, const struct kwi_json_node *o,
                 const char *name, size_t len,
                 const struct kwi_json_node **ret)
{
  const struct kwi_json_node *found = NULL, *n = o + 1;

  if (o->kind != KWI_JSON_OBJECT)
    return 0;
  if ((o->flags & (KWI_JSON_ESCAPED | KWI_JSON_CUT)) != 0 || len == 0)
    return -1;
  if ((o->names & kwi_json_bit (name[0])) == 0)
    return 0;
  for (;; n = &json->node[n->next]) {
    const char *key = json->text + n->key;
    if (n->key_len == len && key[0] == name[0] && memcmp (key, name, len) == 0)
      found = n;                /* the last one counts */
    if (n->next == 0)
      break;
  }
  *ret = found;
  return found != NULL;
}

/* As json-c has it: digits, none of them a 0 before others. */
static int
element (const struct kwi_json *json, const struct kwi_json_node *a,
         const char *digits, size_t len, const struct kwi_json_node **ret)
{
  const struct kwi_json_node *n = a + 1;
  int has_more;

  if (len != 1 || digits[0] < '0' || digits[0] > '9')
    return -1;                  /* "-", "name" and "10" are rare */
  if (a->len == 2)
    return 0;                   /* [], and nothing behind it is its own */
  for (int i = digits[0] - '0'; i > 0; i--) {
    has_more = n->next != 0;
    if (!has_more)
      return (a->flags & KWI_JSON_CUT) != 0 ? -1 : 0;
    n = &json->node[n->next];
  }
  *ret = n;
  return 1;
}

/* May json-c find an object or an array in that string? */
static int
may_hold_json (const struct kwi_json *json, const struct kwi_json_node *n)
{
  const char *s = json->text + n->at, *end = s + n->len;

  while (s < end && (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n'))
    s++;
  return s < end && (*s == '{' || *s == '[' || *s == '\\');
}

int
kwi_json_find (const struct kwi_json *json, const char *pointer,
               const struct kwi_json_node **ret)
{
  const struct kwi_json_node *n = &json->node[0];
  int r;

  while (*pointer != '\0') {
    const char *part = pointer + 1;

    if (*pointer != '/')
      return -1;
    /* Most that is asked for is not there, and one look at a letter says so. */
    if (n->kind == KWI_JSON_OBJECT && *part != '~' && *part != '/' && *part != '\0'
        && (n->flags & (KWI_JSON_ESCAPED | KWI_JSON_CUT)) == 0
        && (n->names & kwi_json_bit (*part)) == 0)
      return 0;
    for (pointer = part; *pointer != '\0' && *pointer != '/'; pointer++)
      if (*pointer == '~')
        return -1;
    switch (n->kind) {
    case KWI_JSON_OBJECT:
      r = kwi_json_member (json, n, part, (size_t) (pointer - part), &n);
      break;
    case KWI_JSON_ARRAY:
      r = element (json, n, part, (size_t) (pointer - part), &n);
      break;
    case KWI_JSON_STRING:
      return may_hold_json (json, n) ? -1 : 0;
    default:
      return 0;
    }
    if (r != 1)
      return r;
  }
  *ret = n;
  return 1;
}

/* ---- Texts ---------------------------------------------------------------- */

static int
hex_digit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  return (c | 0x20) - 'a' + 10;
}

/* The character of \uXXXX at s, as UTF-8; its length, or 0: NUL, or half of a
 * pair. */
static int
unescape_u (const char *s, char ret[4])
{
  unsigned c = 0;

  for (int i = 2; i < 6; i++)
    c = c * 16 + (unsigned) hex_digit (s[i]);
  if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
    return 0;
  if (c < 0x80) {
    ret[0] = (char) c;
    return 1;
  }
  if (c < 0x800) {
    ret[0] = (char) (0xc0 | c >> 6);
    ret[1] = (char) (0x80 | (c & 0x3f));
    return 2;
  }
  ret[0] = (char) (0xe0 | c >> 12);
  ret[1] = (char) (0x80 | (c >> 6 & 0x3f));
  ret[2] = (char) (0x80 | (c & 0x3f));
  return 3;
}

/* The escape at s, which is a whole one; returns its length in the text. */
static size_t
unescape (const char *s, char ret[4], int *ret_len)
{
  static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
  const char *name;

  if (s[1] == 'u') {
    *ret_len = unescape_u (s, ret);
    return 6;
  }
  name = strchr (names, s[1]);
  ret[0] = name != NULL ? values[name - names] : s[1];
  *ret_len = 1;
  return 2;
}

/* How long s is when its escapes are undone; it is put to buf where that is not
 * NULL.  -1: json-c knows. */
static int64_t
decode (const char *s, size_t len, char *buf)
{
  const char *end = s + len;
  int64_t n = 0;

  while (s < end) {
    char c[4] = { *s };
    int size = 1;

    s += *s == '\\' ? unescape (s, c, &size) : 1;
    if (size == 0)
      return -1;
    if (buf != NULL)
      memcpy (buf + n, c, (size_t) size);
    n += size;
  }
  return n;
}

static int64_t
copy (const char *s, size_t len, char *buf, size_t size)
{
  if (len < size) {
    memcpy (buf, s, len);
    buf[len] = '\0';
  }
  return (int64_t) len;
}

/* An integer that json-c prints as it stands. */
static int
is_simple_number (const char *s, size_t len)
{
  size_t i = s[0] == '-';

  if (len - i > 18 || (i == 1 && s[1] == '0'))
    return 0;
  while (i < len && s[i] >= '0' && s[i] <= '9')
    i++;
  return i == len;
}

int64_t
kwi_json_text (const struct kwi_json *json, const struct kwi_json_node *n,
               char *buf, size_t size)
{
  const char *s = json->text + n->at;
  int64_t len;

  switch (n->kind) {
  case KWI_JSON_FALSE:
  case KWI_JSON_TRUE:
    return copy (s, n->len, buf, size);
  case KWI_JSON_NUMBER:
    return is_simple_number (s, n->len) ? copy (s, n->len, buf, size) : -1;
  case KWI_JSON_STRING:
    break;
  default:
    return -2;
  }
  if ((n->flags & KWI_JSON_ESCAPED) == 0)
    return copy (s, n->len, buf, size);
  len = decode (s, n->len, NULL);
  if (len >= 0 && (uint64_t) len < size) {
    (void) decode (s, n->len, buf);
    buf[len] = '\0';
  }
  return len;
}
