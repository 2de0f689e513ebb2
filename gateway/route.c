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

/* What is behind /v1, or NULL. */
static const char *
behind_v1 (const char *path)
{
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

/* One of these characters, or its %XX: how long; 0: neither. */
static size_t
mark (const char *s, const char *chars, const char *escaped, const char *escaped_too)
{
  if (s[0] != '\0' && strchr (chars, s[0]) != NULL)
    return 1;
  return strncasecmp (s, escaped, 3) == 0 || strncasecmp (s, escaped_too, 3) == 0 ? 3 : 0;
}

static size_t
dot (const char *s)
{
  return mark (s, ".", "%2e", "%2e");
}

/* What some server or other takes for the end of a path's part. */
static size_t
slash (const char *s)
{
  return mark (s, "/\\", "%2f", "%5c");
}

/* Has it a part that is "." or ".."?  Those would lead to what is not below the
 * provider's base URL, and the key with them. */
static int
has_dots (const char *path, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    size_t n = slash (path + i), dots;
    if (n == 0)
      continue;
    dots = dot (path + i + n);
    if (dots > 0)
      dots += dot (path + i + n + dots);
    n += dots;
    if (dots > 0 && (i + n >= len || path[i + n] == ';' || slash (path + i + n) > 0))
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
  if (ret->rest == NULL && (rest = first_part (uri, ret->provider)) != NULL) {
    ret->rest = behind_v1 (rest);
    ret->or_default = ret->rest != NULL && strcmp (ret->provider, "openai") == 0;
    if (ret->rest == NULL && strncmp (rest, "/openai/", 8) == 0)
      ret->rest = behind_v1 (rest + 7);
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
