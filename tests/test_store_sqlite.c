/* test_store_sqlite - the SQLite store: the battery that every store passes, and
 * what only a file has: its place and modes, damage, crowds, full and read-only
 * disks. */
#include "storesqlite.h"

#include <dirent.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char sqlite_folder[256], sqlite_file[300];

static sqlite3 *locker;

const char *
sqlite_named (const char *suffix)
{
  static char names[4][sizeof sqlite_file + 64];
  static unsigned next;
  char *name = names[next++ % 4];

  ck_assert_int_lt (snprintf (name, sizeof names[0], "%s%s", sqlite_file, suffix),
                    (int) sizeof names[0]);
  return name;
}

static sqlite3 *
connect_to (const char *file)
{
  sqlite3 *db;

  ck_assert_int_eq (sqlite3_open_v2 (file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     NULL), SQLITE_OK);
  ck_assert_int_eq (sqlite3_busy_timeout (db, 10000), SQLITE_OK);
  return db;
}

static void
execute (sqlite3 *db, const char *sql)
{
  ck_assert_msg (sqlite3_exec (db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg (db));
}

void
sqlite_run (const char *file, const char *sql)
{
  sqlite3 *db = connect_to (file);

  execute (db, sql);
  ck_assert_int_eq (sqlite3_close (db), SQLITE_OK);
}

int64_t
sqlite_ask (const char *file, const char *sql)
{
  sqlite3 *db = connect_to (file);
  sqlite3_stmt *s;
  int64_t n;

  ck_assert_msg (sqlite3_prepare_v2 (db, sql, -1, &s, NULL) == SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg (db));
  ck_assert_msg (sqlite3_step (s) == SQLITE_ROW, "%s: %s", sql, sqlite3_errmsg (db));
  n = sqlite3_column_int64 (s, 0);
  ck_assert_int_eq (sqlite3_finalize (s), SQLITE_OK);
  ck_assert_int_eq (sqlite3_close (db), SQLITE_OK);
  return n;
}

void
sqlite_expect_sound (const char *file)
{
  ck_assert_int_eq (sqlite_ask (file, "SELECT count (*) FROM pragma_integrity_check"
                                " WHERE integrity_check <> 'ok'"), 0);
}

void
sqlite_write_file (const char *file, const void *data, size_t size)
{
  FILE *f = fopen (file, "wb");

  ck_assert_ptr_nonnull (f);
  ck_assert_uint_eq (fwrite (data, 1, size, f), size);
  ck_assert_int_eq (fclose (f), 0);
}

/* ---- The backing store ------------------------------------------------------------- */

static void
start (char *ret_spec, size_t size)
{
  const char *top = getenv ("TMPDIR");

  /* In memory if there is such a place: nothing here is about surviving a power
   * cut, and a busy disk takes seconds to sync. */
  if (top == NULL)
    top = access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  ck_assert_int_lt (snprintf (sqlite_folder, sizeof sqlite_folder, "%s/kw-sqlite-XXXXXX", top),
                    (int) sizeof sqlite_folder);
  ck_assert_ptr_nonnull (mkdtemp (sqlite_folder));
  ck_assert_int_lt (snprintf (sqlite_file, sizeof sqlite_file, "%s/state.db", sqlite_folder),
                    (int) sizeof sqlite_file);
  ck_assert_int_lt (snprintf (ret_spec, size, "sqlite:%s", sqlite_file), (int) size);
}

/* What a test leaves: files, and folders of files. */
static void
empty (const char *folder)
{
  DIR *d = opendir (folder);
  struct dirent *e;
  char name[1024];

  ck_assert_ptr_nonnull (d);
  while ((e = readdir (d)) != NULL) {
    if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
      continue;
    ck_assert_int_lt (snprintf (name, sizeof name, "%s/%s", folder, e->d_name),
                      (int) sizeof name);
    if (e->d_type == DT_DIR)
      empty (name);
    ck_assert_msg (remove (name) == 0, "cannot remove %s", name);
  }
  (void) closedir (d);
}

static void
stop (void)
{
  empty (sqlite_folder);
  ck_assert_int_eq (rmdir (sqlite_folder), 0);
}

int
sqlite_count_files (const char *suffix)
{
  DIR *d = opendir (sqlite_folder);
  struct dirent *e;
  int n = 0;

  ck_assert_ptr_nonnull (d);
  while ((e = readdir (d)) != NULL)
    n += strncmp (e->d_name, "state.db", 8) == 0
         && strncmp (e->d_name + 8, suffix, strlen (suffix)) == 0;
  (void) closedir (d);
  return n;
}

/* Locked by another connection: nobody else writes. */
static void
away (int on)
{
  if (on) {
    locker = connect_to (sqlite_file);
    execute (locker, "BEGIN IMMEDIATE");
  } else {
    execute (locker, "ROLLBACK");
    ck_assert_int_eq (sqlite3_close (locker), SQLITE_OK);
  }
}

static const struct storekit_backing backing = { "sqlite", start, stop, away, NULL };

static Suite *
suite (void)
{
  Suite *s = suite_create ("store_sqlite");

  storekit_add (s, &backing);
  sqlite_add_place (s);
  sqlite_add_damage (s);
  sqlite_add_loss (s);
  sqlite_add_crowd (s);
  if (kwtest_forks ())          /* they leave their process another one */
    sqlite_add_trouble (s);
  return s;
}

KW_MAIN (suite)
