/* option-paths - the options whose values are files and folders.
 * Relative ones begin at the INI's folder.  Looks whether they are there; does
 * not read them.  Has the helpers of options.c too. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options-private.h"

void
kwi_wrong (const struct kwi_setting *s, const char *fmt, ...)
{
  char text[512];
  va_list args;

  va_start (args, fmt);
  int n = vsnprintf (text, sizeof text, fmt, args);
  va_end (args);
  kwi_mistake (s->mistakes, "%s:%d: %s = %s %s", s->file, s->line, s->name,
               s->value, n > 0 ? text : "is wrong");
}

int
kwi_keep (char **field, char *text)
{
  if (text == NULL)
    return -1;
  free (*field);
  *field = text;
  return 0;
}

/* Relative to the INI's folder; "~/" is $HOME.  NULL: no memory, or reported
 * (*ret_bad). */
static char *
resolve (const struct kwi_setting *s, const char *value, int *ret_bad)
{
  const char *base = s->dir;
  char *path;

  *ret_bad = 0;
  if (value[0] == '/')
    return strdup (value);
  if (strcmp (value, "~") == 0 || strncmp (value, "~/", 2) == 0) {
    base = s->env->get (s->env->ctx, "HOME");
    if (base == NULL || base[0] != '/') {
      kwi_mistake (s->mistakes, "%s:%d: %s begins with \"~\", but HOME is not "
                   "set to a folder; write the whole path", s->file, s->line,
                   s->name);
      *ret_bad = 1;
      return NULL;
    }
    value += value[1] == '/' ? 2 : 1;
  } else if (strncmp (value, "./", 2) == 0)
    value += 2;
  return asprintf (&path, "%s%s%s", base,
                   base[strlen (base) - 1] == '/' ? "" : "/", value) < 0
           ? NULL : path;
}

int
kwi_set_path (const struct kwi_setting *s, const struct kwi_spec *spec,
              void *target)
{
  int bad;
  char *path = resolve (s, s->value, &bad);

  return bad ? 0 : kwi_keep (kwi_field (spec, target), path);
}

/* Missing, it would be told of with each request, in libcurl's words. */
int
kwi_set_pem (const struct kwi_setting *s, const struct kwi_spec *spec,
             void *target)
{
  const char *path;

  if (kwi_set_path (s, spec, target) != 0)
    return -1;
  memcpy (&path, kwi_field (spec, target), sizeof path);
  if (path != NULL && faccessat (AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
    kwi_wrong (s, "cannot be read (%s: %s); allowed: the path of a PEM file",
               path, strerror (errno));
  return 0;
}

int
kwi_set_env_file (const struct kwi_setting *s, const struct kwi_spec *spec,
                  void *target)
{
  struct kwi_config *config = target;
  struct stat st;

  if (kwi_set_path (s, spec, target) != 0)
    return -1;
  config->env_file_line = s->line;
  /* Often absent where the environment itself has the keys. */
  if (config->env_file != NULL && stat (config->env_file, &st) != 0
      && errno == ENOENT)
    kwi_report (s->mistakes->reporter, 1, "%s:%d: env_file \"%s\" does not "
                "exist (%s); going on without it", s->file, s->line, s->value,
                config->env_file);
  return 0;
}

/* 0, also when path is no folder and that was reported; -1: no memory.  Takes
 * path over. */
static int
add_dir (const struct kwi_setting *s, struct kwi_config *config,
         const char *entry, char *path)
{
  struct stat st;
  int why = stat (path, &st) != 0 ? errno
            : S_ISDIR (st.st_mode) ? 0 : ENOTDIR;

  if (why != 0) {
    kwi_mistake (s->mistakes, "%s:%d: plugin_dir \"%s\" is not a folder (%s: "
                 "%s)", s->file, s->line, entry, path, strerror (why));
    free (path);
    return 0;
  }
  char **dirs = reallocarray (config->plugin_dirs, config->n_plugin_dirs + 1,
                              sizeof *dirs);
  if (dirs == NULL) {
    free (path);
    return -1;
  }
  dirs[config->n_plugin_dirs++] = path;
  config->plugin_dirs = dirs;
  return 0;
}

int
kwi_set_plugin_dir (const struct kwi_setting *s, const struct kwi_spec *spec,
                    void *target)
{
  const char *at = s->value;
  size_t len;

  (void) spec;
  for (;; at += len + 1) {
    len = strcspn (at, ":");
    if (len == 0)
      kwi_wrong (s, "has an empty entry; allowed: folders with a \":\" "
                 "between them");
    else {
      char *entry = strndup (at, len);
      int bad = 0;
      char *path = entry != NULL ? resolve (s, entry, &bad) : NULL;
      int r = path != NULL ? add_dir (s, target, entry, path) : bad ? 0 : -1;
      free (entry);
      if (r != 0)
        return r;
    }
    if (at[len] == '\0')
      return 0;
  }
}
