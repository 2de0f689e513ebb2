/* finder - where plugins lie: the search path, a name in it, and all there is.
 * The rest of loader.h.  Reads folders; what is in a file is loader.c's. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "config.h"
#include "fail.h"
#include "loader.h"

#ifndef KW_PLUGINDIR
#define KW_PLUGINDIR "/usr/local/lib/keywheel/plugins"
#endif

/* ---- The search path ------------------------------------------------------- */

struct path {
  char **dirs;                  /* NULL while only the room is counted    */
  char *text;
  size_t n, bytes;
};

static int
is_in (const struct path *p, const char *dir, size_t len)
{
  for (size_t i = 0; p->dirs != NULL && i < p->n; i++)
    if (strncmp (p->dirs[i], dir, len) == 0 && p->dirs[i][len] == '\0')
      return 1;
  return 0;
}

/* Once each: the second time would find nothing new. */
static void
add_dir (struct path *p, const char *dir, size_t len)
{
  if (len == 0 || is_in (p, dir, len))
    return;
  if (p->dirs != NULL) {
    p->dirs[p->n] = p->text;
    memcpy (p->text, dir, len);
    p->text[len] = '\0';
    p->text += len + 1;
  }
  p->n++;
  p->bytes += len + 1;
}

/* Relative entries would depend on where the program was started. */
static void
add_env (struct path *p, const char *list)
{
  while (list != NULL) {
    size_t len = strcspn (list, ":");
    if (list[0] == '/')
      add_dir (p, list, len);
    list = list[len] == ':' ? list + len + 1 : NULL;
  }
}

static void
add_all (struct path *p, const char *const *configured, size_t n)
{
  for (size_t i = 0; i < n; i++)
    add_dir (p, configured[i], strlen (configured[i]));
  add_env (p, secure_getenv ("KEYWHEEL_PLUGIN_PATH"));
  add_dir (p, KW_PLUGINDIR, strlen (KW_PLUGINDIR));
}

char **
kwi_plugin_path (const char *const *configured, size_t n, size_t *ret_n)
{
  struct path room = { NULL, NULL, 0, 0 };
  struct path p = { NULL, NULL, 0, 0 };

  add_all (&room, configured, n);
  p.dirs = malloc ((room.n + 1) * sizeof *p.dirs + room.bytes);
  if (p.dirs == NULL)
    return NULL;
  p.text = (char *) (p.dirs + room.n + 1);
  add_all (&p, configured, n);
  p.dirs[p.n] = NULL;
  *ret_n = p.n;
  return p.dirs;
}

/* ---- What lies in a folder ------------------------------------------------- */

struct names {
  char **name;                  /* NULL-terminated once it has one        */
  size_t n, size;
};

static void
free_names (struct names *l)
{
  for (size_t i = 0; i < l->n; i++)
    free (l->name[i]);
  free (l->name);
}

static int
add_name (struct names *l, const char *name, size_t len)
{
  char *copy;

  if (l->n + 2 > l->size) {
    size_t size = l->size != 0 ? l->size * 2 : 16;
    char **p = realloc (l->name, size * sizeof *p);
    if (p == NULL)
      return -1;
    l->name = p;
    l->size = size;
  }
  copy = strndup (name, len);
  if (copy == NULL)
    return -1;
  l->name[l->n++] = copy;
  l->name[l->n] = NULL;
  return 0;
}

static int
by_bytes (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* The names of dir's *.so, without that end, sorted.  0, or an errno value;
 * what was read before it is in l. */
static int
list_folder (const char *dir, struct names *l)
{
  DIR *d = opendir (dir);
  struct dirent *e;
  int rc = 0;

  if (d == NULL)
    return errno;
  while (rc == 0 && (errno = 0, e = readdir (d)) != NULL) {
    size_t len = strlen (e->d_name);
    if (len > 3 && e->d_name[0] != '.' &&
        strcmp (e->d_name + len - 3, ".so") == 0 &&
        add_name (l, e->d_name, len - 3) == -1)
      rc = ENOMEM;
  }
  if (rc == 0)
    rc = errno;
  (void) closedir (d);
  if (l->n > 1)
    qsort (l->name, l->n, sizeof *l->name, by_bytes);
  return rc;
}

/* "DIR/NAME.so", for free(). */
static char *
file_in (const char *dir, const char *name)
{
  size_t size = strlen (dir) + strlen (name) + sizeof "/.so";
  char *file = malloc (size);

  if (file != NULL && snprintf (file, size, "%s/%s.so", dir, name) < 0) {
    free (file);
    return NULL;
  }
  return file;
}

/* ---- By name ----------------------------------------------------------------- */

/* "A, B (no such folder), C" as far as it fits. */
static void
list_dirs (const char *const *dirs, size_t n_dirs, char *buf, size_t size)
{
  size_t at = 0;

  buf[0] = '\0';
  for (size_t i = 0; i < n_dirs; i++) {
    struct stat st;
    int gone = stat (dirs[i], &st) == -1;
    int n = snprintf (buf + at, size - at, "%s%s%s", i > 0 ? ", " : "", dirs[i],
                      !gone ? "" : errno == ENOENT ? " (no such folder)"
                                                   : " (not to be read)");
    if (n < 0 || (size_t) n >= size - at) {
      buf[at] = '\0';
      (void) snprintf (buf + at, size - at, "%s%zu more", i > 0 ? ", " : "",
                       n_dirs - i);
      return;
    }
    at += (size_t) n;
  }
}

static int
not_found (const char *name, const char *const *dirs, size_t n_dirs,
           struct kw_error *err)
{
  struct names there = { NULL, 0, 0 };
  char where[640];
  const char *near = NULL;
  int rc;

  for (size_t i = 0; i < n_dirs; i++)
    (void) list_folder (dirs[i], &there);
  if (there.n > 0)
    near = kwi_nearest (name, (const char *const *) there.name);
  list_dirs (dirs, n_dirs, where, sizeof where);
  rc = kwi_fail (err, KW_ERR_SETTINGS, "plugin \"%s\" was not found: there is no "
                 "%s.so in %s; %s%s%s", name, name,
                 n_dirs > 0 ? where : "any folder, for none is set",
                 near != NULL ? "did you mean \"" : "",
                 near != NULL ? near : "set plugin_dir or install it",
                 near != NULL ? "\"?" : "");
  free_names (&there);
  return rc;
}

int
kwi_plugin_find (const char *name, const char *const *dirs, size_t n_dirs,
                 struct kwi_plugin **ret, struct kw_error *err)
{
  if (strchr (name, '/') != NULL)
    return kwi_plugin_load (name, ret, err);
  if (!kwi_plugin_name_ok (name))
    return kwi_fail (err, KW_ERR_SETTINGS, "\"%.64s\" is no plugin's name: "
                     "expected a-z, 0-9 and '-' (not first), 63 bytes at most, "
                     "or a path with a slash in it", name);
  for (size_t i = 0; i < n_dirs; i++) {
    char *file = file_in (dirs[i], name);
    struct stat st;
    int rc, there;

    if (file == NULL)
      return kwi_fail (err, KW_ERR_MEMORY, "plugin \"%s\": no memory", name);
    /* A link that leads nowhere is a broken match too, not an absent one. */
    there = lstat (file, &st) == 0;
    rc = there ? kwi_plugin_load (file, ret, err) : 0;
    free (file);
    if (there)
      return rc;
  }
  return not_found (name, dirs, n_dirs, err);
}

/* ---- All of them ---------------------------------------------------------------- */

typedef void found_fn (void *user, const char *file, struct kwi_plugin *plugin,
                       const char *why, int abi_major, int abi_minor);

static void
show_file (const char *file, found_fn *found, void *user)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *p = NULL;
  int major, minor;

  if (kwi_plugin_try (file, &p, &major, &minor, &err) != 0) {
    found (user, file, NULL, err.message, major, minor);
    return;
  }
  found (user, file, p, NULL, major, minor);
  kwi_plugin_unref (p);
}

static int
scan_folder (const char *dir, found_fn *found, void *user)
{
  struct names names = { NULL, 0, 0 };
  int rc = list_folder (dir, &names);

  for (size_t i = 0; rc != ENOMEM && i < names.n; i++) {
    char *file = file_in (dir, names.name[i]);
    if (file == NULL)
      rc = ENOMEM;
    else
      show_file (file, found, user);
    free (file);
  }
  free_names (&names);
  /* The built-in folder need not be there; one that is must be readable. */
  if (rc != 0 && rc != ENOMEM && rc != ENOENT) {
    struct kw_error err = KW_ERROR_INIT;
    (void) kwi_fail (&err, KW_ERR_SETTINGS, "plugin folder %s: expected one that "
                     "can be read, found: %s; check plugin_dir and its rights",
                     dir, strerror (rc));
    found (user, dir, NULL, err.message, -1, -1);
  }
  return rc == ENOMEM ? KW_ERR_MEMORY : 0;
}

int
kwi_plugin_scan (const char *const *dirs, size_t n_dirs, found_fn *found,
                 void *user)
{
  for (size_t i = 0; i < n_dirs; i++) {
    int rc = scan_folder (dirs[i], found, user);
    if (rc != 0)
      return rc;
  }
  return 0;
}
