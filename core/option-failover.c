/* option-failover - what can be wrong with fallback, model_map and the options of
 * a breaker, once every section was read.  What they do is the gateway's. */
#include <string.h>

#include <keywheel/keywheel.h>

#include "fail.h"
#include "sections.h"
#include "values.h"

/* As kw_find_model's callers have room for. */
#define MODEL_MAX 95
#define NAMES_KNOWN 16

struct where {
  const char *file;
  const struct kwi_config *config;
  const struct kwi_provider_config *provider;
  struct kwi_mistakes *mistakes;
};

static const struct kwi_option *
option (const struct kwi_provider_config *provider, const char *name)
{
  for (size_t i = 0; i < provider->n_gateway; i++)
    if (strcmp (provider->gateway[i].name, name) == 0)
      return &provider->gateway[i];
  return NULL;
}

/* ---- fallback ----------------------------------------------------------------- */

static void
check_known (const struct where *w, int line, const char *name)
{
  const char *names[NAMES_KNOWN + 1] = { NULL };
  char buf[512];
  size_t n = 0;

  if (kwi_config_find (w->config, name) != NULL)
    return;
  for (size_t i = 0; i < w->config->n_providers && n < NAMES_KNOWN; i++)
    if (&w->config->providers[i] != w->provider)
      names[n++] = w->config->providers[i].name;
  kwi_mistake (w->mistakes, "%s:%d: fallback of \"%s\" names \"%s\", but there is no "
               "[provider %s]%s", w->file, line, w->provider->name, name, name,
               n > 0 ? kwi_suggest (name, names, buf, sizeof buf) : "");
}

/* The word of len bytes at word is already in the list before it. */
static int
is_again (const char *list, const char *word, size_t len)
{
  while (list < word) {
    size_t n = strcspn (list, ", \t");
    if (n == len && memcmp (list, word, len) == 0)
      return 1;
    list += n + strspn (list + n, ", \t");
  }
  return 0;
}

static void
check_fallback (const struct where *w, const struct kwi_option *o)
{
  const char *word = o->value + strspn (o->value, ", \t");
  const char *list = word;

  if (*word == '\0')
    kwi_mistake (w->mistakes, "%s:%d: fallback = %s names nobody; allowed: names of "
                 "providers with commas between", w->file, o->line, o->value);
  while (*word != '\0') {
    size_t len = strcspn (word, ", \t");
    char name[64] = "";
    if (len < sizeof name)
      memcpy (name, word, len);
    if (name[0] == '\0')
      kwi_mistake (w->mistakes, "%s:%d: fallback of \"%s\" names \"%.*s\", which is too "
                   "long for a name", w->file, o->line, w->provider->name, (int) len, word);
    else if (strcmp (name, w->provider->name) == 0)
      kwi_mistake (w->mistakes, "%s:%d: the fallback of \"%s\" is itself; name others",
                   w->file, o->line, name);
    else if (is_again (list, word, len))
      kwi_mistake (w->mistakes, "%s:%d: fallback of \"%s\" names \"%s\" twice; each "
                   "provider is asked once", w->file, o->line, w->provider->name, name);
    else
      check_known (w, o->line, name);
    word += len + strspn (word + len, ", \t");
  }
}

/* ---- model_map ------------------------------------------------------------------ */

/* The name at *text without blanks around it. */
static size_t
trim (const char **text, size_t len)
{
  while (len > 0 && (**text == ' ' || **text == '\t')) {
    (*text)++;
    len--;
  }
  while (len > 0 && ((*text)[len - 1] == ' ' || (*text)[len - 1] == '\t'))
    len--;
  return len;
}

/* The new name is put between quotes as it is. */
static int
is_model (const char *name, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if ((unsigned char) name[i] <= 0x20 || name[i] == 0x7f || name[i] == '"'
        || name[i] == '\\')
      return 0;
  return len > 0 && len <= MODEL_MAX && kwi_utf8_valid (name, len) == len;
}

/* How long the name before the arrow is in an entry; 0: it is none. */
static size_t
entry_from (const char **entry, size_t len)
{
  const char *arrow = memmem (*entry, len, "->", 2), *end = *entry + len, *to;
  size_t from_len, to_len;

  if (arrow == NULL)
    return 0;
  to = arrow + 2;
  from_len = trim (entry, (size_t) (arrow - *entry));
  to_len = trim (&to, (size_t) (end - to));
  return is_model (*entry, from_len) && is_model (to, to_len)
           && (to_len != 1 || *to != '*' || (from_len == 1 && **entry == '*'))
         ? from_len : 0;
}

static int
is_mapped (const char *map, const char *before, const char *name, size_t name_len)
{
  while (map < before) {
    size_t len = strcspn (map, ",");
    const char *from = map;
    if (entry_from (&from, len) == name_len && memcmp (from, name, name_len) == 0)
      return 1;
    map += len + (map[len] == ',');
  }
  return 0;
}

static void
check_map (const struct where *w, const struct kwi_option *o)
{
  for (const char *at = o->value;;) {
    size_t len = strcspn (at, ","), shown;
    const char *from = at, *word = at;
    size_t from_len = entry_from (&from, len);
    shown = trim (&word, len);
    if (from_len == 0)
      kwi_mistake (w->mistakes, "%s:%d: model_map of \"%s\" has the entry \"%.*s\"; "
                   "allowed: MODEL -> MODEL HERE, with commas between, and * for every "
                   "other model", w->file, o->line, w->provider->name, (int) shown, word);
    else if (is_mapped (o->value, at, from, from_len))
      kwi_mistake (w->mistakes, "%s:%d: model_map of \"%s\" has two entries for \"%.*s\"",
                   w->file, o->line, w->provider->name, (int) from_len, from);
    if (at[len] == '\0')
      return;
    at += len + 1;
  }
}

/* ---- The breaker ------------------------------------------------------------------ */

static void
check_open (const struct where *w)
{
  const struct kwi_option *open = option (w->provider, "breaker_open");
  const struct kwi_option *max = option (w->provider, "breaker_open_max");
  int64_t open_ms, max_ms;
  char first[48], most[48];

  if (kwi_parse_integer (kwi_failover_value (w->provider, "breaker_open"), 0, INT64_MAX,
                         &open_ms) != 0
      || kwi_parse_integer (kwi_failover_value (w->provider, "breaker_open_max"), 0,
                            INT64_MAX, &max_ms) != 0
      || open_ms <= max_ms)
    return;
  kwi_mistake (w->mistakes, "%s:%d: breaker_open of \"%s\" is %s, longer than "
               "breaker_open_max, which is %s%s; set both", w->file,
               open != NULL ? open->line : max->line, w->provider->name,
               kwi_duration_text (open_ms, first, sizeof first),
               kwi_duration_text (max_ms, most, sizeof most),
               max == NULL ? " when it is not set" : "");
}

void
kwi_failover_check (const char *file, const struct kwi_config *config,
                    const struct kwi_provider_config *provider,
                    struct kwi_mistakes *mistakes)
{
  const struct where w = { file, config, provider, mistakes };
  const struct kwi_option *fallback = option (provider, "fallback");
  const struct kwi_option *map = option (provider, "model_map");

  if (fallback != NULL)
    check_fallback (&w, fallback);
  if (map != NULL)
    check_map (&w, map);
  check_open (&w);
}
