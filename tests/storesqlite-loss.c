/* test_store_sqlite: files that are damaged, deleted or replaced while they are
 * open. */
#include "storesqlite.h"

#include <string.h>
#include <unistd.h>

START_TEST (damage_that_shows_later_is_handled_as_well)
{
  struct storekit *a, *b;

  sqlite_fill ();
  a = storekit_open (NULL);
  b = storekit_open (NULL);
  storekit_put (a, "f", 1, 0, "v");
  storekit_settle (b);
  /* Nothing in the -wal, nor in anybody's cache. */
  sqlite_run (sqlite_file, "UPDATE facts SET rev = rev + 1; UPDATE meta SET value = value + 1"
              " WHERE name = 'rev'; PRAGMA wal_checkpoint (TRUNCATE)");
  sqlite_scribble_over (4096, 1 << 30);
  ck_assert_int_eq (storekit_sync (a, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (a->why.text, "all is to be handed over again");
  ck_assert_int_eq (sqlite_lines (a->log), 1);
  storekit_expect_text (a->log, "it was set aside as ");
  storekit_put (a, "f", 1, 0, "v");

  ck_assert_int_eq (storekit_stirs (b, 0), 1);
  storekit_forget (b);
  ck_assert_int_eq (storekit_sync (b, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect (b, "f", 1, 0, "v");
  ck_assert_uint_eq (b->n_facts, 1);
  ck_assert_str_eq (b->log, "");
  storekit_put (b, "block 7", 7, 0, "v");
  storekit_await (a, "block 7", "v");
  storekit_close (a);
  storekit_close (b);
  sqlite_expect_sound (sqlite_file);
}
END_TEST

static void
lose_it_together (int i, void *user)
{
  struct storekit *k = storekit_open (NULL);
  int *warned = user;
  char name[32];

  (void) snprintf (name, sizeof name, "mine %d", i);
  storekit_settle (k);
  storekit_gate ();
  if (i == 0) {
    sqlite_run (sqlite_file, "UPDATE facts SET rev = rev + 1; UPDATE meta SET value = value + 1"
                " WHERE name = 'rev'; PRAGMA wal_checkpoint (TRUNCATE)");
    sqlite_scribble_over (4096, 1 << 30);
  }
  storekit_gate ();
  sqlite_hand_over (k, name);
  warned[i] = sqlite_lines (k->log);
  storekit_gate ();
  storekit_read (k);
  for (int j = 0; j < SQLITE_FINDERS; j++) {
    (void) snprintf (name, sizeof name, "mine %d", j);
    storekit_expect (k, name, 1, 0, "mine");
  }
  storekit_close (k);
}

START_TEST (of_many_that_have_it_open_one_sets_it_aside)
{
  int *warned = storekit_shared (SQLITE_FINDERS * sizeof *warned), all = 0;

  sqlite_fill ();
  storekit_processes (SQLITE_FINDERS, lose_it_together, warned);
  for (int i = 0; i < SQLITE_FINDERS; i++)
    all += warned[i];
  ck_assert_int_eq (all, 1);
  sqlite_expect_sound (sqlite_file);
}
END_TEST

static void
remove_all (void)
{
  (void) unlink (sqlite_file);
  (void) unlink (sqlite_named ("-wal"));
  (void) unlink (sqlite_named ("-shm"));
}

static void
remove_the_database (void)
{
  (void) unlink (sqlite_file);
}

static void
rename_it (void)
{
  ck_assert_int_eq (rename (sqlite_file, sqlite_named (".old")), 0);
}

static void
put_an_empty_one_over_it (void)
{
  sqlite_write_file (sqlite_named (".new"), "", 0);
  ck_assert_int_eq (rename (sqlite_named (".new"), sqlite_file), 0);
  (void) unlink (sqlite_named ("-wal"));
  (void) unlink (sqlite_named ("-shm"));
}

static void (*const losses[]) (void) = {
  remove_all, remove_the_database, rename_it, put_an_empty_one_over_it,
};

START_TEST (a_file_that_goes_while_it_is_open_is_made_anew)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);
  struct kw_store_fact f = { "f", "2", 2, 0, STOREKIT_NEVER };
  struct kw_store_count c = { "c", 1 };

  storekit_put (a, "f", 1, 0, "1");
  storekit_settle (a);
  storekit_settle (b);
  losses[_i] ();
  ck_assert_int_eq (storekit_stirs (a, 0), 1);
  ck_assert_int_eq (storekit_stirs (b, 0), 1);
  ck_assert_int_eq (storekit_sync (a, &f, 1, &c, 1), KW_STORE_AWAY);
  storekit_expect_text (a->why.text, "another file than before");
  ck_assert_int_eq (storekit_sync_again (a, &f, 1, &c, 1), 0);
  ck_assert_int_eq (storekit_sync (b, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect (b, "f", 2, 0, "2");
  ck_assert_int_eq (storekit_total (b, "c"), 1);
  storekit_put (b, "f", 3, 0, "3");
  storekit_await (a, "f", "3");
  ck_assert_str_eq (a->log, "");
  storekit_close (a);
  storekit_close (b);
  sqlite_expect_sound (sqlite_file);
}
END_TEST

/* Of two processes one has the old -wal and -shm open, whose names are the new
 * ones', too. */
static void
keep_it_open (int i, void *user)
{
  struct storekit *k = storekit_open (NULL);

  (void) user;
  if (i == 0)
    storekit_put (k, "old", 1, 0, "v");
  storekit_gate ();
  if (i == 1) {
    remove_the_database ();
    storekit_put (k, "f", 1, 0, "v");
    storekit_add_to (k, "c", 1);
    ck_assert_uint_eq (k->n_facts, 1);
  }
  storekit_gate ();
  if (i == 0) {
    storekit_close (k);         /* must not remove what is the other's */
    ck_assert_int_eq (access (sqlite_named ("-wal"), F_OK), 0);
  }
  storekit_gate ();
  if (i == 1) {
    storekit_put (k, "g", 1, 0, "v");
    storekit_close (k);
  }
}

START_TEST (the_wal_of_a_database_that_has_gone_is_not_the_new_ones)
{
  storekit_processes (2, keep_it_open, NULL);
  sqlite_expect_sound (sqlite_file);
  ck_assert_int_eq (sqlite_ask (sqlite_file, "SELECT count (*) FROM facts"), 2);
  ck_assert_int_eq (sqlite_ask (sqlite_file, "SELECT total FROM counts"), 1);
  ck_assert_int_eq (sqlite_count_files (".damaged"), 0);
}
END_TEST

START_TEST (a_lease_finds_the_new_file_and_the_next_sync_says_so)
{
  struct storekit *k = storekit_open (NULL);
  struct kw_store_lease lease = { sizeof lease, 5, 3, 0, "l", 60000 };
  uint32_t granted = 0;

  storekit_put (k, "f", 1, 0, "v");
  losses[_i] ();
  ck_assert_int_eq (k->store->lease (k->handle, &lease, &granted, &k->why), 0);
  ck_assert_uint_eq (granted, 3);
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_put (k, "f", 1, 0, "v");
  storekit_close (k);
}
END_TEST

START_TEST (an_older_copy_in_its_place_is_noticed)
{
  struct storekit *k = storekit_open (NULL);

  storekit_put (k, "f", 1, 0, "v");
  storekit_put (k, "g", 1, 0, "v");
  sqlite_run (sqlite_file, "DELETE FROM facts WHERE name = 'g';"
              "UPDATE meta SET value = 1 WHERE name = 'rev'");
  ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_put (k, "g", 1, 0, "v");
  ck_assert_int_eq (sqlite_ask (sqlite_file, "SELECT count (*) FROM facts"), 2);
  storekit_close (k);
}
END_TEST

void
sqlite_add_loss (Suite *suite)
{
  TCase *t = storekit_case (suite, "loss");

  tcase_add_test (t, damage_that_shows_later_is_handled_as_well);
  tcase_add_test (t, of_many_that_have_it_open_one_sets_it_aside);
  tcase_add_test (t, the_wal_of_a_database_that_has_gone_is_not_the_new_ones);
  tcase_add_test (t, an_older_copy_in_its_place_is_noticed);
  tcase_add_loop_test (t, a_file_that_goes_while_it_is_open_is_made_anew, 0,
                       (int) STOREKIT_LEN (losses));
  tcase_add_loop_test (t, a_lease_finds_the_new_file_and_the_next_sync_says_so, 0,
                       (int) STOREKIT_LEN (losses));
}
