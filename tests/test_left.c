/* test_left - what is known to be left of each allowance, though nothing is parked:
 * from what answers showed, to kw_status. */
#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "clientkit.h"
#include "keyring.h"

#define MINUTE INT64_C (60000)
#define SEEN (KW_HAVE_LIMIT | KW_HAVE_REMAINING)

static atomic_uint_fast64_t seq;
static struct kwi_keyring *r;
static struct kwi_ring_view v;

static void
wake (struct kwi_waiter *waiter)
{
  (void) waiter;
}

static void
ring_setup (void)
{
  r = kwi_keyring_new (&seq, wake);
  ck_assert_int_eq (kwi_keyring_add (r, "primary", "aaaa"), 0);
  ck_assert_int_eq (kwi_keyring_add (r, "backup-1", "bbbb"), 0);
}

static void
ring_teardown (void)
{
  kwi_ring_view_clear (&v);
  kwi_keyring_free (r);
}

/* An answer on a key shows a bucket. */
static void
show (size_t key, const char *account, const struct kwi_bucket *b, int64_t now)
{
  struct kwi_judgement j = { .outcome = KW_OUTCOME_OK, .scope = KW_SCOPE_REQUEST,
                             .wait_ms = -1, .input_tokens = -1, .output_tokens = -1,
                             .n_buckets = 1 };
  struct kwi_hold hold = { .key = key };
  struct kwi_effect e;

  (void) memccpy (j.account, account, '\0', sizeof j.account);
  j.bucket[0] = *b;
  kwi_keyring_report (r, &hold, "m", 1, NULL, &j, 0, -1, now, now, &e);
}

static struct kwi_bucket
bucket (const char *dimension, uint32_t have, int64_t limit, int64_t remaining)
{
  struct kwi_bucket b = { .scope = KW_SCOPE_ACCOUNT_MODEL, .have = have,
                          .limit = limit, .remaining = remaining };

  (void) memccpy (b.dimension, dimension, '\0', sizeof b.dimension - 1);
  return b;
}

static const struct kwi_left_view *
look (size_t key, size_t n, int64_t now)
{
  kwi_ring_view_clear (&v);
  ck_assert_int_eq (kwi_keyring_view (r, "m", now, &v), 0);
  ck_assert_uint_eq (v.keys[key].n_left, n);
  return v.left + v.keys[key].first_left;
}

START_TEST (what_comes_back_steadily_is_more_each_moment)
{
  struct kwi_bucket b = bucket ("tokens_per_minute", SEEN | KW_HAVE_WINDOW, 6000, 3000);
  const struct kwi_left_view *l;

  b.rolling = 1;
  b.window_ms = MINUTE;
  show (0, "", &b, 1000);
  l = look (0, 1, 1000);
  ck_assert_str_eq (l->model, "m");
  ck_assert_str_eq (l->dimension, "tokens_per_minute");
  ck_assert_int_eq (l->limit, 6000);
  ck_assert_int_eq (l->remaining, 3000);
  ck_assert_int_eq (l->window_ms, MINUTE);
  ck_assert_int_eq (l->full_ms, 1000 + MINUTE / 2);
  ck_assert_int_eq (l->seen_ms, 1000);
  ck_assert_int_eq (l->rolling, 1);
  ck_assert_int_eq (l->account_wide, 0);
  ck_assert_uint_eq (v.keys[0].n_facts, 0);     /* it parks nothing */
  l = look (0, 1, 11000);
  ck_assert_int_eq (l->remaining, 4000);
  ck_assert_int_eq (l->full_ms, 1000 + MINUTE / 2);
  l = look (0, 1, 1000 + MINUTE / 2);
  ck_assert_int_eq (l->remaining, 6000);
  ck_assert_int_eq (l->full_ms, 1000 + MINUTE / 2);
  (void) look (1, 0, 1000);     /* the other key's is not known */
}
END_TEST

START_TEST (what_comes_back_at_once_is_the_same_until_then)
{
  struct kwi_bucket b = bucket ("requests", SEEN | KW_HAVE_FULL_AT, 100, 7);
  const struct kwi_left_view *l;

  b.full_at_ms = 50000;
  show (0, "", &b, 1000);
  l = look (0, 1, 49999);
  ck_assert_int_eq (l->remaining, 7);
  ck_assert_int_eq (l->full_ms, 50000);
  ck_assert_int_eq (l->rolling, 0);
  l = look (0, 1, 50000);
  ck_assert_int_eq (l->remaining, 100);
  ck_assert_int_eq (l->full_ms, 50000);
}
END_TEST

START_TEST (what_nobody_says_is_not_made_up)
{
  struct kwi_bucket b = bucket ("requests", SEEN, 100, 7);
  const struct kwi_left_view *l;

  show (0, "", &b, 1000);
  l = look (0, 1, 1000000);     /* it may come back, and nobody knows when */
  ck_assert_int_eq (l->limit, 100);
  ck_assert_int_eq (l->remaining, 7);
  ck_assert_int_eq (l->full_ms, 0);
  ck_assert_int_eq (l->window_ms, 0);
  b = bucket ("requests", KW_HAVE_REMAINING, 0, 6);
  show (0, "", &b, 2000);
  l = look (0, 1, 2000);
  ck_assert_int_eq (l->limit, -1);
  ck_assert_int_eq (l->remaining, 6);
  b = bucket ("requests", KW_HAVE_LIMIT, 50, 0);
  show (0, "", &b, 3000);
  l = look (0, 1, 3000);
  ck_assert_int_eq (l->limit, 50);
  ck_assert_int_eq (l->remaining, -1);
}
END_TEST

START_TEST (what_is_of_an_account_is_so_for_each_of_its_keys)
{
  struct kwi_bucket b = bucket ("tokens_per_day", SEEN, 1000, 900);
  const struct kwi_left_view *l;

  show (0, "", &b, 1000);       /* nobody knows whose key it is */
  b.remaining = 700;
  show (0, "org", &b, 999);     /* by another thread's clock */
  show (1, "org", &b, 999);
  for (size_t key = 0; key < 2; key++) {
    l = look (key, 1, 3000);
    ck_assert_int_eq (l->account_wide, 1);
    ck_assert_int_eq (l->remaining, 700);
  }
}
END_TEST

START_TEST (what_was_seen_before_a_reset_is_forgotten)
{
  struct kwi_bucket b = bucket ("tokens_per_day", SEEN, 1000, 900);

  show (0, "", &b, 1000);
  show (1, "", &b, 1000);
  kwi_keyring_reset (r, 0, 2000);
  (void) look (0, 0, 2000);
  (void) look (1, 1, 2000);
  show (0, "", &b, 3000);
  (void) look (0, 1, 3000);
}
END_TEST

START_TEST (what_is_booked_is_gone)
{
  struct kwi_bucket b = bucket ("tokens_per_minute", SEEN | KW_HAVE_WINDOW, 6000, 6000);
  const struct kwi_size size = { .tokens = 1000 };
  const struct kwi_want want = { .size = &size, .left_ms = KWI_NEVER };
  struct kwi_pick p;

  b.rolling = 1;
  b.window_ms = MINUTE;
  kwi_keyring_pace (r, KWI_PACE_WAIT, 1);
  show (0, "", &b, 1000);
  kwi_keyring_pick (r, "m", KWI_NO_KEY, 2, NULL, &want, 1000, &p);
  ck_assert_int_eq (p.picked, KWI_PICK_KEY);
  ck_assert_int_eq (look (0, 1, 1000)->remaining, 5000);
  kwi_keyring_leave (r, &p.hold, "m", 2, NULL);
}
END_TEST

/* ---- Of a client ------------------------------------------------------------------ */

START_TEST (a_client_tells_what_is_left)
{
  kw_status_info *st = NULL;
  const kw_bucket_info *tokens, *requests;

  kit_sim ("--key", "sk-a,name=A,tpm=6000,rpd=100", "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  kit_open ("");
  ck_assert_int_eq (kw_status (kit.client, NULL, &st), 0);
  ck_assert_ptr_null (kw_status_bucket (st, 0, 0));
  kw_status_free (st);
  kit_served_by ("primary");
  kit_advance (1000);
  kit_served_by ("primary");
  kit_advance (1000);
  ck_assert_int_eq (kw_status (kit.client, NULL, &st), 0);
  ck_assert_uint_eq (st->keys[0].n_limits, 0);
  requests = kw_status_bucket (st, 0, 0);
  tokens = kw_status_bucket (st, 0, 1);
  ck_assert_ptr_nonnull (tokens);
  ck_assert_ptr_null (kw_status_bucket (st, 0, 2));
  ck_assert_uint_eq (requests->struct_size, sizeof (kw_bucket_info));
  ck_assert_str_eq (requests->model, "m");
  ck_assert_str_eq (requests->dimension, "requests_per_day");
  ck_assert_int_eq (requests->limit, 100);
  ck_assert_int_eq (requests->remaining, 98);
  ck_assert_int_gt (requests->full_ms, st->now_ms + 864000);
  ck_assert_int_le (requests->full_ms, st->now_ms + 2 * 864000);
  ck_assert_int_le (requests->seen_ms, st->now_ms);
  ck_assert_str_eq (tokens->dimension, "tokens_per_minute");
  ck_assert_int_eq (tokens->limit, 6000);
  ck_assert_int_le (tokens->remaining, 6000);
  ck_assert_int_gt (tokens->remaining, 5000);
  ck_assert_ptr_null (kw_status_bucket (st, 1, 0));     /* it was not asked */
  ck_assert_ptr_null (kw_status_bucket (st, 2, 0));     /* there is none    */
  kw_status_free (st);
  kit_advance (MINUTE);
  ck_assert_int_eq (kw_status (kit.client, NULL, &st), 0);
  ck_assert_int_eq (kw_status_bucket (st, 0, 1)->remaining, 6000);
  ck_assert_int_le (kw_status_bucket (st, 0, 1)->full_ms, st->now_ms);
  kw_status_free (st);
}
END_TEST

static Suite *
left_suite (void)
{
  Suite *s = suite_create ("left");
  TCase *ring = tcase_create ("ring"), *client = tcase_create ("client");

  tcase_add_checked_fixture (ring, ring_setup, ring_teardown);
  tcase_add_test (ring, what_comes_back_steadily_is_more_each_moment);
  tcase_add_test (ring, what_comes_back_at_once_is_the_same_until_then);
  tcase_add_test (ring, what_nobody_says_is_not_made_up);
  tcase_add_test (ring, what_is_of_an_account_is_so_for_each_of_its_keys);
  tcase_add_test (ring, what_was_seen_before_a_reset_is_forgotten);
  tcase_add_test (ring, what_is_booked_is_gone);
  suite_add_tcase (s, ring);
  tcase_set_timeout (client, 60);
  tcase_add_checked_fixture (client, kit_setup, kit_teardown);
  tcase_add_test (client, a_client_tells_what_is_left);
  suite_add_tcase (s, client);
  return s;
}

KW_MAIN (left_suite)
