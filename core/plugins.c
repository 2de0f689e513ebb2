/* plugins - what kw_plugins tells: every plugin in the folders searched, the
 * refused ones with their reason. */
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "config.h"
#include "fail.h"
#include "loader.h"

enum { N_TEXTS = 8 };

struct list {
  kw_plugin_info *info;
  size_t n, size;
  int failed;
};

static char *
copy (struct list *l, const char *s)
{
  char *p = strdup (s != NULL ? s : "");

  if (p == NULL)
    l->failed = 1;
  return p;
}

static void
add (void *user, const char *file, struct kwi_plugin *plugin, const char *why,
     int abi_major, int abi_minor)
{
  static const struct kw_provider none;
  const struct kw_provider *p = plugin != NULL ? kwi_plugin_provider (plugin)
                                               : &none;
  struct list *l = user;
  kw_plugin_info *i;

  /* One more than used, zeroed: kw_plugins_free finds the end. */
  if (l->n + 2 > l->size) {
    size_t size = l->size == 0 ? 16 : l->size * 2;
    i = realloc (l->info, size * sizeof *i);
    if (i == NULL) {
      l->failed = 1;
      return;
    }
    l->info = i;
    l->size = size;
  }
  i = &l->info[l->n++];
  memset (i, 0, 2 * sizeof *i);
  i->file = copy (l, file);
  i->name = copy (l, p->name);
  i->longname = copy (l, p->longname);
  i->version = copy (l, p->version);
  i->description = copy (l, p->description);
  i->key_env = copy (l, p->key_env);
  i->base_url = copy (l, p->default_base_url);
  i->refused = plugin == NULL ? copy (l, why) : NULL;
  i->abi_major = abi_major;
  i->abi_minor = abi_minor;
}

int
kw_plugins (const char *ini_path, kw_plugin_info **ret_list, size_t *ret_n,
            struct kw_error *err)
{
  struct kwi_config *config = NULL;
  struct list l = { 0 };
  char **dirs;
  size_t n_dirs;
  int code = kwi_config_load (ini_path, &kwi_env_process, NULL, &config, err);

  if (code != 0)
    return code;
  dirs = kwi_plugin_path ((const char *const *) config->plugin_dirs,
                          config->n_plugin_dirs, &n_dirs);
  if (dirs == NULL
      || kwi_plugin_scan ((const char *const *) dirs, n_dirs, add, &l) != 0
      || l.failed)
    code = kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  free (dirs);
  kwi_config_free (config);
  if (code != 0) {
    kw_plugins_free (l.info);
    return code;
  }
  *ret_list = l.info;
  *ret_n = l.n;
  return 0;
}

void
kw_plugins_free (kw_plugin_info *list)
{
  kw_plugin_info *i;

  if (list == NULL)
    return;
  for (i = list; i->file != NULL; i++) {
    const char *texts[N_TEXTS] = { i->file, i->name, i->longname, i->version,
                                   i->description, i->key_env, i->base_url,
                                   i->refused };
    size_t t;
    for (t = 0; t < N_TEXTS; t++)
      free ((char *) (uintptr_t) texts[t]);
  }
  free (list);
}
