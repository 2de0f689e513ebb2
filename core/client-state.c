/* client-state - where a client keeps what it learns: in memory, or shared by a
 * store; what is said of it, and kw_sync. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "client.h"
#include "fail.h"
#include "fingerprint-key.h"
#include "keyring.h"
#include "loader.h"
#include "mistakes.h"
#include "state.h"
#include "state-fact.h"
#include "store-module.h"

/* ---- What is said ---------------------------------------------------------------- */

/* Before there is an observer it is a warning of the client's opening. */
static void
say (void *user, int level, const char *line)
{
  struct kw_client *c = user;
  struct kw_event e = { .struct_size = sizeof e, .type = KW_EVENT_LOG,
                        .level = level, .provider = "", .key = "",
                        .to_key = "", .model = "", .account = "", .reason = "",
                        .message = line };

  if (c->opening != NULL) {
    if (level <= 1)
      kwi_report (c->opening, 1, "%s", line);
    return;
  }
  e.seq = atomic_fetch_add (&c->seq, 1) + 1;
  e.at_ms = c->clock.wall_ms (c->clock.ctx);
  if (!kwi_client_has_text (c, level))
    e.message = "";
  if (c->observer != NULL)
    c->observer (c->observer_user, &e);
}

static int
listens (void *user)
{
  const struct kw_client *c = user;

  return c->opening == NULL && c->observer != NULL;
}

static int
words_for_block (const struct kwi_change *ch, const char *key, int64_t now,
                 char *buf, size_t size)
{
  const int account = strncmp (ch->subject, "account:", 8) == 0;
  char wait[32], when[32];
  int n = snprintf (buf, size, "%s%s%s%s is out%s%s: %s %s",
                    account ? "the account of " : "",
                    key[0] != '\0' ? "key \"" : "every key", key,
                    key[0] != '\0' ? "\"" : "",
                    ch->model[0] != '\0' ? " for " : "", ch->model,
                    kw_verdict_name ((int) ch->said.verdict), ch->dimension);

  if (n < 0 || (size_t) n >= size)
    return n;
  if (ch->said.until_ms == KWI_NEVER)
    return snprintf (buf + n, size - (size_t) n, "; no reset is known (another "
                     "process found out)");
  return snprintf (buf + n, size - (size_t) n, "; back in %s (%s; another process "
                   "found out)",
                   kwi_duration_text (ch->said.until_ms - now, wait, sizeof wait),
                   kwi_time_text (ch->said.until_ms, now, when, sizeof when));
}

static void
heard (void *user, void *ring_user, enum kwi_heard what, size_t key,
       const struct kwi_change *ch)
{
  struct kw_client *c = user;
  struct kwi_provider *p = ring_user;
  const char *name = kwi_keyring_name (p->ring, key);
  int64_t now = c->clock.wall_ms (c->clock.ctx);
  struct kw_event e = { .level = 2, .key = name, .model = ch->model,
                        .account = ch->account };
  char text[512] = "";
  int n = 0;

  switch (what) {
  case KWI_HEARD_BLOCK:
    e.type = KW_EVENT_EXHAUSTED;
    e.verdict = (int32_t) ch->said.verdict;
    e.reason = ch->dimension;
    e.until_ms = ch->said.until_ms == KWI_NEVER ? 0 : ch->said.until_ms;
    n = words_for_block (ch, name, now, text, sizeof text);
    break;
  case KWI_HEARD_FREE:
    e.type = KW_EVENT_REVIVED;
    n = snprintf (text, sizeof text, "key \"%s\" serves %s again (another process "
                  "found out)", name, ch->model[0] != '\0' ? ch->model
                                                          : "every model");
    break;
  case KWI_HEARD_ACCOUNT:
    e.type = KW_EVENT_ACCOUNT;
    e.level = 3;
    n = snprintf (text, sizeof text, "key \"%s\" belongs to account %s (another "
                  "process found out)", name, ch->account);
    break;
  default:
    e.type = KW_EVENT_REVIVED;
    n = snprintf (text, sizeof text, "%s%s%s reset by another process",
                  name[0] != '\0' ? "key \"" : "every key was", name,
                  name[0] != '\0' ? "\" was" : "");
  }
  if (n < 0)
    text[0] = '\0';
  kwi_clean_line (text);
  e.message = text;
  kwi_client_tell (p, &e);
}

/* ---- Opening --------------------------------------------------------------------- */

/* $XDG_STATE_HOME/keywheel, else ~/.local/state/keywheel; NULL: there is
 * neither.  A relative one is to be ignored, says the specification. */
static char *
state_dir (const struct kwi_env *env)
{
  const char *base = env->get (env->ctx, "XDG_STATE_HOME");
  const char *home = env->get (env->ctx, "HOME");
  char *dir = NULL;
  int n = -1;

  if (base != NULL && base[0] == '/')
    n = asprintf (&dir, "%s/keywheel", base);
  else if (home != NULL && home[0] == '/')
    n = asprintf (&dir, "%s/.local/state/keywheel", home);
  return n < 0 ? NULL : dir;
}

static int
place (const struct kw_client *c, char *buf, size_t size)
{
  return c->config->state_line > 0
         ? snprintf (buf, size, "%s:%d: ", c->config->path, c->config->state_line)
         : 0;
}

/* The key of the fingerprints: a file that the configuration names must be
 * there, its own is made. */
static int
take_key (struct kw_client *c, const char *dir, struct kw_error *err)
{
  struct kwi_config *config = c->config;
  char *own = NULL;
  int code;

  config->fingerprint_key = calloc (1, KWI_FINGERPRINT_KEY);
  if (config->fingerprint_key == NULL)
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  if (config->fingerprint_file != NULL)
    return kwi_fingerprint_key (config->fingerprint_file, 0,
                                config->fingerprint_key, err);
  if (dir == NULL)
    return kwi_fail (err, KW_ERR_SETTINGS, "neither XDG_STATE_HOME nor HOME says "
                     "where a fingerprint_key can be kept");
  if (asprintf (&own, "%s/fingerprint.key", dir) < 0)
    return kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  code = kwi_fingerprint_key (own, 1, config->fingerprint_key, err);
  free (own);
  return code;
}

static int
open_share (struct kw_client *c, const char *spec, const char *dir,
            struct kw_error *err)
{
  struct kwi_state_setup setup = {
    .clock = &c->clock, .spec = spec, .dir = c->config->dir, .state_dir = dir,
    .hooks = { .listens = listens, .say = say, .heard = heard, .user = c },
  };
  int code = kwi_store_module (spec, &setup.store, err);

  if (code == 0)
    code = take_key (c, dir, err);
  return code != 0 ? code : kwi_state_new (&setup, &c->share, err);
}

void
kwi_client_open_state (struct kw_client *c, const struct kwi_env *env,
                       const char *otherwise, struct kwi_mistakes *mistakes)
{
  const char *spec = c->config->state != NULL ? c->config->state : otherwise;
  struct kw_error e = KW_ERROR_INIT;
  char where[512] = "", *dir;

  if (spec == NULL || kwi_state_is_memory (spec))
    return;
  dir = state_dir (env);
  if (open_share (c, spec, dir, &e) != 0) {
    free (c->config->fingerprint_key);
    c->config->fingerprint_key = NULL;
    if (place (c, where, sizeof where) < 0)
      where[0] = '\0';
    if (c->config->state != NULL)
      kwi_mistake (mistakes, "%s%s", where, e.message);
    else                        /* nobody asked for it */
      kwi_report (c->opening, 1, "the state is kept in memory: %s", e.message);
  }
  free (dir);
}

int
kwi_client_share_ring (struct kwi_provider *p)
{
  char scope[300];

  if (p->client->share == NULL)
    return 0;
  if (kwi_scope_of (kwi_plugin_provider (p->plugin)->name, p->base_url, scope,
                    sizeof scope) != 0) {
    kwi_report (p->client->opening, 1, "[provider %s]: its base_url is too long "
                "for its limits to be shared", p->config->name);
    return 0;
  }
  return kwi_state_ring (p->client->share, p->ring, scope, p);
}

/* ---- The public calls ------------------------------------------------------------- */

int
kw_sync (kw_client *c, struct kw_error *err)
{
  kwi_client_clear_error (err);
  if (c->share == NULL)
    return 0;
  return kwi_state_sync (c->share, err);
}

const char *
kw_client_state (kw_client *c)
{
  return c->share != NULL ? kwi_state_where (c->share) : "memory";
}

int
kw_client_learn_from (kw_client *c, kw_client *from)
{
  const int64_t now_ms = c->clock.wall_ms (c->clock.ctx);
  /* A store has the sums of all. */
  const int counts = c->share == NULL && from->share == NULL;
  int failed = 0;
  size_t i, k;

  for (i = 0; i < c->n_providers; i++)
    for (k = 0; k < from->n_providers; k++) {
      const struct kwi_provider *to = c->providers[i], *of = from->providers[k];
      if (strcmp (to->base_url, of->base_url) == 0
          && strcmp (kwi_plugin_provider (to->plugin)->name,
                     kwi_plugin_provider (of->plugin)->name) == 0)
        failed |= kwi_keyring_learn_from (to->ring, of->ring, counts, now_ms);
    }
  return failed ? KW_ERR_MEMORY : 0;
}
