/* gate - the checks before anything else is looked at (see gate.h).
 *
 * A page in a browser on this machine can reach a gateway on loopback: by its
 * address, then the request has the page's Origin; or by a name of its own that
 * it has resolve to 127.0.0.1 (DNS rebinding), then the request has that name
 * for its Host. */
#include "gate.h"

#include <string.h>
#include <strings.h>

static const char *
field (const struct gw_request *r, const char *name)
{
  return MHD_lookup_connection_value (r->connection, MHD_HEADER_KIND, name);
}

static int
listed (const char *list, const char *word, size_t len)
{
  const char *other;
  size_t other_len;

  while ((other = gw_next_word (&list, &other_len)) != NULL)
    if (other_len == len && strncasecmp (other, word, len) == 0)
      return 1;
  return 0;
}

/* ---- Host ---------------------------------------------------------------------- */

/* Without the port: "127.0.0.1", "localhost", "[::1]". */
static size_t
name_len (const char *host)
{
  const char *end = host[0] == '[' ? strchr (host, ']') : NULL;

  return end != NULL ? (size_t) (end + 1 - host) : strcspn (host, ":");
}

/* 127.0.0.0/8 in digits and dots, as no name of DNS can be written. */
static int
is_loopback_address (const char *host, size_t len)
{
  return strncmp (host, "127.", 4) == 0 && len <= 15
         && strspn (host, "0123456789.") >= len;
}

static int
host_is_ours (const struct gw_request *r, const char *host)
{
  size_t len = name_len (host);

  return is_loopback_address (host, len)
         || (len == 9 && strncasecmp (host, "localhost", 9) == 0)
         || (len == 5 && strncmp (host, "[::1]", 5) == 0)
         || listed (r->wheel->config->settings.allowed_hosts, host, len);
}

/* A unix socket is out of a browser's reach, and a token out of a page's. */
static int
check_host (struct gw_request *r)
{
  const char *host = field (r, MHD_HTTP_HEADER_HOST);

  if (r->conn->is_unix || r->wheel->config->clients.by_token || host == NULL
      || host_is_ours (r, host))
    return 0;
  gw_error_set (&r->error, 403, "invalid_request_error", "host_not_allowed",
                "the request is for another host, \"%.200s\"; those that are meant to reach "
                "the gateway go into allowed_hosts of [gateway]", host);
  return -1;
}

/* ---- Origin ---------------------------------------------------------------------- */

/* https: of our page by way of a proxy that has the certificate. */
static int
is_own_origin (const struct gw_request *r, const char *origin)
{
  const char *host = field (r, MHD_HTTP_HEADER_HOST);
  size_t scheme = strncmp (origin, "http://", 7) == 0 ? 7
                  : strncmp (origin, "https://", 8) == 0 ? 8 : 0;

  return host != NULL && scheme > 0 && strcasecmp (origin + scheme, host) == 0;
}

/* An image or a script that a page takes from here comes without an Origin; but
 * browsers say where it was asked for.  Who follows a link to one of our own places
 * may see it: the page with the link does not. */
static int
is_taken_elsewhere (const struct gw_request *r)
{
  const char *site = field (r, "Sec-Fetch-Site"), *mode = field (r, "Sec-Fetch-Mode");

  if (site == NULL || strcmp (site, "same-origin") == 0 || strcmp (site, "none") == 0)
    return 0;
  return r->route.place == GW_PROVIDER || mode == NULL || strcmp (mode, "navigate") != 0;
}

static int
check_origin (struct gw_request *r)
{
  const char *origin = field (r, MHD_HTTP_HEADER_ORIGIN);

  if (origin == NULL && is_taken_elsewhere (r)) {
    gw_error_set (&r->error, 403, "invalid_request_error", "origin_not_allowed",
                  "a page of another origin may not use the gateway so");
    return -1;
  }
  if (origin == NULL || is_own_origin (r, origin) || gw_gate_is_foreign (r))
    return 0;
  gw_error_set (&r->error, 403, "invalid_request_error", "origin_not_allowed",
                "a page of \"%.200s\" may not use the gateway; those that may go into "
                "allowed_origins of [gateway]", origin);
  return -1;
}

int
gw_gate_is_foreign (const struct gw_request *r)
{
  const char *origin = field (r, MHD_HTTP_HEADER_ORIGIN);

  return origin != NULL
         && listed (r->wheel->config->settings.allowed_origins, origin, strlen (origin));
}

/* ---- Token ------------------------------------------------------------------------ */

/* Where the SDKs put a key: OpenAI's, Anthropic's, Azure's.  The blanks behind a
 * value are none of it (RFC 9110, 5.5). */
static const char *
shown_token (const struct gw_request *r, size_t *ret_len)
{
  const char *value = field (r, MHD_HTTP_HEADER_AUTHORIZATION);

  if (value != NULL && strncasecmp (value, "Bearer ", 7) == 0)
    value += 7 + strspn (value + 7, " ");
  else
    value = field (r, "x-api-key");
  if (value == NULL)
    value = field (r, "api-key");
  *ret_len = value != NULL ? strlen (value) : 0;
  while (*ret_len > 0 && strchr (" \t", value[*ret_len - 1]) != NULL)
    --*ret_len;
  return value;
}

static int
check_token (struct gw_request *r)
{
  struct gw_clients *clients = &r->wheel->config->clients;
  size_t len;
  const char *token = shown_token (r, &len);

  if (clients->by_token)
    r->client = token != NULL ? gw_clients_find (clients, token, len) : NULL;
  else
    r->client = &clients->of[0];
  if (r->client != NULL)
    return 0;
  gw_error_set (&r->error, 401, "authentication_error", "invalid_token",
                token == NULL ? "a token of the gateway's has to be sent as the API key"
                              : "the gateway does not know this token");
  return -1;
}

/* Of a browser, before it lets a page of an allowed origin ask: it shows no token. */
static int
is_preflight (const struct gw_request *r)
{
  return strcmp (r->method, "OPTIONS") == 0;
}

void
gw_gate_check (struct gw_request *r)
{
  int open = r->route.place == GW_HEALTHZ || r->route.place == GW_READYZ
             || r->route.place == GW_PAGE;

  if (check_host (r) != 0 || check_origin (r) != 0 || open || is_preflight (r)
      || check_token (r) != 0)
    return;
  if (r->route.place == GW_RESET && r->wheel->config->clients.by_token && !r->client->admin)
    gw_error_set (&r->error, 403, "invalid_request_error", "not_admin",
                  "\"%s\" may not reset keys: its line in client_tokens has no \"admin\"",
                  r->client->name);
  else if (r->route.place == GW_PROVIDER)
    r->entered = gw_client_enter (r->client, r->began_ms, &r->error);
}
