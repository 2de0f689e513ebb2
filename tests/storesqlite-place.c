/* test_store_sqlite: where the file is, its modes and owner, and what is deleted
 * from it. */
#include "storesqlite.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mode_t
mode_of (const char *file)
{
  struct stat st;

  ck_assert_msg (stat (file, &st) == 0, "no %s", file);
  return st.st_mode & 07777;
}

static const char *
in_folder (const char *name)
{
  static char path[sizeof sqlite_folder + 64];

  ck_assert_int_lt (snprintf (path, sizeof path, "%s/%s", sqlite_folder, name),
                    (int) sizeof path);
  return path;
}

/* ---- The spec ------------------------------------------------------------------------ */

static const struct {
  const char *spec, *text;
} usages[] = {
  { "sqlite", "neither XDG_STATE_HOME nor HOME is set; write sqlite:PATH" },
  { "sqlite:", "the path is empty" },
  { "sqlite:~/state.db", "~ is not expanded" },
  { "sqlite:sub/", "sub/ is a folder; a file's path is needed" },
  { "sqlite:.", "is a folder" },
};

START_TEST (a_spec_that_is_wrong_says_what_is_allowed)
{
  const struct storekit_how how = { .spec = usages[_i].spec, .dir = sqlite_folder };
  struct storekit k;

  ck_assert_int_eq (storekit_try (&how, &k), KW_STORE_USAGE);
  storekit_expect_text (k.why.text, usages[_i].text);
}
END_TEST

START_TEST (a_path_that_is_too_long_is_told)
{
  static char spec[8000] = "sqlite:/";
  const struct storekit_how how = { .spec = spec };
  struct storekit k;

  memset (spec + 8, 'x', sizeof spec - 9);
  ck_assert_int_eq (storekit_try (&how, &k), KW_STORE_USAGE);
  storekit_expect_text (k.why.text, "too long");
}
END_TEST

START_TEST (a_relative_path_begins_at_the_configurations_folder)
{
  const struct storekit_how how = { .spec = "sqlite:a/b.db", .dir = sqlite_folder };
  struct storekit *k = storekit_open (&how);

  ck_assert_str_eq (k->store->where (k->handle), in_folder ("a/b.db"));
  storekit_read (k);
  ck_assert_int_eq (access (in_folder ("a/b.db"), F_OK), 0);
  storekit_close (k);
}
END_TEST

START_TEST (opening_makes_nothing_yet)
{
  struct storekit *k = storekit_open (NULL);

  ck_assert_int_eq (k->store->fd (k->handle), -1);
  ck_assert_int_eq (access (sqlite_file, F_OK), -1);
  storekit_close (k);
  ck_assert_int_eq (access (sqlite_file, F_OK), -1);
}
END_TEST

/* ---- Modes and owners --------------------------------------------------------------------- */

static const mode_t umasks[] = { 0, 022, 0277 };

START_TEST (folders_are_0700_and_files_0600_whatever_the_umask)
{
  char state_dir[512];
  const struct storekit_how how = { .spec = "sqlite", .state_dir = state_dir };
  struct storekit *k;

  (void) snprintf (state_dir, sizeof state_dir, "%s/state/keywheel", sqlite_folder);
  (void) umask (umasks[_i]);
  k = storekit_open (&how);
  storekit_put (k, "f", 1, 0, "v");
  ck_assert_uint_eq (mode_of (in_folder ("state")), 0700);
  ck_assert_uint_eq (mode_of (in_folder ("state/keywheel")), 0700);
  ck_assert_uint_eq (mode_of (in_folder ("state/keywheel/state.db")), 0600);
  ck_assert_uint_eq (mode_of (in_folder ("state/keywheel/state.db-wal")), 0600);
  ck_assert_uint_eq (mode_of (in_folder ("state/keywheel/state.db-shm")), 0600);
  ck_assert_str_eq (k->log, "");
  storekit_close (k);
  ck_assert_int_eq (access (in_folder ("state/keywheel/state.db-wal"), F_OK), -1);
}
END_TEST

static void
expect_away (struct storekit *k, const char *text)
{
  struct kw_store_fact f = { "f", "v", 1, 0, STOREKIT_NEVER };

  ck_assert_int_eq (storekit_sync (k, &f, 1, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, text);
  storekit_expect_text (k->why.text, sqlite_file);
  ck_assert_int_eq (k->store->fd (k->handle), -1);
}

START_TEST (a_file_of_another_user_is_not_used)
{
  static const char *const suffixes[] = { "", "-wal" };
  struct storekit *k = storekit_open (NULL);

  if (geteuid () != 0) {
    fprintf (stderr, "(only root can give a file away: not tried)\n");
  } else {
    for (size_t i = 0; i < STOREKIT_LEN (suffixes); i++) {
      const char *name = sqlite_named (suffixes[i]);

      sqlite_write_file (name, "", 0);
      ck_assert_int_eq (chown (name, 12345, (gid_t) -1), 0);
      expect_away (k, "belongs to another user (12345)");
      ck_assert_int_eq (chown (name, 0, (gid_t) -1), 0);
    }
    storekit_put (k, "f", 1, 0, "v");
  }
  storekit_close (k);
}
END_TEST

START_TEST (what_others_may_write_is_warned_of_once)
{
  struct storekit *k;

  sqlite_write_file (sqlite_file, "", 0);
  ck_assert_int_eq (chmod (sqlite_file, 0666), 0);
  ck_assert_int_eq (chmod (sqlite_folder, 0777), 0);
  k = storekit_open (NULL);
  storekit_put (k, "f", 1, 0, "v");
  storekit_expect_text (k->log, "<1> ");
  storekit_expect_text (k->log, "state.db may be written by others");
  storekit_expect_text (k->log, "may be written by anybody");
  k->log[0] = '\0';
  ck_assert_int_eq (unlink (sqlite_file), 0);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_read (k);
  ck_assert_str_eq (k->log, "");
  storekit_close (k);

  /* As /tmp: nobody can replace another's file. */
  ck_assert_int_eq (chmod (sqlite_folder, 01777), 0);
  k = storekit_open (NULL);
  storekit_read (k);
  ck_assert_str_eq (k->log, "");
  storekit_close (k);
}
END_TEST

START_TEST (what_is_no_file_is_told_and_used_when_it_has_gone)
{
  struct storekit *k = storekit_open (NULL);

  ck_assert_int_eq (mkdir (sqlite_file, 0700), 0);
  expect_away (k, "is a folder");
  ck_assert_int_eq (rmdir (sqlite_file), 0);
  ck_assert_int_eq (mkfifo (sqlite_file, 0600), 0);
  expect_away (k, "no regular file");
  ck_assert_int_eq (unlink (sqlite_file), 0);
  ck_assert_int_eq (symlink ("nowhere", sqlite_file), 0);
  expect_away (k, "No such file");
  ck_assert_int_eq (unlink (sqlite_file), 0);
  storekit_put (k, "f", 1, 0, "v");
  ck_assert_str_eq (k->log, "");
  storekit_close (k);
}
END_TEST

START_TEST (through_a_symbolic_link_it_is_the_same_store)
{
  struct storekit *a, *b;
  struct storekit_how how = { .spec = "sqlite:link", .dir = sqlite_folder };

  sqlite_write_file (sqlite_file, "", 0);
  ck_assert_int_eq (symlink ("state.db", in_folder ("link")), 0);
  a = storekit_open (NULL);
  b = storekit_open (&how);
  storekit_settle (b);
  storekit_put (a, "f", 1, 0, "v");
  storekit_await (b, "f", "v");
  ck_assert_int_eq (access (in_folder ("link-wal"), F_OK), -1);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (a_newer_format_is_left_alone)
{
  struct storekit *k = storekit_open (NULL);

  storekit_put (k, "f", 1, 0, "v");
  storekit_close (k);
  sqlite_run (sqlite_file, "PRAGMA user_version = 2");
  k = storekit_open (NULL);
  expect_away (k, "was made by a newer keywheel (format 2, this one knows 1)");
  ck_assert_int_eq (sqlite_count_files (""), 1);
  sqlite_run (sqlite_file, "PRAGMA user_version = 1");
  storekit_read (k);
  ck_assert_ptr_nonnull (storekit_fact (k, "f"));
  ck_assert_str_eq (k->log, "");
  storekit_close (k);
}
END_TEST

/* ---- What is in it ---------------------------------------------------------------------------- */

#define HOUR INT64_C (3600000)
#define DAY (24 * HOUR)

static int64_t
rows (const char *table)
{
  char sql[64];

  (void) snprintf (sql, sizeof sql, "SELECT count (*) FROM %s", table);
  return sqlite_ask (sqlite_file, sql);
}

START_TEST (what_has_expired_is_deleted_now_and_then)
{
  struct storekit *k = storekit_open (NULL), *gone = storekit_open (NULL);
  struct kw_store_lease lease = { sizeof lease, 5, 1, 0, "l", 1000 };
  uint32_t granted;

  storekit_put (k, "f", 1, 0, "v");
  storekit_put_until (gone, "soon", 1, "v", storekit_now () + 1000);
  storekit_add_to (gone, "old", 1);
  ck_assert_int_eq (gone->store->lease (gone->handle, &lease, &granted, &gone->why), 0);
  storekit_pass (HOUR - 1);
  storekit_put (k, "f", 2, 0, "v");
  ck_assert_int_eq (rows ("facts"), 2);         /* not at each sync */
  storekit_pass (1);
  storekit_put (k, "f", 3, 0, "v");
  ck_assert_int_eq (rows ("facts"), 1);
  ck_assert_int_eq (rows ("leases"), 0);
  ck_assert_int_eq (rows ("counts"), 1);
  ck_assert_int_eq (rows ("numbers"), 1);
  storekit_pass (7 * DAY);
  storekit_put (k, "f", 4, 0, "v");
  ck_assert_int_eq (rows ("numbers"), 0);
  storekit_pass (392 * DAY);
  storekit_put (k, "f", 5, 0, "v");
  ck_assert_int_eq (rows ("counts"), 1);
  storekit_pass (2 * DAY);
  storekit_put (k, "f", 6, 0, "v");
  ck_assert_int_eq (rows ("counts"), 0);
  storekit_close (k);
  storekit_close (gone);
}
END_TEST

START_TEST (closing_leaves_no_row_of_this_holder)
{
  struct storekit *k = storekit_open (NULL);
  struct kw_store_lease lease = { sizeof lease, 5, 1, 0, "l", 60000 };
  uint32_t granted;

  storekit_add_to (k, "c", 1);
  ck_assert_int_eq (k->store->lease (k->handle, &lease, &granted, &k->why), 0);
  ck_assert_int_eq (rows ("leases") + rows ("numbers"), 2);
  storekit_close (k);
  ck_assert_int_eq (rows ("leases") + rows ("numbers"), 0);
}
END_TEST

START_TEST (a_counter_stops_at_the_greatest_number)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  storekit_add_to (a, "c", INT64_MAX - 1);
  storekit_add_to (a, "c", 5);
  storekit_read (b);
  ck_assert_int_eq (storekit_total (b, "c"), INT64_MAX);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* Else all who read it would take the file for damaged, and set it aside. */
START_TEST (what_breaks_the_interface_is_not_kept)
{
  static char name[1002], value[4002];
  struct storekit *k = storekit_open (NULL);
  struct kw_store_fact facts[] = {
    { name, "v", 1, 0, STOREKIT_NEVER }, { "long", value, 1, 0, STOREKIT_NEVER },
    { "caf\xc3\xa9", "v", 1, 0, STOREKIT_NEVER }, { "two\nlines", "v", 1, 0, STOREKIT_NEVER },
    { "good", "v", 1, 0, STOREKIT_NEVER },
  };
  struct kw_store_count counts[] = { { "\x7f", 1 }, { "good", 1 }, { "good", -1 }, { "good", 0 } };

  memset (name, 'n', sizeof name - 1);
  memset (value, 'v', sizeof value - 1);
  ck_assert_int_eq (storekit_sync (k, facts, 5, counts, 4), 0);
  storekit_expect_text (k->log, "<0> ");
  storekit_expect_text (k->log, "is not as keywheel/store.h says");
  storekit_close (k);
  k = storekit_open (NULL);
  storekit_read (k);
  ck_assert_uint_eq (k->n_facts, 1);
  storekit_expect (k, "good", 1, 0, "v");
  ck_assert_uint_eq (k->n_counts, 1);
  ck_assert_int_eq (storekit_total (k, "good"), 1);
  ck_assert_str_eq (k->log, "");
  storekit_close (k);
}
END_TEST

START_TEST (facts_that_are_known_wake_nobody)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  int64_t rev;

  storekit_put (a, "f", 2, 0, "v");
  storekit_settle (b);
  rev = sqlite_ask (sqlite_file, "SELECT value FROM meta WHERE name = 'rev'");
  storekit_put (a, "f", 2, 0, "v");
  storekit_put (a, "f", 1, 0, "v");
  ck_assert_int_eq (storekit_stirs (b, 0), 0);
  ck_assert_int_eq (sqlite_ask (sqlite_file, "SELECT value FROM meta WHERE name = 'rev'"), rev);
  storekit_put (a, "f", 3, 0, "v");
  ck_assert_int_eq (storekit_stirs (b, 0), 1);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (the_wal_does_not_grow_without_bound)
{
  static char value[4001];
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);
  struct stat st;

  memset (value, 'v', sizeof value - 1);
  for (int i = 0; i < 500; i++) {
    storekit_put (a, "f", i, 0, value);
    if (i % 50 == 0)
      storekit_read (b);
  }
  ck_assert_int_eq (stat (sqlite_named ("-wal"), &st), 0);
  ck_assert_int_lt (st.st_size, 3 << 20);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

void
sqlite_add_place (Suite *suite)
{
  TCase *t = storekit_case (suite, "place");

  tcase_add_loop_test (t, a_spec_that_is_wrong_says_what_is_allowed, 0,
                       (int) STOREKIT_LEN (usages));
  tcase_add_test (t, a_path_that_is_too_long_is_told);
  tcase_add_test (t, a_relative_path_begins_at_the_configurations_folder);
  tcase_add_test (t, opening_makes_nothing_yet);
  tcase_add_loop_test (t, folders_are_0700_and_files_0600_whatever_the_umask, 0,
                       (int) STOREKIT_LEN (umasks));
  if (kwtest_forks ())
    tcase_add_test (t, a_file_of_another_user_is_not_used);
  tcase_add_test (t, what_others_may_write_is_warned_of_once);
  tcase_add_test (t, what_is_no_file_is_told_and_used_when_it_has_gone);
  tcase_add_test (t, through_a_symbolic_link_it_is_the_same_store);
  tcase_add_test (t, a_newer_format_is_left_alone);
  tcase_add_test (t, what_has_expired_is_deleted_now_and_then);
  tcase_add_test (t, closing_leaves_no_row_of_this_holder);
  tcase_add_test (t, a_counter_stops_at_the_greatest_number);
  tcase_add_test (t, what_breaks_the_interface_is_not_kept);
  tcase_add_test (t, facts_that_are_known_wake_nobody);
  tcase_add_test (t, the_wal_does_not_grow_without_bound);
}
