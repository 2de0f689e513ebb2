/* The file's place: its path, its folders, its owner, making it, and setting a
 * damaged one aside.  Knows nothing of what is in it.
 *
 * Closing any descriptor of a file drops all of this process's POSIX locks on
 * it, those of SQLite in other handles, too.  So nothing here opens the
 * database: it is looked at by stat, made by mknod and moved by rename.
 *
 * A damaged file and the two that belong to it are renamed, and a new one is
 * made, under a lock on their folder, as is all opening: else a new database
 * could be found together with the old one's -wal. */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const companions[] = { "-wal", "-shm" };

/* ---- Texts ----------------------------------------------------------------------- */

void
kwi_say (struct kw_store_error *why, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  (void) vsnprintf (why->text, sizeof why->text, format, args);
  va_end (args);
}

void
kwi_log (const struct kw_store_handle *h, int level, const char *format, ...)
{
  char line[2 * PATH_MAX];
  va_list args;

  if (h->log == NULL)
    return;
  va_start (args, format);
  (void) vsnprintf (line, sizeof line, format, args);
  va_end (args);
  h->log (h->user, level, line);
}

char *
kwi_joined (const char *a, const char *b, const char *c)
{
  size_t size = strlen (a) + strlen (b) + strlen (c) + 1;
  char *s = malloc (size);

  if (s != NULL)
    (void) snprintf (s, size, "%s%s%s", a, b, c);
  return s;
}

static int
no_memory (struct kw_store_error *why, int rc)
{
  kwi_say (why, "sqlite: out of memory");
  return rc;
}

/* ---- What is behind "state =" ------------------------------------------------------- */

/* A folder below the one we run in, if the host's is relative. */
static char *
absolute (const char *dir, const char *name)
{
  char *here, *path;

  if (dir != NULL && dir[0] == '/')
    return kwi_joined (dir, "/", name);
  here = getcwd (NULL, 0);
  if (here == NULL)
    return NULL;
  if (dir != NULL && dir[0] != '\0') {
    char *below = kwi_joined (here, "/", dir);

    free (here);
    here = below;
  }
  path = here != NULL ? kwi_joined (here, "/", name) : NULL;
  free (here);
  return path;
}

int
kwi_place_parse (const struct kw_store_setup *setup, char **ret_path,
                 struct kw_store_error *why)
{
  const char *name = strchr (setup->spec, ':');
  struct stat st;
  char *path;

  if (name == NULL) {
    if (setup->state_dir == NULL) {
      kwi_say (why, "state = sqlite: there is no folder for state, for neither XDG_STATE_HOME "
               "nor HOME is set; write sqlite:PATH");
      return KW_STORE_USAGE;
    }
    path = absolute (setup->state_dir, "state.db");
  } else {
    name++;
    if (name[0] == '\0') {
      kwi_say (why, "state = sqlite:PATH: the path is empty; \"sqlite\" alone means "
               "the default file");
      return KW_STORE_USAGE;
    }
    if (name[0] == '~') {
      kwi_say (why, "state = %s: ~ is not expanded; write the whole path, or ./~...",
               setup->spec);
      return KW_STORE_USAGE;
    }
    path = name[0] == '/' ? strdup (name) : absolute (setup->dir, name);
  }
  if (path == NULL)
    return no_memory (why, KW_STORE_AWAY);
  if (strlen (path) >= PATH_MAX - 64) {
    kwi_say (why, "state = sqlite:PATH: the path is too long: %.100s...", path);
    free (path);
    return KW_STORE_USAGE;
  }
  if (path[strlen (path) - 1] == '/' || (stat (path, &st) == 0 && S_ISDIR (st.st_mode))) {
    kwi_say (why, "state = %s: %s is a folder; a file's path is needed, such as %s/state.db",
             setup->spec, path, path);
    free (path);
    return KW_STORE_USAGE;
  }
  *ret_path = path;
  return KW_STORE_OK;
}

/* ---- Folders ---------------------------------------------------------------------------- */

/* Makes a folder that only we get into, whatever the umask; 0 or -1. */
static int
make_folder (const char *path)
{
  struct stat st;

  if (mkdir (path, 0700) == 0)
    return stat (path, &st) == 0 && (st.st_mode & 0777) != 0700 ? chmod (path, 0700) : 0;
  return errno == EEXIST ? 0 : -1;
}

static int
make_folders (char *path, struct kw_store_error *why)
{
  for (char *slash = strchr (path + 1, '/'); slash != NULL; slash = strchr (slash + 1, '/')) {
    struct stat st;
    int failed;

    *slash = '\0';
    failed = stat (path, &st) == -1 && errno == ENOENT && make_folder (path) == -1;
    if (failed)
      kwi_say (why, "cannot make the folder %s: %s", path, strerror (errno));
    *slash = '/';
    if (failed)
      return KW_STORE_AWAY;
  }
  return KW_STORE_OK;
}

/* Its real path, if there may be no such file yet, or not for a moment: another
 * process may just be setting it aside, for this is before the lock. */
static int
resolve (struct kw_store_handle *h, struct kw_store_error *why)
{
  char *slash = strrchr (h->path, '/'), *folder, *real;
  struct stat st;

  if (lstat (h->path, &st) == 0 && S_ISLNK (st.st_mode)) {
    real = realpath (h->path, NULL);
  } else {
    *slash = '\0';
    folder = realpath (h->path[0] != '\0' ? h->path : "/", NULL);
    *slash = '/';
    real = folder != NULL ? kwi_joined (strcmp (folder, "/") != 0 ? folder : "", "/", slash + 1)
                          : NULL;
    free (folder);
  }
  if (real == NULL) {
    kwi_say (why, "%s: %s", h->path, strerror (errno));
    return KW_STORE_AWAY;
  }
  free (h->real);
  h->real = real;
  return KW_STORE_OK;
}

static char *
folder_of (const struct kw_store_handle *h)
{
  char *folder = strdup (h->real), *slash;

  if (folder == NULL)
    return NULL;
  slash = strrchr (folder, '/');
  slash[slash == folder] = '\0';
  return folder;
}

/* Waits for the lock; -1 with errno: EWOULDBLOCK: another has it, else: there is
 * none on this file system. */
static int
lock_folder (struct kw_store_handle *h)
{
  char *folder = folder_of (h);
  int fd = folder != NULL ? open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  free (folder);
  if (fd == -1)
    return -1;
  for (int i = 0; flock (fd, LOCK_EX | LOCK_NB) == -1; i++)
    if ((errno != EWOULDBLOCK && errno != EINTR) || !kwi_base_pause (h, i)) {
      int saved = errno;

      (void) close (fd);
      errno = saved;
      return -1;
    }
  return fd;
}

int
kwi_place_lock (struct kw_store_handle *h)
{
  return h->real != NULL ? lock_folder (h) : -1;
}

/* ---- The file ----------------------------------------------------------------------------- */

struct kwi_file
kwi_place_file (const struct kw_store_handle *h)
{
  struct kwi_file f = { 0, 0, 0 };
  struct stat st;

  if (h->real != NULL && lstat (h->real, &st) == 0)
    f = (struct kwi_file) { st.st_dev, st.st_ino, 1 };
  return f;
}

int
kwi_same_file (const struct kwi_file *a, const struct kwi_file *b)
{
  return a->known && b->known && a->dev == b->dev && a->ino == b->ino;
}

/* With the suffix; NULL: no memory. */
static char *
companion (const struct kw_store_handle *h, size_t i)
{
  return kwi_joined (h->real, companions[i], "");
}

static int
make_file (struct kw_store_handle *h, struct kw_store_error *why)
{
  struct stat st;

  /* Left over from a database that somebody removed: they would be taken for
   * the new one's. */
  for (size_t i = 0; i < 2; i++) {
    char *name = companion (h, i);

    if (name == NULL)
      return no_memory (why, KW_STORE_AWAY);
    (void) unlink (name);
    free (name);
  }
  if (mknod (h->real, S_IFREG | 0600, 0) == -1 && errno != EEXIST) {
    kwi_say (why, "cannot make %s: %s", h->real, strerror (errno));
    return KW_STORE_AWAY;
  }
  /* A umask that takes from ourselves. */
  if (lstat (h->real, &st) == 0 && S_ISREG (st.st_mode) && (st.st_mode & 0700) != 0600)
    (void) chmod (h->real, 0600);
  return KW_STORE_OK;
}

/* Whoever can write the file can park keys. */
static int
check_owner (const char *name, const struct stat *st, struct kw_store_error *why)
{
  if (S_ISDIR (st->st_mode)) {
    kwi_say (why, "%s is a folder; move it away, or set state = sqlite:PATH", name);
    return KW_STORE_AWAY;
  }
  if (!S_ISREG (st->st_mode)) {
    kwi_say (why, "%s is no regular file; move it away, or set state = sqlite:PATH", name);
    return KW_STORE_AWAY;
  }
  if (st->st_uid != geteuid () && st->st_uid != 0) {
    kwi_say (why, "%s belongs to another user (%lu), who could park keys; it is not used",
             name, (unsigned long) st->st_uid);
    return KW_STORE_AWAY;
  }
  return KW_STORE_OK;
}

static void
warn_of_others (struct kw_store_handle *h, const struct stat *st)
{
  char *folder = folder_of (h);
  struct stat of_folder;

  if (!h->warned && (st->st_mode & 022) != 0)
    kwi_log (h, KW_STORE_LOG_WARN, "%s may be written by others, who can park keys by it: "
             "chmod 600 it", h->real);
  if (!h->warned && folder != NULL && stat (folder, &of_folder) == 0
      && (of_folder.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
    kwi_log (h, KW_STORE_LOG_WARN, "%s may be written by anybody, who can replace %s: "
             "chmod o-w it", folder, h->real);
  h->warned = 1;
  free (folder);
}

static int
check_files (struct kw_store_handle *h, struct kw_store_error *why)
{
  struct stat st;
  mode_t mode;
  int rc;

  if (lstat (h->real, &st) == -1) {
    kwi_say (why, "%s: %s", h->real, strerror (errno));
    return KW_STORE_AWAY;
  }
  rc = check_owner (h->real, &st, why);
  if (rc == KW_STORE_OK)
    warn_of_others (h, &st);
  mode = st.st_mode & 0777;
  for (size_t i = 0; rc == KW_STORE_OK && i < 2; i++) {
    char *name = companion (h, i);

    if (name == NULL)
      return no_memory (why, KW_STORE_AWAY);
    if (lstat (name, &st) == 0) {
      rc = check_owner (name, &st, why);
      /* Made when the database was read-only, as they stay then. */
      if (rc == KW_STORE_OK && (st.st_mode & 0777) != mode)
        (void) chmod (name, mode);
    }
    free (name);
  }
  return rc;
}

int
kwi_place_enter (struct kw_store_handle *h, int *ret_lock, struct kw_store_error *why)
{
  struct stat st;
  int rc = make_folders (h->path, why), lock;

  if (rc == KW_STORE_OK)
    rc = resolve (h, why);
  if (rc != KW_STORE_OK)
    return rc;
  lock = lock_folder (h);
  if (lock == -1 && errno == EWOULDBLOCK) {
    kwi_say (why, "the folder of %s has been locked by another process for more than %u ms",
             h->real, h->timeout_ms);
    return KW_STORE_AWAY;
  }
  if (lstat (h->real, &st) == -1 && errno == ENOENT)
    rc = make_file (h, why);
  if (rc == KW_STORE_OK)
    rc = check_files (h, why);
  if (rc != KW_STORE_OK) {
    if (lock != -1)
      (void) close (lock);
    return rc;
  }
  *ret_lock = lock;
  return KW_STORE_OK;
}

/* ---- Setting aside -------------------------------------------------------------------------- */

/* PATH.damaged-20260102-140311, or with -2, -3, ... if that is there. */
static char *
name_aside (const struct kw_store_handle *h)
{
  time_t now = (time_t) (h->now_ms (h->user) / 1000);
  struct tm tm;
  char stamp[64], more[16] = "";

  if (gmtime_r (&now, &tm) == NULL
      || strftime (stamp, sizeof stamp, ".damaged-%Y%m%d-%H%M%S", &tm) == 0)
    return NULL;
  for (int i = 2; i < 100; i++) {
    char *name = kwi_joined (h->real, stamp, more);
    struct stat st;

    if (name == NULL || lstat (name, &st) == -1)
      return name;
    free (name);
    (void) snprintf (more, sizeof more, "-%d", i);
  }
  errno = EEXIST;
  return NULL;
}

static int
move_aside (const struct kw_store_handle *h, const char *suffix, const char *name)
{
  char *from = kwi_joined (h->real, suffix, ""), *to = kwi_joined (name, suffix, "");
  int rc = -1;

  errno = ENOMEM;
  if (from != NULL && to != NULL)
    rc = rename (from, to);
  free (from);
  free (to);
  return rc;
}

int
kwi_place_set_aside (struct kw_store_handle *h, const char *reason, struct kw_store_error *why)
{
  char *name = name_aside (h);
  int failed = name == NULL;

  /* The database last: who dies in between leaves one that is found damaged
   * once more, and not a -wal for the next. */
  for (size_t i = 0; !failed && i < 2; i++)
    failed = move_aside (h, companions[i], name) == -1 && errno != ENOENT;
  failed = failed || move_aside (h, "", name) == -1;
  if (failed)
    kwi_say (why, "%s is %s, and cannot be set aside: %s", h->real, reason,
             strerror (errno));
  else
    kwi_log (h, KW_STORE_LOG_WARN, "%s is %s; it was set aside as %s, and a new one is made",
             h->real, reason, name);
  free (name);
  return failed ? KW_STORE_AWAY : make_file (h, why);
}
