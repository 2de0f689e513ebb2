/* The battery: what every store must keep of facts and counters, through several
 * handles and processes. */
#include "storekit.h"

#include <string.h>

START_TEST (the_module_says_who_it_is)
{
  const struct kw_store *s = storekit_load (storekit_backing->module);
  struct storekit *k = storekit_open (NULL);
  size_t scheme = strcspn (storekit_spec, ":");

  ck_assert_uint_eq (s->_header.abi_major, KW_STORE_ABI_MAJOR);
  ck_assert_uint_ge (s->_header.struct_size, sizeof *s);
  ck_assert_str_eq (s->name, storekit_backing->module);
  ck_assert (s->version[0] != '\0' && s->description[0] != '\0');
  storekit_spec[scheme] = '\0';
  storekit_expect_text (s->schemes, storekit_spec);
  ck_assert (s->where (k->handle)[0] != '\0');
  storekit_close (k);
}
END_TEST

START_TEST (the_first_sync_delivers_all)
{
  struct storekit *a = storekit_open (NULL), *b;

  storekit_put (a, "block x key:1 m tokens_per_day", 7, -3, "{\"until\":7}");
  storekit_add_to (a, "tokens x key:1", 40);
  b = storekit_open (NULL);
  storekit_read (b);
  storekit_expect (b, "block x key:1 m tokens_per_day", 7, -3, "{\"until\":7}");
  ck_assert_int_eq (storekit_fact (b, "block x key:1 m tokens_per_day")->expires_ms,
                    STOREKIT_NEVER);
  ck_assert_int_eq (storekit_total (b, "tokens x key:1"), 40);
  ck_assert_int_eq (b->delivered, 2);
  storekit_close (a);
  storekit_close (b);

  /* And after all of them have gone. */
  b = storekit_open (NULL);
  storekit_read (b);
  ck_assert_int_eq (b->delivered, 2);
  storekit_close (b);
}
END_TEST

/* ---- The greater stays ---------------------------------------------------------- */

struct triple {
  int64_t major, minor;
  const char *value;
};

/* Of each pair the second is the greater. */
static const struct triple pairs[][2] = {
  { { 1, 9, "z" }, { 2, 0, "a" } },
  { { 1, 1, "z" }, { 1, 2, "a" } },
  { { 1, 1, "a" }, { 1, 1, "b" } },
  { { 1, 1, "" }, { 1, 1, "a" } },
  { { 1, 1, "a" }, { 1, 1, "ab" } },
  { { 1, 1, "10" }, { 1, 1, "9" } },
  { { 1, 1, "B" }, { 1, 1, "a" } },
  { { 1, 1, "a " }, { 1, 1, "a!" } },
  { { 1, 1, "\x7f" }, { 1, 1, "\xc3\xa9" } },
  { { 1, 1, "\xef\xbf\xbd" }, { 1, 1, "\xf0\x9f\x94\x91" } },
  { { -2, 0, "" }, { -1, -5, "" } },
  { { -1, 0, "z" }, { 0, -1, "a" } },
  { { INT64_MIN, 0, "z" }, { INT64_MAX, 0, "a" } },
  { { INT64_MAX - 1, 0, "z" }, { INT64_MAX, 0, "a" } },
  { { INT64_MIN, 0, "z" }, { INT64_MIN + 1, 0, "a" } },
  { { 1, INT64_MAX - 1, "z" }, { 1, INT64_MAX, "a" } },
  { { INT64_C (9007199254740992), 0, "z" }, { INT64_C (9007199254740993), 0, "a" } },
  { { 1, INT64_C (-9007199254740993), "z" }, { 1, INT64_C (-9007199254740992), "a" } },
};

/* Each pair in both orders, as facts of their own. */
START_TEST (the_greater_stays_whichever_comes_first)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL), *c;
  char name[32];

  for (int i = 0; i < 2 * (int) STOREKIT_LEN (pairs); i++) {
    const struct triple *first = &pairs[i / 2][i % 2], *second = &pairs[i / 2][1 - i % 2];

    (void) snprintf (name, sizeof name, "pair %d", i);
    storekit_put (a, name, first->major, first->minor, first->value);
    storekit_put (b, name, second->major, second->minor, second->value);
    storekit_put (a, name, first->major, first->minor, first->value);
  }
  c = storekit_open (NULL);
  storekit_read (c);
  storekit_settle (b);
  for (int i = 0; i < 2 * (int) STOREKIT_LEN (pairs); i++) {
    const struct triple *more = &pairs[i / 2][1];

    (void) snprintf (name, sizeof name, "pair %d", i);
    storekit_expect (c, name, more->major, more->minor, more->value);
    storekit_expect (b, name, more->major, more->minor, more->value);
  }
  storekit_close (a);
  storekit_close (b);
  storekit_close (c);
}
END_TEST

START_TEST (within_a_batch_the_greater_stays_too)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);
  struct kw_store_fact facts[] = {
    { "f", "1", 1, 0, STOREKIT_NEVER }, { "f", "3", 3, 0, STOREKIT_NEVER },
    { "f", "2", 2, 0, STOREKIT_NEVER }, { "g", "1", 1, 0, STOREKIT_NEVER },
  };
  struct kw_store_count counts[] = { { "c", 1 }, { "d", 5 }, { "c", 2 } };

  ck_assert_int_eq (storekit_sync (a, facts, 4, counts, 3), 0);
  storekit_read (b);
  storekit_expect (b, "f", 3, 0, "3");
  storekit_expect (b, "g", 1, 0, "1");
  ck_assert_int_eq (storekit_total (b, "c"), 3);
  ck_assert_int_eq (storekit_total (b, "d"), 5);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* Alike in all that is compared, but for the end: the later end stays, else the
 * order would matter. */
START_TEST (of_two_alike_the_later_end_stays)
{
  int64_t soon = storekit_now () + 600000, later = storekit_now () + 3600000;
  struct storekit *a = storekit_open (NULL), *b;

  storekit_put_until (a, "f", 1, "v", soon);
  storekit_put_until (a, "f", 1, "v", later);
  storekit_put_until (a, "g", 1, "v", later);
  storekit_put_until (a, "g", 1, "v", soon);
  b = storekit_open (NULL);
  storekit_read (b);
  ck_assert_int_eq (storekit_fact (b, "f")->expires_ms, later);
  ck_assert_int_eq (storekit_fact (b, "g")->expires_ms, later);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

enum { NAMES = 12, PROCESSES = 6, WRITES = 60, VERSIONS = 40 };

/* Version v of name n, the same in all processes. */
static void
random_fact (int n, int v, char name[32], char value[32], struct kw_store_fact *f)
{
  uint64_t state = (uint64_t) (n * 1000 + v);

  (void) storekit_random (&state, 2);
  (void) snprintf (name, 32, "block %d", n);
  f->major = (int64_t) storekit_random (&state, 4) - 2;
  f->minor = (int64_t) storekit_random (&state, 3) - 1;
  (void) snprintf (value, 32, "%u", storekit_random (&state, 1000));
  f->name = name;
  f->value = value;
  f->expires_ms = STOREKIT_NEVER;
}

/* Does the handle know the greatest of each name?  must: it fails if not. */
static int
has_greatest (const struct storekit *k, int must)
{
  for (int n = 0; n < NAMES; n++) {
    char names[2][32], values[2][32];
    struct kw_store_fact best, f;
    int at = 0;

    random_fact (n, 0, names[0], values[0], &best);
    for (int v = 1; v < VERSIONS; v++) {
      random_fact (n, v, names[!at], values[!at], &f);
      if (storekit_greater (&f, &best)) {
        best = f;
        at = !at;
      }
    }
    if (must)
      storekit_expect (k, best.name, best.major, best.minor, best.value);
    else if (storekit_fact (k, best.name) == NULL
             || strcmp (storekit_fact (k, best.name)->value, best.value) != 0)
      return 0;
  }
  return 1;
}

/* Each version is written by one process at least. */
static void
write_in_random_order (int i, void *user)
{
  struct storekit *k = storekit_open (NULL);
  uint64_t state = (uint64_t) i + 1;
  int order[NAMES * VERSIONS], n = 0;
  int64_t deadline;

  (void) user;
  for (int j = 0; j < NAMES * VERSIONS; j++)
    if (j % PROCESSES == i || storekit_random (&state, 4) == 0)
      order[n++] = j;
  for (int j = n - 1; j > 0; j--) {
    int other = (int) storekit_random (&state, (uint32_t) j + 1), t = order[j];

    order[j] = order[other];
    order[other] = t;
  }
  for (int j = 0; j < n;) {
    struct kw_store_fact facts[5];
    char names[5][32], values[5][32];
    size_t in = 0, most = storekit_random (&state, 5) + 1;

    for (; in < most && j < n; j++, in++)
      random_fact (order[j] / VERSIONS, order[j] % VERSIONS, names[in], values[in],
                   &facts[in]);
    ck_assert_int_eq (storekit_sync (k, facts, in, NULL, 0), 0);
  }
  storekit_gate ();
  /* What all wrote has been committed, but may still be on its way here. */
  deadline = storekit_ticks () + 30000;
  for (storekit_read (k); !has_greatest (k, 0) && storekit_ticks () < deadline;
       storekit_read (k))
    (void) storekit_stirs (k, 50);
  (void) has_greatest (k, 1);
  storekit_close (k);
}

START_TEST (in_any_order_all_processes_end_with_the_same)
{
  struct storekit *k;

  storekit_processes (PROCESSES, write_in_random_order, NULL);
  k = storekit_open (NULL);
  storekit_read (k);
  (void) has_greatest (k, 1);
  storekit_close (k);
}
END_TEST

/* ---- Counters ---------------------------------------------------------------------- */

static void
count_up (int i, void *user)
{
  struct storekit *k = storekit_open (NULL);

  (void) user;
  for (int j = 0; j < WRITES; j++) {
    struct kw_store_count counts[] = { { "all", 3 }, { i % 2 == 0 ? "even" : "odd", 1 } };

    ck_assert_int_eq (storekit_sync (k, NULL, 0, counts, 2), 0);
    if (j % 7 == 0)
      ck_assert_int_eq (storekit_sync_again (k, NULL, 0, counts, 2), 0);
  }
  storekit_close (k);
}

START_TEST (counters_are_exact)
{
  struct storekit *k;

  storekit_processes (PROCESSES, count_up, NULL);
  k = storekit_open (NULL);
  storekit_read (k);
  ck_assert_int_eq (storekit_total (k, "all"), 3 * PROCESSES * WRITES);
  ck_assert_int_eq (storekit_total (k, "even"), PROCESSES / 2 * WRITES);
  ck_assert_int_eq (storekit_total (k, "odd"), PROCESSES / 2 * WRITES);
  storekit_close (k);
}
END_TEST

START_TEST (a_batch_that_comes_again_is_counted_once_and_its_facts_are_kept)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);
  struct kw_store_count c = { "c", 5 };
  struct kw_store_fact f = { "f", "v", 1, 0, STOREKIT_NEVER };

  ck_assert_int_eq (storekit_sync (a, NULL, 0, &c, 1), 0);
  ck_assert_int_eq (storekit_sync_again (a, &f, 1, &c, 1), 0);
  ck_assert_int_eq (storekit_sync_again (a, NULL, 0, &c, 1), 0);
  storekit_settle (b);
  ck_assert_int_eq (storekit_total (b, "c"), 5);
  storekit_expect (b, "f", 1, 0, "v");
  /* Another's batch of the same number is another batch. */
  ck_assert_int_eq (storekit_sync (b, NULL, 0, &c, 1), 0);
  storekit_await_total (a, "c", 10);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (counters_are_large)
{
  struct storekit *a = storekit_open (NULL), *b;

  storekit_add_to (a, "c", INT64_C (9007199254740993));
  storekit_add_to (a, "c", INT64_C (9007199254740992));
  b = storekit_open (NULL);
  storekit_read (b);
  ck_assert_int_eq (storekit_total (b, "c"), INT64_C (18014398509481985));
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* ---- Names and values ------------------------------------------------------------------ */

START_TEST (awkward_names_and_values_come_back_as_they_were)
{
  static const char *const texts[] = {
    "", " ", "'", "''; DROP TABLE facts; --", "\"", "\\", "\\n", "%s%n", "$1", "{}", "[*]?",
    "a:b", "~", "NULL", "0", "1e3", "-0", "{\"a\": [1, 2.50]}",
  };
  struct storekit *a = storekit_open (NULL), *b;
  char name[64];

  for (size_t i = 0; i < STOREKIT_LEN (texts); i++) {
    ck_assert_int_lt (snprintf (name, sizeof name, "n%s", texts[i]), (int) sizeof name);
    storekit_put (a, name, 1, 0, texts[i]);
    storekit_add_to (a, name, (int64_t) i + 1);
  }
  storekit_put (a, "controls", 1, 0, "\x01\t\r\n\x1b \xc3\xa9 \xf0\x9f\x94\x91");
  b = storekit_open (NULL);
  storekit_read (b);
  for (size_t i = 0; i < STOREKIT_LEN (texts); i++) {
    ck_assert_int_lt (snprintf (name, sizeof name, "n%s", texts[i]), (int) sizeof name);
    storekit_expect (b, name, 1, 0, texts[i]);
    ck_assert_int_eq (storekit_total (b, name), (int64_t) i + 1);
  }
  storekit_expect (b, "controls", 1, 0, "\x01\t\r\n\x1b \xc3\xa9 \xf0\x9f\x94\x91");
  ck_assert_uint_eq (b->n_facts, STOREKIT_LEN (texts) + 1);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (names_and_values_may_be_as_long_as_the_interface_says)
{
  struct storekit *a = storekit_open (NULL), *b;
  char name[1001], other[1001], value[4001];

  memset (name, 'n', sizeof name - 1);
  memset (value, 'v', sizeof value - 1);
  name[1000] = value[4000] = '\0';
  memcpy (other, name, sizeof other);
  other[999] = 'm';
  storekit_put (a, name, 1, 0, value);
  storekit_put (a, other, 2, 0, "");
  storekit_add_to (a, name, 1);
  storekit_add_to (a, other, 2);
  b = storekit_open (NULL);
  storekit_read (b);
  storekit_expect (b, name, 1, 0, value);
  storekit_expect (b, other, 2, 0, "");
  ck_assert_int_eq (storekit_total (b, name), 1);
  ck_assert_int_eq (storekit_total (b, other), 2);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (many_facts_in_one_batch)
{
  enum { N = 1500 };
  static struct kw_store_fact facts[N];
  static char names[N][32];
  struct storekit *a = storekit_open (NULL), *b;

  for (int i = 0; i < N; i++) {
    (void) snprintf (names[i], sizeof names[i], "f %d", i);
    facts[i] = (struct kw_store_fact) { names[i], names[i], i, -i, STOREKIT_NEVER };
  }
  ck_assert_int_eq (storekit_sync (a, facts, N, NULL, 0), 0);
  b = storekit_open (NULL);
  storekit_read (b);
  ck_assert_uint_eq (b->n_facts, N);
  for (int i = 0; i < N; i++)
    storekit_expect (b, names[i], i, -i, names[i]);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* ---- The battery --------------------------------------------------------------------------- */

void
storekit_add_facts (Suite *suite)
{
  TCase *t = storekit_case (suite, "facts");

  tcase_add_test (t, the_module_says_who_it_is);
  tcase_add_test (t, the_first_sync_delivers_all);
  tcase_add_test (t, the_greater_stays_whichever_comes_first);
  tcase_add_test (t, within_a_batch_the_greater_stays_too);
  tcase_add_test (t, of_two_alike_the_later_end_stays);
  tcase_add_test (t, in_any_order_all_processes_end_with_the_same);
  tcase_add_test (t, counters_are_exact);
  tcase_add_test (t, a_batch_that_comes_again_is_counted_once_and_its_facts_are_kept);
  tcase_add_test (t, counters_are_large);
  tcase_add_test (t, awkward_names_and_values_come_back_as_they_were);
  tcase_add_test (t, names_and_values_may_be_as_long_as_the_interface_says);
  tcase_add_test (t, many_facts_in_one_batch);
}
