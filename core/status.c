/* status - what is known of the keys, for people and programs: a snapshot in
 * one block of memory; and the calls that forget and look ahead. */
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "client.h"
#include "keyring.h"
#include "loader.h"
#include "secrets.h"
#include "state.h"

/* The snapshot's strings point into copies that are freed with it. */
struct snapshot {
  kw_status_info info;
  struct kwi_ring_view view;
  kw_key_info *keys;
  kw_limit_info *limits;
  kw_bucket_info *buckets;
  kw_account_info *accounts;
  size_t *members;
  char **sources;
  size_t n_sources;
  size_t waiting;
  char *texts[4];
};

static const char *
state_of (const struct kwi_look *look)
{
  if (look->standing == KWI_FREE || look->standing == KWI_HALF_OPEN)
    return "available";
  if (look->standing == KWI_PROBED)
    return "probing";
  switch (look->verdict) {
  case KW_OUTCOME_AUTH: return "invalid";
  case KW_OUTCOME_RATE_LIMIT: return "limited";
  default: return "exhausted";
  }
}

static void
fill_limit (kw_limit_info *l, const struct kwi_fact_view *f, int64_t now_ms)
{
  const struct kwi_bucket *b = &f->fact.bucket;
  int known = f->fact.until_ms != KWI_NEVER;

  *l = (kw_limit_info) {
    .model = f->model,
    .dimension = b->dimension,
    .limit = b->have & KW_HAVE_LIMIT ? b->limit : -1,
    .used = b->have & KW_HAVE_USED ? b->used : -1,
    .requested = b->have & KW_HAVE_REQUESTED ? b->requested : -1,
    .until_ms = known ? f->fact.until_ms : 0,
    .in_ms = !known ? -1
             : f->fact.until_ms > now_ms ? f->fact.until_ms - now_ms : 0,
    .verdict = (int32_t) f->fact.verdict,
    .account_wide = f->account_wide,
  };
}

static void
fill_bucket (kw_bucket_info *b, const struct kwi_left_view *v)
{
  *b = (kw_bucket_info) {
    .struct_size = sizeof *b,
    .model = v->model,
    .dimension = v->dimension,
    .limit = v->limit,
    .remaining = v->remaining,
    .window_ms = v->window_ms,
    .full_ms = v->full_ms,
    .seen_ms = v->seen_ms,
    .rolling = v->rolling,
    .account_wide = v->account_wide,
  };
}

static int
fill_keys (struct snapshot *s, const struct kwi_provider *p)
{
  struct kwi_ring_view *v = &s->view;
  size_t i;

  for (i = 0; i < v->n_facts; i++)
    fill_limit (&s->limits[i], &v->facts[i], s->info.now_ms);
  for (i = 0; i < v->n_left; i++)
    fill_bucket (&s->buckets[i], &v->left[i]);
  for (i = 0; i < v->n_keys; i++) {
    const struct kwi_key_view *k = &v->keys[i];
    s->sources[i] = strdup (kwi_secrets_get (p->secrets, i)->source);
    if (s->sources[i] == NULL)
      return -1;
    s->n_sources++;
    s->keys[i] = (kw_key_info) {
      .index = i,
      .name = k->name,
      .fingerprint = k->fingerprint,
      .state = state_of (&k->look),
      .account = k->account,
      .source = s->sources[i],
      .limits = s->limits + k->first_fact,
      .n_limits = k->n_facts,
      .requests = k->requests,
      .tokens = k->tokens,
    };
    if (k->look.standing <= KWI_HALF_OPEN)
      s->info.available_keys++;
    else if (strcmp (s->keys[i].state, "exhausted") == 0)
      s->info.exhausted_keys++;
  }
  return 0;
}

/* Accounts that two keys or more share, each once, in the keys' order. */
static void
fill_accounts (struct snapshot *s)
{
  size_t i, j, n_members = 0;

  for (i = 0; i < s->view.n_keys; i++) {
    kw_account_info *a = &s->accounts[s->info.n_accounts];
    const char *name = s->view.keys[i].account;
    int seen = name[0] == '\0';

    for (j = 0; j < i && !seen; j++)
      seen = strcmp (s->view.keys[j].account, name) == 0;
    if (seen)
      continue;
    *a = (kw_account_info) { .name = name, .keys = s->members + n_members };
    for (j = i; j < s->view.n_keys; j++)
      if (strcmp (s->view.keys[j].account, name) == 0)
        s->members[n_members + a->n_keys++] = j;
    if (a->n_keys >= 2) {
      n_members += a->n_keys;
      s->info.n_accounts++;
    }
  }
}

static int
copy_texts (struct snapshot *s, const struct kwi_provider *p)
{
  const char *from[4] = { p->config->name,
                          kwi_plugin_provider (p->plugin)->name, p->base_url,
                          p->model };
  size_t i;

  for (i = 0; i < 4; i++)
    if ((s->texts[i] = strdup (from[i])) == NULL)
      return -1;
  s->info.provider = s->texts[0];
  s->info.plugin = s->texts[1];
  s->info.base_url = s->texts[2];
  s->info.model = s->texts[3];
  return 0;
}

static int
fill (struct snapshot *s, const struct kwi_provider *p)
{
  size_t n = kwi_keyring_count (p->ring);
  int64_t ready;

  if (kwi_keyring_view (p->ring, p->model, s->info.now_ms, &s->view) != 0)
    return KW_ERR_MEMORY;
  s->keys = calloc (n + 1, sizeof *s->keys);
  s->limits = calloc (s->view.n_facts + 1, sizeof *s->limits);
  s->buckets = calloc (s->view.n_left + 1, sizeof *s->buckets);
  s->accounts = calloc (n + 1, sizeof *s->accounts);
  s->members = calloc (n + 1, sizeof *s->members);
  s->sources = calloc (n + 1, sizeof (char *));
  if (s->keys == NULL || s->limits == NULL || s->buckets == NULL
      || s->accounts == NULL || s->members == NULL || s->sources == NULL
      || copy_texts (s, p) != 0 || fill_keys (s, p) != 0)
    return KW_ERR_MEMORY;
  fill_accounts (s);
  ready = kwi_keyring_next_ready (p->ring, p->model, NULL, s->info.now_ms);
  s->info.next_ready_ms = ready == KWI_NEVER ? 0 : ready;
  s->waiting = kwi_keyring_waiting (p->ring);
  s->info.total_keys = n;
  s->info.current_key_index = s->view.current;
  s->info.keys = s->keys;
  s->info.accounts = s->accounts;
  return 0;
}

int
kw_status (kw_client *c, const char *provider, kw_status_info **ret)
{
  struct kwi_provider *p = kwi_client_find (c, provider);
  struct snapshot *s;
  int code;

  if (p == NULL)
    return KW_ERR_USAGE;
  kwi_state_start (c->share);
  s = calloc (1, sizeof *s);
  if (s == NULL)
    return KW_ERR_MEMORY;
  s->info.now_ms = c->clock.wall_ms (c->clock.ctx);
  code = fill (s, p);
  if (code != 0) {
    kw_status_free (&s->info);
    return code;
  }
  *ret = &s->info;
  return 0;
}

void
kw_status_free (kw_status_info *info)
{
  struct snapshot *s = (struct snapshot *) info; /* its first member */
  size_t i;

  if (s == NULL)
    return;
  for (i = 0; i < s->n_sources; i++)
    free (s->sources[i]);
  for (i = 0; i < 4; i++)
    free (s->texts[i]);
  free (s->sources);
  free (s->members);
  free (s->accounts);
  free (s->buckets);
  free (s->limits);
  free (s->keys);
  kwi_ring_view_clear (&s->view);
  free (s);
}

size_t
kw_status_waiting (const kw_status_info *info)
{
  return ((const struct snapshot *) info)->waiting; /* its first member */
}

const kw_bucket_info *
kw_status_bucket (const kw_status_info *info, size_t key, size_t i)
{
  const struct snapshot *s = (const struct snapshot *) info; /* its first member */
  const struct kwi_key_view *k;

  if (key >= info->total_keys)
    return NULL;
  k = &s->view.keys[key];
  return i < k->n_left ? &s->buckets[k->first_left + i] : NULL;
}

int
kw_reset (kw_client *c, const char *provider, const char *key_name)
{
  struct kwi_provider *p = kwi_client_find (c, provider);
  size_t key;

  if (p == NULL)
    return KW_ERR_USAGE;
  kwi_state_start (c->share);
  key = kwi_keyring_count (p->ring);
  if (key_name != NULL) {
    key = kwi_keyring_index (p->ring, key_name);
    if (key == kwi_keyring_count (p->ring))
      return KW_ERR_USAGE;
  }
  kwi_keyring_reset (p->ring, key, c->clock.wall_ms (c->clock.ctx));
  return 0;
}

int
kw_next_ready (kw_client *c, const char *provider, const char *model,
               int64_t tokens, int64_t *ret_ms)
{
  struct kwi_provider *p = kwi_client_find (c, provider);
  struct kwi_size size = { .tokens = tokens };
  int64_t ready;

  if (p == NULL)
    return KW_ERR_USAGE;
  kwi_state_start (c->share);
  ready = kwi_keyring_next_ready (p->ring, model != NULL ? model : p->model,
                                  tokens > 0 ? &size : NULL,
                                  c->clock.wall_ms (c->clock.ctx));
  *ret_ms = ready == KWI_NEVER ? 0 : ready;
  return 0;
}
