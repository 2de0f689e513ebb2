/* sections - the text of an INI turned into a kwi_config.
 * Knows which sections there are and how they hang together; what an option
 * means is options.c's, how a line is read is inifile.c's. */
#include "sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "inifile.h"
#include "options.h"
#include "values.h"

enum kind { NOWHERE = 0, LOST, KEYWHEEL, PROVIDER, KEY, GATEWAY };

struct seen {                   /* an option of the section being read */
  char name[52];                /* inih keeps 49 bytes                 */
  int line;
};

struct parser {
  const char *file;
  const struct kwi_env *env;
  struct kwi_mistakes *mistakes;
  struct kwi_config *config;

  enum kind kind;               /* the section being read */
  int line;
  size_t provider, key;         /* indexes: the arrays move */
  char title[80];
  struct seen *seen;
  size_t n_seen;

  int keywheel_line;            /* of the only [keywheel]; 0: none yet */
  int gateway_line;             /* likewise                            */
  int provider_line;            /* of its provider = */
};

#define ALLOWED "[keywheel], [provider NAME], [key PROVIDER/NAME], [gateway]"
#define NAMES "1 to 63 of A-Z a-z 0-9 . _ -"

/* ---- Sections ---------------------------------------------------------- */

static int
seen_line (const struct parser *p, const char *name)
{
  for (size_t i = 0; i < p->n_seen; i++)
    if (strcmp (p->seen[i].name, name) == 0)
      return p->seen[i].line;
  return 0;
}

static void
check_backoff (const struct parser *p)
{
  const struct kwi_policy *policy
    = &p->config->providers[p->provider].policy;
  int initial = seen_line (p, "backoff_initial");
  int max = seen_line (p, "backoff_max");
  char first[48], most[48];

  if (policy->backoff_initial_ms <= policy->backoff_max_ms)
    return;
  kwi_duration_text (policy->backoff_initial_ms, first, sizeof first);
  kwi_duration_text (policy->backoff_max_ms, most, sizeof most);
  if (initial != 0 && max != 0)
    kwi_mistake (p->mistakes, "%s:%d: backoff_initial = %s is larger than "
                 "backoff_max = %s (line %d); allowed: at most backoff_max",
                 p->file, initial, first, most, max);
  else if (initial != 0)
    kwi_mistake (p->mistakes, "%s:%d: backoff_initial = %s is larger than "
                 "backoff_max, which is %s when it is not set; set both",
                 p->file, initial, first, most);
  else
    kwi_mistake (p->mistakes, "%s:%d: backoff_max = %s is smaller than "
                 "backoff_initial, which is %s when it is not set; set both",
                 p->file, max, most, first);
}

static void
check_source (const struct parser *p)
{
  static const char *const sources[] = { "env", "file", "command" };
  const char *first = NULL;

  for (size_t i = 0; i < p->n_seen; i++)
    for (size_t j = 0; j < 3; j++) {
      if (strcmp (p->seen[i].name, sources[j]) != 0)
        continue;
      if (first == NULL)
        first = sources[j];
      else if (strcmp (first, sources[j]) != 0)
        kwi_mistake (p->mistakes, "%s:%d: %s has %s in line %d already; a key "
                     "has exactly one of env, file, command", p->file,
                     p->seen[i].line, p->title, first, seen_line (p, first));
    }
  if (first == NULL)
    kwi_mistake (p->mistakes, "%s:%d: %s does not say where its key comes "
                 "from; it needs one of: env = VARIABLE, file = PATH, "
                 "command = COMMAND", p->file, p->line, p->title);
}

/* What can be said of a section only when it is over. */
static void
end_section (struct parser *p)
{
  if (p->kind == PROVIDER)
    check_backoff (p);
  else if (p->kind == KEY)
    check_source (p);
  p->kind = NOWHERE;
  p->n_seen = 0;
}

static void
lost (void *user)
{
  struct parser *p = user;

  end_section (p);
  p->kind = LOST;
}

static void
twice (const struct parser *p, int first)
{
  kwi_mistake (p->mistakes, "%s:%d: %s was already there in line %d; put all "
               "its options into one", p->file, p->line, p->title, first);
}

/* Finds or makes the section of provider name.  -1: no memory. */
static int
find_provider (struct parser *p, const char *name)
{
  struct kwi_provider_config *provider = kwi_config_find (p->config, name);

  if (provider == NULL)
    provider = kwi_config_add (p->config, name);
  if (provider == NULL)
    return -1;
  p->provider = (size_t) (provider - p->config->providers);
  return 0;
}

static int
begin_provider (struct parser *p, const char *name)
{
  if (!kwi_valid_name (name)) {
    kwi_mistake (p->mistakes, "%s:%d: %s needs a name; allowed: [provider "
                 "NAME] with " NAMES, p->file, p->line, p->title);
    return 0;
  }
  if (find_provider (p, name) != 0)
    return -1;
  struct kwi_provider_config *provider = &p->config->providers[p->provider];
  if (provider->line != 0)
    twice (p, provider->line);
  else
    provider->line = p->line;
  p->kind = PROVIDER;
  return 0;
}

static int
begin_key (struct parser *p, const char *name)
{
  char provider[64] = "";
  size_t len = strcspn (name, "/");

  if (len < sizeof provider) {
    memcpy (provider, name, len);
    provider[len] = '\0';
  }
  if (name[len] != '/' || !kwi_valid_name (provider)
      || !kwi_valid_name (name + len + 1)) {
    kwi_mistake (p->mistakes, "%s:%d: %s needs two names; allowed: [key "
                 "PROVIDER/NAME] with " NAMES " each", p->file, p->line,
                 p->title);
    return 0;
  }
  if (find_provider (p, provider) != 0)
    return -1;
  struct kwi_provider_config *config = &p->config->providers[p->provider];
  struct kwi_key_config *key = kwi_provider_add_key (config, name + len + 1);
  if (key == NULL)
    return -1;
  key->line = p->line;
  p->key = config->n_keys - 1;
  p->kind = KEY;
  return 0;
}

/* One of those that there is once.  line: where it was. */
static void
begin_only (struct parser *p, enum kind kind, int *line)
{
  if (*line != 0)
    twice (p, *line);
  else
    *line = p->line;
  p->kind = kind;
}

static void
unknown_section (const struct parser *p, const char *word, const char *rest)
{
  static const char *const words[] = { "keywheel", "gateway", "provider", "key", NULL };
  const char *nearest = kwi_nearest (word, words);
  int alone = nearest == words[0] || nearest == words[1];

  if (nearest == NULL)
    kwi_mistake (p->mistakes, "%s:%d: unknown section %s (known: " ALLOWED ")",
                 p->file, p->line, p->title);
  else
    kwi_mistake (p->mistakes, "%s:%d: unknown section %s; did you mean [%s%s%s"
                 "]? (known: " ALLOWED ")", p->file, p->line, p->title,
                 nearest, alone ? "" : " ", alone ? "" : rest);
}

/* "key  groq/primary " becomes "key", "groq/primary". */
static void
split_header (const char *name, char word[64], char rest[64])
{
  size_t len;

  name += strspn (name, " \t");
  len = strcspn (name, " \t");
  memcpy (word, name, len);     /* inih keeps 49 bytes of a section's name */
  word[len] = '\0';
  name += len + strspn (name + len, " \t");
  len = strlen (name);
  while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == '\t'))
    len--;
  memcpy (rest, name, len);
  rest[len] = '\0';
}

static int
begin_section (void *user, const char *name, int line)
{
  struct parser *p = user;
  char word[64], rest[64];

  end_section (p);
  if (strlen (name) >= sizeof word)
    return -1;                  /* another inih, with other bounds */
  split_header (name, word, rest);
  p->kind = LOST;
  p->line = line;
  int n = snprintf (p->title, sizeof p->title, "[%s%s%s]", word,
                    rest[0] != '\0' ? " " : "", rest);
  if (n < 0)
    return -1;
  if (strcmp (word, "keywheel") == 0 && rest[0] == '\0')
    begin_only (p, KEYWHEEL, &p->keywheel_line);
  else if (strcmp (word, "gateway") == 0 && rest[0] == '\0')
    begin_only (p, GATEWAY, &p->gateway_line);
  else if (strcmp (word, "provider") == 0)
    return begin_provider (p, rest);
  else if (strcmp (word, "key") == 0)
    return begin_key (p, rest);
  else
    unknown_section (p, word, rest);
  return 0;
}

/* ---- Options ----------------------------------------------------------- */

/* 1: it is the second of its name, which was reported; -1: no memory. */
static int
remember (struct parser *p, const char *name, int line)
{
  int first = seen_line (p, name);

  if (first != 0) {
    kwi_mistake (p->mistakes, "%s:%d: %s in %s was already set in line %d; "
                 "remove one of the two", p->file, line, name, p->title,
                 first);
    return 1;
  }
  struct seen *seen = kwi_grow (p->seen, p->n_seen, sizeof *seen);
  if (seen == NULL)
    return -1;
  p->seen = seen;
  seen += p->n_seen++;
  int n = snprintf (seen->name, sizeof seen->name, "%s", name);
  seen->line = line;
  return n < 0 ? -1 : 0;
}

static void
unknown_option (const struct parser *p, const struct kwi_setting *s,
                const char *const *known)
{
  char buf[512];

  kwi_mistake (p->mistakes, "%s:%d: unknown option \"%s\" in %s%s", p->file,
               s->line, s->name, s->title,
               kwi_suggest (s->name, known, buf, sizeof buf));
}

/* Whether it is the plugin's, nobody knows before the plugin is loaded. */
static int
keep_option (const struct parser *p, const struct kwi_setting *s,
             struct kwi_provider_config *provider)
{
  if (s->value[0] == '\0') {
    kwi_mistake (p->mistakes, "%s:%d: %s in %s has no value; give it one or "
                 "remove the line", p->file, s->line, s->name, s->title);
    return 0;
  }
  struct kwi_option *options
    = kwi_grow (provider->options, provider->n_options, sizeof *options);
  if (options == NULL)
    return -1;
  provider->options = options;
  options += provider->n_options++;
  *options = (struct kwi_option) {
    .name = strdup (s->name), .value = strdup (s->value), .line = s->line
  };
  return options->name == NULL || options->value == NULL ? -1 : 0;
}

static int
set_option (struct parser *p, const struct kwi_setting *s)
{
  struct kwi_provider_config *provider = NULL;
  int r;

  if (p->kind == PROVIDER || p->kind == KEY)
    provider = &p->config->providers[p->provider];
  switch (p->kind) {
  case KEYWHEEL:
    r = kwi_set_keywheel (s, p->config);
    if (r == 1)
      unknown_option (p, s, kwi_keywheel_options);
    if (strcmp (s->name, "provider") == 0)
      p->provider_line = s->line;
    break;
  case GATEWAY:
    r = kwi_set_gateway (s, p->config);
    if (r == 1)
      unknown_option (p, s, kwi_gateway_options);
    break;
  case PROVIDER:
    r = kwi_set_provider (s, provider);
    if (r == 1)
      r = keep_option (p, s, provider);
    break;
  case KEY:
    r = kwi_set_key (s, &provider->keys[p->key]);
    if (r == 1)
      unknown_option (p, s, kwi_key_options);
    break;
  default:
    return 0;
  }
  return r == -1 ? -1 : 0;
}

static int
option (void *user, const char *name, const char *value, int line)
{
  struct parser *p = user;
  const struct kwi_setting s = {
    .file = p->file, .line = line, .title = p->title, .name = name,
    .value = value, .dir = p->config->dir, .env = p->env,
    .mistakes = p->mistakes
  };

  if (p->kind == LOST)
    return 0;                   /* the header was reported */
  if (p->kind == NOWHERE) {
    kwi_mistake (p->mistakes, "%s:%d: \"%s\" stands before any section; put "
                 "it below one of: " ALLOWED, p->file, line, name);
    return 0;
  }
  int r = remember (p, name, line);
  return r != 0 ? r == -1 ? -1 : 0 : set_option (p, &s);
}

static void
mistake (void *user, int line, const char *text)
{
  struct parser *p = user;

  kwi_mistake (p->mistakes, "%s:%d: %s", p->file, line, text);
}

/* ---- The whole --------------------------------------------------------- */

int
kwi_sections_read (const char *file, const char *text, size_t len,
                   const struct kwi_env *env, struct kwi_mistakes *mistakes,
                   struct kwi_config *config)
{
  struct parser p = { .file = file, .env = env, .mistakes = mistakes,
                      .config = config };
  const struct kwi_ini_events events = {
    .section = begin_section, .lost = lost, .option = option,
    .mistake = mistake, .user = &p
  };
  int r = kwi_ini_parse (text, len, &events);

  if (r == 0) {
    end_section (&p);
    r = kwi_sections_finish (file, config, p.provider_line, mistakes);
  }
  free (p.seen);
  return r;
}
