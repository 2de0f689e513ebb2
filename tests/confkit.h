/* confkit - for the suites about configuration and keys: a folder of its own
 * for each test, an environment of its own, and a reporter that remembers. */
#ifndef CONFKIT_H
#define CONFKIT_H

#include <ftw.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "kwtest.h"

struct kit {
  char dir[64];
  char *cwd;                    /* to go back to */
  const char *vars[33];         /* name, value, name, value, ..., NULL */
  char *report[256];            /* "error: ..." or "warning: ...", the folder
                                   taken out of it */
  size_t n_reports, n_mistakes;
};

static struct kit kit;

static inline const char *
kit_get (void *ctx, const char *name)
{
  (void) ctx;
  for (size_t i = 0; kit.vars[i] != NULL; i += 2)
    if (strcmp (kit.vars[i], name) == 0)
      return kit.vars[i + 1];
  return NULL;
}

/* Texts name files by their whole path, which differs from run to run. */
static inline void
kit_strip_dir (char *text)
{
  char prefix[80];
  int n = snprintf (prefix, sizeof prefix, "%s/", kit.dir);

  ck_assert_int_gt (n, 0);
  for (char *p; (p = strstr (text, prefix)) != NULL;)
    memmove (p, p + n, strlen (p + n) + 1);
}

static inline void
kit_report (void *user, int severity, const char *text)
{
  (void) user;
  ck_assert_uint_lt (kit.n_reports, sizeof kit.report / sizeof *kit.report);
  ck_assert_ptr_null (strchr (text, '\n'));
  char *copy;
  ck_assert_int_gt (asprintf (&copy, "%s%s",
                              severity == 0 ? "error: " : "warning: ", text),
                    0);
  kit_strip_dir (copy);
  kit.report[kit.n_reports++] = copy;
  kit.n_mistakes += severity == 0;
}

static const struct kwi_env kit_env = { kit_get, NULL };
static const struct kwi_reporter kit_reporter = { kit_report, NULL };

static inline void
kit_forget (void)
{
  for (size_t i = 0; i < kit.n_reports; i++)
    free (kit.report[i]);
  kit.n_reports = kit.n_mistakes = 0;
}

static inline void
kit_begin (void)
{
  memset (&kit, 0, sizeof kit);
  ck_assert_int_gt (snprintf (kit.dir, sizeof kit.dir, "/tmp/kwtest-XXXXXX"),
                    0);
  ck_assert_ptr_nonnull (mkdtemp (kit.dir));
  kit.cwd = getcwd (NULL, 0);
  ck_assert_ptr_nonnull (kit.cwd);
}

static inline int
kit_remove_one (const char *path, const struct stat *st, int type,
                struct FTW *ftw)
{
  (void) st, (void) type, (void) ftw;
  return remove (path);
}

static inline void
kit_end (void)
{
  ck_assert_int_eq (chdir (kit.cwd), 0);
  free (kit.cwd);
  kit_forget ();
  nftw (kit.dir, kit_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Good until called eight times more. */
static inline const char *
kit_path (const char *name)
{
  static char paths[8][256];
  static size_t at;
  char *path = paths[at++ % 8];

  ck_assert_int_gt (snprintf (path, sizeof paths[0], "%s/%s", kit.dir, name),
                    0);
  return path;
}

static inline void
kit_folder (const char *name)
{
  ck_assert_int_eq (mkdir (kit_path (name), 0700), 0);
}

static inline const char *
kit_write_bytes (const char *name, const void *bytes, size_t len)
{
  const char *path = kit_path (name);
  FILE *f = fopen (path, "w");

  ck_assert_msg (f != NULL, "%s", path);
  ck_assert_uint_eq (fwrite (bytes, 1, len, f), len);
  ck_assert_int_eq (fclose (f), 0);
  ck_assert_int_eq (chmod (path, 0600), 0);
  return path;
}

static inline const char *
kit_write (const char *name, const char *text)
{
  return kit_write_bytes (name, text, strlen (text));
}

static inline int
kit_reported (const char *text)
{
  for (size_t i = 0; i < kit.n_reports; i++)
    if (strcmp (kit.report[i], text) == 0)
      return 1;
  return 0;
}

/* All reports, a line each: for the text of a failed assertion. */
static inline const char *
kit_all (void)
{
  static char all[16384];
  size_t len = 0;

  all[0] = '\0';
  for (size_t i = 0; i < kit.n_reports && len < sizeof all; i++) {
    int n = snprintf (all + len, sizeof all - len, "\n  %s", kit.report[i]);
    len += n > 0 ? (size_t) n : 0;
  }
  return all;
}

#define kit_expect(text)                                                \
  ck_assert_msg (kit_reported (text), "not reported: %s; but:%s", text, \
                 kit_all ())
#define kit_expect_count(n)                                             \
  ck_assert_msg (kit.n_reports == (n), "%zu reports, not %d:%s",        \
                 kit.n_reports, (int) (n), kit_all ())

#endif
