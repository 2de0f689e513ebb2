/* event-scan - what a stream's event speaks of; see event-scan.h.
 *
 * From colon to colon: there are fewer of them than of quotes, and a name's
 * last letter tells most names apart. */
#include <string.h>

#include "event-scan.h"

static int
is_blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Does the name, with both its quotes, stand in data up to its end? */
static int
ends_in (const char *data, const char *end, const char *quoted, size_t len)
{
  return (size_t) (end - data) >= len && memcmp (end - len, quoted, len) == 0;
}

/* The mark of the name whose closing quote is before end, or 0. */
static unsigned
mark_of (const char *data, const char *end)
{
#define IS(name) ends_in (data, end, "\"" name "\"", sizeof name + 1)
  switch (end[-2]) {
  case 'r':
    return IS ("error") ? KWI_EVENT_ERROR : 0;
  case 'e':
    return IS ("usage") ? KWI_EVENT_USAGE : 0;
  case 's':
    return IS ("choices") ? KWI_EVENT_CHOICES : 0;
  case 'n':
    return IS ("finish_reason") ? KWI_EVENT_FINISH : 0;
  default:
    return 0;
  }
#undef IS
}

static int
is_null (const char *p, const char *end)
{
  while (p < end && is_blank (*p))
    p++;
  return end - p >= 4 && memcmp (p, "null", 4) == 0;
}

static inline int
is_last_letter (char c)
{
  return c == 'r' || c == 'e' || c == 's' || c == 'n';
}

/* The mark of the name before that colon, if its value is not null. */
static inline unsigned
look (const char *data, const char *end, const char *colon)
{
  const char *name_end = colon;
  unsigned mark;

  if (colon - data < 7)         /* "usage" is the shortest, with its quotes */
    return 0;
  while (is_blank (name_end[-1]))
    if (--name_end - data < 7)
      return 0;
  if (name_end[-1] != '"' || !is_last_letter (name_end[-2]))
    return 0;
  mark = mark_of (data, name_end);
  return mark != 0 && !is_null (colon + 1, end) ? mark : 0;
}

unsigned
kwi_event_scan (const char *data, size_t len)
{
  const char *end = data + len, *p = data;
  unsigned marks = 0;

  if (len >= 6 && memcmp (data, "[DONE]", 6) == 0)
    marks = KWI_EVENT_DONE;
  while (p < end && (p = memchr (p, ':', (size_t) (end - p))) != NULL)
    marks |= look (data, end, p++);
  return marks;
}
