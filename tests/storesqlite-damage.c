/* test_store_sqlite: files that are damaged, or somebody else's, when they are
 * opened. */
#include "storesqlite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A store with many facts, closed: some 40 pages. */
void
sqlite_fill (void)
{
  struct storekit *k = storekit_open (NULL);
  static struct kw_store_fact facts[400];
  static char names[400][32], value[300];

  memset (value, 'v', sizeof value - 1);
  for (int i = 0; i < 400; i++) {
    (void) snprintf (names[i], sizeof names[i], "block %d", i);
    facts[i] = (struct kw_store_fact) { names[i], value, i, 0, STOREKIT_NEVER };
  }
  ck_assert_int_eq (storekit_sync (k, facts, 400, NULL, 0), 0);
  storekit_close (k);
}

/* Descriptors of the database are opened in a process of their own: closing one
 * here would drop the locks of SQLite. */
struct scribble {
  off_t from, to;
};

static void
scribble (int i, void *user)
{
  const struct scribble *s = user;
  int fd = open (sqlite_file, O_WRONLY | O_CLOEXEC);
  uint64_t state = 7;
  off_t size;

  (void) i;
  ck_assert_int_ne (fd, -1);
  size = lseek (fd, 0, SEEK_END);
  for (off_t at = s->from; at < s->to && at < size; at++) {
    unsigned char c = (unsigned char) storekit_random (&state, 256);

    ck_assert_int_eq (pwrite (fd, &c, 1, at), 1);
  }
  (void) close (fd);
}

void
sqlite_scribble_over (off_t from, off_t to)
{
  storekit_processes (1, scribble, &(struct scribble) { from, to });
}

static void
put_byte (long at, int c)
{
  FILE *f = fopen (sqlite_file, "r+b");         /* nobody has it open here */

  ck_assert_ptr_nonnull (f);
  ck_assert_int_eq (fseek (f, at, SEEK_SET), 0);
  ck_assert_int_eq (putc (c, f), c);
  ck_assert_int_eq (fclose (f), 0);
}

static void
make_text (void)
{
  static const char text[] = "[keywheel]\nstate = sqlite\n";

  sqlite_write_file (sqlite_file, text, sizeof text - 1);
}

static void
make_noise (void)
{
  static char noise[20000];

  sqlite_write_file (sqlite_file, noise, sizeof noise);
  sqlite_scribble_over (0, sizeof noise);
}

static void
make_zeros (void)
{
  static char zeros[8192];

  sqlite_write_file (sqlite_file, zeros, sizeof zeros);
}

static void
make_truncated (void)
{
  sqlite_fill ();
  ck_assert_int_eq (truncate (sqlite_file, 3 * 4096 + 100), 0);
}

static void
make_cut_to_the_header (void)
{
  sqlite_fill ();
  ck_assert_int_eq (truncate (sqlite_file, 100), 0);
}

static void
make_noise_in_the_middle (void)
{
  sqlite_fill ();
  sqlite_scribble_over (4096, 20 * 4096);
}

static void
make_noise_in_the_header (void)
{
  sqlite_fill ();
  sqlite_scribble_over (0, 40);
}

static void
make_noise_in_the_schema (void)
{
  sqlite_fill ();
  sqlite_scribble_over (100, 4096);
}

/* Byte 18, and byte 47: formats of a time to come. */
static void
make_one_that_says_it_is_not_to_be_written (void)
{
  sqlite_fill ();
  put_byte (18, 9);
}

static void
make_one_of_an_unknown_format (void)
{
  sqlite_fill ();
  put_byte (47, 9);
}

static void
make_anothers (void)
{
  sqlite_run (sqlite_file, "CREATE TABLE t (x); PRAGMA application_id = 1196444487");
}

static void
make_nobodys (void)
{
  sqlite_run (sqlite_file, "CREATE TABLE facts (x)");
}

static void
make_without_a_table (void)
{
  sqlite_fill ();
  sqlite_run (sqlite_file, "DROP TABLE leases");
}

static void
make_a_value_a_number (void)
{
  sqlite_fill ();
  sqlite_run (sqlite_file, "UPDATE facts SET major = 'x' WHERE name = 'block 7'");
}

static void
make_a_value_too_long (void)
{
  sqlite_fill ();
  sqlite_run (sqlite_file, "UPDATE facts SET value = hex (zeroblob (2001)) WHERE name = 'block 7'");
}

static void
make_a_name_of_two_lines (void)
{
  sqlite_fill ();
  sqlite_run (sqlite_file, "UPDATE facts SET name = 'a' || char (10) WHERE name = 'block 7'");
}

static const struct {
  void (*make) (void);
  const char *reason;
} kinds[] = {
  { make_text, "no SQLite database" },
  { make_noise, "no SQLite database" },
  { make_zeros, "no SQLite database" },
  { make_truncated, "damaged (" },
  { make_cut_to_the_header, "" },
  { make_noise_in_the_middle, "damaged (" },
  { make_noise_in_the_header, "no SQLite database" },
  { make_noise_in_the_schema, "damaged (" },
  { make_one_that_says_it_is_not_to_be_written, "damaged (its header" },
  { make_one_of_an_unknown_format, "damaged (unsupported file format)" },
  { make_anothers, "another program's database" },
  { make_nobodys, "another program's database" },
  { make_without_a_table, "damaged (no such table: " },
  { make_a_value_a_number, "damaged (" },
  { make_a_value_too_long, "damaged (" },
  { make_a_name_of_two_lines, "damaged (" },
};

int
sqlite_lines (const char *text)
{
  int n = 0;

  for (; *text != '\0'; text++)
    n += *text == '\n';
  return n;
}

/* Until the host, having handed over all, is told that it is kept. */
void
sqlite_hand_over (struct storekit *k, const char *name)
{
  struct kw_store_fact f = { name, "mine", 1, 0, STOREKIT_NEVER };

  if (storekit_sync (k, &f, 1, NULL, 0) == KW_STORE_AWAY) {
    storekit_expect_text (k->why.text, sqlite_file);
    storekit_expect_text (k->why.text, "all is to be handed over again");
    ck_assert_msg (storekit_sync (k, &f, 1, NULL, 0) == 0, "%s", k->why.text);
  }
}

START_TEST (what_is_no_store_of_ours_is_set_aside_and_a_new_one_is_made)
{
  struct storekit *k, *other;
  struct stat before, after;

  kinds[_i].make ();
  ck_assert_int_eq (stat (sqlite_file, &before), 0);
  k = storekit_open (NULL);
  sqlite_hand_over (k, "f");
  ck_assert_msg (sqlite_lines (k->log) == 1, "%s", k->log);
  storekit_expect_text (k->log, "<1> ");
  storekit_expect_text (k->log, sqlite_file);
  storekit_expect_text (k->log, kinds[_i].reason);
  storekit_expect_text (k->log, "it was set aside as ");
  storekit_expect_text (k->log, "state.db.damaged-20");
  other = storekit_open (NULL);
  storekit_read (other);
  storekit_expect (other, "f", 1, 0, "mine");
  ck_assert_str_eq (other->log, "");
  storekit_close (k);
  storekit_close (other);
  sqlite_expect_sound (sqlite_file);
  ck_assert_int_eq (stat (sqlite_file, &after), 0);
  ck_assert (before.st_ino != after.st_ino);
}
END_TEST

START_TEST (what_is_set_aside_is_whole_and_has_the_time_in_its_name)
{
  char name[128];
  time_t now = (time_t) (storekit_now () / 1000);
  struct tm tm;
  struct stat st;
  struct storekit *k;

  ck_assert_ptr_nonnull (gmtime_r (&now, &tm));
  ck_assert_uint_ne (strftime (name, sizeof name, ".damaged-%Y%m%d-%H%M%S", &tm), 0);
  make_anothers ();
  k = storekit_open (NULL);
  storekit_read (k);
  ck_assert_int_eq (sqlite_ask (sqlite_named (name), "PRAGMA application_id"), 1196444487);
  storekit_close (k);

  /* And a second one in the same second, with what belongs to it. */
  ck_assert_int_eq (unlink (sqlite_file), 0);
  make_text ();
  sqlite_write_file (sqlite_named ("-wal"), "wal", 3);
  k = storekit_open (NULL);
  storekit_read (k);
  ck_assert_int_eq (access (sqlite_named (name), F_OK), 0);
  (void) snprintf (name + strlen (name), 8, "-2");
  ck_assert_int_eq (access (sqlite_named (name), F_OK), 0);
  (void) snprintf (name + strlen (name), 8, "-wal");
  ck_assert_int_eq (stat (sqlite_named (name), &st), 0);
  ck_assert_int_eq (st.st_size, 3);
  storekit_close (k);
}
END_TEST

START_TEST (an_empty_file_is_a_new_store)
{
  struct storekit *k;

  sqlite_write_file (sqlite_file, "", 0);
  k = storekit_open (NULL);
  storekit_put (k, "f", 1, 0, "v");
  ck_assert_str_eq (k->log, "");
  ck_assert_int_eq (sqlite_count_files (".damaged"), 0);
  storekit_close (k);
}
END_TEST

/* ---- Several find it ------------------------------------------------------------------- */

static void
find_it (int i, void *user)
{
  struct storekit *k = storekit_open (NULL);
  int *warned = user;
  char name[32];

  (void) snprintf (name, sizeof name, "block %d", i);
  storekit_gate ();
  sqlite_hand_over (k, name);
  warned[i] = sqlite_lines (k->log);
  storekit_gate ();
  storekit_read (k);
  for (int j = 0; j < SQLITE_FINDERS; j++) {
    (void) snprintf (name, sizeof name, "block %d", j);
    storekit_expect (k, name, 1, 0, "mine");
  }
  storekit_close (k);
}

START_TEST (of_many_that_find_it_damaged_one_sets_it_aside)
{
  int *warned = storekit_shared (SQLITE_FINDERS * sizeof *warned), all = 0;

  for (int round = 0; round < 5; round++) {
    kinds[_i].make ();
    storekit_processes (SQLITE_FINDERS, find_it, warned);
    for (int i = 0; i < SQLITE_FINDERS; i++)
      all += warned[i];
    ck_assert_int_eq (all, round + 1);
    sqlite_expect_sound (sqlite_file);
    ck_assert_int_eq (unlink (sqlite_file), 0);
    storekit_pass (1000);
  }
  ck_assert_int_ge (sqlite_count_files (".damaged"), 5);
}
END_TEST

/* For a moment there is none, under the lock; who comes then finds it all the same,
 * or another one. */
static void
move_it_or_open_it (int i, void *user)
{
  volatile int *is_over = user;

  while (i == 0 && !*is_over) {
    int fd = open (sqlite_folder, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq (flock (fd, LOCK_EX), 0);
    ck_assert_int_eq (rename (sqlite_file, sqlite_named (".aside")), 0);
    ck_assert_int_eq (rename (sqlite_named (".aside"), sqlite_file), 0);
    ck_assert_int_eq (close (fd), 0);
  }
  for (int n = 0; i == 1 && n < kwtest_scaled (1000); n++) {
    struct storekit *k = storekit_open (NULL);
    if (storekit_sync (k, NULL, 0, NULL, 0) != 0)
      ck_assert_msg (strstr (k->why.text, "No such file") == NULL, "%s", k->why.text);
    storekit_close (k);
  }
  *is_over = 1;
}

START_TEST (who_opens_it_while_it_is_set_aside_misses_nothing)
{
  sqlite_fill ();
  storekit_processes (2, move_it_or_open_it, storekit_shared (sizeof (int)));
}
END_TEST

void
sqlite_add_damage (Suite *suite)
{
  TCase *t = storekit_case (suite, "damage");

  tcase_add_loop_test (t, what_is_no_store_of_ours_is_set_aside_and_a_new_one_is_made, 0,
                       (int) STOREKIT_LEN (kinds));
  tcase_add_test (t, what_is_set_aside_is_whole_and_has_the_time_in_its_name);
  tcase_add_test (t, an_empty_file_is_a_new_store);
  tcase_add_test (t, who_opens_it_while_it_is_set_aside_misses_nothing);
  tcase_add_loop_test (t, of_many_that_find_it_damaged_one_sets_it_aside, 0, 2);
}
