/* kwplugin - for the suites that load the test plugins: where they are, and
 * folders of the test's own to put copies and broken files in. */
#ifndef KWPLUGIN_H
#define KWPLUGIN_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kwtest.h"

/* Is this a run in which the loader unloads nothing, so that reports of leaks
 * can name functions?  make check-valgrind says so in the environment. */
static inline int
kwplugin_stays (void)
{
#if defined(__SANITIZE_ADDRESS__)
  return 1;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return 1;
#endif
#endif
  return getenv ("KW_UNDER_VALGRIND") != NULL;
}

/* The built test plugin NAME, in buf. */
static inline const char *
kwplugin_file (const char *name, char *buf, size_t size)
{
  int n = snprintf (buf, size, "%s/tests/plugins/.libs/%s.so",
                    kwtest_builddir (), name);

  ck_assert_msg (n > 0 && (size_t) n < size, "path too long for %s", name);
  return buf;
}

/* A new folder that only we can write, absolute, in buf. */
static inline const char *
kwplugin_folder (char *buf, size_t size)
{
  char *top = realpath (kwtest_builddir (), NULL);
  int n;

  ck_assert_msg (top != NULL, "no build folder %s", kwtest_builddir ());
  n = snprintf (buf, size, "%s/tests/plugins/tmp-XXXXXX", top);
  free (top);
  ck_assert (n > 0 && (size_t) n < size);
  ck_assert_msg (mkdtemp (buf) != NULL, "cannot make %s", buf);
  return buf;
}

/* DIR/NAME in buf. */
static inline const char *
kwplugin_in (const char *dir, const char *name, char *buf, size_t size)
{
  int n = snprintf (buf, size, "%s/%s", dir, name);

  ck_assert_msg (n > 0 && (size_t) n < size, "path too long: %s", name);
  return buf;
}

/* DIR/NAME with these bytes and exactly this mode. */
static inline void
kwplugin_write (const char *dir, const char *name, const void *data,
                size_t len, mode_t mode)
{
  char path[4096];
  int fd;

  fd = open (kwplugin_in (dir, name, path, sizeof path),
             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ck_assert_msg (fd != -1, "cannot make %s", path);
  ck_assert (len == 0 || write (fd, data, len) == (ssize_t) len);
  ck_assert (fchmod (fd, mode) == 0);
  ck_assert (close (fd) == 0);
}

/* The first keep bytes of test plugin PLUGIN (0: all) as DIR/NAME; returns
 * their number. */
static inline size_t
kwplugin_copy (const char *plugin, const char *dir, const char *name,
               size_t keep, mode_t mode)
{
  char path[4096];
  FILE *f = fopen (kwplugin_file (plugin, path, sizeof path), "rb");
  size_t size = (size_t) 16 << 20, len;
  char *data = malloc (size);

  ck_assert_msg (f != NULL && data != NULL, "cannot read %s", path);
  len = fread (data, 1, size, f);
  ck_assert (len > 0 && len < size);
  if (keep != 0 && keep < len)
    len = keep;
  kwplugin_write (dir, name, data, len, mode);
  free (data);
  (void) fclose (f);
  return len;
}

/* Removes DIR and what these tests put in: files and empty folders, named. */
static inline void
kwplugin_remove (const char *dir, const char *const *names)
{
  char path[4096];

  for (; *names != NULL; names++)
    (void) remove (kwplugin_in (dir, *names, path, sizeof path));
  ck_assert_msg (rmdir (dir) == 0, "%s is not empty", dir);
}

#endif
