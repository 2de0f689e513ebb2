/* request - the HTTP request that a plugin builds, and the transport sends.
 *
 * Vets every piece as it comes in: what a plugin got from an INI or a caller
 * may hold a line break, and one in a header is a header of somebody else's
 * choice.  Refusals are kept in words, for the plugin may not pass them on.
 * Knows no plugin and no secret: only where the secret shall go. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "request.h"

#define MAX_URL ((size_t) 64 << 10)
#define MAX_HEADERS ((size_t) 256 << 10)
#define MAX_BODY ((uint64_t) 256 << 20)

/* Where the first refusal stands the others are its consequences. */
static int __attribute__ ((__format__ (__printf__, 3, 4)))
refuse (struct kw_request *r, int code, const char *fmt, ...)
{
  va_list ap;

  if (r->problem[0] != '\0')
    return code;
  va_start (ap, fmt);
  if (vsnprintf (r->problem, sizeof r->problem, fmt, ap) < 0)
    r->problem[0] = '\0';
  va_end (ap);
  return code;
}

void
kwi_request_reset (struct kw_request *r, const void *call_body,
                   size_t call_body_len)
{
  r->method[0] = '\0';
  r->url = NULL;
  r->headers_len = 0;
  r->n_headers = 0;
  free (r->own_body);
  r->own_body = NULL;
  r->body = NULL;
  r->body_len = 0;
  r->call_body = call_body;
  r->call_body_len = call_body != NULL ? call_body_len : 0;
  r->secret_header[0] = '\0';
  r->secret_prefix[0] = '\0';
  r->secret_query[0] = '\0';
  r->translated = 0;
  free (r->note);
  r->note = NULL;
  r->note_len = 0;
  r->problem[0] = '\0';
}

void
kwi_request_let_go (struct kw_request *r)
{
  free (r->own_body);
  r->own_body = NULL;
  r->body = r->call_body = NULL;
  r->body_len = r->call_body_len = 0;
}

void
kwi_request_clear (struct kw_request *r)
{
  free (r->url_room);
  free (r->headers);
  free (r->own_body);
  free (r->note);
  memset (r, 0, sizeof *r);
}

static int
is_alnum (char c)
{
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* RFC 9110, 5.6.2. */
static int
is_token (const char *s)
{
  size_t i = 0;

  while (is_alnum (s[i]) || s[i] == '-'
         || (s[i] != '\0' && strchr ("!#$%&'*+.^_`|~", s[i]) != NULL))
    i++;
  return i > 0 && s[i] == '\0';
}

/* Anything but control characters; a tab is what HTTP allows in a value. */
static int
is_field_value (const char *s)
{
  for (; *s != '\0'; s++) {
    unsigned char c = (unsigned char) *s;
    if ((c < 0x20 && c != '\t') || c == 0x7f)
      return 0;
  }
  return 1;
}

/* These frame the message, which is the transport's business: a second length
 * is how requests are smuggled. */
static int
is_framing (const char *name)
{
  static const char *const names[] = {
    "Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "TE",
    "Trailer", "Transfer-Encoding", "Upgrade"
  };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if ((name[0] | 0x20) == (names[i][0] | 0x20)
        && strcasecmp (name, names[i]) == 0)
      return 1;
  return 0;
}

/* Vets a header's name; what names the service for the text. */
static int
check_name (struct kw_request *r, const char *what, const char *name)
{
  if (name == NULL)
    return refuse (r, KW_ERR, "%s without a name", what);
  if (!is_token (name))
    return refuse (r, KW_ERR, "%s: the name is empty or has a character that "
                   "HTTP does not allow in one", what);
  if (is_framing (name))
    return refuse (r, KW_ERR, "%s: %.40s is the host's own to set", what, name);
  return KW_OK;
}

int
kwi_request_method (struct kw_request *r, const char *method)
{
  size_t len;

  if (method == NULL || !is_token (method))
    return refuse (r, KW_ERR, "request_method: not an HTTP method");
  len = strlen (method);
  if (len >= sizeof r->method)
    return refuse (r, KW_ERR_RANGE, "request_method: longer than %zu bytes",
                   sizeof r->method - 1);
  memcpy (r->method, method, len + 1);
  return KW_OK;
}

/* NULL, or what is wrong with it.  Not config's check: a plugin's URL has a
 * path and may have a query. */
static const char *
url_mistake (const char *url)
{
  const char *host;

  if (strncasecmp (url, "https://", 8) == 0)
    host = url + 8;
  else if (strncasecmp (url, "http://", 7) == 0)
    host = url + 7;
  else
    return "must begin with https:// or http://";
  for (const char *s = url; *s != '\0'; s++) {
    unsigned char c = (unsigned char) *s;
    if (c <= 0x20 || c == 0x7f)
      return "has a blank or a control character in it";
    if (c == '#')
      return "has a fragment, which is never sent";
  }
  if (strcspn (host, "/?:") == 0)
    return "has no host in it";
  if (memchr (host, '@', strcspn (host, "/?")) != NULL)
    return "has a user or a password in it; use request_secret_header";
  return NULL;
}

/* Its words do not show the URL: a plugin may have put a key in. */
int
kwi_request_url (struct kw_request *r, const char *url)
{
  const char *mistake;
  size_t len;
  char *room;

  if (url == NULL)
    return refuse (r, KW_ERR, "request_url without a URL");
  len = strlen (url);
  if (len > MAX_URL)
    return refuse (r, KW_ERR_RANGE, "request_url: longer than %zu bytes",
                   MAX_URL);
  mistake = url_mistake (url);
  if (mistake != NULL)
    return refuse (r, KW_ERR, "request_url: the URL %s", mistake);
  if (len >= r->url_size) {
    room = realloc (r->url_room, len + 64);
    if (room == NULL)
      return refuse (r, KW_ERR_NOMEM, "request_url: no memory");
    r->url_room = room;
    r->url_size = len + 64;
  }
  memcpy (r->url_room, url, len + 1);
  r->url = r->url_room;
  return KW_OK;
}

/* Room for len more bytes of headers, never beyond MAX_HEADERS. */
static int
grow_headers (struct kw_request *r, size_t len)
{
  size_t want = r->headers_len + len;
  size_t next = r->headers_size != 0 ? r->headers_size : 512;
  char *p;

  if (want <= r->headers_size)
    return KW_OK;
  while (next < want)
    next *= 2;
  p = realloc (r->headers, next);
  if (p == NULL)
    return refuse (r, KW_ERR_NOMEM, "request_header: no memory");
  r->headers = p;
  r->headers_size = next;
  return KW_OK;
}

int
kwi_request_header (struct kw_request *r, const char *name, const char *value)
{
  size_t name_len, value_len, len;
  char *p;
  int rc;

  rc = check_name (r, "request_header", name);
  if (rc != KW_OK)
    return rc;
  if (value == NULL || !is_field_value (value))
    return refuse (r, KW_ERR, "request_header: the value of %.64s %s", name,
                   value == NULL ? "is missing"
                                 : "has a control character in it");
  name_len = strlen (name);
  value_len = strlen (value);
  if (name_len > MAX_HEADERS || value_len > MAX_HEADERS ||
      r->headers_len + name_len + value_len + 3 > MAX_HEADERS)
    return refuse (r, KW_ERR_RANGE, "request_header: all headers together are "
                   "over %zu bytes", MAX_HEADERS);
  len = name_len + value_len + 3;       /* ": " and the NUL */
  rc = grow_headers (r, len);
  if (rc != KW_OK)
    return rc;
  p = r->headers + r->headers_len;
  memcpy (p, name, name_len);
  memcpy (p + name_len, ": ", 2);
  memcpy (p + name_len + 2, value, value_len + 1);
  r->headers_len += len;
  r->n_headers++;
  return KW_OK;
}

int
kwi_request_has_header (const struct kw_request *r, const char *name)
{
  const char *p = r->headers;
  const char *end = p != NULL ? p + r->headers_len : NULL;
  size_t len = strlen (name);

  for (; p < end; p += strlen (p) + 1)
    if (strncasecmp (p, name, len) == 0 && p[len] == ':')
      return 1;
  return 0;
}

/* Is [body, body + len) within what the caller gave?  As numbers: comparing
 * pointers into different objects means nothing in C. */
static int
is_borrowed (const struct kw_request *r, const void *body, size_t len)
{
  uintptr_t from = (uintptr_t) r->call_body, at = (uintptr_t) body;

  return r->call_body != NULL && at >= from &&
         at - from <= r->call_body_len && len <= r->call_body_len - (at - from);
}

int
kwi_request_body (struct kw_request *r, const void *body, uint64_t len)
{
  void *copy = NULL;

  if (body == NULL && len > 0)
    return refuse (r, KW_ERR, "request_body: a length without a body");
  if (len > 0 && len <= SIZE_MAX && is_borrowed (r, body, (size_t) len)) {
    free (r->own_body);
    r->own_body = NULL;
    r->body = body;
    r->body_len = (size_t) len;
    return KW_OK;
  }
  if (len > 0 && r->call_body != NULL && body == r->call_body)
    return refuse (r, KW_ERR_RANGE, "request_body: longer than the body that "
                   "was passed in");
  if (len > MAX_BODY)
    return refuse (r, KW_ERR_RANGE, "request_body: a body of the plugin's own "
                   "is over %llu bytes", (unsigned long long) MAX_BODY);
  if (len > 0) {
    copy = malloc ((size_t) len);
    if (copy == NULL)
      return refuse (r, KW_ERR_NOMEM, "request_body: no memory");
    memcpy (copy, body, (size_t) len);
  }
  free (r->own_body);
  r->own_body = copy;
  r->body = copy;
  r->body_len = (size_t) len;
  return KW_OK;
}

int
kwi_request_secret_header (struct kw_request *r, const char *name,
                           const char *prefix)
{
  size_t name_len, prefix_len;
  int rc = check_name (r, "request_secret_header", name);

  if (rc != KW_OK)
    return rc;
  if (prefix == NULL)
    prefix = "";
  if (!is_field_value (prefix))
    return refuse (r, KW_ERR, "request_secret_header: the prefix has a control "
                   "character in it");
  name_len = strlen (name);
  prefix_len = strlen (prefix);
  if (name_len >= sizeof r->secret_header ||
      prefix_len >= sizeof r->secret_prefix)
    return refuse (r, KW_ERR_RANGE, "request_secret_header: name or prefix is "
                   "longer than %zu bytes", sizeof r->secret_header - 1);
  if (r->secret_header[0] != '\0')
    return refuse (r, KW_ERR, "request_secret_header: the key goes into one "
                   "header at most");
  memcpy (r->secret_header, name, name_len + 1);
  memcpy (r->secret_prefix, prefix, prefix_len + 1);
  return KW_OK;
}

/* RFC 3986's unreserved characters: a name that needs no escaping, so that
 * the transport has nothing to decide. */
static int
is_query_name (const char *s)
{
  static const char unreserved[] =
    "-._~0123456789"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

  return s[0] != '\0' && s[strspn (s, unreserved)] == '\0';
}

int
kwi_request_secret_query (struct kw_request *r, const char *name)
{
  size_t len;

  if (name == NULL || !is_query_name (name))
    return refuse (r, KW_ERR, "request_secret_query: the name must be letters, "
                   "digits, '-', '.', '_' or '~'");
  len = strlen (name);
  if (len >= sizeof r->secret_query)
    return refuse (r, KW_ERR_RANGE, "request_secret_query: longer than %zu "
                   "bytes", sizeof r->secret_query - 1);
  if (r->secret_query[0] != '\0')
    return refuse (r, KW_ERR, "request_secret_query: the key goes into one "
                   "parameter at most");
  memcpy (r->secret_query, name, len + 1);
  return KW_OK;
}

int
kwi_request_translate (struct kw_request *r, const void *note, uint64_t len,
                       const char *problem)
{
  void *copy = NULL;

  if (problem[0] != '\0')
    return refuse (r, KW_ERR_UNSUPPORTED, "the answer cannot be translated: %s",
                   problem);
  if (len > KW_TRANSLATE_NOTE_MAX)
    return refuse (r, KW_ERR_RANGE, "translation: a note of %" PRIu64 " bytes; "
                   "at most %d", len, KW_TRANSLATE_NOTE_MAX);
  if (note == NULL && len > 0)
    return refuse (r, KW_ERR, "translation: a length without a note");
  if (note != NULL) {
    copy = malloc ((size_t) len + 1);
    if (copy == NULL)
      return refuse (r, KW_ERR_NOMEM, "translation: no memory");
    memcpy (copy, note, (size_t) len);
  }
  free (r->note);
  r->note = copy;
  r->note_len = (size_t) len;
  r->translated = 1;
  return KW_OK;
}
