/* providers - what the gateway keeps of each provider of a client: where its
 * requests go when it cannot serve them, what models are called there, and its
 * breaker.  Sends nothing. */
#ifndef GW_PROVIDERS_H
#define GW_PROVIDERS_H

#include <stddef.h>
#include <stdint.h>

#include <keywheel/keywheel.h>

#include "breaker.h"

struct gw_gateway;

/* As kw_find_model finds. */
enum { GW_MODEL_MAX = 96 };

/* The texts are the client's. */
struct gw_provider {
  const char *name;
  const char *fallback;         /* names with blanks or commas between; NULL */
  const char *model_map;        /* NULL: its models have everybody's names */
  int64_t deadline_ms;
  int auth_switches;            /* on_auth = switch                       */
  struct gw_breaker_rules rules;
  struct gw_breaker breaker;
};

struct gw_providers {
  struct gw_provider *of;       /* the default one first                  */
  size_t n;
};

/* 0, or -1: no memory. */
int gw_providers_read (const kw_client *, struct gw_providers *ret);
void gw_providers_clear (struct gw_providers *);

/* Another client takes the place of the one that from was read of: breakers stay as
 * they are, of providers that are at the same address. */
void gw_providers_inherit (struct gw_gateway *, struct gw_providers *, kw_client *,
                           const struct gw_providers *from, kw_client *client_before,
                           int64_t now_ms);

/* The one of that name, which is len bytes long; none: the default one.  NULL:
 * there is no such provider. */
struct gw_provider *gw_providers_find (const struct gw_providers *, const char *name,
                                       size_t len);

/* What a model of others is called there.  1; 0: it has none for it. */
int gw_model_there (const struct gw_provider *, const char *model,
                    char ret[GW_MODEL_MAX]);

#endif
