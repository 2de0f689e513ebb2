/* sse - a stream of server-sent events taken apart; see sse.h. */
#include <stdlib.h>
#include <string.h>

#include "sse.h"

void
kwi_sse_reset (struct kwi_sse *s)
{
  s->line_len = s->data_len = 0;
  s->event[0] = '\0';
  s->have_data = s->after_cr = 0;
}

void
kwi_sse_clear (struct kwi_sse *s)
{
  free (s->line);
  free (s->data);
  *s = (struct kwi_sse) { 0 };
}

static size_t
max_of (const struct kwi_sse *s)
{
  return s->max != 0 ? s->max : KWI_SSE_MAX;
}

/* Keeps a NUL behind what is there. */
static int
append (const struct kwi_sse *s, char **buf, size_t *len, size_t *size,
        const char *bytes, size_t n)
{
  size_t max = max_of (s);

  if (*len > max || n > max - *len)
    return KWI_SSE_TOO_LARGE;
  if (*len + n + 1 > *size) {
    size_t want = *size == 0 ? 512 : *size;
    char *p;
    while (want < *len + n + 1)
      want *= 2;
    p = realloc (*buf, want);
    if (p == NULL)
      return KWI_SSE_NO_MEMORY;
    *buf = p;
    *size = want;
  }
  if (n > 0)
    memcpy (*buf + *len, bytes, n);
  *len += n;
  (*buf)[*len] = '\0';
  return 0;
}

/* The value behind "name:", less one blank; NULL if line is another field. */
static const char *
field (const char *line, size_t len, const char *name, size_t *ret_len)
{
  size_t n = strlen (name);

  if (len < n || memcmp (line, name, n) != 0)
    return NULL;
  if (len == n) {
    *ret_len = 0;
    return line + n;
  }
  if (line[n] != ':')
    return NULL;
  n++;
  if (n < len && line[n] == ' ')
    n++;
  *ret_len = len - n;
  return line + n;
}

static int
end_of_line (struct kwi_sse *s, const char *line, size_t line_len,
             int (*event) (void *, const char *, const char *, size_t),
             void *user)
{
  const char *value;
  size_t len;
  int r = 0;

  if (line_len == 0) {          /* a blank line ends the event */
    if (s->have_data)
      r = event (user, s->event, s->data, s->data_len);
    s->data_len = 0;
    s->have_data = 0;
    s->event[0] = '\0';
    return r;
  }
  if ((value = field (line, line_len, "data", &len)) != NULL) {
    if (s->have_data)
      r = append (s, &s->data, &s->data_len, &s->data_size, "\n", 1);
    if (r == 0)
      r = append (s, &s->data, &s->data_len, &s->data_size, value, len);
    s->have_data = 1;
  }
  else if ((value = field (line, line_len, "event", &len)) != NULL) {
    /* A longer name than ours is none that we know: cut. */
    if (len > sizeof s->event - 1)
      len = sizeof s->event - 1;
    memcpy (s->event, value, len);
    s->event[len] = '\0';
  }
  return r;
}

/* At the first CR or LF, or at the end.  *lf is where the next LF is, and is
 * looked for once: lines that end with CR alone must not cost the more the
 * further it is. */
static const char *
line_end (const char *p, const char *end, const char **lf)
{
  const char *cr;

  if (*lf == NULL || *lf < p) {
    *lf = memchr (p, '\n', (size_t) (end - p));
    if (*lf == NULL)
      *lf = end;
  }
  cr = memchr (p, '\r', (size_t) (*lf - p));
  return cr != NULL ? cr : *lf;
}

int
kwi_sse_feed (struct kwi_sse *s, const char *bytes, size_t len,
              int (*event) (void *user, const char *name, const char *data,
                            size_t len),
              void *user, size_t *ret_used)
{
  const char *p = bytes, *end = bytes + len, *lf = NULL;     /* see line_end */
  int r;

  while (p < end) {
    const char *line = p;
    size_t n;

    if (s->after_cr && *p == '\n') {
      s->after_cr = 0;
      p++;
      continue;
    }
    s->after_cr = 0;
    p = line_end (p, end, &lf);
    n = (size_t) (p - line);
    /* Most lines are here from end to end, and are not put together. */
    if (s->line_len > 0 || p == end || n > max_of (s)) {
      r = append (s, &s->line, &s->line_len, &s->line_size, line, n);
      if (r != 0)
        return r;
      line = s->line;
      n = s->line_len;
    }
    if (p == end)
      break;
    s->after_cr = *p++ == '\r';
    *ret_used = (size_t) (p - bytes);
    s->line_len = 0;
    r = end_of_line (s, line, n, event, user);
    if (r != 0)
      return r;
  }
  *ret_used = len;
  return 0;
}
