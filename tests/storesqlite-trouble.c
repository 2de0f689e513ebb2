/* test_store_sqlite: full disks, and files and file systems that cannot be
 * written. */
#include "storesqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char value[4001];

/* Forty facts, more than what is left; the first is small. */
static struct kw_store_fact large[40];
static char names[40][32];

static void
make_large (void)
{
  memset (value, 'v', sizeof value - 1);
  for (int i = 0; i < 40; i++) {
    (void) snprintf (names[i], sizeof names[i], "large %d", i);
    large[i] = (struct kw_store_fact) { names[i], i == 0 ? "" : value, 1, 0, STOREKIT_NEVER };
  }
}

/* Away while there is no room, nothing of the batch kept, and all of it after. */
static void
expect_full (struct storekit *k, void (*make_room) (void))
{
  struct kw_store_count c = { "c", 5 };
  struct storekit *other;

  make_large ();
  ck_assert_int_eq (storekit_sync (k, large, 40, &c, 1), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, sqlite_file);
  ck_assert_int_eq (storekit_sync_again (k, large, 40, &c, 1), KW_STORE_AWAY);
  ck_assert_ptr_null (storekit_fact (k, "large 0"));
  ck_assert_str_eq (k->log, "");
  make_room ();
  other = storekit_open (NULL);
  storekit_read (other);
  storekit_expect (other, "f", 1, 0, "v");
  ck_assert_uint_eq (other->n_facts, 1);
  ck_assert_uint_eq (other->n_counts, 0);
  ck_assert_int_eq (storekit_sync_again (k, large, 40, &c, 1), 0);
  storekit_await (other, "large 39", value);
  storekit_await_total (other, "c", 5);
  storekit_close (other);
}

static void
no_limit (void)
{
  struct rlimit l;

  ck_assert_int_eq (getrlimit (RLIMIT_FSIZE, &l), 0);
  l.rlim_cur = l.rlim_max;
  ck_assert_int_eq (setrlimit (RLIMIT_FSIZE, &l), 0);
}

START_TEST (a_file_that_may_not_grow)
{
  struct storekit *k = storekit_open (NULL);
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  struct rlimit l;

  storekit_put (k, "f", 1, 0, "v");
  ck_assert_int_eq (sigaction (SIGXFSZ, &ignore, NULL), 0);
  ck_assert_int_eq (getrlimit (RLIMIT_FSIZE, &l), 0);
  l.rlim_cur = 100000;
  ck_assert_int_eq (setrlimit (RLIMIT_FSIZE, &l), 0);
  expect_full (k, no_limit);
  storekit_close (k);
}
END_TEST

/* ---- A file system of the test's own ------------------------------------------------- */

static int
write_to (const char *file, const char *text)
{
  int fd = open (file, O_WRONLY | O_CLOEXEC), ok;

  if (fd == -1)
    return 0;
  ok = write (fd, text, strlen (text)) == (ssize_t) strlen (text);
  (void) close (fd);
  return ok;
}

/* A user's world of our own, in which we are root; 0: that may not be done here. */
static int
be_root (void)
{
  char user[64], group[64];

  (void) snprintf (user, sizeof user, "0 %u 1", (unsigned) geteuid ());
  (void) snprintf (group, sizeof group, "0 %u 1", (unsigned) getegid ());
  return unshare (CLONE_NEWUSER) == 0 && write_to ("/proc/self/uid_map", user)
         && write_to ("/proc/self/setgroups", "deny")
         && write_to ("/proc/self/gid_map", group);
}

/* Over the test's folder; 0: that may not be done here. */
static int
mount_small (void)
{
  if ((geteuid () != 0 && !be_root ()) || unshare (CLONE_NEWNS) == -1
      || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1
      || mount ("none", sqlite_folder, "tmpfs", 0, "size=512k,mode=0700") == -1) {
    fprintf (stderr, "(no file system may be mounted here: not tried: %s)\n",
             strerror (errno));
    return 0;
  }
  return 1;
}

static void
remove_filler (void)
{
  ck_assert_int_eq (unlink (sqlite_named (".filler")), 0);
}

START_TEST (a_full_disk)
{
  struct storekit *k;
  int fd;

  if (!mount_small ())
    return;
  k = storekit_open (NULL);
  storekit_put (k, "f", 1, 0, "v");
  fd = open (sqlite_named (".filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  make_large ();
  while (write (fd, value, 4000) > 0)
    ;
  ck_assert_int_eq (errno, ENOSPC);
  ck_assert_int_eq (close (fd), 0);
  expect_full (k, remove_filler);
  storekit_close (k);
  ck_assert_int_eq (umount2 (sqlite_folder, MNT_DETACH), 0);
}
END_TEST

/* Not even room for a new one. */
START_TEST (a_disk_that_was_full_before)
{
  struct storekit *k;
  int fd;

  if (!mount_small ())
    return;
  fd = open (sqlite_named (".filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  make_large ();
  while (write (fd, value, 4000) > 0)
    ;
  ck_assert_int_eq (close (fd), 0);
  k = storekit_open (NULL);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, sqlite_file);
  storekit_expect_text (k->why.text, "full");
  remove_filler ();
  storekit_put (k, "f", 1, 0, "v");
  ck_assert_str_eq (k->log, "");
  storekit_close (k);
  ck_assert_int_eq (umount2 (sqlite_folder, MNT_DETACH), 0);
}
END_TEST

/* ---- What cannot be written -------------------------------------------------------------- */

/* Facts are delivered, batches and leases are not taken. */
static void
expect_read_only (struct storekit *k, const char *reason)
{
  struct kw_store_fact f = { "g", "v", 1, 0, STOREKIT_NEVER };
  struct kw_store_lease lease = { sizeof lease, 5, 3, 0, "l", 60000 };
  uint32_t granted = 0;

  storekit_read (k);
  storekit_expect (k, "f", 1, 0, "v");
  storekit_read (k);
  storekit_forget (k);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq (storekit_sync (k, &f, 1, NULL, 0), KW_STORE_AWAY);
    storekit_expect_text (k->why.text, sqlite_file);
    storekit_expect_text (k->why.text, "cannot be written");
    storekit_expect_text (k->why.text, reason);
  }
  storekit_expect (k, "f", 1, 0, "v");
  ck_assert_int_eq (k->store->lease (k->handle, &lease, &granted, &k->why), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, "cannot be written");
}

/* Root may write everything. */
static void
be_nobody (void)
{
  (void) storekit_load ("sqlite");
  if (geteuid () != 0)
    return;
  ck_assert_int_eq (chown (sqlite_folder, 65534, 65534), 0);
  ck_assert_int_eq (setresgid (65534, 65534, 65534), 0);
  ck_assert_int_eq (setresuid (65534, 65534, 65534), 0);
}

static void
make_one (void)
{
  struct storekit *k = storekit_open (NULL);

  storekit_put (k, "f", 1, 0, "v");
  storekit_close (k);
}

START_TEST (a_read_only_file_is_read)
{
  struct storekit *k;

  be_nobody ();
  make_one ();
  ck_assert_int_eq (chmod (sqlite_file, 0400), 0);
  k = storekit_open (NULL);
  expect_read_only (k, "Permission denied");
  ck_assert_int_eq (chmod (sqlite_file, 0600), 0);
  storekit_put (k, "g", 1, 0, "v");
  ck_assert_str_eq (k->log, "");
  storekit_close (k);
}
END_TEST

START_TEST (a_read_only_file_in_a_read_only_folder_is_read)
{
  struct storekit *k, *writer;

  be_nobody ();
  make_one ();
  ck_assert_int_eq (chmod (sqlite_file, 0400), 0);
  ck_assert_int_eq (chmod (sqlite_folder, 0500), 0);
  k = storekit_open (NULL);
  expect_read_only (k, "Permission denied");
  storekit_read (k);
  ck_assert_int_eq (chmod (sqlite_file, 0600), 0);
  ck_assert_int_eq (chmod (sqlite_folder, 0700), 0);
  writer = storekit_open (NULL);
  storekit_put (writer, "late", 1, 0, "v");
  storekit_close (writer);
  storekit_read (k);            /* it is not believed to stay as it was */
  storekit_expect (k, "late", 1, 0, "v");
  storekit_put (k, "g", 1, 0, "v");
  storekit_close (k);
}
END_TEST

START_TEST (a_read_only_file_system_is_read)
{
  struct storekit *k;

  if (!mount_small ())
    return;
  make_one ();
  ck_assert_int_eq (mount (NULL, sqlite_folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
  k = storekit_open (NULL);
  expect_read_only (k, "Read-only file system");
  ck_assert_int_eq (mount (NULL, sqlite_folder, NULL, MS_REMOUNT, NULL), 0);
  storekit_put (k, "g", 1, 0, "v");
  storekit_close (k);
  ck_assert_int_eq (umount2 (sqlite_folder, MNT_DETACH), 0);
}
END_TEST

START_TEST (a_folder_that_may_not_be_written_is_told)
{
  struct storekit *k;

  be_nobody ();
  ck_assert_int_eq (chmod (sqlite_folder, 0500), 0);
  k = storekit_open (NULL);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, "cannot make ");
  storekit_expect_text (k->why.text, sqlite_file);
  storekit_expect_text (k->why.text, "Permission denied");
  ck_assert_int_eq (chmod (sqlite_folder, 0700), 0);
  sqlite_write_file (sqlite_file, "text", 4);
  ck_assert_int_eq (chmod (sqlite_folder, 0500), 0);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, "is no SQLite database, and cannot be set aside: "
                        "Permission denied");
  ck_assert_str_eq (k->log, "");
  ck_assert_int_eq (chmod (sqlite_folder, 0700), 0);
  storekit_put (k, "f", 1, 0, "v");
  storekit_close (k);
}
END_TEST

START_TEST (a_file_that_may_not_be_read_is_told)
{
  struct storekit *k;

  be_nobody ();
  make_one ();
  ck_assert_int_eq (chmod (sqlite_file, 0), 0);
  k = storekit_open (NULL);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, sqlite_file);
  storekit_expect_text (k->why.text, "unable to open database file (Permission denied)");
  ck_assert_int_eq (chmod (sqlite_file, 0600), 0);
  storekit_put (k, "f", 2, 0, "v");
  storekit_close (k);
}
END_TEST

START_TEST (one_that_is_locked_for_too_long_is_told)
{
  const struct storekit_how how = { .timeout_ms = 100 };
  struct storekit *k = storekit_open (&how);
  struct kw_store_fact f = { "f", "v", 2, 0, STOREKIT_NEVER };

  storekit_put (k, "f", 1, 0, "v");
  storekit_backing->away (1);
  ck_assert_int_eq (storekit_sync (k, &f, 1, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, sqlite_file);
  storekit_expect_text (k->why.text, "locked by another process for more than 100 ms");
  storekit_read (k);            /* reading goes on */
  storekit_backing->away (0);
  ck_assert_int_eq (storekit_sync_again (k, &f, 1, NULL, 0), 0);
  storekit_close (k);
}
END_TEST

START_TEST (a_folder_that_is_locked_for_too_long_is_told)
{
  const struct storekit_how how = { .timeout_ms = 100 };
  struct storekit *k = storekit_open (&how);
  int fd = open (sqlite_folder, O_RDONLY | O_CLOEXEC);

  ck_assert_int_eq (flock (fd, LOCK_EX), 0);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (k->why.text, "the folder of ");
  storekit_expect_text (k->why.text, "has been locked by another process for more than 100 ms");
  ck_assert_int_eq (close (fd), 0);
  storekit_put (k, "f", 1, 0, "v");
  storekit_close (k);
}
END_TEST

/* ---- No inotify -------------------------------------------------------------------------- */

START_TEST (without_inotify_there_is_no_fd_and_all_else_goes_on)
{
  struct storekit *a, *b;

  if (!be_root () || !write_to ("/proc/sys/user/max_inotify_instances", "0")) {
    fprintf (stderr, "(inotify cannot be taken away here: not tried)\n");
    return;
  }
  a = storekit_open (NULL);
  b = storekit_open (NULL);
  storekit_put (a, "f", 1, 0, "v");
  ck_assert_int_eq (a->store->fd (a->handle), -1);
  storekit_read (b);
  storekit_expect (b, "f", 1, 0, "v");
  storekit_put (b, "f", 2, 0, "w");
  storekit_read (a);
  storekit_expect (a, "f", 2, 0, "w");
  storekit_close (a);
  storekit_close (b);
}
END_TEST

void
sqlite_add_trouble (Suite *suite)
{
  TCase *t = storekit_case (suite, "trouble");

  tcase_add_test (t, a_file_that_may_not_grow);
  tcase_add_test (t, a_full_disk);
  tcase_add_test (t, a_disk_that_was_full_before);
  tcase_add_test (t, a_read_only_file_is_read);
  tcase_add_test (t, a_read_only_file_in_a_read_only_folder_is_read);
  tcase_add_test (t, a_read_only_file_system_is_read);
  tcase_add_test (t, a_folder_that_may_not_be_written_is_told);
  tcase_add_test (t, a_file_that_may_not_be_read_is_told);
  tcase_add_test (t, one_that_is_locked_for_too_long_is_told);
  tcase_add_test (t, a_folder_that_is_locked_for_too_long_is_told);
  tcase_add_test (t, without_inotify_there_is_no_fd_and_all_else_goes_on);
}
