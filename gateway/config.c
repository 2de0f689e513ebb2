/* config - a configuration at work (see config.h). */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

static void
config_free (struct gw_config *config)
{
  gw_clients_clear (&config->clients);
  gw_providers_clear (&config->providers);
  free (config);
}

int
gw_config_new (kw_client *client, struct gw_config **ret, char *text, size_t size)
{
  struct gw_config *config = calloc (1, sizeof *config);

  (void) snprintf (text, size, "out of memory");
  if (config != NULL) {
    config->client = client;
    gw_settings_read (client, &config->settings);
    if (gw_providers_read (client, &config->providers) == 0
        && gw_clients_load (&config->clients, &config->settings, text, size) == 0) {
      *ret = config;
      return 0;
    }
    config_free (config);
  }
  kw_client_close (client);
  return -1;
}

void
gw_config_learn (struct gw_config *newest)
{
  for (struct gw_config *c = newest->next; c != NULL; c = c->next)
    (void) kw_client_learn_from (newest->client, c->client);
}

void
gw_config_inherit (struct gw_gateway *g, struct gw_config *config, int64_t now_ms)
{
  const struct gw_config *from = config->next;

  gw_config_learn (config);
  gw_clients_inherit (&config->clients, &from->clients);
  gw_providers_inherit (g, &config->providers, config->client, &from->providers,
                        from->client, now_ms);
}

kw_client *
gw_config_end (struct gw_config *config)
{
  kw_client *client = config->client;

  config_free (config);
  return client;
}
