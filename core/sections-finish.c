/* sections-finish - what can be said of a configuration only when every section
 * was read: which provider is the default, and what does not fit together. */
#include "sections.h"

#include <stdlib.h>
#include <string.h>

#include "values.h"

struct whole {
  const char *file;
  const struct kwi_config *config;
  struct kwi_mistakes *mistakes;
  int provider_line;            /* of provider = in [keywheel]; 0: none   */
};

static int
by_name_and_line (const void *a, const void *b)
{
  const struct kwi_key_config *const *x = a, *const *y = b;
  int r = strcmp ((*x)->name, (*y)->name);

  return r != 0 ? r : (*x)->line - (*y)->line;
}

/* Sorted, as there may be very many.  -1: no memory. */
static int
check_key_names (const struct whole *p,
                 const struct kwi_provider_config *provider)
{
  size_t n = provider->n_keys;
  const struct kwi_key_config **sorted = calloc (n + 1, sizeof *sorted);

  if (sorted == NULL)
    return -1;
  for (size_t i = 0; i < n; i++)
    sorted[i] = &provider->keys[i];
  qsort (sorted, n, sizeof *sorted, by_name_and_line);
  for (size_t i = 1; i < n; i++)
    if (strcmp (sorted[i - 1]->name, sorted[i]->name) == 0)
      kwi_mistake (p->mistakes, "%s:%d: [key %s/%s] was already there in line "
                   "%d; give each key a name of its own", p->file,
                   sorted[i]->line, provider->name, sorted[i]->name,
                   sorted[i - 1]->line);
  free (sorted);
  return 0;
}

/* The section that a word without a section of its own is near to, or NULL. */
static const struct kwi_provider_config *
near_section (const struct kwi_config *config, const char *name)
{
  for (size_t i = 0; i < config->n_providers; i++) {
    const struct kwi_provider_config *other = &config->providers[i];
    const char *const words[] = { other->name, NULL };
    if (other->line != 0 && strcmp (other->name, name) != 0
        && kwi_nearest (name, words) != NULL)
      return other;
  }
  return NULL;
}

static void
check_provider_name (const struct whole *p,
                     const struct kwi_provider_config *provider)
{
  int line = provider->line;

  if (line == 0) {
    line = provider->n_keys > 0 ? provider->keys[0].line : p->provider_line;
    const struct kwi_provider_config *near
      = near_section (p->config, provider->name);
    if (near != NULL)
      kwi_report (p->mistakes->reporter, 1, "%s:%d: there is no [provider %s]; "
                  "did you mean \"%s\" (line %d)?", p->file, line,
                  provider->name, near->name, near->line);
  }
  if (strchr (provider->plugin, '/') == NULL
      && !kwi_valid_plugin_name (provider->plugin))
    kwi_mistake (p->mistakes, "%s:%d: provider \"%s\" needs a line plugin = "
                 "NAME in [provider %s]: its own name cannot be a plugin's "
                 "(those have a-z 0-9 - only)", p->file, line, provider->name,
                 provider->name);
}

static void
check_net (const struct whole *p, const struct kwi_provider_config *provider)
{
  if (provider->net.client_key != NULL && provider->net.client_cert == NULL)
    kwi_mistake (p->mistakes, "%s:%d: [provider %s] has a client_key, but no "
                 "client_cert that it belongs to", p->file, provider->line,
                 provider->name);
}

int
kwi_sections_finish (const char *file, struct kwi_config *config,
                     int provider_line, struct kwi_mistakes *mistakes)
{
  const struct whole whole = { file, config, mistakes, provider_line };

  if (config->provider != NULL
      && kwi_config_find (config, config->provider) == NULL
      && kwi_config_add (config, config->provider) == NULL)
    return -1;
  if (config->provider == NULL && config->n_providers > 0
      && (config->provider = strdup (config->providers[0].name)) == NULL)
    return -1;
  for (size_t i = 0; i < config->n_providers; i++) {
    check_provider_name (&whole, &config->providers[i]);
    check_net (&whole, &config->providers[i]);
    kwi_failover_check (file, config, &config->providers[i], mistakes);
    if (check_key_names (&whole, &config->providers[i]) != 0
        || kwi_failover_keep_policy (&config->providers[i]) != 0)
      return -1;
  }
  return 0;
}
