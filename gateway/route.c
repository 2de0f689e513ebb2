/* route - the paths of the gateway (see route.h). */
#include "route.h"

#include <string.h>
#include <strings.h>

static const struct {
  const char *path;
  enum gw_place place;
  int _reserved;
} own[] = {
  { "/healthz", GW_HEALTHZ, 0 }, { "/readyz", GW_READYZ, 0 },
  { "/status", GW_STATUS, 0 }, { "/metrics", GW_METRICS, 0 },
  { "/reset", GW_RESET, 0 }, { "/", GW_PAGE, 0 }, { "/events", GW_EVENTS, 0 },
};

/* What is behind /v1 or /openai/v1, or NULL. */
static const char *
behind_v1 (const char *path)
{
  if (strncmp (path, "/openai/", 8) == 0)
    path += 7;
  if (strncmp (path, "/v1/", 4) != 0 || path[4] == '\0' || path[4] == '?')
    return NULL;
  return path + 3;
}

/* Of "/groq/v1/chat": "groq", and "/v1/chat".  Or NULL. */
static const char *
first_part (const char *uri, char name[64])
{
  size_t len = uri[0] == '/' ? strcspn (uri + 1, "/?") : 0;

  if (len == 0 || len >= 64 || uri[1 + len] != '/')
    return NULL;
  memcpy (name, uri + 1, len);
  name[len] = '\0';
  return uri + 1 + len;
}

/* A "." of a path, or its %2e: how long; 0: none. */
static size_t
dot (const char *s)
{
  if (s[0] == '.')
    return 1;
  return strncasecmp (s, "%2e", 3) == 0 ? 3 : 0;
}

/* Has it a part that is "." or ".."?  Those would lead to what is not below the
 * provider's base URL, and the key with them. */
static int
has_dots (const char *path, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    size_t n;
    if (path[i] != '/')
      continue;
    n = dot (path + i + 1);
    if (n > 0)
      n += dot (path + i + 1 + n);
    if (n > 0 && (i + 1 + n >= len || path[i + 1 + n] == '/'))
      return 1;
  }
  return 0;
}

void
gw_route_find (const char *uri, struct gw_route *ret)
{
  size_t len = strcspn (uri, "?");
  const char *rest;

  *ret = (struct gw_route) { .place = GW_NOWHERE };
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    if (strlen (own[i].path) == len && memcmp (own[i].path, uri, len) == 0)
      ret->place = own[i].place;
  if (ret->place != GW_NOWHERE)
    return;
  ret->rest = behind_v1 (uri);
  if (ret->rest == NULL) {
    rest = first_part (uri, ret->provider);
    ret->rest = rest != NULL ? behind_v1 (rest) : NULL;
  }
  if (ret->rest != NULL && has_dots (uri, len))
    ret->rest = NULL;
  if (ret->rest != NULL)
    ret->place = GW_PROVIDER;
  else
    ret->provider[0] = '\0';
}

const char *
gw_route_methods (enum gw_place place)
{
  if (place == GW_PROVIDER)
    return "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
  return place == GW_RESET ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
}
