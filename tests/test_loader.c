/* Loading one plugin: what is taken, and each refusal with its words. */
#include <pthread.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "kwplugin.h"
#include "loader.h"

static char folder[2048];

/* Loads it, and expects that it cannot be: the line names the file and has all
 * the words in it. */
static void
expect_refusal (const char *file, const char *const *words)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *p = NULL;
  int rc = kwi_plugin_load (file, &p, &err);

  ck_assert_msg (rc == KW_ERR_SETTINGS, "%s: %d \"%s\"", file, rc, err.message);
  ck_assert_int_eq (err.code, KW_ERR_SETTINGS);
  ck_assert_ptr_null (p);
  ck_assert_msg (strstr (err.message, file) != NULL &&
                 strstr (err.message, " is refused: expected ") != NULL &&
                 strchr (err.message, '\n') == NULL, "%s", err.message);
  for (; *words != NULL; words++)
    ck_assert_msg (strstr (err.message, *words) != NULL, "no \"%s\" in: %s",
                   *words, err.message);
}

#define REFUSED(file, ...) \
  expect_refusal (file, (const char *const[]) { __VA_ARGS__, NULL })

static struct kwi_plugin *
load (const char *name)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *p = NULL;
  char file[2048];
  int rc = kwi_plugin_load (kwplugin_file (name, file, sizeof file), &p, &err);

  ck_assert_msg (rc == 0 && p != NULL, "%s: %d %s", file, rc, err.message);
  return p;
}

/* ---- What is taken --------------------------------------------------------- */

START_TEST (a_plugin_of_1_0_loads_for_ever)
{
  struct kwi_plugin *p = load ("frozen");
  const struct kw_provider *v = kwi_plugin_provider (p);
  char file[2048];
  int major, minor;

  kwi_plugin_abi (p, &major, &minor);
  ck_assert_int_eq (major, 1);
  ck_assert_int_eq (minor, 0);
  ck_assert_str_eq (kwi_plugin_file (p),
                    kwplugin_file ("frozen", file, sizeof file));
  ck_assert_str_eq (v->name, "frozen");
  ck_assert_str_eq (v->longname, "Frozen at 1.0");
  ck_assert_str_eq (v->default_base_url, "https://frozen.example/v1");
  ck_assert_uint_eq (v->caps, KW_CAP_PROBE);
  ck_assert_uint_eq (v->_header.struct_size, 160);
  ck_assert (v->get_extension != NULL);
  kwi_plugin_unref (p);
}
END_TEST

START_TEST (a_plugin_of_a_newer_minor_loads)
{
  struct kwi_plugin *p = load ("newer");
  const struct kw_provider *v = kwi_plugin_provider (p);
  int major, minor;

  kwi_plugin_abi (p, &major, &minor);
  ck_assert_int_eq (major, 1);
  ck_assert_int_eq (minor, 1);
  ck_assert_uint_eq (v->_header.struct_size, sizeof *v + sizeof (void *));
  ck_assert_str_eq (v->name, "newer");
  ck_assert (v->get_extension == NULL);
  kwi_plugin_unref (p);
}
END_TEST

START_TEST (one_file_is_loaded_once_however_it_is_named)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *a = load ("good"), *b = load ("good"), *c = NULL;
  char link[2048], file[2048];
  char *real = realpath (kwplugin_file ("good", file, sizeof file), NULL);

  ck_assert_ptr_eq (a, b);
  ck_assert_int_eq (symlink (real, kwplugin_in (folder, "link.so", link,
                                                sizeof link)), 0);
  ck_assert_int_eq (kwi_plugin_load (link, &c, &err), 0);
  ck_assert_ptr_eq (a, c);
  free (real);
  kwi_plugin_unref (a);
  kwi_plugin_unref (b);
  ck_assert_str_eq (kwi_plugin_provider (c)->name, "good");
  kwi_plugin_unref (c);
  kwi_plugin_unref (NULL);
}
END_TEST

START_TEST (a_copy_is_another_plugin)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *a = load ("good"), *b = NULL;
  char file[2048];

  kwplugin_copy ("good", folder, "copy.so", 0, 0644);
  ck_assert_int_eq (kwi_plugin_load (kwplugin_in (folder, "copy.so", file,
                                                  sizeof file), &b, &err), 0);
  ck_assert_ptr_ne (a, b);
  kwi_plugin_unref (a);
  ck_assert_str_eq (kwi_plugin_provider (b)->name, "good");
  kwi_plugin_unref (b);
}
END_TEST

static int
is_mapped (const char *name)
{
  char line[4096];
  int found = 0;
  FILE *f = fopen ("/proc/self/maps", "r");

  ck_assert_ptr_nonnull (f);
  while (fgets (line, sizeof line, f) != NULL)
    found |= strstr (line, name) != NULL;
  (void) fclose (f);
  return found;
}

START_TEST (the_last_user_unloads_unless_the_plugin_forbids_it)
{
  struct kwi_plugin *p = load ("bad-resident"), *q = load ("good");

  kwi_plugin_ref (q);
  kwi_plugin_unref (q);
  ck_assert (is_mapped ("/good.so"));
  kwi_plugin_unref (q);
  kwi_plugin_unref (p);
  ck_assert (is_mapped ("/bad-resident.so"));
  /* Under valgrind and ASan nothing is unloaded: see may_unload. */
  if (!kwplugin_stays ())
    ck_assert (!is_mapped ("/good.so"));
  /* What stayed is found again, and is the same. */
  ck_assert_ptr_eq (load ("bad-resident"), p);
  kwi_plugin_unref (p);
}
END_TEST

START_TEST (a_file_installed_over_one_in_use_gives_the_one_in_use)
{
  struct kw_error err = KW_ERROR_INIT;
  struct kwi_plugin *a = NULL, *b = NULL;
  char file[2048], next[2048];

  kwplugin_copy ("good", folder, "copy.so", 0, 0644);
  kwplugin_copy ("frozen", folder, "next.so", 0, 0644);
  kwplugin_in (folder, "copy.so", file, sizeof file);
  kwplugin_in (folder, "next.so", next, sizeof next);
  ck_assert_int_eq (kwi_plugin_load (file, &a, &err), 0);
  ck_assert_int_eq (rename (next, file), 0);
  ck_assert_int_eq (kwi_plugin_load (file, &b, &err), 0);
  ck_assert_ptr_eq (a, b);
  kwi_plugin_unref (a);
  ck_assert_str_eq (kwi_plugin_provider (b)->name, "good");
  kwi_plugin_unref (b);
}
END_TEST

static void *
load_and_let_go (void *failed)
{
  char file[2048];

  kwplugin_file ("good", file, sizeof file);
  for (int i = 0; i < 50; i++) {
    struct kwi_plugin *p = NULL;
    if (kwi_plugin_load (file, &p, NULL) != 0 ||
        strcmp (kwi_plugin_provider (p)->name, "good") != 0)
      return failed;
    kwi_plugin_unref (p);
  }
  return NULL;
}

START_TEST (threads_load_and_unload_at_once)
{
  pthread_t t[4];

  for (int i = 0; i < 4; i++)
    ck_assert_int_eq (pthread_create (&t[i], NULL, load_and_let_go, t), 0);
  for (int i = 0; i < 4; i++) {
    void *failed;
    ck_assert_int_eq (pthread_join (t[i], &failed), 0);
    ck_assert_ptr_null (failed);
  }
}
END_TEST

/* ---- What it says of itself ------------------------------------------------- */

static const struct { const char *name; const char *words[4]; } bad[] = {
  { "bad-magic", { "magic number 0x4b575056", "found 0xdeadbeef",
                   "KW_PROVIDER_HEADER_INIT" } },
  { "bad-other-major", { "ABI 1", "found 2.3", "needs a newer keywheel" } },
  { "bad-older-major", { "ABI 1", "found 0.9", "build one for this keywheel" } },
  { "bad-truncated", { "160 to 65536 bytes", "found 152", "build it again" } },
  { "bad-oversize", { "160 to 65536 bytes", "found 65544", "build it again" } },
  { "bad-odd-size", { "a multiple of 8", "found 164", "build it again" } },
  { "bad-needs-newer", { "ABI 1.0", "needs 1.7 at least",
                         "needs a newer keywheel" } },
  { "newer-needy", { "ABI 1.0", "needs 1.1 at least",
                     "needs a newer keywheel" } },
  { "bad-null-answer", { "an answer for provider ABI 1.0", "it has none",
                         "get one for this keywheel" } },
  { "bad-no-entry", { "keywheel_provider_entry", "without it",
                      "KW_REGISTER_PROVIDER" } },
  { "bad-undefined-symbol", { "that it loads",
                              "undefined symbol: keywheel_test_nobody_has_this",
                              "-Wl,-z,defs" } },
  { "bad-name", { "a name of a-z", "found \"Not_A_Name\"", "set .name" } },
  { "bad-long-name", { "a name of a-z", "found \"a-name-of", "set .name" } },
  { "bad-no-name", { "a name of a-z", "found none", "set .name" } },
  { "bad-no-create", { "found no create", "\"good\"", "set .create" } },
  { "bad-no-destroy", { "found no destroy", "\"good\"", "set .destroy" } },
  { "bad-no-prepare", { "found no prepare", "\"good\"", "set .prepare" } },
  { "bad-no-classify", { "found no classify", "\"good\"", "set .classify" } },
  { "bad-no-probe", { "KW_CAP_PROBE", "\"good\"", "set .build_probe" } },
};

START_TEST (a_plugin_with_one_thing_wrong_is_refused_with_the_reason)
{
  char file[2048];

  expect_refusal (kwplugin_file (bad[_i].name, file, sizeof file), bad[_i].words);
  /* And again: the first refusal has left nothing behind. */
  expect_refusal (file, bad[_i].words);
}
END_TEST

START_TEST (a_refused_plugin_still_says_which_abi_it_has)
{
  struct kwi_plugin *p = NULL;
  char file[2048];
  int major, minor;

  kwplugin_file ("bad-other-major", file, sizeof file);
  ck_assert_int_ne (kwi_plugin_try (file, &p, &major, &minor, NULL), 0);
  ck_assert_int_eq (major, 2);
  ck_assert_int_eq (minor, 3);
  kwplugin_file ("bad-magic", file, sizeof file);
  ck_assert_int_ne (kwi_plugin_try (file, &p, &major, &minor, NULL), 0);
  ck_assert_int_eq (major, -1);
  ck_assert_int_eq (minor, -1);
}
END_TEST

/* ---- The file ---------------------------------------------------------------- */

START_TEST (a_file_that_is_not_there_is_refused)
{
  char file[2048];

  REFUSED (kwplugin_in (folder, "none.so", file, sizeof file), "a file",
           "No such file", "plugin_dir");
}
END_TEST

START_TEST (a_link_to_nowhere_is_refused)
{
  char file[2048];

  kwplugin_in (folder, "link.so", file, sizeof file);
  ck_assert_int_eq (symlink ("nowhere", file), 0);
  REFUSED (file, "a file", "No such file");
}
END_TEST

START_TEST (a_folder_is_refused)
{
  char file[2048];

  kwplugin_in (folder, "dir.so", file, sizeof file);
  ck_assert_int_eq (mkdir (file, 0700), 0);
  REFUSED (file, "a regular file", "found a folder", "the .so itself");
}
END_TEST

START_TEST (a_fifo_is_refused_and_does_not_block)
{
  char file[2048];

  kwplugin_in (folder, "fifo.so", file, sizeof file);
  ck_assert_int_eq (mkfifo (file, 0600), 0);
  REFUSED (file, "a regular file", "found a special one");
}
END_TEST

START_TEST (a_file_that_is_no_elf_is_refused)
{
  static const struct { const char *data; size_t len; const char *words[4]; } no[] = {
    { "", 0, { "an ELF shared object", "an empty file", "name the .so" } },
    { "#!/bin/sh\nexit 0\n", 17, { "found a file of another kind" } },
    { "\x7f" "EL", 3, { "found a file of another kind" } },
    { "\x7f" "ELF\x02\x01\x01", 7, { "the beginning of one" } },
    { "\x7f" "ELF\x01\x01\x01", 7, { "64-bit", "ELF class 1" } },
    { "\x7f" "ELF\x02\x02\x01", 7, { "byte order 2", "for this machine" } },
  };
  char file[2048];

  kwplugin_in (folder, "no.so", file, sizeof file);
  for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
    if (sizeof (void *) != 8 && i > 2)
      continue;
    kwplugin_write (folder, "no.so", no[i].data, no[i].len, 0644);
    expect_refusal (file, no[i].words);
  }
}
END_TEST

START_TEST (another_machines_elf_and_another_kind_of_elf_are_refused)
{
  char file[2048], byte = 1;
  int fd;

  kwplugin_copy ("good", folder, "no.so", 0, 0644);
  kwplugin_in (folder, "no.so", file, sizeof file);
  fd = open (file, O_WRONLY | O_CLOEXEC);
  ck_assert_int_ne (fd, -1);
  ck_assert_int_eq (pwrite (fd, &byte, 1, 16), 1);      /* e_type = ET_REL */
  REFUSED (file, "an object file (.o)", "-shared");
  byte = 2;
  ck_assert_int_eq (pwrite (fd, &byte, 1, 16), 1);      /* ET_EXEC */
  REFUSED (file, "found a program", "-shared");
#if defined(__x86_64__) || defined(__aarch64__)
  ck_assert_int_eq (pwrite (fd, "\xf3", 1, 18), 1);     /* EM_RISCV */
  REFUSED (file, "ELF machine", "found 243", "build it for this machine");
#endif
  ck_assert_int_eq (close (fd), 0);
}
END_TEST

START_TEST (a_copy_that_was_cut_short_is_refused_at_any_length)
{
  static const size_t lengths[] = { 64, 70, 200, 1000, 4096, 5000, 8000 };
  char file[2048];

  kwplugin_in (folder, "cut.so", file, sizeof file);
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    kwplugin_copy ("good", folder, "cut.so", lengths[i], 0644);
    REFUSED (file, "cut short", "copy it again");
  }
}
END_TEST

/* ---- Who could have put it there ------------------------------------------------ */

START_TEST (a_file_that_others_can_write_is_refused)
{
  char file[2048];

  kwplugin_copy ("good", folder, "open.so", 0, 0646);
  REFUSED (kwplugin_in (folder, "open.so", file, sizeof file),
           "a file that nobody else can write", "mode 0646", "chmod o-w");
}
END_TEST

START_TEST (a_folder_that_others_can_write_is_refused)
{
  char file[2048];

  kwplugin_copy ("good", folder, "copy.so", 0, 0644);
  /* The sticky bit is no excuse: a new name can still be put there. */
  ck_assert_int_eq (chmod (folder, 01777), 0);
  REFUSED (kwplugin_in (folder, "copy.so", file, sizeof file),
           "a folder that nobody else can write", "mode 1777", "chmod o-w");
}
END_TEST

START_TEST (a_link_is_as_good_as_the_file_and_both_folders)
{
  char open_dir[2048], file[2048], link[2048];

  kwplugin_in (folder, "dir.so", open_dir, sizeof open_dir);
  ck_assert_int_eq (mkdir (open_dir, 0700), 0);
  kwplugin_copy ("good", open_dir, "copy.so", 0, 0644);
  kwplugin_in (open_dir, "copy.so", file, sizeof file);
  kwplugin_in (folder, "link.so", link, sizeof link);
  ck_assert_int_eq (symlink (file, link), 0);
  ck_assert_int_eq (chmod (open_dir, 0777), 0);
  REFUSED (link, "a folder that nobody else can write", open_dir);
  ck_assert_int_eq (chmod (open_dir, 0755), 0);
  ck_assert_int_eq (chmod (file, 0666), 0);
  REFUSED (link, "a file that nobody else can write", "mode 0666");
  ck_assert_int_eq (chmod (file, 0644), 0);
  ck_assert_int_eq (chmod (folder, 0777), 0);
  REFUSED (link, "a folder that nobody else can write", folder);
  ck_assert_int_eq (remove (file), 0);
}
END_TEST

/* Only root can make these. */
START_TEST (a_file_or_folder_of_a_third_party_is_refused)
{
  char file[2048];

  kwplugin_copy ("good", folder, "copy.so", 0, 0644);
  kwplugin_in (folder, "copy.so", file, sizeof file);
  ck_assert_int_eq (chown (file, 4321, (gid_t) -1), 0);
  REFUSED (file, "of root's or of the user's (uid 0)", "owned by uid 4321");
  ck_assert_int_eq (chown (file, 0, (gid_t) -1), 0);
  ck_assert_int_eq (chown (folder, 4321, (gid_t) -1), 0);
  REFUSED (file, "a folder of root's", "owned by uid 4321");
}
END_TEST

START_TEST (a_plugins_name_is_lower_case_letters_digits_and_dashes)
{
  static const char *const good[] = { "groq", "a", "0", "open-ai-2" };
  static const char *const no[] = { "", "-a", "A", "a_b", "a.b", "..", "a/b",
                                    "a b", "a\n", "\xc3\xa9" };

  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    ck_assert_msg (kwi_plugin_name_ok (good[i]), "\"%s\"", good[i]);
  for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
    ck_assert_msg (!kwi_plugin_name_ok (no[i]), "\"%s\"", no[i]);
}
END_TEST

static void
fresh (void)
{
  kwplugin_folder (folder, sizeof folder);
}

static void
clear (void)
{
  static const char *const all[] = {
    "link.so", "copy.so", "next.so", "dir.so", "fifo.so", "no.so", "cut.so",
    "open.so", NULL
  };

  ck_assert_int_eq (chmod (folder, 0700), 0);
  kwplugin_remove (folder, all);
}

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("loader");
  TCase *t = tcase_create ("loader");

  tcase_add_checked_fixture (t, fresh, clear);
  tcase_add_test (t, a_plugin_of_1_0_loads_for_ever);
  tcase_add_test (t, a_plugin_of_a_newer_minor_loads);
  tcase_add_test (t, one_file_is_loaded_once_however_it_is_named);
  tcase_add_test (t, a_copy_is_another_plugin);
  tcase_add_test (t, the_last_user_unloads_unless_the_plugin_forbids_it);
  tcase_add_test (t, a_file_installed_over_one_in_use_gives_the_one_in_use);
  tcase_add_test (t, threads_load_and_unload_at_once);
  tcase_add_loop_test (t, a_plugin_with_one_thing_wrong_is_refused_with_the_reason,
                       0, (int) (sizeof bad / sizeof bad[0]));
  tcase_add_test (t, a_refused_plugin_still_says_which_abi_it_has);
  tcase_add_test (t, a_file_that_is_not_there_is_refused);
  tcase_add_test (t, a_link_to_nowhere_is_refused);
  tcase_add_test (t, a_folder_is_refused);
  tcase_add_test (t, a_fifo_is_refused_and_does_not_block);
  tcase_add_test (t, a_file_that_is_no_elf_is_refused);
  tcase_add_test (t, another_machines_elf_and_another_kind_of_elf_are_refused);
  tcase_add_test (t, a_copy_that_was_cut_short_is_refused_at_any_length);
  tcase_add_test (t, a_file_that_others_can_write_is_refused);
  tcase_add_test (t, a_folder_that_others_can_write_is_refused);
  tcase_add_test (t, a_link_is_as_good_as_the_file_and_both_folders);
  if (geteuid () == 0)
    tcase_add_test (t, a_file_or_folder_of_a_third_party_is_refused);
  tcase_add_test (t, a_plugins_name_is_lower_case_letters_digits_and_dashes);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)
