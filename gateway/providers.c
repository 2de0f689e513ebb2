/* providers - the gateway's options in [provider NAME] (see providers.h).  The
 * library has checked every value. */
#include "providers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"

/* Of a breaker where there is a fallback and nothing else is said. */
#define FAILURES 5

static int64_t
number (const kw_client *client, const char *section, const char *name, int64_t otherwise)
{
  const char *text = kw_client_setting (client, section, name);

  return text != NULL ? strtoll (text, NULL, 10) : otherwise;
}

static void
read_one (const kw_client *c, const char *name, struct gw_provider *p)
{
  char section[9 + KW_NAME_MAX] = "provider ";
  const char *text;

  (void) strncat (section, name, KW_NAME_MAX - 1);
  p->name = name;
  p->fallback = kw_client_setting (c, section, "fallback");
  p->model_map = kw_client_setting (c, section, "model_map");
  p->deadline_ms = number (c, section, "deadline", 0);
  text = kw_client_setting (c, section, "on_auth");
  p->auth_switches = text != NULL && strcmp (text, "switch") == 0;
  p->rules = (struct gw_breaker_rules) {
    .failures = number (c, section, "breaker_failures",
                        p->fallback != NULL ? FAILURES : 0),
    .window_ms = number (c, section, "breaker_window", 0),
    .open_ms = number (c, section, "breaker_open", 0),
    .open_max_ms = number (c, section, "breaker_open_max", 0),
  };
}

int
gw_providers_read (const kw_client *c, struct gw_providers *ret)
{
  struct gw_providers providers = { .n = 0 };

  while (kw_client_provider (c, providers.n) != NULL)
    providers.n++;
  providers.of = calloc (providers.n + 1, sizeof *providers.of);
  if (providers.of == NULL)
    return -1;
  for (size_t i = 0; i < providers.n; i++)
    read_one (c, kw_client_provider (c, i), &providers.of[i]);
  *ret = providers;
  return 0;
}

void
gw_providers_clear (struct gw_providers *p)
{
  free (p->of);
  *p = (struct gw_providers) { .n = 0 };
}

/* 1: of that name both have one, at the same address. */
static int
is_same (kw_client *a, kw_client *b, const char *name)
{
  kw_status_info *in_a = NULL, *in_b = NULL;
  int same = kw_status (a, name, &in_a) == 0 && kw_status (b, name, &in_b) == 0
             && strcmp (in_a->base_url, in_b->base_url) == 0;

  kw_status_free (in_a);
  kw_status_free (in_b);
  return same;
}

void
gw_providers_inherit (struct gw_gateway *g, struct gw_providers *providers,
                      kw_client *client, const struct gw_providers *from,
                      kw_client *before, int64_t now_ms)
{
  for (size_t i = 0; i < providers->n; i++) {
    struct gw_provider *p = &providers->of[i];
    for (size_t k = 0; k < from->n && p->rules.failures > 0; k++)
      if (from->of[k].rules.failures > 0 && strcmp (from->of[k].name, p->name) == 0
          && is_same (client, before, p->name)) {
        gw_lock (g);
        gw_breaker_inherit (&p->breaker, &p->rules, &from->of[k].breaker, now_ms);
        gw_unlock (g);
      }
  }
}

struct gw_provider *
gw_providers_find (const struct gw_providers *p, const char *name, size_t len)
{
  if (len == 0)
    return p->n > 0 ? &p->of[0] : NULL;
  for (size_t i = 0; i < p->n; i++)
    if (strlen (p->of[i].name) == len && memcmp (p->of[i].name, name, len) == 0)
      return &p->of[i];
  return NULL;
}

/* ---- Models ----------------------------------------------------------------------- */

/* The name between the blanks at from and those before end. */
static void
take_name (const char *from, const char *end, char ret[GW_MODEL_MAX])
{
  size_t len;

  from += strspn (from, " \t");
  len = strcspn (from, " \t");
  if (len > (size_t) (end - from))
    len = (size_t) (end - from);
  if (len >= GW_MODEL_MAX)
    len = GW_MODEL_MAX - 1;
  memcpy (ret, from, len);
  ret[len] = '\0';
}

int
gw_model_there (const struct gw_provider *p, const char *model, char ret[GW_MODEL_MAX])
{
  char from[GW_MODEL_MAX], to[GW_MODEL_MAX];
  const char *at = p->model_map, *arrow;
  int found = at == NULL;

  if (found)
    take_name (model, model + strlen (model), ret);
  for (; at != NULL && (arrow = strstr (at, "->")) != NULL; at = strchr (arrow, ',')) {
    at += *at == ',';
    take_name (at, arrow, from);
    take_name (arrow + 2, arrow + 2 + strcspn (arrow + 2, ","), to);
    if (strcmp (from, model) == 0) {
      memcpy (ret, to, sizeof to);
      return 1;
    }
    if (strcmp (from, "*") == 0) {
      take_name (strcmp (to, "*") == 0 ? model : to, to + GW_MODEL_MAX, ret);
      found = 1;
    }
  }
  return found;
}
