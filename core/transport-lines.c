/* transport-lines - the lines of HTTP that the transport puts together or takes
 * apart itself; see transport-lines.h.  What has the key in it is written to
 * guarded memory at once, and nowhere else. */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "answer.h"
#include "request.h"
#include "secrets.h"
#include "transport-lines.h"

int
kwi_lines_secret (const struct kw_request *r, const struct kwi_secret *k,
                  char *buf, size_t size)
{
  int n = snprintf (buf, size, "%s: %s", r->secret_header, r->secret_prefix);

  if (n < 0 || (size_t) n + k->len >= size)
    return -1;
  memcpy (buf + n, k->bytes, k->len);
  buf[(size_t) n + k->len] = '\0';
  return 0;
}

/* RFC 3986: everything but the unreserved characters as %XX. */
static void
escape (char *to, const char *bytes, size_t len)
{
  static const char hex[] = "0123456789ABCDEF";
  static const char unreserved[] =
    "-._~0123456789"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  size_t i;

  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char) bytes[i];
    if (memchr (unreserved, c, sizeof unreserved - 1) != NULL)
      *to++ = (char) c;
    else {
      *to++ = '%';
      *to++ = hex[c >> 4];
      *to++ = hex[c & 15];
    }
  }
  *to = '\0';
}

char *
kwi_lines_secret_url (const struct kw_request *r, const struct kwi_secret *k)
{
  size_t size = strlen (r->url) + strlen (r->secret_query) + 3 * k->len + 3;
  char *url = sodium_malloc (size);
  int n;

  if (url == NULL)
    return NULL;
  n = snprintf (url, size, "%s%c%s=", r->url,
                strchr (r->url, '?') != NULL ? '&' : '?', r->secret_query);
  if (n < 0) {
    sodium_free (url);
    return NULL;
  }
  escape (url + n, k->bytes, k->len);
  return url;
}

static int
is_status_line (const char *line, size_t len)
{
  return len > 5 && memcmp (line, "HTTP/", 5) == 0 && line[5] >= '0'
         && line[5] <= '9';
}

int
kwi_lines_take (struct kwi_answer *a, const char *line, size_t len)
{
  const char *colon;
  size_t end = len, from;

  if (is_status_line (line, len)) {
    a->headers_len = 0;         /* what came before was a 100's */
    return 0;
  }
  colon = memchr (line, ':', len);
  if (colon == NULL)
    return 0;
  from = (size_t) (colon - line) + 1;
  while (end > from && (line[end - 1] == '\r' || line[end - 1] == '\n'))
    end--;
  return kwi_answer_add_header (a, line, from - 1, line + from, end - from);
}
