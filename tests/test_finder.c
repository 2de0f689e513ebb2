/* Finding plugins: the search path, a name in it, and a scan of all. */
#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "kwplugin.h"
#include "loader.h"

static char one[2048], two[2048];

static void
fresh (void)
{
  kwplugin_folder (one, sizeof one);
  kwplugin_folder (two, sizeof two);
}

static void
clear (void)
{
  static const char *const all[] = {
    "good.so", "groq.so", "frozen.so", "text.so", "older.so", "open.so",
    "zeta.so", ".hidden.so", "good.la", "notes.txt", ".so", NULL
  };

  kwplugin_remove (one, all);
  kwplugin_remove (two, all);
}

/* ---- The search path ----------------------------------------------------------- */

static void
expect_path (const char *const *configured, size_t n, const char *const *want)
{
  size_t got = 99, i;
  char **dirs = kwi_plugin_path (configured, n, &got);

  ck_assert_ptr_nonnull (dirs);
  for (i = 0; want[i] != NULL; i++)
    ck_assert_msg (i < got && strcmp (dirs[i], want[i]) == 0, "%zu: %s, not %s", i,
                   dirs[i], want[i]);
  /* The built-in one is last, whatever this build's is. */
  ck_assert_uint_eq (got, i + 1);
  ck_assert_int_eq (dirs[i][0], '/');
  ck_assert_ptr_null (dirs[got]);
  free (dirs);
}

#define PATH(...) (const char *const[]) { __VA_ARGS__, NULL }

START_TEST (configured_folders_come_first_and_the_built_in_one_last)
{
  ck_assert_int_eq (unsetenv ("KEYWHEEL_PLUGIN_PATH"), 0);
  expect_path (NULL, 0, PATH (NULL));
  expect_path (PATH ("/b", "/a"), 2, PATH ("/b", "/a"));
  ck_assert_int_eq (setenv ("KEYWHEEL_PLUGIN_PATH", "/c:/d", 1), 0);
  expect_path (PATH ("/b", "/a"), 2, PATH ("/b", "/a", "/c", "/d"));
}
END_TEST

START_TEST (relative_and_empty_entries_of_the_variable_are_left_out)
{
  ck_assert_int_eq (setenv ("KEYWHEEL_PLUGIN_PATH", ":rel:/c::./x:/d/e:", 1), 0);
  expect_path (NULL, 0, PATH ("/c", "/d/e"));
  ck_assert_int_eq (setenv ("KEYWHEEL_PLUGIN_PATH", "", 1), 0);
  expect_path (NULL, 0, PATH (NULL));
}
END_TEST

START_TEST (a_folder_that_comes_twice_is_looked_into_once)
{
  ck_assert_int_eq (setenv ("KEYWHEEL_PLUGIN_PATH", "/a:/c:/c:/cc", 1), 0);
  expect_path (PATH ("/a", "/a", "/b"), 3, PATH ("/a", "/b", "/c", "/cc"));
}
END_TEST

/* ---- By name --------------------------------------------------------------------- */

static void
expect_found (const char *name, const char *file)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *p = NULL;
  int rc = kwi_plugin_find (name, PATH (one, two), 2, &p, &err);

  ck_assert_msg (rc == 0 && p != NULL, "%s: %d %s", name, rc, err.message);
  ck_assert_str_eq (kwi_plugin_file (p), file);
  kwi_plugin_unref (p);
}

static void
expect_not_found (const char *name, const char *const *words)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *p = NULL;
  int rc = kwi_plugin_find (name, PATH (one, two), 2, &p, &err);

  ck_assert_msg (rc == KW_ERR_SETTINGS, "%s: %d", name, rc);
  ck_assert_ptr_null (p);
  for (; *words != NULL; words++)
    ck_assert_msg (strstr (err.message, *words) != NULL, "no \"%s\" in: %s",
                   *words, err.message);
}

START_TEST (the_first_folder_that_has_it_wins)
{
  char file[2048];

  kwplugin_copy ("good", two, "good.so", 0, 0644);
  expect_found ("good", kwplugin_in (two, "good.so", file, sizeof file));
  kwplugin_copy ("good", one, "good.so", 0, 0644);
  expect_found ("good", kwplugin_in (one, "good.so", file, sizeof file));
}
END_TEST

START_TEST (a_broken_match_is_refused_and_not_passed_over)
{
  char file[2048];

  kwplugin_copy ("good", two, "good.so", 0, 0644);
  kwplugin_write (one, "good.so", "text", 4, 0644);
  expect_not_found ("good", PATH (kwplugin_in (one, "good.so", file, sizeof file),
                                  "is refused"));
  ck_assert_int_eq (remove (file), 0);
  ck_assert_int_eq (symlink ("nowhere", file), 0);
  expect_not_found ("good", PATH (file, "is refused"));
}
END_TEST

START_TEST (a_file_may_have_another_name_than_its_plugin)
{
  char file[2048];

  kwplugin_copy ("frozen", one, "zeta.so", 0, 0644);
  expect_found ("zeta", kwplugin_in (one, "zeta.so", file, sizeof file));
}
END_TEST

START_TEST (a_name_with_a_slash_is_a_path)
{
  char file[2048];

  kwplugin_file ("bad-resident", file, sizeof file);
  expect_found (file, file);
  expect_not_found ("./none.so", PATH ("./none.so is refused"));
}
END_TEST

START_TEST (a_name_that_is_none_never_becomes_a_path)
{
  static const char *const names[] = { "", "..", "Good", "good.so", "-good",
                                       "go od", "good\n" };

  kwplugin_copy ("good", one, ".so", 0, 0644);  /* what "" would open */
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    expect_not_found (names[i], PATH ("is no plugin's name", "a slash in it"));
}
END_TEST

START_TEST (one_that_is_nowhere_is_told_with_all_folders_and_the_nearest_name)
{
  kwplugin_copy ("good", two, "good.so", 0, 0644);
  expect_not_found ("goode", PATH ("\"goode\" was not found", "no goode.so in",
                                   one, two, "did you mean \"good\"?"));
  expect_not_found ("wholly-different", PATH ("set plugin_dir or install it"));
}
END_TEST

START_TEST (a_folder_that_is_not_there_is_told)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *p = NULL;

  ck_assert_int_eq (kwi_plugin_find ("good", PATH ("/no/such/folder"), 1, &p, &err),
                    KW_ERR_SETTINGS);
  ck_assert_ptr_nonnull (strstr (err.message, "/no/such/folder (no such folder)"));
  ck_assert_int_eq (kwi_plugin_find ("good", NULL, 0, &p, &err), KW_ERR_SETTINGS);
  ck_assert_ptr_nonnull (strstr (err.message, "none is set"));
}
END_TEST

START_TEST (more_folders_than_fit_are_counted)
{
  static char long_name[200];
  const char *dirs[40];
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *p = NULL;

  memset (long_name, 'd', sizeof long_name - 1);
  long_name[0] = '/';
  for (size_t i = 0; i < 40; i++)
    dirs[i] = long_name;
  ck_assert_int_eq (kwi_plugin_find ("good", dirs, 40, &p, &err), KW_ERR_SETTINGS);
  ck_assert_ptr_nonnull (strstr (err.message, " more; set plugin_dir"));
}
END_TEST

/* ---- All of them ------------------------------------------------------------------- */

struct seen {
  size_t n;
  char line[16][256];
};

/* "FILE NAME MAJOR.MINOR", or "FILE refused MAJOR.MINOR". */
static void
see (void *user, const char *file, struct kwi_plugin *plugin, const char *why,
     int abi_major, int abi_minor)
{
  struct seen *s = user;
  const char *base = strrchr (file, '/');

  ck_assert_uint_lt (s->n, 16);
  ck_assert_msg ((plugin == NULL) == (why != NULL), "%s", file);
  if (why != NULL)
    ck_assert_msg (strstr (why, file) != NULL, "%s: %s", file, why);
  ck_assert (snprintf (s->line[s->n++], 256, "%s %s %d.%d",
                       base != NULL ? base + 1 : file,
                       plugin != NULL ? kwi_plugin_provider (plugin)->name
                                      : "refused", abi_major, abi_minor) < 256);
}

START_TEST (a_scan_goes_on_past_broken_files)
{
  static const char *const want[] = {
    "frozen.so frozen 1.0", "good.so good 1.0", "groq.so refused 2.3",
    "older.so refused 0.9", "open.so refused -1.-1", "text.so refused -1.-1",
    "zeta.so newer 1.1", "good.so good 1.0"
  };
  struct seen s = { 0, { { 0 } } };

  kwplugin_copy ("newer", one, "zeta.so", 0, 0644);
  kwplugin_copy ("good", one, "good.so", 0, 0644);
  kwplugin_copy ("bad-other-major", one, "groq.so", 0, 0644);
  kwplugin_copy ("bad-older-major", one, "older.so", 0, 0644);
  kwplugin_copy ("frozen", one, "frozen.so", 0, 0644);
  kwplugin_copy ("good", one, "open.so", 0, 0666);
  kwplugin_write (one, "text.so", "text", 4, 0644);
  kwplugin_write (one, "good.la", "text", 4, 0644);
  kwplugin_write (one, "notes.txt", "text", 4, 0644);
  kwplugin_write (one, ".hidden.so", "text", 4, 0644);
  kwplugin_write (one, ".so", "text", 4, 0644);
  kwplugin_copy ("good", two, "good.so", 0, 0644);

  ck_assert_int_eq (kwi_plugin_scan (PATH (one, "/no/such/folder", two), 3, see, &s),
                    0);
  ck_assert_uint_eq (s.n, sizeof want / sizeof want[0]);
  for (size_t i = 0; i < s.n; i++)
    ck_assert_str_eq (s.line[i], want[i]);
}
END_TEST

START_TEST (a_folder_that_cannot_be_read_is_in_the_list)
{
  struct seen s = { 0, { { 0 } } };
  char file[2048];

  /* A file in a folder's place: nobody, not even root, can list it. */
  kwplugin_write (one, "text.so", "text", 4, 0644);
  kwplugin_in (one, "text.so", file, sizeof file);
  ck_assert_int_eq (kwi_plugin_scan (PATH (file), 1, see, &s), 0);
  ck_assert_uint_eq (s.n, 1);
  ck_assert_str_eq (s.line[0], "text.so refused -1.-1");
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("finder");
  TCase *t = tcase_create ("finder");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_add_test (t, configured_folders_come_first_and_the_built_in_one_last);
  tcase_add_test (t, relative_and_empty_entries_of_the_variable_are_left_out);
  tcase_add_test (t, a_folder_that_comes_twice_is_looked_into_once);
  tcase_add_test (t, the_first_folder_that_has_it_wins);
  tcase_add_test (t, a_broken_match_is_refused_and_not_passed_over);
  tcase_add_test (t, a_file_may_have_another_name_than_its_plugin);
  tcase_add_test (t, a_name_with_a_slash_is_a_path);
  tcase_add_test (t, a_name_that_is_none_never_becomes_a_path);
  tcase_add_test (t, one_that_is_nowhere_is_told_with_all_folders_and_the_nearest_name);
  tcase_add_test (t, a_folder_that_is_not_there_is_told);
  tcase_add_test (t, more_folders_than_fit_are_counted);
  tcase_add_test (t, a_scan_goes_on_past_broken_files);
  tcase_add_test (t, a_folder_that_cannot_be_read_is_in_the_list);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)
