/* options - what the INI says of a server that nobody knows beforehand: how the
 * key is sent, other headers, when its day ends; and the requests made of it. */
#include <stdlib.h>

#include "compatible.h"

static int
wrong (const struct kwp_instance *i, const char *value, const char *allowed)
{
  return kw_error (i->host, i->in, KW_ERR_CONFIG, "\"%.60s\" is not understood; allowed: %s",
                   value, allowed);
}

/* RFC 9110, 5.6.2. */
static int
is_header_name (const char *s, size_t len, size_t size)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789!#$%&'*+-.^_`|~";
  return len > 0 && len < size && strspn (s, letters) >= len;
}

/* "bearer", "none", "header NAME", "header NAME PREFIX" */
static int
set_auth (struct kwp_instance *i, const char *value)
{
  struct compatible *c = i->own;
  const char *name, *prefix;
  size_t name_len, prefix_len;

  if (kwp_is (value, "bearer") || kwp_is (value, "none")) {
    c->auth = kwp_is (value, "none") ? COMPATIBLE_NO_KEY : COMPATIBLE_BEARER;
    return KW_OK;
  }
  name = value + strcspn (value, " ");
  name += strspn (name, " ");
  name_len = strcspn (name, " ");
  prefix = name + name_len + strspn (name + name_len, " ");
  prefix_len = strlen (prefix);
  /* A blank goes behind it. */
  if (!kwp_starts_with (value, "header ") || prefix_len + 1 >= sizeof c->auth_prefix
      || !is_header_name (name, name_len, sizeof c->auth_header))
    return wrong (i, value, "bearer, none, header NAME, header NAME PREFIX");
  c->auth = COMPATIBLE_HEADER;
  kwp_copy (c->auth_header, sizeof c->auth_header, name, name_len);
  kwp_copy (c->auth_prefix, sizeof c->auth_prefix, prefix, prefix_len);
  if (prefix_len > 0)
    memcpy (c->auth_prefix + prefix_len, " ", 2);
  return KW_OK;
}

static int
set_day_ends (struct kwp_instance *i, const char *value)
{
  static const struct { const char *name; int64_t (*end) (int64_t); } ends[] = {
    { "rolling", NULL }, { "midnight_utc", kwp_next_midnight_utc },
    { "midnight_pacific", kwp_next_midnight_pacific },
  };

  for (size_t n = 0; n < KWP_ARRAY_SIZE (ends); n++)
    if (kwp_is (value, ends[n].name)) {
      i->day_ends = ends[n].end;
      return KW_OK;
    }
  return wrong (i, value, "rolling, midnight_utc, midnight_pacific");
}

static int
set_account_header (struct kwp_instance *i, const char *value)
{
  struct compatible *c = i->own;
  size_t len = strlen (value);

  if (!is_header_name (value, len, sizeof c->account_header))
    return wrong (i, value, "the name of a header");
  kwp_copy (c->account_header, sizeof c->account_header, value, len);
  i->account_header = c->account_header;
  return KW_OK;
}

/* Those that something else sets: twice in a request they would be refused, or
 * mean whatever the server likes. */
static int
is_taken (const char *name)
{
  static const char *const names[] = {
    "accept", "authorization", "connection", "content-length", "content-type", "host",
    "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
  };

  for (size_t n = 0; n < KWP_ARRAY_SIZE (names); n++)
    if (strcasecmp (name, names[n]) == 0)
      return 1;
  return 0;
}

/* What stands in value may be a secret: it is not shown. */
static int
add_header (struct kwp_instance *i, const char *name, const char *value)
{
  struct compatible *c = i->own;
  size_t len = strlen (name);

  if (!is_header_name (name, len, sizeof c->headers[0].name))
    return kw_error (i->host, i->in, KW_ERR_CONFIG, "it ends in no header's name; allowed: "
                     "header_NAME = VALUE");
  if (is_taken (name))
    return kw_error (i->host, i->in, KW_ERR_CONFIG, "%s is set by other means (of the key: "
                     "\"auth\"), and cannot be set here", name);
  for (const char *p = value; *p != '\0'; p++)
    if (((unsigned char) *p < 0x20 && *p != '\t') || *p == 0x7f)
      return kw_error (i->host, i->in, KW_ERR_CONFIG, "a control character is in its value");
  if (c->n_headers == COMPATIBLE_HEADERS_MAX)
    return kw_error (i->host, i->in, KW_ERR_CONFIG, "there are too many headers; allowed: %d",
                     COMPATIBLE_HEADERS_MAX);
  c->headers[c->n_headers].value = strdup (value);
  if (c->headers[c->n_headers].value == NULL)
    return KW_ERR_NOMEM;
  kwp_copy (c->headers[c->n_headers++].name, sizeof c->headers[0].name, name, len);
  return KW_OK;
}

int
compatible_config (struct kwp_instance *i, const char *key, const char *value)
{
  static const char prefix[] = "header_";

  if (kwp_is (key, "auth"))
    return set_auth (i, value);
  if (kwp_is (key, "day_ends"))
    return set_day_ends (i, value);
  if (kwp_is (key, "account_header"))
    return set_account_header (i, value);
  if (kwp_starts_with (key, prefix))
    return add_header (i, key + sizeof prefix - 1, value);
  return KW_ERR_NOTFOUND;
}

void
compatible_free (void *own)
{
  struct compatible *c = own;

  for (uint32_t n = 0; n < c->n_headers; n++)
    free (c->headers[n].value);
}

int
compatible_prepare (void *self, const struct kw_call *call, struct kw_request *r)
{
  const struct kwp_instance *i = self;
  const struct compatible *c = i->own;
  int rc = i->host->request_method (r, call->method);

  if (rc == KW_OK)
    rc = kwp_request_url (i, call, r);
  if (rc == KW_OK && c->auth == COMPATIBLE_BEARER)
    rc = i->host->request_secret_header (r, "Authorization", "Bearer ");
  if (rc == KW_OK && c->auth == COMPATIBLE_HEADER)
    rc = i->host->request_secret_header (r, c->auth_header, c->auth_prefix);
  for (uint32_t n = 0; rc == KW_OK && n < c->n_headers; n++)
    rc = i->host->request_header (r, c->headers[n].name, c->headers[n].value);
  return rc == KW_OK ? kwp_request_body (i, call, r) : rc;
}
