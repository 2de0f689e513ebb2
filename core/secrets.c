/* secrets - a provider's keys, found, checked, and kept in one block of
 * guarded memory.
 * Where one key's bytes come from is keysource.c's and dotenv.c's.  Texts name
 * a key by where it was looked for, and never show a byte of it. */
#include "secrets.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keywheel/keywheel.h>

#include "clock.h"
#include "dotenv.h"
#include "fail.h"
#include "keysource.h"
#include "mistakes.h"
#include "secrets-private.h"
#include "values.h"

#define MAX_KEY 8192

/* What gather carries along. */
struct gather {
  const struct kwi_config *config;
  const struct kwi_provider_config *provider;
  const struct kwi_env *env;
  struct kwi_dotenv *dotenv;
  struct kwi_mistakes mistakes;
  struct kwi_secrets *found;
};

/* Where a key was found. */
struct origin {
  char where[160];              /* "keywheel.ini:20: [key groq/x]: " or "" */
  char source[192];             /* "GROQ_API_KEY in the environment"      */
  const char *name;             /* NULL: primary, backup-1, ...           */
  uint32_t weight;
  int _reserved;
};

/* ---- Judging a key ----------------------------------------------------- */

/* What may not be in a key, as it would end up in a header.  NULL: fine. */
static const char *
unfit (const char *bytes, size_t len, size_t *ret_at)
{
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char) bytes[i];
    *ret_at = i + 1;
    if (c == '\n' || c == '\r')
      return "a line break";
    if (c < 0x20 && c != '\t')
      return "a control character";
    if (c == ' ' || c == '\t')
      return "a blank";
    if (c == 0x7f)
      return "a control character";
    if (c > 0x7f)
      return "a byte that is not ASCII";
  }
  return NULL;
}

static void
trim (const char **bytes, size_t *len)
{
  while (*len > 0 && strchr (" \t\r\n", (*bytes)[*len - 1]) != NULL
         && (*bytes)[*len - 1] != '\0')
    --*len;
  while (*len > 0 && strchr (" \t\r\n", **bytes) != NULL && **bytes != '\0') {
    ++*bytes;
    --*len;
  }
}

/* Judges a key and keeps it if it is good.  -1: no memory. */
static int
offer (struct gather *g, const struct origin *from, const char *bytes,
       size_t len)
{
  size_t at = 0;

  trim (&bytes, &len);
  if (len == 0) {
    kwi_report (g->mistakes.reporter, 1, "%s%s is empty; dropped",
                from->where, from->source);
    return 0;
  }
  if (len > MAX_KEY) {
    kwi_mistake (&g->mistakes, "%s%s is %zu bytes long; a key has at most %d",
                 from->where, from->source, len, MAX_KEY);
    return 0;
  }
  const char *wrong = unfit (bytes, len, &at);
  if (wrong != NULL) {
    kwi_mistake (&g->mistakes, "%s%s holds %s (byte %zu of %zu); a key is "
                 "printable ASCII without blanks", from->where, from->source,
                 wrong, at, len);
    return 0;
  }
  return kwi_secrets_add (g->found, from->name, from->source, from->weight,
                          bytes, len);
}

/* ---- Looking up variables ---------------------------------------------- */

/* The path as people know it: short where it is in the INI's own folder. */
static const char *
shown_env_file (const struct kwi_config *config)
{
  size_t len = strlen (config->dir);

  if (strncmp (config->env_file, config->dir, len) == 0
      && config->env_file[len] == '/')
    return config->env_file + len + 1;
  return config->env_file;
}

/* The process environment wins, even with an empty value. */
static const char *
look_up (const struct gather *g, const char *name, const char **ret_place)
{
  const char *value = g->env->get (g->env->ctx, name);

  *ret_place = "the environment";
  if (value == NULL && g->dotenv != NULL) {
    value = kwi_dotenv_get (g->dotenv, name);
    *ret_place = shown_env_file (g->config);
  }
  return value;
}

static int
set_source (struct origin *from, const char *name, size_t item,
            const char *place)
{
  int n = item > 0
    ? snprintf (from->source, sizeof from->source, "item %zu of %s in %s",
                item, name, place)
    : snprintf (from->source, sizeof from->source, "%s in %s", name, place);
  return n < 0 ? -1 : 0;        /* a long path is cut */
}

/* One variable of key_env.  0: it is not set; 1: it is; -1: no memory. */
static int
take_variable (struct gather *g, const char *name, int is_list)
{
  struct origin from = { .weight = 1 };
  const char *place, *value = look_up (g, name, &place);
  size_t item = 0;

  if (value == NULL)
    return 0;
  if (is_list && value[strspn (value, " \t\r\n")] == '\0')
    is_list = 0;                /* empty as a whole */
  const char *end = value + strlen (value);
  for (;;) {
    const char *comma = is_list ? memchr (value, ',', (size_t) (end - value)) : NULL;
    size_t len = (size_t) ((comma != NULL ? comma : end) - value);
    if (set_source (&from, name, is_list ? ++item : 0, place) != 0
        || offer (g, &from, value, len) != 0)
      return -1;
    if (comma == NULL)
      return 1;
    value = comma + 1;
  }
}

/* ---- What the plugin names --------------------------------------------- */

/* key_env, word by word. */
struct word {
  char name[128];
  int is_list;                  /* NAME,  */
  int is_numbered;              /* NAME_#; name is without the # */
};

/* 0: no more. */
static int
next_word (const char **at, struct word *ret)
{
  for (;;) {
    const char *s = *at + strspn (*at, " ,");
    size_t len = strcspn (s, " ,");
    *at = s + len;
    if (len == 0)
      return 0;
    if (len >= sizeof ret->name)
      continue;                 /* no variable */
    memcpy (ret->name, s, len);
    ret->is_list = s[len] == ',';
    ret->is_numbered = len > 2 && strncmp (s + len - 2, "_#", 2) == 0;
    ret->name[ret->is_numbered ? len - 1 : len] = '\0';
    if (kwi_valid_variable (ret->name))
      return 1;
  }
}

/* As take_variable, up to the first gap. */
static int
take_numbered (struct gather *g, const char *stem)
{
  for (unsigned i = 2;; i++) {
    char name[160];
    int n = snprintf (name, sizeof name, "%s%u", stem, i);
    if (n < 0 || (size_t) n >= sizeof name)
      return 0;
    int r = take_variable (g, name, 0);
    if (r != 1)
      return r;
  }
}

static int
take_key_env (struct gather *g, const char *key_env)
{
  struct word word;
  int r = 0;

  while (r != -1 && next_word (&key_env, &word))
    r = word.is_numbered ? take_numbered (g, word.name)
                         : take_variable (g, word.name, word.is_list);
  return r == -1 ? -1 : 0;
}

size_t
kwi_secrets_variables (const char *key_env, char *text, size_t size,
                       char first[128])
{
  struct word word;
  size_t len = 0;

  text[0] = first[0] = '\0';
  while (next_word (&key_env, &word)) {
    int n = snprintf (text + len, size - len, "%s%s%s", len > 0 ? ", " : "",
                      word.name,
                      word.is_list ? " (separated by commas)"
                      : word.is_numbered ? "2, _3, ..." : "");
    if (n < 0 || (size_t) n >= size - len)
      break;
    if (len == 0)
      memcpy (first, word.name, sizeof word.name);
    len += (size_t) n;
  }
  return len;
}

static int
fail_without_key (const struct gather *g, const char *key_env,
                  struct kw_error *err)
{
  const struct kwi_config *config = g->config;
  const char *name = g->provider->name;
  char text[512], first[128];

  if (g->provider->n_keys > 0)
    return kwi_fail (err, KW_ERR_SETTINGS, "no key for provider \"%s\": each "
                     "of its [key %s/...] sections in %s gave an empty one",
                     name, name, config->path);
  if (kwi_secrets_variables (key_env, text, sizeof text, first) == 0)
    return kwi_fail (err, KW_ERR_SETTINGS, "no key for provider \"%s\": its "
                     "plugin names no variable to look for; add a section "
                     "[key %s/primary] with env, file or command", name, name);
  return kwi_fail (err, KW_ERR_SETTINGS, "no key for provider \"%s\": looked "
                   "for %s in the environment%s%s and found none; set %s, or "
                   "add a section [key %s/primary] with env, file or command",
                   name, text, config->env_file != NULL ? " and in " : "",
                   config->env_file != NULL ? config->env_file : "", first,
                   name);
}

/* ---- [key ...] sections ------------------------------------------------ */

static int
take_env (struct gather *g, const struct kwi_key_config *key,
          struct origin *from)
{
  const char *place, *value = look_up (g, key->value, &place);
  int secret = kwi_looks_secret (key->value);

  if (value == NULL) {
    kwi_mistake (&g->mistakes, "%sthe variable %s is not set, neither in the "
                 "environment nor in an env_file (%s)%s", from->where,
                 secret ? "named there" : key->value,
                 g->config->env_file != NULL ? g->config->env_file
                                             : "none is configured",
                 secret ? "; its name is not shown, as it looks like a key: "
                          "env wants the name of the variable" : "");
    return 0;
  }
  if (set_source (from, secret ? "a variable" : key->value, 0, place) != 0)
    return -1;
  return offer (g, from, value, strlen (value));
}

static int
take_file (struct gather *g, const struct kwi_key_config *key,
           struct origin *from)
{
  const char *slash = strrchr (key->value, '/');
  const char *base = slash != NULL ? slash + 1 : key->value;
  const char *shown = kwi_looks_secret (base) ? "(name not shown: it looks "
                                                "like a key)" : key->value;
  struct kwi_text text;
  char why[128];
  int n = snprintf (from->source, sizeof from->source, "file %s", shown);
  int r = kwi_keysource_file (key->value, &text, why, sizeof why);

  if (n < 0 || r == -1)
    return -1;
  if (r != 0) {
    kwi_mistake (&g->mistakes, "%scannot read the file %s: %s", from->where,
                 shown, why);
    return 0;
  }
  if ((text.mode & 0170000) == 0100000 && (text.mode & 04) != 0)
    kwi_report (g->mistakes.reporter, 1, "%severy user of this machine can "
                "read the file %s; chmod o-r", from->where, shown);
  r = offer (g, from, text.bytes, text.len);
  kwi_text_free (&text);
  return r;
}

static int
take_command (struct gather *g, const struct kwi_key_config *key,
              struct origin *from)
{
  static const char source[] = "output of its command";
  struct kwi_text text;
  char why[160];
  int r = kwi_keysource_command (key->value, &kwi_clock_system, &text, why,
                                 sizeof why);

  if (r == -1)
    return -1;
  if (r != 0) {
    kwi_mistake (&g->mistakes, "%s%s", from->where, why);
    return 0;
  }
  /* Not the command itself: it may have a password in it. */
  memcpy (from->source, source, sizeof source);
  r = offer (g, from, text.bytes, text.len);
  kwi_text_free (&text);
  return r;
}

static int
take_section (struct gather *g, const struct kwi_key_config *key)
{
  struct origin from = { .name = key->name, .weight = key->weight };
  const char *file = g->config->path != NULL ? g->config->path : "";
  size_t len = strlen (file);

  /* Of a very long path the end says more. */
  int n = snprintf (from.where, sizeof from.where, "%s:%d: [key %s/%s]: ",
                    len > 90 ? file + len - 90 : file, key->line,
                    g->provider->name, key->name);
  if (n < 0)
    return -1;
  if (key->source == KWI_SOURCE_ENV)
    return take_env (g, key, &from);
  if (key->source == KWI_SOURCE_FILE)
    return take_file (g, key, &from);
  return take_command (g, key, &from);
}

/* ---- The whole --------------------------------------------------------- */

static int
read_dotenv (struct gather *g)
{
  char where[160];
  const char *path = g->config->path;

  if (g->config->env_file == NULL)
    return 0;
  int n = snprintf (where, sizeof where, "%s:%d", path != NULL ? path : "",
                    g->config->env_file_line);
  return n < 0 ? -1 : kwi_dotenv_read (g->config->env_file, where,
                                       &g->mistakes, &g->dotenv);
}

static int
take_all (struct gather *g, const char *key_env)
{
  if (g->provider->n_keys == 0)
    return take_key_env (g, key_env);
  for (size_t i = 0; i < g->provider->n_keys; i++)
    if (take_section (g, &g->provider->keys[i]) != 0)
      return -1;
  return 0;
}

int
kwi_secrets_gather (const struct kwi_config *config,
                    const struct kwi_provider_config *provider,
                    const char *key_env, const struct kwi_env *env,
                    const struct kwi_reporter *reporter,
                    struct kwi_secrets **ret, struct kw_error *err)
{
  struct gather g = {
    .config = config, .provider = provider,
    .env = env != NULL ? env : &kwi_env_process,
    .mistakes = { .reporter = reporter },
    .found = calloc (1, sizeof *g.found)
  };
  int r = -1;

  if (key_env == NULL)
    key_env = "";
  if (g.found != NULL)
    g.found->fingerprint_key = config->fingerprint_key;
  if (g.found != NULL && sodium_init () >= 0 && read_dotenv (&g) == 0
      && take_all (&g, key_env) == 0)
    r = kwi_mistakes_fail (&g.mistakes, err);
  if (r == 0 && g.found->n == 0)
    r = fail_without_key (&g, key_env, err);
  if (r == 0)
    r = kwi_secrets_seal (g.found, reporter);
  if (r == -1)
    r = kwi_fail (err, KW_ERR_MEMORY, "no memory left for the keys of "
                  "provider \"%s\"", provider->name);
  kwi_dotenv_free (g.dotenv);
  if (r != 0) {
    kwi_secrets_free (g.found);
    return r;
  }
  *ret = g.found;
  return 0;
}

int
kwi_secrets_any (const struct kwi_config *config, const char *key_env,
                 const struct kwi_env *env)
{
  static const struct kwi_provider_config nobody;
  struct gather g = {
    .config = config, .provider = &nobody,
    .env = env != NULL ? env : &kwi_env_process,
    .found = calloc (1, sizeof *g.found)
  };
  int any = 0;

  if (key_env != NULL && g.found != NULL && read_dotenv (&g) == 0
      && take_key_env (&g, key_env) == 0)
    /* A key that is refused is there too: choosing this provider leads to the
     * text that says what is wrong with it. */
    any = g.found->n > 0 || g.mistakes.n > 0;
  kwi_dotenv_free (g.dotenv);
  kwi_secrets_free (g.found);
  return any;
}
