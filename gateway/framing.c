/* framing - heads that mean one thing only (see framing.h; RFC 9112).
 * libmicrohttpd (0.9.75) takes the first of several, and more than it should. */
#include "framing.h"

#include <string.h>
#include <strings.h>

struct seen {
  const char *host, *length, *encoding;
  const char *wrong;            /* NULL: nothing                          */
};

static int
is_alnum (unsigned char c)
{
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* RFC 9110, 5.6.2. */
static int
is_token (const char *s, size_t len)
{
  size_t i = 0;

  while (i < len && (is_alnum ((unsigned char) s[i]) || s[i] == '-'
                     || (s[i] != '\0' && strchr ("!#$%&'*+.^_`|~", s[i]) != NULL)))
    i++;
  return len > 0 && i == len;
}

/* Anything but control characters.  What is behind a NUL libmicrohttpd does not show. */
static int
is_value (const char *s, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char) s[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f)
      return 0;
  }
  return 1;
}

static void
take (struct seen *seen, const char **which, const char *value, const char *twice)
{
  if (*which != NULL)
    seen->wrong = twice;
  *which = value;
}

static enum MHD_Result
look_at (void *user, enum MHD_ValueKind kind, const char *name, size_t name_len,
         const char *value, size_t value_len)
{
  struct seen *seen = user;

  (void) kind;
  if (!is_token (name, name_len))
    seen->wrong = "a header's name has a character that is not allowed in one";
  else if (value != NULL && !is_value (value, value_len))
    seen->wrong = "a header's value has a control character in it";
  else if (strcasecmp (name, MHD_HTTP_HEADER_HOST) == 0)
    take (seen, &seen->host, value, "there is more than one Host");
  else if (strcasecmp (name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
    take (seen, &seen->length, value, "there is more than one Content-Length");
  else if (strcasecmp (name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0)
    take (seen, &seen->encoding, value, "there is more than one Transfer-Encoding");
  return seen->wrong == NULL ? MHD_YES : MHD_NO;
}

void
gw_framing_check (struct gw_request *r)
{
  struct seen seen = { .wrong = NULL };

  (void) MHD_get_connection_values_n (r->connection, MHD_HEADER_KIND, look_at, &seen);
  if (seen.wrong == NULL && seen.encoding != NULL) {
    if (seen.length != NULL)
      seen.wrong = "there is a Content-Length besides a Transfer-Encoding";
    else if (strcasecmp (seen.encoding, "chunked") != 0)
      seen.wrong = "a Transfer-Encoding other than chunked is not known";
  }
  if (seen.wrong == NULL)
    return;
  gw_error_set (&r->error, 400, "invalid_request_error", "malformed_request",
                "the request's head may be read in more than one way: %s", seen.wrong);
  r->last = 1;
}
