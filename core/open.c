/* open - from a configuration to a client at work: plugins loaded, options
 * handed out, keys read.  Every mistake is reported, not only the first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "call.h"
#include "client.h"
#include "fail.h"
#include "instance.h"
#include "keyring.h"
#include "loader.h"
#include "mistakes.h"
#include "ring-kin.h"
#include "secrets.h"
#include "state.h"
#include "transport.h"

/* What opening needs at every step. */
struct opening {
  struct kw_client *client;
  const struct kwi_env *env;
  const char *state;                    /* where the file says nothing    */
  const struct kwi_reporter *next;      /* the caller's, or NULL          */
  struct kwi_reporter reporter;         /* ours, in front of it           */
  struct kwi_mistakes mistakes;
  size_t n_reported;                    /* errors, by whomever            */
  char **dirs;
  size_t n_dirs;
};

/* Keeps warnings for kw_client_warning. */
static void
note_report (void *user, int severity, const char *text)
{
  struct opening *o = user;
  struct kw_client *c = o->client;
  char **w;

  if (severity == 0)
    o->n_reported++;
  else if ((w = realloc (c->warnings,
                         (c->n_warnings + 1) * sizeof (char *))) != NULL) {
    c->warnings = w;
    w[c->n_warnings] = strdup (text);
    if (w[c->n_warnings] != NULL)
      c->n_warnings++;
  }
  if (o->next != NULL)
    o->next->report (o->next->user, severity, text);
}

/* A step failed with e: a mistake, unless the step reported by itself. */
static void
note_failure (struct opening *o, const struct kw_error *e, size_t reported)
{
  if (o->n_reported == reported)
    kwi_mistake (&o->mistakes, "%s", e->message);
  else if (o->mistakes.n++ == 0)
    (void) memccpy (o->mistakes.first, e->message, '\0',
                    sizeof o->mistakes.first - 1);
}

/* A plugin sees no key unless it is allowed to; but it sees answers, and those
 * may echo one. */
static void
plugin_log (void *user, uint32_t level, const char *msg)
{
  struct kwi_provider *p = user;
  char line[512] = "";
  struct kw_event e = { .type = KW_EVENT_LOG, .level = (int32_t) level,
                        .message = line };

  (void) memccpy (line, msg, '\0', sizeof line - 1);
  if (p->secrets != NULL)
    kwi_secrets_redact (p->secrets, line, sizeof line);
  kwi_clean_line (line);
  kwi_client_tell (p, &e);
}

/* Words for an option that neither the core nor the plugin knows. */
static void
unknown_option (struct opening *o, const struct kwi_provider *p,
                const struct kwi_option *opt)
{
  const char *near = kwi_nearest (opt->name, kwi_provider_options);
  const struct kw_provider *plugin = kwi_plugin_provider (p->plugin);
  char known[900] = "";
  size_t i, len = 0;

  for (i = 0; kwi_provider_options[i] != NULL; i++) {
    int n = snprintf (known + len, sizeof known - len, "%s%s",
                      i > 0 ? ", " : "", kwi_provider_options[i]);
    if (n < 0 || (size_t) n >= sizeof known - len)
      break;
    len += (size_t) n;
  }
  kwi_mistake (&o->mistakes,
               "%s:%d: unknown option \"%s\" in [provider %s]%s%s%s (known: "
               "%s; plugin \"%s\": %s)",
               o->client->config->path, opt->line, opt->name, p->config->name,
               near != NULL ? "; did you mean \"" : "",
               near != NULL ? near : "", near != NULL ? "\"?" : "", known,
               plugin->name,
               plugin->config_help != NULL ? plugin->config_help
                                           : "no options of its own");
}

/* With the section's place, where it has one. */
static void
section_mistake (struct opening *o, const struct kwi_provider_config *config,
                 const char *text)
{
  if (config->line > 0)
    kwi_mistake (&o->mistakes, "%s:%d: [provider %s]: %s",
                 o->client->config->path, config->line, config->name, text);
  else
    kwi_mistake (&o->mistakes, "[provider %s]: %s", config->name, text);
}

static void
give_options (struct opening *o, struct kwi_provider *p)
{
  struct kw_error e = KW_ERROR_INIT;
  size_t i;

  for (i = 0; i < p->config->n_options; i++) {
    const struct kwi_option *opt = &p->config->options[i];
    int unknown = 0;
    if (kwi_instance_config (p->instance, opt->name, opt->value, &unknown, &e)
        == 0)
      continue;
    if (unknown)
      unknown_option (o, p, opt);
    else
      kwi_mistake (&o->mistakes, "%s:%d: %s", o->client->config->path,
                   opt->line, e.message);
  }
  if (kwi_instance_config_complete (p->instance, &e) != 0)
    section_mistake (o, p->config, e.message);
}

/* base_url: the INI's; without an INI KEYWHEEL_BASE_URL; the plugin's. */
static void
choose_url (struct opening *o, struct kwi_provider *p)
{
  const char *url = p->config->base_url, *wrong;
  char text[256];
  size_t len;
  int n;

  if (url == NULL && o->client->config->path == NULL) {
    url = o->env->get (o->env->ctx, "KEYWHEEL_BASE_URL");
    if (url != NULL && (wrong = kwi_check_base_url (url)) != NULL) {
      kwi_mistake (&o->mistakes, "KEYWHEEL_BASE_URL: %s", wrong);
      return;
    }
  }
  if (url == NULL)
    url = kwi_plugin_provider (p->plugin)->default_base_url;
  if (url == NULL) {
    n = snprintf (text, sizeof text, "base_url is missing: plugin \"%s\" has no default; add "
                  "base_url = URL%s", kwi_plugin_provider (p->plugin)->name,
                  o->client->config->path == NULL ? ", or set KEYWHEEL_BASE_URL" : "");
    section_mistake (o, p->config, n > 0 ? text : "base_url is missing");
    return;
  }
  p->base_url = strdup (url);
  if (p->base_url == NULL) {
    kwi_mistake (&o->mistakes, "out of memory");
    return;
  }
  for (len = strlen (p->base_url); len > 0 && p->base_url[len - 1] == '/';)
    p->base_url[--len] = '\0';
}

static int
fill_ring (struct kwi_provider *p)
{
  size_t i;

  p->ring = kwi_keyring_new (&p->client->seq, kwi_call_wake);
  if (p->ring == NULL)
    return -1;
  kwi_keyring_pace (p->ring,
                    (p->config->exact ? KWI_PACE_EXACT : 0)
                      | (p->config->pace ? KWI_PACE_WAIT : 0),
                    p->config->policy.on_rate_limit == KWI_ON_WAIT);
  kwi_keyring_strategy (p->ring, (enum kwi_strategy) p->config->strategy,
                        p->config->max_concurrency);
  kwi_keyring_max_waiting (p->ring, p->config->max_waiting);
  for (i = 0; i < kwi_secrets_count (p->secrets); i++) {
    const struct kwi_secret *s = kwi_secrets_get (p->secrets, i);
    if (kwi_keyring_add (p->ring, s->name, s->fingerprint) != 0)
      return -1;
    kwi_keyring_weigh (p->ring, i, s->weight);
  }
  return kwi_client_share_ring (p);
}

static void
provider_free (struct kwi_provider *p)
{
  if (p == NULL)
    return;
  kwi_keyring_free (p->ring);
  kwi_secrets_free (p->secrets);
  kwi_instance_free (p->instance);
  kwi_plugin_unref (p->plugin);
  free (p->base_url);
  free (p->model);
  free (p);
}

/* Opens one section; what is wrong with it becomes a mistake. */
static void
open_provider (struct opening *o, const struct kwi_provider_config *config)
{
  struct kwi_provider *p = calloc (1, sizeof *p);
  struct kw_client *c = o->client;
  const struct kw_provider *plugin;
  struct kwi_instance_hooks hooks = { .clock = &c->clock, .log = plugin_log,
                                      .user = p };
  struct kw_error e = KW_ERROR_INIT;
  size_t reported;

  if (p == NULL) {
    kwi_mistake (&o->mistakes, "out of memory");
    return;
  }
  p->client = c;
  p->config = config;
  c->providers[c->n_providers++] = p;
  if (kwi_plugin_find (config->plugin, (const char *const *) o->dirs,
                       o->n_dirs, &p->plugin, &e) != 0
      || kwi_instance_new (p->plugin, config->name, &hooks, &p->instance, &e)
           != 0) {
    section_mistake (o, config, e.message);
    return;
  }
  plugin = kwi_plugin_provider (p->plugin);
  give_options (o, p);
  choose_url (o, p);
  p->model = strdup (config->model != NULL ? config->model
                     : plugin->default_model != NULL ? plugin->default_model
                                                     : "");
  reported = o->n_reported;
  if (kwi_secrets_gather (c->config, config,
                          plugin->key_env != NULL ? plugin->key_env : "",
                          o->env, &o->reporter, &p->secrets, &e) != 0) {
    note_failure (o, &e, reported);
    return;
  }
  if (p->model == NULL || (p->base_url != NULL && fill_ring (p) != 0))
    kwi_mistake (&o->mistakes, "out of memory");
}

struct candidates {
  struct opening *o;
  char looked_for[400];         /* all their variables, as far as they fit */
  char first[512];              /* the first one of each                   */
  int too_many;
  char no_url[64];              /* has a key, and nothing says where it is */
};

static int
has_url (const struct opening *o, const struct kw_provider *p)
{
  return p->default_base_url != NULL
         || (o->client->config->path == NULL
             && o->env->get (o->env->ctx, "KEYWHEEL_BASE_URL") != NULL);
}

/* -1: it does not fit; what is there stays. */
static int
add_name (char *list, size_t size, const char *between, const char *name)
{
  size_t len = strlen (list);
  int n = snprintf (list + len, size - len, "%s%s", len > 0 ? between : "", name);

  if (n >= 0 && (size_t) n < size - len)
    return 0;
  list[len] = '\0';
  return -1;
}

static void
consider_plugin (void *user, const char *file, struct kwi_plugin *plugin,
                 const char *why, int abi_major, int abi_minor)
{
  struct candidates *cs = user;
  struct opening *o = cs->o;
  const struct kw_provider *p;
  char names[256], first[128];
  size_t i;

  (void) file, (void) why, (void) abi_major, (void) abi_minor;
  if (plugin == NULL)
    return;                     /* "keywheel plugins" tells of it */
  p = kwi_plugin_provider (plugin);
  if (p->key_env == NULL)
    return;
  for (i = 0; i < o->client->config->n_providers; i++)
    if (strcmp (o->client->config->providers[i].name, p->name) == 0)
      return;
  if (kwi_secrets_any (o->client->config, p->key_env, o->env)) {
    if (!has_url (o, p))        /* an error only if there is no other */
      (void) memccpy (cs->no_url, p->name, '\0', sizeof cs->no_url - 1);
    else if (kwi_config_add (o->client->config, p->name) == NULL)
      kwi_mistake (&o->mistakes, "out of memory");
    return;
  }
  (void) kwi_secrets_variables (p->key_env, names, sizeof names, first);
  cs->too_many |= add_name (cs->looked_for, sizeof cs->looked_for, "; ", names) != 0;
  (void) add_name (cs->first, sizeof cs->first, ", ", first);
}

/* Nothing was configured: the providers for which the environment has keys. */
static void
look_around (struct opening *o)
{
  struct candidates cs = { .o = o };

  (void) kwi_plugin_scan ((const char *const *) o->dirs, o->n_dirs,
                          consider_plugin, &cs);
  if (o->client->config->n_providers == 0 && cs.no_url[0] != '\0'
      && kwi_config_add (o->client->config, cs.no_url) == NULL)
    kwi_mistake (&o->mistakes, "out of memory");
  if (o->client->config->n_providers > 0)
    return;
  if (cs.looked_for[0] == '\0')
    kwi_mistake (&o->mistakes,
                 "no configuration file, and no plugin in %s; see "
                 "\"keywheel plugins\"",
                 o->n_dirs > 0 ? o->dirs[0] : "any folder");
  else
    kwi_mistake (&o->mistakes,
                 "%s%s names a provider, and no key is in the environment%s%s; "
                 "looked for %s%s",
                 o->client->config->path != NULL
                   ? "nothing in " : "no configuration file",
                 o->client->config->path != NULL ? o->client->config->path : "",
                 o->client->config->env_file != NULL ? " or in " : "",
                 o->client->config->env_file != NULL
                   ? o->client->config->env_file : "",
                 cs.too_many ? cs.first : cs.looked_for,
                 cs.too_many ? " and further ones of each provider" : "");
}

/* The default section comes first. */
static void
open_providers (struct opening *o)
{
  struct kwi_config *config = o->client->config;
  size_t i, first = 0;

  if (config->n_providers == 0)
    look_around (o);
  o->client->providers = calloc (config->n_providers + 1,
                                 sizeof (struct kwi_provider *));
  if (o->client->providers == NULL) {
    kwi_mistake (&o->mistakes, "out of memory");
    return;
  }
  for (i = 0; config->provider != NULL && i < config->n_providers; i++)
    if (strcmp (config->providers[i].name, config->provider) == 0)
      first = i;
  for (i = 0; i < config->n_providers; i++)
    open_provider (o, &config->providers[i == 0 ? first
                                         : i <= first ? i - 1 : i]);
}

static int
open_all (struct opening *o, const char *ini_path, struct kw_error *err)
{
  struct kw_client *c = o->client;
  struct kw_error e = KW_ERROR_INIT;

  if (kwi_config_load (ini_path, o->env, &o->reporter, &c->config, &e) != 0) {
    note_failure (o, &e, 0);
    return kwi_fail (err, e.code, "%s", e.message);
  }
  c->transport = kwi_transport_new (err);
  if (c->transport == NULL)
    return KW_ERR_INTERNAL;
  o->dirs = kwi_plugin_path ((const char *const *) c->config->plugin_dirs,
                             c->config->n_plugin_dirs, &o->n_dirs);
  if (o->dirs == NULL)
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  kwi_client_open_state (c, o->env, o->state, &o->mistakes);
  open_providers (o);
  if (o->mistakes.n == 0 && c->share != NULL)
    (void) kwi_state_sync (c->share, NULL);     /* it says why it could not */
  return kwi_mistakes_fail (&o->mistakes, err);
}

struct kw_client *
kwi_client_open (const char *ini_path, const char *state,
                 const struct kwi_clock *clock, const struct kwi_env *env,
                 const struct kwi_reporter *reporter, struct kw_error *err)
{
  struct opening o = { .env = env, .next = reporter, .state = state };
  int code;

  o.client = calloc (1, sizeof *o.client);
  if (o.client == NULL) {
    (void) kwi_fail (err, KW_ERR_MEMORY, "out of memory");
    return NULL;
  }
  o.client->clock = *clock;
  (void) pthread_mutex_init (&o.client->loops_lock, NULL);
  (void) pthread_mutex_init (&o.client->own_lock, NULL);
  o.reporter = (struct kwi_reporter) { .report = note_report, .user = &o };
  o.mistakes.reporter = &o.reporter;
  o.client->opening = &o.reporter;
  code = open_all (&o, ini_path, err);
  o.client->opening = NULL;
  free (o.dirs);
  if (code != 0) {
    kw_client_close (o.client);
    return NULL;
  }
  return o.client;
}

void
kw_client_close (kw_client *c)
{
  size_t i;

  if (c == NULL)
    return;
  kwi_async_close (c);
  for (i = 0; i < c->n_providers; i++)
    if (c->providers[i]->ring != NULL)  /* they would tell a state that is gone */
      kwi_kin_leave (c->providers[i]->ring);
  kwi_state_free (c->share);
  (void) pthread_mutex_destroy (&c->loops_lock);
  (void) pthread_mutex_destroy (&c->own_lock);
  for (i = 0; i < c->n_providers; i++)
    provider_free (c->providers[i]);
  free (c->providers);
  kwi_transport_free (c->transport);
  kwi_config_free (c->config);
  for (i = 0; i < c->n_warnings; i++)
    free (c->warnings[i]);
  free (c->warnings);
  free (c);
}
