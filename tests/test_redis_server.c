/* test_redis_server - what happens to the Redis store when things happen to the
 * server: emptied, restarted, short of memory, its scripts forgotten, connections
 * cut; and how it gets along with others there. */
#include "rediskit.h"

#include <string.h>

static void
put (struct storekit *k, const char *name, int64_t major)
{
  storekit_put (k, name, major, 0, "v");
}

static int
holds (const char *name)
{
  struct storekit *k = storekit_open (NULL);

  storekit_read (k);
  int there = storekit_fact (k, name) != NULL;
  storekit_close (k);
  return there;
}

/* ---- What was lost is sent again ----------------------------------------------------- */

static void
flush (void)
{
  rediskit_ask ("FLUSHALL");
}

static void
index_evicted (void)
{
  rediskit_ask ("DEL keywheel:index");
}

static void
older_snapshot (void)
{
  rediskit_ask ("ZADD keywheel:index 1 ~");
}

static void
index_and_ends_evicted (void)
{
  rediskit_ask ("DEL keywheel:index keywheel:ends");
}

static void (*const losses[]) (void) = {
  flush, rediskit_restart, index_evicted, older_snapshot, index_and_ends_evicted,
};

/* Away once, so that the host sends all it knows; then it is there again, for a
 * newcomer, too. */
START_TEST (a_loss_is_noticed_once)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);
  const struct kw_store_fact known[] = {
    { "f", "v", 1, 0, STOREKIT_NEVER }, { "g", "v", 1, 0, storekit_now () + 60000 },
  };
  struct kw_store_count c = { "c", 1 };

  ck_assert_int_eq (storekit_sync (a, known, 2, &c, 1), 0);
  storekit_await (b, "f", "v");
  losses[_i] ();
  ck_assert_int_eq (storekit_sync (a, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (a->why.text, "redis+unix:///");
  ck_assert_int_eq (storekit_sync (a, known, 2, NULL, 0), 0);
  storekit_read (a);
  ck_assert (holds ("f") && holds ("g"));
  /* Of the other, who comes later, it is not known that the first has sent all. */
  ck_assert_int_eq (storekit_sync (b, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_read (b);
  storekit_read (b);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* Nothing of a batch that met a loss is kept: it comes again, with all the rest. */
START_TEST (a_batch_that_meets_a_loss_is_not_kept)
{
  struct storekit *a = storekit_open (NULL);
  const struct kw_store_fact f = { "f", "v", 1, 0, STOREKIT_NEVER };
  struct kw_store_count c = { "c", 1 };

  storekit_add_to (a, "c", 1);
  flush ();
  ck_assert_int_eq (storekit_sync (a, &f, 1, &c, 1), KW_STORE_AWAY);
  storekit_expect_text (a->why.text, "has lost what it kept");
  ck_assert_str_eq (rediskit_ask ("DBSIZE"), "0");
  ck_assert_int_eq (storekit_sync_again (a, &f, 1, &c, 1), 0);
  storekit_await_total (a, "c", 1);
  storekit_close (a);
}
END_TEST

/* The lease that failed is no sync, and the host need not send all after it. */
START_TEST (a_loss_that_a_lease_met_first_is_noticed_by_sync)
{
  struct storekit *a = storekit_open (NULL);
  struct kw_store_lease lease = { sizeof lease, 10, 5, 0, "l", 60000 };
  uint32_t granted;

  put (a, "f", 1);
  rediskit_restart ();
  ck_assert_int_eq (a->store->lease (a->handle, &lease, &granted, &a->why), KW_STORE_AWAY);
  ck_assert_int_eq (a->store->lease (a->handle, &lease, &granted, &a->why), 0);
  ck_assert_int_eq (storekit_sync (a, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_read (a);
  storekit_close (a);
}
END_TEST

/* A fact that was evicted is missed by who reads all; those who may know it are
 * told, but not more than once in a minute. */
START_TEST (an_evicted_fact_is_sent_again)
{
  struct storekit *a = storekit_open (NULL), *b;
  const struct kw_store_fact f = { "f", "v", 1, 0, storekit_now () + 3600000 };

  ck_assert_int_eq (storekit_sync (a, &f, 1, NULL, 0), 0);
  for (int round = 0; round < 2; round++) {
    storekit_pass (60000);
    storekit_settle (a);
    rediskit_ask ("DEL keywheel:f:f");
    b = storekit_open (NULL);
    storekit_read (b);
    ck_assert_ptr_null (storekit_fact (b, "f"));
    storekit_read (b);                  /* who noticed need not be told */
    ck_assert_int_eq (storekit_stirs (a, 10000), 1);
    ck_assert_int_eq (storekit_sync (a, NULL, 0, NULL, 0), KW_STORE_AWAY);
    ck_assert_int_eq (storekit_sync (a, &f, 1, NULL, 0), 0);
    storekit_await (b, "f", "v");
    storekit_close (b);
  }
  rediskit_ask ("DEL keywheel:f:f");
  storekit_pass (59000);
  ck_assert (!holds ("f"));
  storekit_read (a);
  storekit_close (a);
}
END_TEST

START_TEST (an_expired_fact_is_no_evicted_one)
{
  struct storekit *a = storekit_open (NULL), *b;

  storekit_put_until (a, "f", 1, "v", storekit_now () + 100000);
  storekit_pass (100000);
  b = storekit_open (NULL);
  storekit_read (b);
  storekit_read (a);
  ck_assert_int_eq (b->delivered, 0);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (a_full_server_says_what_to_do)
{
  static char value[4001];
  struct storekit *a = storekit_open (NULL);
  int rc = 0;

  memset (value, 'v', sizeof value - 1);
  rediskit_ask ("CONFIG SET maxmemory %s", "4mb");
  for (int i = 0; i < 3000 && rc == 0; i++) {
    char name[32];
    struct kw_store_fact f = { name, value, 1, 0, STOREKIT_NEVER };
    snprintf (name, sizeof name, "f %d", i);
    rc = storekit_sync (a, &f, 1, NULL, 0);
  }
  ck_assert_int_eq (rc, KW_STORE_AWAY);
  storekit_expect_text (a->why.text, "raise its maxmemory");
  rediskit_ask ("CONFIG SET maxmemory 0");
  put (a, "f", 1);
  storekit_close (a);
}
END_TEST

/* Full, and it makes room by dropping whatever it likes, the index too: nothing is
 * said but that something was lost, and what there is is handed over. */
START_TEST (with_eviction_it_goes_on)
{
  static char value[4001];
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);
  int kept = 0;

  memset (value, 'v', sizeof value - 1);
  rediskit_ask ("CONFIG SET maxmemory-policy allkeys-lru");
  rediskit_ask ("CONFIG SET maxmemory 4mb");
  for (int i = 0; i < 1500; i++) {
    char name[32];
    struct kw_store_fact f = { name, value, 1, 0, storekit_now () + 3600000 };
    snprintf (name, sizeof name, "f %d", i);
    if (storekit_sync (a, &f, 1, NULL, 0) == 0)
      kept++;
    else
      storekit_expect_text (a->why.text, "has lost what it kept");
    if (storekit_sync (b, NULL, 0, NULL, 0) != 0)
      storekit_expect_text (b->why.text, "has lost what it kept");
  }
  ck_assert (strstr (rediskit_ask ("INFO stats"), "evicted_keys:0\r") == NULL);
  ck_assert_int_gt (kept, 1000);
  ck_assert_uint_gt (b->n_facts, 1000);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* ---- Scripts, connections --------------------------------------------------------------- */

START_TEST (a_script_that_was_forgotten_is_sent_again)
{
  struct storekit *a = storekit_open (NULL);
  struct kw_store_lease lease = { sizeof lease, 10, 5, 0, "l", 60000 };
  uint32_t granted = 0;

  put (a, "f", 1);
  rediskit_ask ("SCRIPT FLUSH");
  put (a, "f", 2);
  rediskit_ask ("SCRIPT FLUSH");
  ck_assert_int_eq (a->store->lease (a->handle, &lease, &granted, &a->why), 0);
  ck_assert_uint_eq (granted, 5);
  put (a, "f", 3);
  /* By name, the second time. */
  rediskit_ask ("CONFIG RESETSTAT");
  put (a, "f", 4);
  ck_assert (strstr (rediskit_ask ("INFO commandstats"), "cmdstat_eval:") == NULL);
  storekit_close (a);
}
END_TEST

/* The channel's connection alone: another is made, nothing is missed, and nobody
 * has to send anything again. */
START_TEST (a_cut_bell_misses_nothing)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  put (a, "f", 1);
  storekit_await (b, "f", "v");
  for (int i = 2; i < 5; i++) {
    rediskit_ask ("CLIENT KILL TYPE pubsub");
    storekit_put (a, "f", i, 0, "w");   /* a's own bell is cut, too */
    ck_assert_int_eq (storekit_stirs (b, 10000), 1);
    storekit_read (b);
    ck_assert_int_eq (storekit_fact (b, "f")->major, i);
    storekit_settle (b);
  }
  ck_assert_int_eq (storekit_fact (b, "f")->deliveries, 4);
  storekit_put (a, "f", 9, 0, "x");
  ck_assert_int_eq (storekit_stirs (b, 10000), 1);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (a_cut_connection_is_away_once_and_then_all_is_read)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);
  struct kw_store_fact f = { "f", "v", 1, 0, STOREKIT_NEVER };
  struct kw_store_count c = { "c", 1 };

  ck_assert_int_eq (storekit_sync (b, NULL, 0, NULL, 0), 0);
  ck_assert_int_eq (storekit_sync (a, &f, 1, &c, 1), 0);
  storekit_await (b, "f", "v");
  rediskit_ask ("CLIENT KILL TYPE normal SKIPME yes");
  ck_assert_int_eq (storekit_sync_again (a, &f, 1, &c, 1), KW_STORE_AWAY);
  ck_assert_int_eq (a->store->fd (a->handle), -1);
  ck_assert_int_eq (storekit_sync_again (a, &f, 1, &c, 1), 0);
  ck_assert_int_eq (storekit_sync (b, NULL, 0, NULL, 0), KW_STORE_AWAY);
  storekit_forget (b);
  storekit_read (b);
  ck_assert_ptr_nonnull (storekit_fact (b, "f"));
  ck_assert_int_eq (storekit_total (b, "c"), 1);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* A batch on a connection that was given up may still arrive, even after later
 * ones of its holder's. */
START_TEST (a_late_batch_is_not_counted_again)
{
  const struct storekit_how how = { .holder = "00000000000000aa" };
  struct storekit *late = storekit_open (&how), *k = storekit_open (&how);

  for (int i = 0; i < 3; i++)
    storekit_add_to (k, "c", 1);
  for (int i = 0; i < 3; i++)
    storekit_add_to (late, "c", 1);
  storekit_await_total (k, "c", 3);
  storekit_close (late);
  storekit_close (k);
}
END_TEST

static void
wait_for_change (int i, void *user)
{
  int64_t *least = user;        /* of all rounds so far */
  struct storekit *k = storekit_open (NULL);

  storekit_settle (k);
  storekit_gate ();
  for (int round = 0; round < 500 && *least >= rediskit_patience (50); round++) {
    char value[24];
    snprintf (value, sizeof value, "%d", round);
    if (i == 0) {
      int64_t began = storekit_ticks ();
      storekit_put (k, "f", round, 0, value);
      storekit_gate ();
      int64_t took = storekit_ticks () - began;
      *least = took < *least ? took : *least;
    } else {
      while (storekit_fact (k, "f") == NULL
             || strcmp (storekit_fact (k, "f")->value, value) != 0) {
        ck_assert_int_eq (storekit_stirs (k, 10000), 1);
        storekit_read (k);
      }
      storekit_gate ();
    }
    storekit_gate ();           /* all see the same, and go on or do not */
  }
  storekit_close (k);
}

/* From the call that keeps it to where the last of three others knows it.  As often
 * as it takes: the machine may have other things to do. */
START_TEST (others_know_within_50_ms)
{
  int64_t *least = storekit_shared (sizeof *least);

  *least = INT64_MAX;
  storekit_processes (4, wait_for_change, least);
  ck_assert_int_lt (*least, rediskit_patience (50));
}
END_TEST

/* ---- Others there ---------------------------------------------------------------------------- */

START_TEST (keys_of_others_are_left_alone)
{
  struct storekit *a = storekit_open (NULL);

  rediskit_ask ("SET mine 1");
  rediskit_ask ("SET keywheel 1");
  put (a, "f", 1);
  storekit_add_to (a, "c", 1);
  storekit_close (a);
  ck_assert_str_eq (rediskit_ask ("GET mine"), "1");
  ck_assert_str_eq (rediskit_ask ("GET keywheel"), "1");
  /* index, ends, batch, fact, counter */
  ck_assert_str_eq (rediskit_ask ("DBSIZE"), "7");
}
END_TEST

/* Nothing that has an end stays for ever, and nothing grows for ever. */
START_TEST (what_has_expired_leaves_nothing_behind)
{
  struct storekit *a = storekit_open (NULL);
  struct kw_store_lease lease = { sizeof lease, 10, 5, 0, "l", 60000 };
  uint32_t granted;

  for (int i = 0; i < 150; i++) {
    char name[32];
    snprintf (name, sizeof name, "f %d", i);
    storekit_put_until (a, name, 1, "v", storekit_now () + 1000);
  }
  storekit_add_to (a, "c", 1);
  ck_assert_int_eq (a->store->lease (a->handle, &lease, &granted, &a->why), 0);
  ck_assert_str_ne (rediskit_ask ("PTTL keywheel:l:l"), "-1");
  storekit_pass (INT64_C (400) * 86400000 + 1);
  put (a, "last", 1);
  put (a, "last", 2);
  ck_assert_str_eq (rediskit_ask ("ZCARD keywheel:ends"), "0");
  ck_assert_str_eq (rediskit_ask ("ZCARD keywheel:index"), "3"); /* epoch, revision, last */
  ck_assert_str_eq (rediskit_ask ("EXISTS keywheel:l:l keywheel:c:c"), "0");
  ck_assert_str_eq (rediskit_ask ("PTTL keywheel:b:%s", a->holder), "-2");
  storekit_close (a);
}
END_TEST

START_TEST (prefixes_and_databases_are_worlds_apart)
{
  static const char *const behind[] = { "", "?db=1", "?prefix=p:", "?db=1&prefix=p:" };
  struct storekit *all[STOREKIT_LEN (behind)];
  char specs[STOREKIT_LEN (behind)][sizeof storekit_spec + 64];
  const int64_t began = storekit_ticks ();

  for (size_t i = 0; i < STOREKIT_LEN (behind); i++) {
    snprintf (specs[i], sizeof specs[i], "%s%s", storekit_spec, behind[i]);
    all[i] = storekit_open (&(struct storekit_how) { .spec = specs[i] });
    storekit_settle (all[i]);
  }
  for (size_t i = 0; i < STOREKIT_LEN (behind); i++) {
    char name[24];
    snprintf (name, sizeof name, "f %zu", i);
    put (all[i], name, 1);
    storekit_settle (all[i]);
    for (size_t j = 0; j < STOREKIT_LEN (behind); j++) {
      /* By itself it stirs every five seconds. */
      ck_assert (!storekit_stirs (all[j], 0) || storekit_ticks () - began >= 5000);
      storekit_read (all[j]);
      ck_assert_msg ((storekit_fact (all[j], name) != NULL) == (i == j), "%s in %zu", name, j);
    }
  }
  for (size_t i = 0; i < STOREKIT_LEN (behind); i++)
    storekit_close (all[i]);
}
END_TEST

START_TEST (a_foreign_key_in_the_way_is_named_and_nothing_is_kept)
{
  struct storekit *a = storekit_open (NULL);
  struct kw_store_fact f[] = { { "g", "v", 1, 0, STOREKIT_NEVER },
                               { "f", "v", 1, 0, STOREKIT_NEVER } };

  rediskit_ask ("LPUSH keywheel:f:f x");
  ck_assert_int_eq (storekit_sync (a, f, 2, NULL, 0), KW_STORE_AWAY);
  storekit_expect_text (a->why.text, "?prefix=");
  ck_assert_str_eq (rediskit_ask ("EXISTS keywheel:f:g"), "0");
  storekit_close (a);
}
END_TEST

/* What cannot be a fact or a counter is not taken for one. */
START_TEST (nonsense_is_not_delivered)
{
  static const char *const values[] = {
    "", "x", "000000000000000000010000000000000000000100000000000000000000",
    "99999999999999999999" "00000000000000000001" "v",
    "0000000000000000000100000000000000000001value000000000000000000001",
  };
  struct storekit *a = storekit_open (NULL), *b;

  put (a, "good", 1);
  for (int i = 0; i < (int) STOREKIT_LEN (values); i++) {
    char key[64];
    snprintf (key, sizeof key, "keywheel:f:bad%d", i);
    rediskit_ask_words (3, (const char *const[]) { "SET", key, values[i] });
    rediskit_ask ("ZADD keywheel:index 0.%d f:bad%d", i + 1, i);
  }
  rediskit_ask ("SET keywheel:c:bad x");
  rediskit_ask ("ZADD keywheel:index 0.5 c:bad");
  b = storekit_open (NULL);
  storekit_read (b);
  ck_assert_int_eq (b->delivered, 1);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (a_counter_stops_at_the_end_of_its_range)
{
  struct storekit *a = storekit_open (NULL);

  storekit_add_to (a, "c", INT64_MAX - 1);
  storekit_add_to (a, "c", 5);
  storekit_await_total (a, "c", INT64_MAX);
  storekit_close (a);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("redis_server");
  TCase *t = tcase_create ("server");

  tcase_add_checked_fixture (t, rediskit_begin, rediskit_end);
  tcase_set_timeout (t, 60);
  tcase_add_loop_test (t, a_loss_is_noticed_once, 0, (int) STOREKIT_LEN (losses));
  tcase_add_test (t, a_batch_that_meets_a_loss_is_not_kept);
  tcase_add_test (t, a_loss_that_a_lease_met_first_is_noticed_by_sync);
  tcase_add_test (t, an_evicted_fact_is_sent_again);
  tcase_add_test (t, an_expired_fact_is_no_evicted_one);
  tcase_add_test (t, a_full_server_says_what_to_do);
  tcase_add_test (t, with_eviction_it_goes_on);
  tcase_add_test (t, a_script_that_was_forgotten_is_sent_again);
  tcase_add_test (t, a_cut_bell_misses_nothing);
  tcase_add_test (t, a_cut_connection_is_away_once_and_then_all_is_read);
  tcase_add_test (t, a_late_batch_is_not_counted_again);
  tcase_add_test (t, others_know_within_50_ms);
  tcase_add_test (t, keys_of_others_are_left_alone);
  tcase_add_test (t, what_has_expired_leaves_nothing_behind);
  tcase_add_test (t, prefixes_and_databases_are_worlds_apart);
  tcase_add_test (t, a_foreign_key_in_the_way_is_named_and_nothing_is_kept);
  tcase_add_test (t, nonsense_is_not_delivered);
  tcase_add_test (t, a_counter_stops_at_the_end_of_its_range);
  suite_add_tcase (s, t);
  return s;
}

REDISKIT_MAIN (suite)
