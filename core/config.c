/* config - finding the INI file, and the settings as a whole.
 * How its text is read is sections.c's.  Knows no plugin and reads no key. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <keywheel/keywheel.h>

#include "fail.h"
#include "mistakes.h"
#include "sections.h"
#include "textfile.h"

#define MAX_FILE (1024 * 1024)

static const char *
get_from_process (void *ctx, const char *name)
{
  (void) ctx;
  return getenv (name);
}

const struct kwi_env kwi_env_process = { get_from_process, NULL };

/* ---- The parts --------------------------------------------------------- */

void *
kwi_grow (void *array, size_t n, size_t size)
{
  /* Full when n is a power of two. */
  if ((n & (n - 1)) != 0)
    return array;
  return reallocarray (array, n > 0 ? 2 * n : 1, size);
}

struct kwi_provider_config *
kwi_config_find (const struct kwi_config *config, const char *name)
{
  for (size_t i = 0; i < config->n_providers; i++)
    if (strcmp (config->providers[i].name, name) == 0)
      return &config->providers[i];
  return NULL;
}

struct kwi_provider_config *
kwi_config_add (struct kwi_config *config, const char *name)
{
  char *own = strdup (name), *plugin = strdup (name);
  struct kwi_provider_config *providers
    = kwi_grow (config->providers, config->n_providers, sizeof *providers);

  if (providers != NULL)
    config->providers = providers;
  if (own == NULL || plugin == NULL || providers == NULL) {
    free (own);
    free (plugin);
    return NULL;
  }
  struct kwi_provider_config *provider = &providers[config->n_providers++];
  *provider = (struct kwi_provider_config) {
    .name = own,
    .plugin = plugin,
    .policy = KWI_POLICY_DEFAULTS,
    .attempt_timeout_ms = 60000,
    .connect_timeout_ms = 5000,
    .max_response = INT64_C (64) << 20
  };
  return provider;
}

struct kwi_key_config *
kwi_provider_add_key (struct kwi_provider_config *provider, const char *name)
{
  struct kwi_key_config *keys
    = kwi_grow (provider->keys, provider->n_keys, sizeof *keys);
  char *own = strdup (name);

  if (keys != NULL)
    provider->keys = keys;
  if (keys == NULL || own == NULL) {
    free (own);
    return NULL;
  }
  keys += provider->n_keys++;
  *keys = (struct kwi_key_config) { .name = own, .weight = 1 };
  return keys;
}

static void
clear_options (struct kwi_option *options, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    free (options[i].name);
    free (options[i].value);
  }
  free (options);
}

static void
clear_provider (struct kwi_provider_config *provider)
{
  for (size_t i = 0; i < provider->n_keys; i++) {
    free (provider->keys[i].name);
    free (provider->keys[i].value);
  }
  clear_options (provider->options, provider->n_options);
  clear_options (provider->gateway, provider->n_gateway);
  free (provider->keys);
  free (provider->name);
  free (provider->plugin);
  free (provider->base_url);
  free (provider->net.proxy);
  free (provider->net.ca_file);
  free (provider->net.client_cert);
  free (provider->net.client_key);
  free (provider->model);
}

void
kwi_config_free (struct kwi_config *config)
{
  if (config == NULL)
    return;
  for (size_t i = 0; i < config->n_providers; i++)
    clear_provider (&config->providers[i]);
  for (size_t i = 0; i < config->n_plugin_dirs; i++)
    free (config->plugin_dirs[i]);
  clear_options (config->gateway, config->n_gateway);
  free (config->providers);
  free (config->plugin_dirs);
  free (config->path);
  free (config->dir);
  free (config->provider);
  free (config->env_file);
  free (config->state);
  free (config->fingerprint_file);
  free (config->fingerprint_key);
  free (config);
}

/* ---- Finding the file -------------------------------------------------- */

static const char *
lookup (const struct kwi_env *env, const char *name)
{
  const char *value = env->get (env->ctx, name);

  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* 1: *path is there, and stays; 0: it is not, and is freed; -1: no memory.
 * One that cannot be read is there: reading it tells. */
static int
probe (char **path, const struct kwi_reporter *reporter)
{
  struct stat st;

  if (*path == NULL)
    return -1;
  if (stat (*path, &st) == 0)
    return 1;
  if (errno != ENOENT && errno != ENOTDIR)
    kwi_report (reporter, 1, "cannot look for %s: %s; going on without it",
                *path, strerror (errno));
  free (*path);
  *path = NULL;
  return 0;
}

static char *
join (const char *folder, const char *rest)
{
  char *path;

  return asprintf (&path, "%s%s", folder, rest) < 0 ? NULL : path;
}

/* The i-th place to look at, "" for none there; NULL: no memory. */
static char *
place (const struct kwi_env *env, int i)
{
  const char *config_home = lookup (env, "XDG_CONFIG_HOME");
  const char *home = lookup (env, "HOME");

  if (i == 0)
    return strdup ("keywheel.ini");
  if (i == 2)
    return strdup ("/etc/keywheel/keywheel.ini");
  /* The XDG specification wants relative ones ignored. */
  if (config_home != NULL && config_home[0] == '/')
    return join (config_home, "/keywheel/keywheel.ini");
  if (home != NULL && home[0] == '/')
    return join (home, "/.config/keywheel/keywheel.ini");
  return strdup ("");
}

/* The file to read, or *ret NULL: none.  -1: no memory. */
static int
find_file (const struct kwi_env *env, const struct kwi_reporter *reporter,
           char **ret)
{
  const char *named = lookup (env, "KEYWHEEL_CONFIG");

  if (named != NULL)
    return (*ret = strdup (named)) != NULL ? 0 : -1;
  for (int i = 0; i < 3; i++) {
    *ret = place (env, i);
    int r = probe (ret, reporter);
    if (r != 0)
      return r == 1 ? 0 : -1;
  }
  return 0;
}

/* The file's folder, absolute; without a file the working folder. */
static char *
folder_of (const char *path)
{
  const char *slash = path != NULL ? strrchr (path, '/') : NULL;

  if (slash == NULL)
    return realpath (".", NULL);
  if (slash == path)
    return strdup ("/");
  char *folder = strndup (path, (size_t) (slash - path));
  char *absolute = folder != NULL ? realpath (folder, NULL) : NULL;
  free (folder);
  return absolute;
}

/* ---- Reading it -------------------------------------------------------- */

/* Says where the path came from when nobody typed it. */
static int
cannot_read (struct kwi_mistakes *mistakes, const char *path, int named_by_env,
             const char *why)
{
  kwi_mistake (mistakes, "cannot read the configuration %s%s: %s", path,
               named_by_env ? " (named by KEYWHEEL_CONFIG)" : "", why);
  return 0;
}

/* 0, also with mistakes; -1: no memory. */
static int
read_file (struct kwi_config *config, const struct kwi_env *env,
           int named_by_env, struct kwi_mistakes *mistakes)
{
  struct kwi_text text;
  int r = kwi_text_read (config->path, MAX_FILE, &text);

  if (r == KWI_TEXT_NO_MEMORY)
    return -1;
  if (r == KWI_TEXT_TOO_LARGE)
    return cannot_read (mistakes, config->path, named_by_env,
                        "it is larger than 1 MB, so it is hardly the file "
                        "that was meant");
  if (r == KWI_TEXT_NO_FILE)
    return cannot_read (mistakes, config->path, named_by_env,
                        KWI_TEXT_NO_FILE_TEXT);
  if (r != 0 && errno == EISDIR)
    return cannot_read (mistakes, config->path, named_by_env,
                        "it is a folder; name the file in it");
  if (r != 0)
    return cannot_read (mistakes, config->path, named_by_env,
                        strerror (errno));
  /* Who can write it can have commands run and plugins loaded. */
  if (S_ISREG (text.mode) && (text.mode & S_IWOTH) != 0)
    kwi_report (mistakes->reporter, 1, "%s can be written by every user of "
                "this machine; chmod o-w %s", config->path, config->path);
  config->dir = folder_of (config->path);
  if (config->dir == NULL && errno != ENOMEM)
    cannot_read (mistakes, config->path, named_by_env, strerror (errno));
  else if (config->dir == NULL)
    r = -1;
  else
    r = kwi_sections_read (config->path, text.bytes, text.len, env, mistakes,
                           config);
  kwi_text_free (&text);
  return r;
}

int
kwi_config_load (const char *path, const struct kwi_env *env,
                 const struct kwi_reporter *reporter,
                 struct kwi_config **ret, struct kw_error *err)
{
  struct kwi_mistakes mistakes = { .reporter = reporter };
  struct kwi_config *config = calloc (1, sizeof *config);
  int r = -1;

  if (env == NULL)
    env = &kwi_env_process;
  if (config != NULL) {
    config->log_level = 1;      /* warn */
    if (path != NULL)
      r = (config->path = strdup (path)) != NULL ? 0 : -1;
    else
      r = find_file (env, reporter, &config->path);
  }
  if (r == 0 && config->path != NULL)
    r = read_file (config, env,
                   path == NULL && lookup (env, "KEYWHEEL_CONFIG") != NULL,
                   &mistakes);
  else if (r == 0) {
    /* Somebody removed the working folder: nothing here is relative to it. */
    config->dir = folder_of (NULL);
    if (config->dir == NULL)
      r = (config->dir = strdup ("/")) != NULL ? 0 : -1;
  }
  if (r != 0)
    r = kwi_fail (err, KW_ERR_MEMORY, "no memory left to read the "
                  "configuration");
  else
    r = kwi_mistakes_fail (&mistakes, err);
  if (r != 0) {
    kwi_config_free (config);
    return r;
  }
  *ret = config;
  return 0;
}
