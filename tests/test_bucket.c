/* test_bucket - the arithmetic of allowances, against a bucket that is drained
 * a millisecond at a time, and against the messages that Groq really sent. */
#include <string.h>

#include <json-c/json.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "bucket.h"
#include "kwtest.h"

#define DAY 86400000
#define ALL (KW_HAVE_LIMIT | KW_HAVE_USED | KW_HAVE_WINDOW)

static struct kwi_bucket
seen (int64_t limit, int64_t used, int64_t window_ms)
{
  return (struct kwi_bucket) { .have = ALL, .rolling = 1, .limit = limit,
                               .used = used, .window_ms = window_ms };
}

static struct kwi_level
level (int64_t limit, int64_t used, int64_t window_ms, int64_t now)
{
  struct kwi_bucket b = seen (limit, used, window_ms);
  struct kwi_level l = { 0 };

  kwi_level_see (&l, &b, 0, 0, now);
  return l;
}

/* ---- Against a slow one --------------------------------------------------- */

/* Drained every millisecond; amounts are in 1/window of a unit. */
struct slow {
  int64_t limit, window, amount;
};

static int
slow_fits (const struct slow *s, int64_t n)
{
  return s->amount + n * s->window <= s->limit * s->window;
}

static void
slow_tick (struct slow *s)
{
  s->amount = s->amount > s->limit ? s->amount - s->limit : 0;
}

static uint64_t
next (uint64_t *state)
{
  *state = *state * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
  return *state >> 33;
}

/* A level loses less than one unit to rounding each time that it stood empty,
 * and none else: at any moment both admit the same, or the level is the one
 * that is later, by what one unit takes to refill. */
static void
run_both (uint64_t seed)
{
  uint64_t r = seed;
  struct slow s = { .limit = 1 + (int64_t) (next (&r) % 50),
                    .window = 1 + (int64_t) (next (&r) % 3000) };
  int64_t used = (int64_t) (next (&r) % (uint64_t) (s.limit + 1));
  struct kwi_level l = level (s.limit, used, s.window, 0);
  int64_t unit = s.window / s.limit + 1, now;

  s.amount = used * s.window;
  for (now = 0; now < 6000; now++, slow_tick (&s)) {
    int64_t n = 1 + (int64_t) (next (&r) % (uint64_t) (s.limit + 2));
    int64_t at = kwi_level_ready (&l, n, now), passed;
    struct slow ahead = s;

    if (n > s.limit) {
      ck_assert_msg (at == KWI_NEVER, "seed %d: %d of %d would pass", (int) seed,
                     (int) n, (int) s.limit);
      continue;
    }
    if (now % 17 == 0) {
      for (passed = 0; !slow_fits (&ahead, n); passed++)
        slow_tick (&ahead);
      ck_assert_msg (at >= now + passed && at <= now + passed + unit,
                     "seed %d, limit %d in %d ms, at %d: %d passes at %d, not %d",
                     (int) seed, (int) s.limit, (int) s.window, (int) now, (int) n,
                     (int) (now + passed), (int) at);
      ck_assert (at == now || kwi_level_room (&l, at - 1) < n);
      ck_assert (kwi_level_room (&l, at) >= n);
    }
    if (at == now && next (&r) % 3 == 0) {
      ck_assert_msg (slow_fits (&s, n), "seed %d at %d: %d was let through",
                     (int) seed, (int) now, (int) n);
      (void) kwi_level_book (&l, n, now);
      s.amount += n * s.window;
    }
  }
}

START_TEST (it_agrees_with_one_that_is_drained_every_millisecond)
{
  for (int seed = kwtest_scaled (300); seed > 0; seed--)
    run_both ((uint64_t) seed);
}
END_TEST

/* ---- Groq's own words ------------------------------------------------------- */

static int64_t
number (struct json_object *entry, const char *name)
{
  struct json_object *v = NULL;

  (void) json_object_object_get_ex (entry, name, &v);
  return v != NULL ? json_object_get_int64 (v) : -1;
}

static int64_t
window_named (const char *dimension)
{
  static const struct { const char *end; int64_t ms; } ends[] = {
    { "_per_day", DAY }, { "_per_hour", 3600000 }, { "_per_minute", 60000 },
  };
  size_t i;

  for (i = 0; dimension != NULL && i < sizeof ends / sizeof ends[0]; i++)
    if (strstr (dimension, ends[i].end) != NULL)
      return ends[i].ms;
  return 0;
}

/* 1: the entry has the numbers of a bucket and a wait, and they fit. */
static int
wait_fits (struct json_object *entry)
{
  struct json_object *v = NULL;
  int64_t limit = number (entry, "limit"), used = number (entry, "used"),
          requested = number (entry, "requested"), at;
  const char *dimension, *id;
  double stated_ms, unit_ms;
  struct kwi_level l;

  (void) json_object_object_get_ex (entry, "dimension", &v);
  dimension = v != NULL ? json_object_get_string (v) : NULL;
  (void) json_object_object_get_ex (entry, "id", &v);
  id = json_object_get_string (v);
  if (!json_object_object_get_ex (entry, "retry_after_s", &v) || v == NULL
      || limit <= 0 || used < 0 || requested < 0 || window_named (dimension) == 0)
    return 0;
  stated_ms = json_object_get_double (v) * 1000;
  l = level (limit, used, window_named (dimension), 1000);
  at = kwi_level_ready (&l, requested, 1000);
  if (requested > limit) {
    ck_assert_msg (at == KWI_NEVER, "%s: more than the limit would pass", id);
    return 1;
  }
  /* The numbers are rounded to whole ones: a part of one may be missing. */
  unit_ms = (double) window_named (dimension) / (double) limit;
  ck_assert_msg ((double) (at - 1000) > stated_ms - unit_ms - 1.5
                   && (double) (at - 1000) < stated_ms + unit_ms + 1.5,
                 "%s: %g ms are stated, %g computed", id, stated_ms,
                 (double) (at - 1000));
  return 1;
}

START_TEST (waits_are_those_that_messages_state)
{
  char path[512], line[16384];
  int n = 0, len = snprintf (path, sizeof path, "%s/tests/fixtures/groq.jsonl",
                             kwtest_srcdir ());
  FILE *f;

  ck_assert (len > 0 && (size_t) len < sizeof path);
  f = fopen (path, "r");
  ck_assert_ptr_nonnull (f);
  while (fgets (line, sizeof line, f) != NULL) {
    struct json_object *entry = json_tokener_parse (line);
    ck_assert_ptr_nonnull (entry);
    n += wait_fits (entry);
    json_object_put (entry);
  }
  (void) fclose (f);
  printf ("%d of Groq's messages state the wait that is computed\n", n);
  ck_assert_int_ge (n, 37);
}
END_TEST

/* ---- What was sent meanwhile ------------------------------------------------- */

START_TEST (requests_in_flight_do_not_count_on_the_same_room)
{
  struct kwi_level l = level (6000, 1000, 60000, 0);

  (void) kwi_level_book (&l, 3000, 0);
  ck_assert_int_eq (kwi_level_room (&l, 0), 2000);
  ck_assert_int_eq (kwi_level_ready (&l, 3000, 0), 10000);
}
END_TEST

START_TEST (a_sighting_has_what_was_sent_before_it_and_not_after)
{
  struct kwi_level l = level (6000, 0, 60000, 0);
  struct kwi_bucket b = seen (6000, 1200, 60000);
  int64_t first = kwi_level_book (&l, 1000, 0);
  int64_t second = kwi_level_book (&l, 500, 10);

  /* The first was counted as 1200; the second is still on its way. */
  kwi_level_see (&l, &b, first, 0, 100);
  ck_assert_int_eq (kwi_level_used (&l, 100), 1700);
  b.used = 1900;
  kwi_level_see (&l, &b, second, 0, 100);
  ck_assert_int_eq (kwi_level_used (&l, 100), 1900);
  /* The first's answer again, late: it knows less. */
  b.used = 1200;
  kwi_level_see (&l, &b, first, 0, 100);
  ck_assert_int_eq (kwi_level_used (&l, 100), 1900);
}
END_TEST

START_TEST (a_refusal_does_not_count_what_it_refused)
{
  struct kwi_level l = level (6000, 0, 60000, 0);
  struct kwi_bucket b = seen (6000, 5800, 60000);
  int64_t mark = kwi_level_book (&l, 1000, 0), later;

  later = kwi_level_book (&l, 100, 0);
  kwi_level_see (&l, &b, mark, 1, 0);
  ck_assert_int_eq (kwi_level_used (&l, 0), 5900);
  ck_assert_int_eq (kwi_level_ready (&l, 1000, 0), 9000);
  /* However late it comes, what it says holds. */
  b.used = 6000;
  kwi_level_see (&l, &b, later, 0, 0);
  kwi_level_see (&l, &b, mark, 1, 0);
  ck_assert_int_eq (kwi_level_used (&l, 0), 6100);
}
END_TEST

START_TEST (an_estimate_is_corrected_where_nothing_is_seen)
{
  struct kwi_level l = level (6000, 0, 60000, 0);
  struct kwi_bucket b = seen (6000, 2000, 60000);
  int64_t mark = kwi_level_book (&l, 1000, 0);

  kwi_level_settle (&l, mark, 1000, 700);
  ck_assert_int_eq (kwi_level_used (&l, 0), 700);
  kwi_level_settle (&l, mark, 700, 0);
  ck_assert_int_eq (kwi_level_used (&l, 0), 0);
  mark = kwi_level_book (&l, 1000, 0);
  kwi_level_see (&l, &b, mark, 0, 0);
  kwi_level_settle (&l, mark, 1000, 1);
  ck_assert_int_eq (kwi_level_used (&l, 0), 2000);
}
END_TEST

START_TEST (who_was_served_had_room)
{
  struct kwi_level l = level (6000, 5500, 60000, 0);
  int64_t mark = kwi_level_book (&l, 1000, 0);

  kwi_level_served (&l, mark, 0);
  ck_assert_int_eq (kwi_level_used (&l, 0), 6000);
  mark = kwi_level_book (&l, 1000, 0);
  (void) kwi_level_book (&l, 300, 0);
  kwi_level_served (&l, mark, 0);       /* of the later one nothing is known */
  ck_assert_int_eq (kwi_level_used (&l, 0), 6300);
}
END_TEST

/* ---- Windows that end ---------------------------------------------------------- */

START_TEST (a_fixed_window_is_refilled_at_its_end)
{
  struct kwi_bucket b = { .have = KW_HAVE_LIMIT | KW_HAVE_REMAINING
                                  | KW_HAVE_WINDOW | KW_HAVE_FULL_AT,
                          .limit = 100, .remaining = 10, .window_ms = 60000,
                          .full_at_ms = 45000 };
  struct kwi_level l = { 0 };

  kwi_level_see (&l, &b, 0, 0, 1000);
  ck_assert_int_eq (kwi_level_ready (&l, 10, 1000), 1000);
  ck_assert_int_eq (kwi_level_ready (&l, 11, 1000), 45000);
  ck_assert_int_eq (kwi_level_room (&l, 44999), 10);
  ck_assert_int_eq (kwi_level_room (&l, 45000), 100);
  (void) kwi_level_book (&l, 95, 170000);       /* windows end at 165 s, 225 s */
  ck_assert_int_eq (kwi_level_ready (&l, 6, 170000), 225000);
  ck_assert_int_eq (kwi_level_ready (&l, 101, 170000), KWI_NEVER);
}
END_TEST

START_TEST (who_waits_for_a_window_is_let_through_in_turn)
{
  struct kwi_bucket b = seen (100, 100, 60000);
  struct kwi_level l = { 0 };
  int64_t tickets[5];
  int i;

  b.rolling = 0;
  kwi_level_see (&l, &b, 0, 0, 0);
  /* Five of 50 each: two pass in each window. */
  for (i = 0; i < 5; i++) {
    ck_assert_int_eq (kwi_level_ready (&l, 50, 0), 60000 * (1 + i / 2));
    tickets[i] = kwi_level_enter (&l, 50);
  }
  for (i = 0; i < 5; i++)
    ck_assert_int_eq (kwi_level_turn (&l, tickets[i], 50, 0), 60000 * (1 + i / 2));
  for (i = 0; i < 5; i++) {
    int64_t now = 60000 * (1 + i / 2);
    ck_assert_int_eq (kwi_level_turn (&l, tickets[i], 50, now), now);
    kwi_level_leave (&l, 50);
    (void) kwi_level_book (&l, 50, now);
  }
}
END_TEST

START_TEST (who_waits_is_let_through_in_order_of_arrival)
{
  struct kwi_level l = level (6000, 6000, 60000, 0);
  int64_t first = kwi_level_enter (&l, 3000), second;

  ck_assert_int_eq (kwi_level_turn (&l, first, 3000, 0), 30000);
  ck_assert_int_eq (kwi_level_ready (&l, 100, 0), 31000);
  second = kwi_level_enter (&l, 100);
  ck_assert_int_eq (kwi_level_turn (&l, second, 100, 0), 31000);
  ck_assert_int_eq (kwi_level_turn (&l, first, 3000, 30000), 30000);
  ck_assert_int_eq (kwi_level_turn (&l, second, 100, 30000), 31000);
  kwi_level_leave (&l, 3000);   /* gave up */
  ck_assert_int_eq (kwi_level_turn (&l, second, 100, 1000), 1000);
}
END_TEST

START_TEST (a_sighting_forgets_nobody_who_waits)
{
  struct kwi_level l = level (6000, 6000, 60000, 0);
  struct kwi_bucket b = seen (6000, 5000, 60000);
  int64_t ticket = kwi_level_enter (&l, 3000);
  int64_t mark = kwi_level_book (&l, 100, 0);   /* somebody passed him by */

  kwi_level_see (&l, &b, mark, 0, 0);
  ck_assert_int_eq (kwi_level_turn (&l, ticket, 3000, 0), 20000);
  ck_assert_int_eq (kwi_level_ready (&l, 100, 0), 21000);
}
END_TEST

START_TEST (a_fixed_window_whose_end_is_not_said_ends_in_time)
{
  struct kwi_bucket b = seen (100, 100, 60000);
  struct kwi_level l = { 0 };

  b.rolling = 0;
  kwi_level_see (&l, &b, 0, 0, 1000);
  ck_assert_int_eq (kwi_level_ready (&l, 1, 1000), 61000);
  b.have = KW_HAVE_LIMIT | KW_HAVE_USED | KW_HAVE_FULL_AT;
  b.full_at_ms = 5000;          /* and of what length the next one is? */
  kwi_level_see (&l, &b, 0, 0, 1000);
  ck_assert_int_eq (kwi_level_ready (&l, 1, 1000), 5000);
  (void) kwi_level_book (&l, 1000, 5000);
  ck_assert_int_eq (kwi_level_ready (&l, 1, 5000), 5000);
}
END_TEST

START_TEST (a_window_may_be_told_by_when_it_is_full)
{
  struct kwi_bucket b = { .have = KW_HAVE_LIMIT | KW_HAVE_REMAINING
                                  | KW_HAVE_FULL_AT, .rolling = 1,
                          .limit = 6000, .remaining = 4500, .full_at_ms = 16000 };
  struct kwi_level l = { 0 };

  kwi_level_see (&l, &b, 0, 0, 1000);
  ck_assert_int_eq (l.window_ms, 60000);
  ck_assert_int_eq (kwi_level_ready (&l, 6000, 1000), 16000);
}
END_TEST

/* ---- What is not known, and what cannot be ------------------------------------- */

static const struct kwi_bucket empty[] = {
  { 0 },
  { .have = KW_HAVE_USED, .used = 7, .rolling = 1 },
  { .have = KW_HAVE_LIMIT, .limit = 7, .rolling = 1 },
  { .have = KW_HAVE_LIMIT | KW_HAVE_USED, .limit = 7, .used = 7, .rolling = 1 },
  { .have = ALL, .limit = 0, .used = 0, .window_ms = 60000 },
  { .have = ALL, .limit = -5, .used = 0, .window_ms = 60000 },
};

START_TEST (where_nothing_is_known_everything_passes)
{
  struct kwi_level l = { 0 };
  size_t i;

  for (i = 0; i < sizeof empty / sizeof empty[0]; i++) {
    kwi_level_see (&l, &empty[i], 0, 0, 1000);
    ck_assert_msg (kwi_level_ready (&l, INT64_MAX, 1000) == 1000,
                   "bucket %zu holds somebody up", i);
    ck_assert_int_eq (kwi_level_room (&l, 1000), INT64_MAX);
    (void) kwi_level_book (&l, 1, 1000);
  }
}
END_TEST

START_TEST (no_number_overflows)
{
  static const int64_t odd[] = { INT64_MIN, -1, 0, 1, 60000, INT64_MAX / 2,
                                 INT64_MAX - 1, INT64_MAX };
  enum { N = sizeof odd / sizeof odd[0] };
  int i;

  /* Every combination of seven of them, in the places that matter. */
  for (i = 0; i < N * N * N * N * N; i++) {
    int64_t a = odd[i % N], b = odd[i / N % N], c = odd[i / N / N % N],
            d = odd[i / N / N / N % N], now = odd[i / N / N / N / N];
    struct kwi_bucket k = { .have = UINT32_MAX, .rolling = i % 3 != 0, .limit = a,
                            .used = b, .remaining = c, .window_ms = c,
                            .full_at_ms = d };
    struct kwi_level l = { 0 };
    int64_t mark;

    if (i % 5 == 0)
      k.have &= ~KW_HAVE_USED;
    if (i % 7 == 0)
      k.have &= ~KW_HAVE_WINDOW;
    kwi_level_see (&l, &k, 0, 0, d);
    mark = kwi_level_book (&l, b, now);
    (void) kwi_level_book (&l, a, d);
    kwi_level_settle (&l, mark, b, c);
    kwi_level_served (&l, mark, now);
    kwi_level_see (&l, &k, mark, 1, now);
    ck_assert_int_ge (kwi_level_room (&l, now), 0);
    ck_assert_int_ge (kwi_level_used (&l, now), 0);
    (void) kwi_level_ready (&l, c, now);
    (void) kwi_level_turn (&l, kwi_level_enter (&l, b), a, now);
    kwi_level_leave (&l, d);
    ck_assert_int_ge (kwi_level_room (&l, now), 0);
    ck_assert (now < 0 || kwi_level_ready (&l, c, now) >= now);
  }
}
END_TEST

START_TEST (a_clock_that_is_set_back_locks_nothing_up)
{
  struct kwi_level l = level (60, 60, 60000, INT64_C (1000) * DAY);
  struct kwi_bucket b = seen (60, 60, 60000);
  int64_t at;

  ck_assert_int_eq (kwi_level_ready (&l, 1, 5000), 6000);
  /* By a moment it is not: an answer's time may be ahead of the next look. */
  ck_assert_int_eq (kwi_level_ready (&l, 1, INT64_C (1000) * DAY - 5),
                    INT64_C (1000) * DAY + 1000);
  (void) kwi_level_book (&l, 1, 5000);
  ck_assert_int_eq (kwi_level_ready (&l, 1, 5000), 7000);
  b.rolling = 0;
  kwi_level_see (&l, &b, l.sent, 0, INT64_C (1000) * DAY);
  (void) kwi_level_book (&l, 1, 5000);
  at = kwi_level_ready (&l, 1, 5000);
  ck_assert_int_eq (at, 65000);
}
END_TEST

static Suite *
bucket_suite (void)
{
  Suite *s = suite_create ("bucket");
  TCase *tc = tcase_create ("bucket");

  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, it_agrees_with_one_that_is_drained_every_millisecond);
  tcase_add_test (tc, waits_are_those_that_messages_state);
  tcase_add_test (tc, requests_in_flight_do_not_count_on_the_same_room);
  tcase_add_test (tc, a_sighting_has_what_was_sent_before_it_and_not_after);
  tcase_add_test (tc, a_refusal_does_not_count_what_it_refused);
  tcase_add_test (tc, an_estimate_is_corrected_where_nothing_is_seen);
  tcase_add_test (tc, who_was_served_had_room);
  tcase_add_test (tc, a_fixed_window_is_refilled_at_its_end);
  tcase_add_test (tc, who_waits_for_a_window_is_let_through_in_turn);
  tcase_add_test (tc, who_waits_is_let_through_in_order_of_arrival);
  tcase_add_test (tc, a_sighting_forgets_nobody_who_waits);
  tcase_add_test (tc, a_fixed_window_whose_end_is_not_said_ends_in_time);
  tcase_add_test (tc, a_window_may_be_told_by_when_it_is_full);
  tcase_add_test (tc, where_nothing_is_known_everything_passes);
  tcase_add_test (tc, no_number_overflows);
  tcase_add_test (tc, a_clock_that_is_set_back_locks_nothing_up);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (bucket_suite)
