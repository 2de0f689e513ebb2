/* test_line - a line by itself: its order is that of arrival, and as many may go
 * at a time as the limit has shown to admit.  Time is a number. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "kwtest.h"
#include "ring-line.h"

static struct kwi_line line;
static struct kwi_waiter waiters[10];

static size_t
join (uint64_t call)
{
  waiters[call].call = call;
  return kwi_line_join (&line, &waiters[call]);
}

static void
fresh_line (void)
{
  memset (&line, 0, sizeof line);
  memset (waiters, 0, sizeof waiters);
  line.window = UINT32_MAX;
}

START_TEST (the_order_is_that_of_arrival_however_they_join)
{
  static const uint64_t order[] = { 4, 7, 2, 5, 9, 1 };
  static const size_t ahead[] = { 0, 1, 0, 2, 4, 0 };
  uint64_t last = 0;
  size_t i;

  fresh_line ();
  for (i = 0; i < 6; i++)
    ck_assert_msg (join (order[i]) == ahead[i], "call %d", (int) order[i]);
  kwi_line_quit (&waiters[5]);
  for (i = 0; line.first != NULL; i++) {
    ck_assert_uint_gt (line.first->call, last);
    last = line.first->call;
    kwi_line_quit (line.first);
  }
  ck_assert_uint_eq (i, 5);
  ck_assert_ptr_null (line.last);
}
END_TEST

/* A refusal by 30 a minute, all used, that states two seconds. */
static struct kwi_judgement
refusal (int shows)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_RATE_LIMIT, .wait_ms = 2000,
                             .scope = KW_SCOPE_KEY_MODEL, .n_buckets = (uint32_t) shows,
                             .reason = "requests_per_minute" };

  j.bucket[0] = (struct kwi_bucket) {
    .rolling = 1, .limit = 30, .used = 30, .requested = 1, .window_ms = 60000,
    .have = KW_HAVE_LIMIT | KW_HAVE_USED | KW_HAVE_REQUESTED | KW_HAVE_WINDOW,
    .dimension = "requests_per_minute",
  };
  return j;
}

static const struct kwi_judgement served = { .outcome = KW_OUTCOME_OK };

/* How many go at once. */
static int
go (int64_t now)
{
  int n = 0;

  while (n < 100 && kwi_line_turn (&line, 50, now) == now) {
    (void) kwi_line_go (&line, now);
    n++;
  }
  return n;
}

static void
answer_all (int n, int64_t now)
{
  while (n-- > 0) {
    kwi_line_over (&line);
    kwi_line_served (&line, line.level.sent, &served, now);
  }
}

START_TEST (without_a_bucket_as_many_go_as_doubling_gives)
{
  struct kwi_judgement j = refusal (0);
  int n;

  fresh_line ();
  kwi_line_refused (&line, &j, 2000, 0, 0);
  ck_assert_int_eq (kwi_line_turn (&line, 50, 100), 2000);
  for (n = 1; n <= 32; n *= 2) {
    ck_assert_int_eq (go (2000), n);
    ck_assert_int_eq (kwi_line_turn (&line, 50, 2000), KWI_NEVER);
    answer_all (n, 2000);
  }
  kwi_line_refused (&line, &j, 5000, 3000, 3000);
  ck_assert_int_eq (kwi_line_turn (&line, 50, 3000), 5000);
  ck_assert_int_eq (go (5000), 1);
}
END_TEST

START_TEST (from_what_was_too_many_half_are_let_go_and_then_one_more_each_round)
{
  struct kwi_judgement j = refusal (0);
  int n;

  fresh_line ();
  kwi_line_refused (&line, &j, 2000, 0, 0);
  for (n = 1; n <= 8; n *= 2) {
    ck_assert_int_eq (go (2000), n);
    answer_all (n, 2000);
  }
  ck_assert_int_eq (go (2000), 16); /* of which ten are served */
  kwi_line_refused (&line, &j, 5000, 3000, 3000);
  for (n = 0; n < 16; n++)
    kwi_line_over (&line);
  ck_assert_int_eq (go (5000), 1);
  answer_all (1, 5000);
  for (n = 9; n < 20; n++) {
    ck_assert_int_eq (go (5000), n);
    answer_all (n, 5000);
  }
}
END_TEST

START_TEST (with_a_bucket_as_many_go_as_it_has_room_for)
{
  struct kwi_judgement j = refusal (1), ok = served;

  fresh_line ();
  kwi_line_refused (&line, &j, 2000, 0, 0);
  ck_assert_int_eq (go (2000), 1);
  answer_all (1, 2000);
  ck_assert_int_eq (kwi_line_turn (&line, 50, 2000), 4000);
  ck_assert_int_eq (go (4000), 1);
  /* An answer shows it: seven more have room. */
  ok.n_buckets = 1;
  ok.bucket[0] = j.bucket[0];
  ok.bucket[0].have = KW_HAVE_LIMIT | KW_HAVE_REMAINING | KW_HAVE_WINDOW;
  ok.bucket[0].remaining = 7;
  kwi_line_over (&line);
  kwi_line_served (&line, line.level.sent, &ok, 4000);
  ck_assert_int_eq (go (4000), 7);
}
END_TEST

START_TEST (a_window_that_ends_at_once_admits_all_of_it)
{
  struct kwi_judgement j = refusal (1);

  j.wait_ms = 40000;            /* far more than one in two seconds */
  fresh_line ();
  kwi_line_refused (&line, &j, 40000, 0, 0);
  ck_assert_int_eq (go (40000), 1);
  answer_all (1, 40000);
  ck_assert_int_eq (go (40000), 29);
}
END_TEST

START_TEST (a_clock_that_is_set_back_makes_no_wait_longer)
{
  struct kwi_judgement j = refusal (0);

  fresh_line ();
  kwi_line_refused (&line, &j, 1002000, 1000000, 1000000);
  ck_assert_int_eq (kwi_line_turn (&line, 50, 400000), 402000);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("line");
  TCase *tc = tcase_create ("line");

  tcase_add_test (tc, the_order_is_that_of_arrival_however_they_join);
  tcase_add_test (tc, without_a_bucket_as_many_go_as_doubling_gives);
  tcase_add_test (tc,
                  from_what_was_too_many_half_are_let_go_and_then_one_more_each_round);
  tcase_add_test (tc, with_a_bucket_as_many_go_as_it_has_room_for);
  tcase_add_test (tc, a_window_that_ends_at_once_admits_all_of_it);
  tcase_add_test (tc, a_clock_that_is_set_back_makes_no_wait_longer);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
