/* option-gateway - the options of [gateway], and the gateway's own in [provider
 * NAME].  They are checked here, with the
 * rest of the file, and kept as texts, numbers in base units (bytes, ms): what
 * they mean is the gateway's, which asks for them by kw_client_setting. */
#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "client.h"
#include "options-private.h"
#include "sections.h"
#include "values.h"

enum kind { TEXT, PATH, COUNT, DURATION, SIZE, LOG };

struct option {
  const char *name;             /* NULL: the end                          */
  enum kind kind;
  const char *initial;          /* NULL: not set                          */
  int64_t min, max;
  const char *range;
};

static const struct option gateway_options[] = {
  { "listen", TEXT, "127.0.0.1:8787", 0, 0, NULL },
  { "client_tokens", PATH, NULL, 0, 0, NULL },
  { "allowed_hosts", TEXT, NULL, 0, 0, NULL },
  { "allowed_origins", TEXT, NULL, 0, 0, NULL },
  { "requests_per_minute", COUNT, "0", 0, 1000000, "0 to 1000000" },
  { "concurrency", COUNT, "0", 0, 1000000, "0 to 1000000" },
  { "loops", COUNT, "0", 0, 256, "0 to 256" },
  { "max_connections", COUNT, "8192", 1, 1000000, "1 to 1000000" },
  { "max_header", SIZE, "16384", 4 << 10, 1 << 20, "4KB to 1MB" },
  { "max_body", SIZE, "1073741824", 1 << 10, INT64_C (1) << 40, "1KB to 1024GB" },
  { "replay_limit", SIZE, "8388608", 1 << 10, 1 << 30, "1KB to 1GB" },
  { "header_timeout", DURATION, "10000", 1000, 3600000, "1s to 1h" },
  { "idle_timeout", DURATION, "60000", 1000, 3600000, "1s to 1h" },
  { "drain_timeout", DURATION, "30000", 0, 3600000, "0 to 1h" },
  { "access_log", LOG, "off", 0, 0, NULL },
  { NULL, TEXT, NULL, 0, 0, NULL }
};

const char *const kwi_gateway_options[] = {
  "listen", "client_tokens", "allowed_hosts", "allowed_origins",
  "requests_per_minute", "concurrency", "loops", "max_connections", "max_header",
  "max_body", "replay_limit", "header_timeout", "idle_timeout", "drain_timeout",
  "access_log", NULL
};

#define DAY_MS 86400000

/* What fits together is option-failover.c's. */
static const struct option failover_options[] = {
  { "fallback", TEXT, NULL, 0, 0, NULL },
  { "model_map", TEXT, NULL, 0, 0, NULL },
  { "breaker_failures", COUNT, NULL, 0, 100, "0 to 100" },
  { "breaker_window", DURATION, "60000", 1, DAY_MS, "1ms to 24h" },
  { "breaker_open", DURATION, "10000", 1, DAY_MS, "1ms to 24h" },
  { "breaker_open_max", DURATION, "300000", 1, DAY_MS, "1ms to 24h" },
  { NULL, TEXT, NULL, 0, 0, NULL }
};

static const struct option *
find_option (const struct option *o, const char *name)
{
  while (o->name != NULL && strcmp (o->name, name) != 0)
    o++;
  return o->name != NULL ? o : NULL;
}

/* 0 and *ret; 1: reported. */
static int
parse_number (const struct kwi_setting *s, const struct option *o, int64_t *ret)
{
  static const char *const wanted[] = {
    [COUNT] = "is not a whole number",
    [DURATION] = "is not a duration; write numbers with units, such as 2s or 1m30s",
    [SIZE] = "is not a size; write a number with KB, MB or GB, such as 64MB",
  };
  int64_t n = 0;
  int bad = o->kind == DURATION ? kwi_parse_duration (s->value, &n)
            : o->kind == SIZE ? kwi_parse_size (s->value, &n)
                              : kwi_parse_integer (s->value, INT64_MIN, INT64_MAX, &n);

  if (bad != 0)
    kwi_wrong (s, "%s (allowed: %s)", wanted[o->kind], o->range);
  else if (n < o->min || n > o->max)
    kwi_wrong (s, "is out of range; allowed: %s", o->range);
  else {
    *ret = n;
    return 0;
  }
  return 1;
}

/* *ret is NULL where a mistake was reported.  0, or -1: no memory. */
static int
make_text (const struct kwi_setting *s, const struct option *o, char **ret)
{
  static const struct kwi_spec path = { .field = 0 };
  int64_t n;

  if (o->kind == PATH || (o->kind == LOG && strcmp (s->value, "off") != 0
                          && strcmp (s->value, "stderr") != 0))
    return kwi_set_path (s, &path, ret);
  if (o->kind == TEXT || o->kind == LOG) {
    *ret = strdup (s->value);
    return *ret != NULL ? 0 : -1;
  }
  if (parse_number (s, o, &n) != 0)
    return 0;
  return asprintf (ret, "%" PRId64, n) < 0 ? -1 : 0;
}

/* Takes text over.  0, or -1: no memory. */
static int
keep (struct kwi_option **options, size_t *n, const char *name, char *text, int line)
{
  struct kwi_option *more = kwi_grow (*options, *n, sizeof *more);
  char *own = strdup (name);

  if (more != NULL)
    *options = more;
  if (more == NULL || own == NULL) {
    free (text);
    free (own);
    return -1;
  }
  more[(*n)++] = (struct kwi_option) { .name = own, .value = text, .line = line };
  return 0;
}

static int
set (const struct kwi_setting *s, const struct option *o, struct kwi_option **options,
     size_t *n)
{
  char *text = NULL;

  if (o == NULL)
    return 1;
  if (s->value[0] == '\0') {
    kwi_mistake (s->mistakes, "%s:%d: %s in %s has no value; give it one or "
                 "remove the line", s->file, s->line, s->name, s->title);
    return 0;
  }
  if (make_text (s, o, &text) != 0)
    return -1;
  return text != NULL ? keep (options, n, s->name, text, s->line) : 0;
}

int
kwi_set_gateway (const struct kwi_setting *s, struct kwi_config *config)
{
  return set (s, find_option (gateway_options, s->name), &config->gateway,
              &config->n_gateway);
}

int
kwi_set_failover (const struct kwi_setting *s, struct kwi_provider_config *provider)
{
  return set (s, find_option (failover_options, s->name), &provider->gateway,
              &provider->n_gateway);
}

int
kwi_failover_keep_policy (struct kwi_provider_config *provider)
{
  const char *on_auth = provider->policy.on_auth == KWI_ON_SWITCH ? "switch" : "fail";
  char *deadline, *word = strdup (on_auth);

  if (word == NULL
      || keep (&provider->gateway, &provider->n_gateway, "on_auth", word, 0) != 0
      || asprintf (&deadline, "%" PRId64, provider->policy.deadline_ms) < 0)
    return -1;
  return keep (&provider->gateway, &provider->n_gateway, "deadline", deadline, 0);
}

static const char *
value_of (const struct kwi_option *options, size_t n, const struct option *known,
          const char *name)
{
  const struct option *o;

  for (size_t i = 0; i < n; i++)
    if (strcmp (options[i].name, name) == 0)
      return options[i].value;
  o = find_option (known, name);
  return o != NULL ? o->initial : NULL;
}

const char *
kwi_failover_value (const struct kwi_provider_config *provider, const char *name)
{
  return value_of (provider->gateway, provider->n_gateway, failover_options, name);
}

const char *
kw_client_setting (const kw_client *c, const char *section, const char *name)
{
  const struct kwi_config *config = c->config;
  const struct kwi_provider_config *provider;

  if (strcmp (section, "gateway") == 0)
    return value_of (config->gateway, config->n_gateway, gateway_options, name);
  if (strncmp (section, "provider ", 9) != 0
      || (provider = kwi_config_find (config, section + 9)) == NULL)
    return NULL;
  return kwi_failover_value (provider, name);
}
