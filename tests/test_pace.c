/* test_pace - requests of different sizes at keys whose buckets are known: who
 * passes, who waits, in which order, and what answers teach.  Time is a
 * number. */
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "keyring.h"
#include "kwtest.h"

#define DAY INT64_C (86400000)
#define MINUTE INT64_C (60000)

static atomic_uint_fast64_t seq;
static struct kwi_keyring *r;
static uint64_t calls;

static void
wake (struct kwi_waiter *waiter)
{
  (void) waiter;
}

static void
begin (int flags, int stay)
{
  atomic_store (&seq, 0);
  calls = 0;
  r = kwi_keyring_new (&seq, wake);
  kwi_keyring_pace (r, flags, stay);
  ck_assert_int_eq (kwi_keyring_add (r, "a", "aaaa"), 0);
  ck_assert_int_eq (kwi_keyring_add (r, "b", "bbbb"), 0);
}

static void
end (void)
{
  kwi_keyring_free (r);
}

/* A request of exactly that many tokens. */
static struct kwi_pick
ask (int64_t tokens, int64_t left_ms, struct kwi_hold *turn, int64_t now)
{
  struct kwi_size size = { .tokens = tokens };
  struct kwi_want want = { &size, left_ms, turn };
  struct kwi_pick p;

  kwi_keyring_pick (r, "m", KWI_NO_KEY, ++calls, NULL, &want, now, &p);
  return p;
}

static struct kwi_judgement
served (void)
{
  return (struct kwi_judgement) { .outcome = KW_OUTCOME_OK, .wait_ms = -1,
                                  .input_tokens = -1, .output_tokens = -1 };
}

/* "Limit, Used, Requested" of tokens. */
static struct kwi_judgement
refused (int64_t limit, int64_t used, int64_t requested, int64_t window_ms)
{
  struct kwi_judgement j = { .scope = KW_SCOPE_KEY_MODEL, .input_tokens = -1,
                             .output_tokens = -1, .n_buckets = 1 };
  const char *name = window_ms == DAY ? "tokens_per_day" : "tokens_per_minute";

  j.outcome = window_ms == DAY ? KW_OUTCOME_DAILY_LIMIT : KW_OUTCOME_RATE_LIMIT;
  j.wait_ms = (used + requested - limit) * window_ms / limit;
  (void) memccpy (j.reason, name, '\0', sizeof j.reason);
  j.bucket[0] = (struct kwi_bucket) {
    .scope = KW_SCOPE_KEY_MODEL, .rolling = 1, .limit = limit, .used = used,
    .requested = requested, .window_ms = window_ms,
    .have = KW_HAVE_LIMIT | KW_HAVE_USED | KW_HAVE_REQUESTED | KW_HAVE_WINDOW,
  };
  (void) memccpy (j.bucket[0].dimension, name, '\0', sizeof j.bucket[0].dimension);
  return j;
}

static struct kwi_effect
report (struct kwi_hold *hold, int64_t tokens, const struct kwi_judgement *j,
        int64_t now)
{
  struct kwi_size size = { .tokens = tokens, .bytes = tokens * 4, .max_tokens = 0 };
  struct kwi_effect e;

  kwi_keyring_report (r, hold, "m", calls, &size, j,
                      j->outcome == KW_OUTCOME_DAILY_LIMIT, -1, now, now, &e);
  return e;
}

/* Key by key, a request of so many tokens is refused. */
static void
refuse_all (int64_t limit, int64_t used, int64_t requested, int64_t window_ms)
{
  struct kwi_judgement j = refused (limit, used, requested, window_ms);
  size_t i;

  for (i = 0; i < 2; i++) {
    struct kwi_hold hold = { .key = i };
    (void) report (&hold, requested, &j, 0);
  }
}

#define goes_out_on(pick, name)                                         \
  do {                                                                  \
    struct kwi_pick p_ = (pick);                                        \
    ck_assert_int_eq (p_.picked, KWI_PICK_KEY);                         \
    ck_assert_int_eq (p_.wait_ms, 0);                                   \
    ck_assert_str_eq (kwi_keyring_name (r, p_.hold.key), name);         \
  } while (0)

#define waits_for(pick, ms)                                             \
  do {                                                                  \
    struct kwi_pick p_ = (pick);                                        \
    ck_assert_int_eq (p_.picked, KWI_PICK_KEY);                         \
    ck_assert_int_eq (p_.wait_ms, ms);                                  \
  } while (0)

/* ---- admission = exact ---------------------------------------------------- */

START_TEST (a_key_out_for_a_long_request_serves_short_ones)
{
  struct kwi_size size = { .tokens = 1000 };
  struct kwi_pick p;

  begin (KWI_PACE_EXACT, 1);
  refuse_all (100000, 96000, 5000, DAY);        /* 864 s for that one */
  p = ask (5000, DAY, NULL, 0);
  ck_assert_int_eq (p.picked, KWI_PICK_NONE);
  ck_assert_int_eq (p.ready_ms, 864000);
  goes_out_on (ask (3000, DAY, NULL, 0), "a");
  goes_out_on (ask (1000, DAY, NULL, 0), "a");
  goes_out_on (ask (1000, DAY, NULL, 0), "b");  /* a's room is booked */
  /* The time that is told is that of the size that is asked for. */
  p = ask (4500, DAY, NULL, 0);
  ck_assert_int_eq (p.ready_ms, 1296000);
  ck_assert_int_eq (kwi_keyring_next_ready (r, "m", &size, 0), 0);
  size.tokens = 3500;
  ck_assert_int_eq (kwi_keyring_next_ready (r, "m", &size, 0), 432000);
  size.tokens = 100001;         /* the provider's to say */
  ck_assert_int_eq (kwi_keyring_next_ready (r, "m", &size, 0), 0);
  end ();
}
END_TEST

START_TEST (as_stated_the_size_makes_no_difference)
{
  begin (0, 1);
  refuse_all (100000, 96000, 5000, DAY);
  ck_assert_int_eq (ask (10, DAY, NULL, 0).picked, KWI_PICK_NONE);
  ck_assert_int_eq (ask (10, DAY, NULL, 0).ready_ms, 864000);
  end ();
}
END_TEST

START_TEST (against_an_unpaid_bill_no_bucket_says_anything)
{
  struct kwi_judgement j = refused (100000, 0, 5, DAY);
  struct kwi_hold hold = { .key = 0 };
  struct kwi_effect e;

  begin (KWI_PACE_EXACT, 1);
  j.outcome = KW_OUTCOME_BILLING;
  j.wait_ms = -1;
  kwi_keyring_report (r, &hold, "m", 9, NULL, &j, 1, -1, 0, 0, &e);
  goes_out_on (ask (1, DAY, NULL, 0), "b");
  end ();
}
END_TEST

START_TEST (a_bucket_that_does_not_refill_steadily_is_found_out)
{
  struct kwi_judgement j = refused (100000, 99000, 5000, DAY);
  struct kwi_hold hold = { .key = 0 };

  begin (KWI_PACE_EXACT | KWI_PACE_WAIT, 1);
  j.wait_ms = 10 * 3600000;     /* "until midnight" */
  (void) report (&hold, 5000, &j, 0);
  hold.key = 1;
  (void) report (&hold, 5000, &j, 0);
  ck_assert_uint_eq (ask (1001, DAY, NULL, 3600000).hold.key, 0);
  ck_assert_int_eq (ask (1001, 1000, NULL, 3600000).ready_ms, j.wait_ms);
  goes_out_on (ask (1000, DAY, NULL, 3600000), "b");
  end ();
}
END_TEST

START_TEST (early_requests_that_fail_are_not_sent_again_and_again)
{
  struct kwi_judgement no = refused (100000, 96000, 5000, DAY), ok = served ();
  struct kwi_pick p;
  int64_t now = 0;
  int sent = 0, i;

  begin (KWI_PACE_EXACT, 1);
  refuse_all (100000, 96000, 5000, DAY);
  /* A provider that shows room and refuses all the same, for a day. */
  for (i = 0; i < 8640; i++, now += 10000) {
    p = ask (2000, 1000, NULL, now);
    if (p.picked != KWI_PICK_KEY)
      continue;
    sent++;
    no.wait_ms = 2 * 3600000;
    no.bucket[0].have &= ~KW_HAVE_REQUESTED;    /* nothing to compare it with */
    no.bucket[0].used = 90000;
    (void) report (&p.hold, 2000, &no, now);
  }
  /* A probe every two hours on each of two keys is 24; and a few more. */
  ck_assert_msg (sent <= 24 + 8, "%d were sent", sent);
  p = ask (100, DAY, NULL, now + DAY);
  (void) report (&p.hold, 100, &ok, now + DAY);
  end ();
}
END_TEST

/* ---- pace = on --------------------------------------------------------------- */

START_TEST (a_certain_429_waits_its_turn)
{
  struct kwi_pick first, second, third;

  begin (KWI_PACE_WAIT, 1);
  refuse_all (6000, 6000, 1000, MINUTE);
  first = ask (3000, DAY, NULL, 0);
  waits_for (first, 30000);
  second = ask (100, DAY, NULL, 0);     /* it would pass before, if it could */
  waits_for (second, 31000);
  third = ask (600, DAY, NULL, 0);
  waits_for (third, 37000);
  ck_assert_str_eq (first.by, "tokens_per_minute");
  /* Too early, and then in order. */
  second = ask (100, DAY, &second.hold, 30000);
  waits_for (second, 1000);
  goes_out_on (ask (3000, DAY, &first.hold, 30000), "a");
  goes_out_on (ask (100, DAY, &second.hold, 31000), "a");
  end ();
}
END_TEST

START_TEST (who_gives_up_leaves_his_place_to_others)
{
  struct kwi_pick first, second;

  begin (KWI_PACE_WAIT, 1);
  refuse_all (6000, 6000, 1000, MINUTE);
  first = ask (3000, DAY, NULL, 0);
  second = ask (100, DAY, NULL, 0);
  waits_for (second, 31000);
  kwi_keyring_leave (r, &first.hold, "m", 1, NULL);
  second = ask (100, DAY, &second.hold, 1000);
  waits_for (second, 0);
  end ();
}
END_TEST

START_TEST (a_wait_that_outlasts_the_deadline_is_not_begun)
{
  struct kwi_pick p;

  begin (KWI_PACE_WAIT, 1);
  refuse_all (6000, 6000, 1000, MINUTE);
  p = ask (3000, 30000, NULL, 0);
  ck_assert_int_eq (p.picked, KWI_PICK_NONE);
  ck_assert_uint_eq (p.limited_key, 0);
  ck_assert_int_eq (p.limited_ready_ms, 30000);
  waits_for (ask (3000, 30001, NULL, 0), 30000);        /* nothing was booked */
  end ();
}
END_TEST

START_TEST (with_switch_another_key_is_taken)
{
  begin (KWI_PACE_WAIT, 0);
  refuse_all (6000, 4000, 3000, MINUTE);
  goes_out_on (ask (2000, DAY, NULL, 0), "a");
  goes_out_on (ask (2000, DAY, NULL, 0), "b");
  waits_for (ask (1000, DAY, NULL, 0), 10000);
  end ();
}
END_TEST

START_TEST (a_day_that_is_used_up_is_no_wait_but_another_key)
{
  struct kwi_judgement j = refused (100000, 99000, 1001, DAY), ok = served ();
  struct kwi_hold hold = { .key = 0 };
  struct kwi_pick p;

  begin (KWI_PACE_WAIT, 1);
  (void) report (&hold, 1001, &j, 0);
  p = ask (900, DAY, NULL, 1000);       /* a has been revived by now */
  ck_assert_uint_eq (p.hold.key, 0);
  (void) report (&p.hold, 900, &ok, 1000);
  goes_out_on (ask (500, DAY, NULL, 1000), "b");
  end ();
}
END_TEST

START_TEST (what_is_larger_than_the_limit_is_the_providers_to_refuse)
{
  begin (KWI_PACE_WAIT, 1);
  refuse_all (6000, 6000, 1000, MINUTE);
  waits_for (ask (6000, DAY, NULL, 0), 60000);
  end ();
  begin (KWI_PACE_WAIT, 1);
  refuse_all (6000, 5000, 1001, MINUTE);
  goes_out_on (ask (6001, DAY, NULL, 0), "a");
  end ();
}
END_TEST

/* ---- What answers teach -------------------------------------------------------- */

START_TEST (headers_correct_what_was_booked)
{
  struct kwi_judgement ok = served ();
  struct kwi_pick p;

  begin (KWI_PACE_WAIT, 1);
  refuse_all (6000, 1000, 5001, MINUTE);
  p = ask (3000, DAY, NULL, 0);
  waits_for (ask (3000, DAY, NULL, 0), 10000);
  ok.n_buckets = 1;
  ok.bucket[0] = refused (6000, 0, 0, MINUTE).bucket[0];
  ok.bucket[0].have = KW_HAVE_LIMIT | KW_HAVE_REMAINING | KW_HAVE_WINDOW;
  ok.bucket[0].remaining = 5500;
  (void) report (&p.hold, 3000, &ok, 0);
  /* 500 are used, 3000 booked. */
  goes_out_on (ask (2500, DAY, NULL, 0), "a");
  waits_for (ask (600, DAY, NULL, 0), 6000);
  end ();
}
END_TEST

/* Twenty requests of 1000 tokens and max_tokens 4000, of which 50 come: what the
 * twenty-first is booked as, where headers fall by that much each time. */
static int64_t
learn_by_headers (int64_t counted)
{
  struct kwi_size size = { .bytes = 4000, .max_tokens = 4000 };
  struct kwi_want want = { &size, DAY, NULL };
  struct kwi_judgement ok = served ();
  struct kwi_pick p;
  struct kwi_effect e;
  int i;

  ok.input_tokens = 1000;
  ok.output_tokens = 50;
  ok.n_buckets = 1;
  ok.bucket[0] = refused (10000000, 0, 0, DAY).bucket[0];
  ok.bucket[0].have = KW_HAVE_LIMIT | KW_HAVE_REMAINING | KW_HAVE_WINDOW;
  ok.bucket[0].remaining = 1000000;
  for (i = 0; i < 20; i++) {
    kwi_keyring_pick (r, "m", KWI_NO_KEY, ++calls, NULL, &want, i, &p);
    ok.bucket[0].remaining -= counted;
    kwi_keyring_report (r, &p.hold, "m", calls, &size, &ok, 0, -1, i, i, &e);
  }
  kwi_keyring_pick (r, "m", KWI_NO_KEY, ++calls, NULL, &want, i, &p);
  ck_assert_int_eq (p.hold.booking.n, 1);
  return p.hold.booking.in[0].amount;
}

START_TEST (headers_teach_what_a_provider_counts)
{
  static const int64_t counted[] = { 5000, 1000, 1050 };
  size_t i;

  for (i = 0; i < 3; i++) {
    int64_t booked;
    begin (KWI_PACE_WAIT, 1);
    booked = learn_by_headers (counted[i]);
    ck_assert_msg (booked >= counted[i] && booked <= counted[i] * 11 / 10,
                   "counted as %d, booked as %d", (int) counted[i], (int) booked);
    end ();
  }
}
END_TEST

START_TEST (a_refused_request_costs_nothing)
{
  struct kwi_judgement other = { .outcome = KW_OUTCOME_REQUEST, .wait_ms = -1,
                                 .scope = KW_SCOPE_REQUEST, .input_tokens = -1,
                                 .output_tokens = -1 };
  struct kwi_pick p;

  begin (KWI_PACE_WAIT, 1);
  refuse_all (6000, 1000, 5001, MINUTE);
  p = ask (5000, DAY, NULL, 0);
  (void) report (&p.hold, 5000, &other, 0);
  goes_out_on (ask (5000, DAY, NULL, 0), "a");
  end ();
}
END_TEST

START_TEST (a_keys_bucket_is_the_accounts_once_that_is_known)
{
  struct kwi_judgement j = refused (6000, 6000, 1000, MINUTE);
  struct kwi_hold hold = { .key = 0 };

  begin (KWI_PACE_WAIT, 1);
  (void) report (&hold, 1000, &j, 0);
  (void) memccpy (j.account, "org", '\0', sizeof j.account);
  j.bucket[0].scope = KW_SCOPE_ACCOUNT_MODEL;
  j.bucket[0].used = 5000;
  j.bucket[0].requested = 1001;
  j.wait_ms = 10;
  (void) report (&hold, 1001, &j, 0);
  goes_out_on (ask (1000, DAY, NULL, 0), "a");
  end ();
}
END_TEST

START_TEST (a_reset_frees_who_waits_for_room)
{
  struct kwi_pick p;

  begin (KWI_PACE_EXACT | KWI_PACE_WAIT, 1);
  refuse_all (6000, 6000, 1000, MINUTE);
  p = ask (3000, DAY, NULL, 0);
  waits_for (p, 30000);
  kwi_keyring_reset (r, 0, 0);
  goes_out_on (ask (6000, DAY, NULL, 0), "a");
  goes_out_on (ask (3000, DAY, &p.hold, 0), "a");
  end ();
}
END_TEST

static Suite *
pace_suite (void)
{
  Suite *s = suite_create ("pace");
  TCase *tc = tcase_create ("exact");

  tcase_add_test (tc, a_key_out_for_a_long_request_serves_short_ones);
  tcase_add_test (tc, as_stated_the_size_makes_no_difference);
  tcase_add_test (tc, against_an_unpaid_bill_no_bucket_says_anything);
  tcase_add_test (tc, a_bucket_that_does_not_refill_steadily_is_found_out);
  tcase_add_test (tc, early_requests_that_fail_are_not_sent_again_and_again);
  suite_add_tcase (s, tc);
  tc = tcase_create ("pace");
  tcase_add_test (tc, a_certain_429_waits_its_turn);
  tcase_add_test (tc, who_gives_up_leaves_his_place_to_others);
  tcase_add_test (tc, a_wait_that_outlasts_the_deadline_is_not_begun);
  tcase_add_test (tc, with_switch_another_key_is_taken);
  tcase_add_test (tc, a_day_that_is_used_up_is_no_wait_but_another_key);
  tcase_add_test (tc, what_is_larger_than_the_limit_is_the_providers_to_refuse);
  suite_add_tcase (s, tc);
  tc = tcase_create ("answers");
  tcase_add_test (tc, headers_correct_what_was_booked);
  tcase_add_test (tc, headers_teach_what_a_provider_counts);
  tcase_add_test (tc, a_refused_request_costs_nothing);
  tcase_add_test (tc, a_reset_frees_who_waits_for_room);
  tcase_add_test (tc, a_keys_bucket_is_the_accounts_once_that_is_known);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (pace_suite)
