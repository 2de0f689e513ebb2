/* option-gateway - the options of [gateway].  They are checked here, with the
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

static const struct gateway_option {
  const char *name;
  enum kind kind;
  const char *initial;          /* NULL: not set                          */
  int64_t min, max;
  const char *range;
} gateway_options[] = {
  { "listen", TEXT, "127.0.0.1:8787", 0, 0, NULL },
  { "client_tokens", PATH, NULL, 0, 0, NULL },
  { "allowed_hosts", TEXT, NULL, 0, 0, NULL },
  { "allowed_origins", TEXT, NULL, 0, 0, NULL },
  { "requests_per_minute", COUNT, "0", 0, 1000000, "0 to 1000000" },
  { "concurrency", COUNT, "0", 0, 1000000, "0 to 1000000" },
  { "max_connections", COUNT, "8192", 1, 1000000, "1 to 1000000" },
  { "max_header", SIZE, "16384", 4 << 10, 1 << 20, "4KB to 1MB" },
  { "max_body", SIZE, "1073741824", 1 << 10, INT64_C (1) << 40, "1KB to 1024GB" },
  { "replay_limit", SIZE, "8388608", 1 << 10, 1 << 30, "1KB to 1GB" },
  { "header_timeout", DURATION, "10000", 1000, 3600000, "1s to 1h" },
  { "idle_timeout", DURATION, "60000", 1000, 3600000, "1s to 1h" },
  { "drain_timeout", DURATION, "30000", 0, 3600000, "0 to 1h" },
  { "access_log", LOG, "off", 0, 0, NULL },
};
#define N_OPTIONS (sizeof gateway_options / sizeof gateway_options[0])

const char *const kwi_gateway_options[] = {
  "listen", "client_tokens", "allowed_hosts", "allowed_origins",
  "requests_per_minute", "concurrency", "max_connections", "max_header",
  "max_body", "replay_limit", "header_timeout", "idle_timeout", "drain_timeout", "access_log", NULL
};

static const struct gateway_option *
find_option (const char *name)
{
  for (size_t i = 0; i < N_OPTIONS; i++)
    if (strcmp (gateway_options[i].name, name) == 0)
      return &gateway_options[i];
  return NULL;
}

/* 0 and *ret; 1: reported. */
static int
parse_number (const struct kwi_setting *s, const struct gateway_option *o, int64_t *ret)
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
make_text (const struct kwi_setting *s, const struct gateway_option *o, char **ret)
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

int
kwi_set_gateway (const struct kwi_setting *s, struct kwi_config *config)
{
  const struct gateway_option *o = find_option (s->name);
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
  if (text == NULL)
    return 0;
  struct kwi_option *options
    = kwi_grow (config->gateway, config->n_gateway, sizeof *options);
  char *name = strdup (s->name);
  if (options != NULL)
    config->gateway = options;
  if (options == NULL || name == NULL) {
    free (text);
    free (name);
    return -1;
  }
  options[config->n_gateway++]
    = (struct kwi_option) { .name = name, .value = text, .line = s->line };
  return 0;
}

const char *
kw_client_setting (const kw_client *c, const char *section, const char *name)
{
  const struct kwi_config *config = c->config;
  const struct gateway_option *o;

  if (strcmp (section, "gateway") != 0)
    return NULL;
  for (size_t i = 0; i < config->n_gateway; i++)
    if (strcmp (config->gateway[i].name, name) == 0)
      return config->gateway[i].value;
  o = find_option (name);
  return o != NULL ? o->initial : NULL;
}
