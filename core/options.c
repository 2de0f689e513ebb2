/* options - the options of each section: names, ranges, and what they set.
 * One table a section; a function for each kind of value.  Knows nothing of
 * the order of sections, of other lines, or of plugins. */
#include "options.h"

#include <string.h>

#include "keyring.h"            /* enum kwi_strategy */
#include "options-private.h"
#include "values.h"

/* ---- Numbers ----------------------------------------------------------- */

static int
set_count (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  int64_t n;
  int r = kwi_parse_integer (s->value, spec->min, spec->max, &n);

  if (r == -1)
    kwi_wrong (s, "is not a whole number; allowed: %s", spec->range);
  else if (r == -2)
    kwi_wrong (s, "is out of range; allowed: %s", spec->range);
  else {
    int32_t small = (int32_t) n; /* every count's max is far below 2^31 */
    memcpy (kwi_field (spec, target), &small, sizeof small);
  }
  return 0;
}

static int
set_duration (const struct kwi_setting *s, const struct kwi_spec *spec,
              void *target)
{
  int64_t ms;

  if (kwi_parse_duration (s->value, &ms) != 0)
    kwi_wrong (s, "is not a duration; write numbers with units, such as 250ms, "
           "2s, 1m30s, 7m12.5s or 1h (allowed: %s)", spec->range);
  else if (ms < spec->min || ms > spec->max)
    kwi_wrong (s, "is out of range; allowed: %s", spec->range);
  else
    memcpy (kwi_field (spec, target), &ms, sizeof ms);
  return 0;
}

static int
set_size (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  int64_t bytes;

  if (kwi_parse_size (s->value, &bytes) != 0)
    kwi_wrong (s, "is not a size; write a number with KB, MB or GB, such as 64MB "
           "(allowed: %s)", spec->range);
  else if (bytes < spec->min || bytes > spec->max)
    kwi_wrong (s, "is out of range; allowed: %s", spec->range);
  else
    memcpy (kwi_field (spec, target), &bytes, sizeof bytes);
  return 0;
}

/* ---- One of a few words ------------------------------------------------ */

#define MANY_WORDS 8

static int
set_word (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  const char *here[MANY_WORDS + 1] = { NULL };
  char buf[256], *known;
  size_t n = 0;

  for (const struct kwi_word *w = spec->words; w->word != NULL; w++) {
    if (strcmp (w->word, s->value) == 0) {
      memcpy (kwi_field (spec, target), &w->value, sizeof w->value);
      return 0;
    }
    if (n < MANY_WORDS)
      here[n++] = w->word;
  }
  kwi_suggest (s->value, here, buf, sizeof buf);
  known = strstr (buf, " (known: ");
  if (known != NULL)
    *known = '\0';
  kwi_wrong (s, "is not known%s (allowed: %s)", buf, spec->range);
  return 0;
}

/* ---- Texts and paths --------------------------------------------------- */

static int
set_text (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  return kwi_keep (kwi_field (spec, target), strdup (s->value));
}

/* Whether there is such a module is found out later; what is behind the scheme is
 * the module's, may have a password in it, and so is not shown. */
static int
set_state (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  struct kwi_config *config = target;
  size_t scheme = strspn (s->value, "abcdefghijklmnopqrstuvwxyz0123456789+");

  if (scheme == 0 || (s->value[scheme] != '\0' && s->value[scheme] != ':')) {
    kwi_mistake (s->mistakes, "%s:%d: state begins with no scheme; allowed: %s",
                 s->file, s->line, spec->range);
    return 0;
  }
  config->state_line = s->line;
  return set_text (s, spec, target);
}

static int
set_url (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  const char *why = kwi_check_base_url (s->value);
  size_t len = strlen (s->value);

  if (why != NULL) {
    /* The value stays untold: it may be a password that is wrong with it. */
    kwi_mistake (s->mistakes, "%s:%d: base_url: %s; allowed: "
                 "http[s]://HOST[:PORT][/PATH]", s->file, s->line, why);
    return 0;
  }
  if (!kwi_url_is_private (s->value))
    kwi_report (s->mistakes->reporter, 1, "%s:%d: base_url begins with "
                "http://, so keys and prompts go out readable for everybody "
                "on the way; use https://", s->file, s->line);
  while (s->value[len - 1] == '/')
    len--;
  return kwi_keep (kwi_field (spec, target), strndup (s->value, len));
}

/* A proxy's URL may have a password in it, so no text shows it. */
static int
set_proxy (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  static const char *const schemes[] = { "http://", "https://", "socks5://",
                                         "socks5h://" };

  if (strcmp (s->value, "none") == 0)
    return kwi_keep (kwi_field (spec, target), strdup (""));
  for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
    size_t len = strlen (schemes[i]);
    if (strncmp (s->value, schemes[i], len) == 0
        && strcspn (s->value + len, "/?# \t") > 0)
      return set_text (s, spec, target);
  }
  kwi_mistake (s->mistakes, "%s:%d: proxy is no URL of a proxy; allowed: %s",
               s->file, s->line, spec->range);
  return 0;
}

/* Said at every start, so that it is not left on unseen. */
static int
set_insecure (const struct kwi_setting *s, const struct kwi_spec *spec,
              void *target)
{
  int r = set_word (s, spec, target);
  const struct kwi_provider_config *provider = target;

  if (provider->net.insecure)
    kwi_report (s->mistakes->reporter, 1, "%s:%d: insecure_tls = yes: the "
                "certificate of \"%s\" is not verified, so anybody on the way "
                "can read its keys; for a certificate of your own use ca_file",
                s->file, s->line, provider->name);
  return r;
}

static int
set_name (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  if (kwi_valid_name (s->value))
    return set_text (s, spec, target);
  kwi_wrong (s, "is no name; allowed: 1 to 63 of A-Z a-z 0-9 . _ -");
  return 0;
}

static int
set_plugin (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  if (strchr (s->value, '/') != NULL)
    return kwi_set_path (s, spec, target);
  if (kwi_valid_plugin_name (s->value))
    return set_text (s, spec, target);
  kwi_wrong (s, "is no plugin's name; allowed: a-z 0-9 -, or a path with a \"/\"");
  return 0;
}

/* ---- Where a key comes from -------------------------------------------- */

static int
set_source (const struct kwi_setting *s, const struct kwi_spec *spec, void *target)
{
  struct kwi_key_config *key = target;
  enum kwi_source source = (enum kwi_source) spec->min;
  int r;

  if (source == KWI_SOURCE_ENV && !kwi_valid_variable (s->value)) {
    /* Maybe the key itself, written where its variable's name belongs. */
    kwi_mistake (s->mistakes, "%s:%d: env wants the name of an environment "
                 "variable, such as MY_API_KEY; allowed: A-Z a-z 0-9 _ "
                 "(a key itself does not belong into this file)", s->file,
                 s->line);
    return 0;
  }
  r = source == KWI_SOURCE_FILE ? kwi_set_path (s, spec, target)
                                : set_text (s, spec, target);
  if (r == 0 && key->value != NULL)
    key->source = source;
  return r;
}

/* ---- The tables -------------------------------------------------------- */

#define DAY_MS 86400000
#define GB (INT64_C (1) << 30)
#define CONFIG(field) offsetof (struct kwi_config, field)
#define PROVIDER(field) offsetof (struct kwi_provider_config, field)
#define KEY(field) offsetof (struct kwi_key_config, field)

_Static_assert (sizeof (enum kwi_reaction) == sizeof (int),
                "set_word writes reactions as int");

static const struct kwi_word levels[] = {
  { "error", 0, 0 }, { "warn", 1, 0 }, { "info", 2, 0 }, { "debug", 3, 0 },
  { NULL, 0, 0 }
};
static const struct kwi_word wait_or_switch[] = {
  { "wait", KWI_ON_WAIT, 0 }, { "switch", KWI_ON_SWITCH, 0 }, { NULL, 0, 0 }
};
static const struct kwi_word switch_or_fail[] = {
  { "switch", KWI_ON_SWITCH, 0 }, { "fail", KWI_ON_FAIL, 0 }, { NULL, 0, 0 }
};
static const struct kwi_word admissions[] = {
  { "stated", 0, 0 }, { "exact", 1, 0 }, { NULL, 0, 0 }
};
static const struct kwi_word on_or_off[] = {
  { "on", 1, 0 }, { "off", 0, 0 }, { NULL, 0, 0 }
};
static const struct kwi_word strategies[] = {
  { "priority", KWI_PRIORITY, 0 }, { "round_robin", KWI_ROUND_ROBIN, 0 },
  { "weighted", KWI_WEIGHTED, 0 }, { "least_used", KWI_LEAST_USED, 0 },
  { "most_remaining", KWI_MOST_REMAINING, 0 }, { NULL, 0, 0 }
};
static const struct kwi_word http_versions[] = {
  { "auto", 0, 0 }, { "1.1", 1, 0 }, { NULL, 0, 0 }
};
static const struct kwi_word yes_or_no[] = {
  { "yes", 1, 0 }, { "no", 0, 0 }, { NULL, 0, 0 }
};

static const struct kwi_spec keywheel_specs[] = {
  { "provider", set_name, CONFIG (provider), 0, 0, NULL, NULL },
  { "plugin_dir", kwi_set_plugin_dir, 0, 0, 0, NULL, NULL },
  { "env_file", kwi_set_env_file, CONFIG (env_file), 0, 0, NULL, NULL },
  { "state", set_state, CONFIG (state), 0, 0,
    "memory, sqlite, sqlite:PATH, redis://HOST:PORT/DB", NULL },
  { "fingerprint_key", kwi_set_path, CONFIG (fingerprint_file), 0, 0, NULL, NULL },
  { "log_level", set_word, CONFIG (log_level), 0, 0,
    "error, warn, info, debug", levels },
};
const char *const kwi_keywheel_options[] = {
  "provider", "plugin_dir", "env_file", "state", "fingerprint_key", "log_level",
  NULL
};

#define DURATION(name, field)                                           \
  { name, set_duration, PROVIDER (field), 1, DAY_MS, "1ms to 24h", NULL }

static const struct kwi_spec provider_specs[] = {
  { "plugin", set_plugin, PROVIDER (plugin), 0, 0, NULL, NULL },
  { "base_url", set_url, PROVIDER (base_url), 0, 0, NULL, NULL },
  { "model", set_text, PROVIDER (model), 0, 0, NULL, NULL },
  { "max_switches", set_count, PROVIDER (policy.max_switches), 0, 1000,
    "0 to 1000", NULL },
  { "max_retries", set_count, PROVIDER (policy.max_retries), 0, 1000,
    "0 to 1000", NULL },
  DURATION ("backoff_initial", policy.backoff_initial_ms),
  DURATION ("backoff_max", policy.backoff_max_ms),
  DURATION ("deadline", policy.deadline_ms),
  DURATION ("attempt_timeout", attempt_timeout_ms),
  DURATION ("connect_timeout", connect_timeout_ms),
  { "on_rate_limit", set_word, PROVIDER (policy.on_rate_limit), 0, 0,
    "wait, switch", wait_or_switch },
  { "on_billing", set_word, PROVIDER (policy.on_billing), 0, 0,
    "switch, fail", switch_or_fail },
  { "on_auth", set_word, PROVIDER (policy.on_auth), 0, 0,
    "fail, switch", switch_or_fail },
  { "admission", set_word, PROVIDER (exact), 0, 0, "stated, exact", admissions },
  { "pace", set_word, PROVIDER (pace), 0, 0, "on, off", on_or_off },
  { "strategy", set_word, PROVIDER (strategy), 0, 0,
    "priority, round_robin, weighted, least_used, most_remaining", strategies },
  { "max_concurrency", set_count, PROVIDER (max_concurrency), 0, 1000000,
    "0 to 1000000", NULL },
  { "max_waiting", set_count, PROVIDER (max_waiting), 0, 1000000,
    "0 to 1000000", NULL },
  { "max_response", set_size, PROVIDER (max_response), 1 << 10, 2 * GB,
    "1KB to 2GB", NULL },
  { "proxy", set_proxy, PROVIDER (net.proxy), 0, 0,
    "http://, https://, socks5://, socks5h:// and HOST[:PORT]; none", NULL },
  { "ca_file", kwi_set_pem, PROVIDER (net.ca_file), 0, 0, NULL, NULL },
  { "client_cert", kwi_set_pem, PROVIDER (net.client_cert), 0, 0, NULL, NULL },
  { "client_key", kwi_set_pem, PROVIDER (net.client_key), 0, 0, NULL, NULL },
  { "http_version", set_word, PROVIDER (net.http_1_1), 0, 0, "auto, 1.1",
    http_versions },
  { "insecure_tls", set_insecure, PROVIDER (net.insecure), 0, 0, "yes, no",
    yes_or_no },
  { "allow_secret", set_word, PROVIDER (allow_secret), 0, 0, "yes, no",
    yes_or_no },
};
const char *const kwi_provider_options[] = {
  "plugin", "base_url", "model", "max_switches", "max_retries",
  "backoff_initial", "backoff_max", "deadline", "attempt_timeout",
  "connect_timeout", "on_rate_limit", "on_billing", "on_auth", "admission",
  "pace", "strategy", "max_concurrency", "max_waiting", "max_response", "proxy",
  "ca_file", "client_cert", "client_key", "http_version", "insecure_tls",
  "allow_secret", "fallback", "model_map", "breaker_failures", "breaker_window",
  "breaker_open", "breaker_open_max", NULL
};

static const struct kwi_spec key_specs[] = {
  { "env", set_source, KEY (value), KWI_SOURCE_ENV, 0, NULL, NULL },
  { "file", set_source, KEY (value), KWI_SOURCE_FILE, 0, NULL, NULL },
  { "command", set_source, KEY (value), KWI_SOURCE_COMMAND, 0, NULL, NULL },
  { "weight", set_count, KEY (weight), 1, 1000000, "1 to 1000000", NULL },
};
const char *const kwi_key_options[] = {
  "env", "file", "command", "weight", NULL
};

/* ---- Looking them up --------------------------------------------------- */

/* What is odd about a value whatever it is for. */
static void
check_look (const struct kwi_setting *s)
{
  if (strcmp (s->name, "command") == 0)
    return;                     /* a shell's business */
  if (s->value[0] == '"' || s->value[0] == '\'')
    kwi_report (s->mistakes->reporter, 1, "%s:%d: the quotes are part of the "
                "value of %s; write it without", s->file, s->line, s->name);
  if (strstr (s->value, " #") != NULL || strstr (s->value, "\t#") != NULL)
    kwi_report (s->mistakes->reporter, 1, "%s:%d: \"#\" and what follows is "
                "part of the value of %s; a comment behind a value begins "
                "with \" ;\"", s->file, s->line, s->name);
}

static int
apply (const struct kwi_setting *s, const struct kwi_spec *specs, size_t n,
       void *target)
{
  for (size_t i = 0; i < n; i++) {
    if (strcmp (specs[i].name, s->name) != 0)
      continue;
    if (s->value[0] == '\0') {
      kwi_mistake (s->mistakes, "%s:%d: %s in %s has no value; give it one or "
                   "remove the line", s->file, s->line, s->name, s->title);
      return 0;
    }
    check_look (s);
    return specs[i].set (s, &specs[i], target);
  }
  return 1;
}

#define LENGTH(array) (sizeof (array) / sizeof (array)[0])

int
kwi_set_keywheel (const struct kwi_setting *s, struct kwi_config *config)
{
  return apply (s, keywheel_specs, LENGTH (keywheel_specs), config);
}

int
kwi_set_provider (const struct kwi_setting *s,
                  struct kwi_provider_config *provider)
{
  int r = apply (s, provider_specs, LENGTH (provider_specs), provider);

  return r == 1 ? kwi_set_failover (s, provider) : r;
}

int
kwi_set_key (const struct kwi_setting *s, struct kwi_key_config *key)
{
  return apply (s, key_specs, LENGTH (key_specs), key);
}
