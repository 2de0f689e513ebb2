/* The battery: leases, against the rule of keywheel/store.h written
 * down once more. */
#include "storekit.h"

#include <string.h>

static uint32_t
ask_for (struct storekit *k, const char *name, uint32_t limit, uint32_t want, uint32_t floor,
         int64_t ttl_ms)
{
  struct kw_store_lease lease = { sizeof lease, limit, want, floor, name, ttl_ms };
  uint32_t granted = UINT32_MAX;
  int rc = k->store->lease (k->handle, &lease, &granted, &k->why);

  ck_assert_msg (rc == KW_STORE_OK, "lease: %d %s", rc, k->why.text);
  return granted;
}

static uint32_t
ask (struct storekit *k, uint32_t limit, uint32_t want)
{
  return ask_for (k, "l", limit, want, 0, 60000);
}

/* ---- The rule ------------------------------------------------------------------------ */

enum { HOLDERS = 5, LEASES = 2, ROUNDS = 600 };

struct held {
  int there;
  uint32_t granted, want;
  int64_t expires_ms;
};

static uint32_t
least (int64_t a, int64_t b)
{
  return (uint32_t) (a < b ? a : b);
}

/* What the asker is to get, and who holds what then. */
static uint32_t
reference (struct held all[HOLDERS], int asker, int waits, uint32_t limit,
           uint32_t want, uint32_t floor, int64_t ttl_ms)
{
  int64_t others = 0, room;
  uint32_t n = 1, fair, grant;
  int starving = 0;

  for (int i = 0; i < HOLDERS; i++) {
    if (i == asker || !all[i].there || all[i].expires_ms <= storekit_now ())
      continue;
    others += all[i].granted;
    n += all[i].want > 0;
  }
  fair = limit / n > 0 ? limit / n : 1;
  for (int i = 0; i < HOLDERS; i++)
    if (i != asker && all[i].there && all[i].expires_ms > storekit_now ()
        && all[i].granted < all[i].want && all[i].granted < fair)
      starving = 1;
  room = others < limit ? limit - others : 0;
  grant = least (want, room);
  if (starving)
    grant = least (grant, fair);
  if (waits)
    grant = 0;
  all[asker] = (struct held) { want != 0 || floor != 0, grant > floor ? grant : floor,
                               want, storekit_now () + ttl_ms };
  return grant;
}

/* Turns, by the holders' names; order[p] is the holder at p. */
static int
is_on_turn (int p, int n, uint32_t limit)
{
  int64_t first = storekit_now () / KW_STORE_TURN_MS * limit % n;

  return (p - first + n) % n < limit;
}

static int
waits_for_its_turn (const struct held all[HOLDERS], struct storekit *const k[HOLDERS],
                    int asker, uint32_t limit)
{
  int order[HOLDERS], n = 0, own = 0, lacks = 0;

  for (int i = 0; i < HOLDERS; i++)
    if (i == asker || (all[i].there && all[i].want > 0
                       && all[i].expires_ms > storekit_now ()))
      order[n++] = i;
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++)
      if (strcmp (k[order[j]]->holder, k[order[i]]->holder) < 0) {
        int other = order[i];
        order[i] = order[j];
        order[j] = other;
      }
  if (n <= (int64_t) limit)
    return 0;
  for (int p = 0; p < n; p++)
    if (is_on_turn (p, n, limit)) {
      own |= order[p] == asker;
      lacks |= order[p] != asker && all[order[p]].granted == 0;
    }
  return lacks && !own;
}

START_TEST (grants_follow_the_rule)
{
  static const char *const names[LEASES] = { "l", "block' \"l\" %s" };
  struct held all[LEASES][HOLDERS];
  struct storekit *k[HOLDERS];
  uint64_t state = (uint64_t) _i + 1;

  memset (all, 0, sizeof all);
  for (int i = 0; i < HOLDERS; i++)
    k[i] = storekit_open (NULL);
  for (int round = 0; round < ROUNDS; round++) {
    int who = (int) storekit_random (&state, HOLDERS);
    int what = (int) storekit_random (&state, LEASES);
    uint32_t limit = storekit_random (&state, 2) == 0 ? storekit_random (&state, 4)
      : storekit_random (&state, 5) == 0 ? storekit_random (&state, 40) : 12;
    uint32_t want = storekit_random (&state, 3) == 0 ? 0 : storekit_random (&state, 14);
    uint32_t floor = storekit_random (&state, 2) == 0 ? 0 : storekit_random (&state, 4);
    int64_t ttl = 1000 * (1 + (int64_t) storekit_random (&state, 5));
    uint32_t is, ought, was = all[what][who].granted;

    is = ask_for (k[who], names[what], limit, want, floor, ttl);
    ought = reference (all[what], who, waits_for_its_turn (all[what], k, who, limit),
                       limit, want, floor, ttl);
    ck_assert_msg (is == ought,
                   "round %d: %d asks for %u of %u, floor %u, had %u: gets %u, not %u",
                   round, who, want, limit, floor, was, is, ought);
    storekit_pass (storekit_random (&state, 800));
  }
  for (int i = 0; i < HOLDERS; i++)
    storekit_close (k[i]);
}
END_TEST

/* ---- What it comes to ------------------------------------------------------------------ */

START_TEST (a_newcomer_gets_its_share_when_the_first_asks_again)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  ck_assert_uint_eq (ask (a, 10, 10), 10);
  ck_assert_uint_eq (ask (b, 10, 10), 0);
  ck_assert_uint_eq (ask (a, 10, 10), 5);
  ck_assert_uint_eq (ask (b, 10, 10), 5);
  ck_assert_uint_eq (ask (a, 10, 10), 5);
  /* And what is not wanted goes to who wants it. */
  ck_assert_uint_eq (ask (b, 10, 2), 2);
  ck_assert_uint_eq (ask (a, 10, 10), 8);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (who_are_more_than_the_places_take_turns)
{
  struct storekit *k[HOLDERS];
  int had[HOLDERS] = { 0 };

  for (int i = 0; i < HOLDERS; i++)
    k[i] = storekit_open (NULL);
  /* Each asks several times a second, and never has enough. */
  for (int round = 0; round < 200; round++)
    for (int i = 0; i < HOLDERS; i++) {
      had[i] += (int) ask (k[i], 2, 1);
      storekit_pass (20);
    }
  for (int i = 0; i < HOLDERS; i++) {
    ck_assert_msg (had[i] > 20, "%d had a place %d times of 200", i, had[i]);
    storekit_close (k[i]);
  }
}
END_TEST

START_TEST (what_is_in_use_is_not_granted_to_others)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  ck_assert_uint_eq (ask (a, 10, 10), 10);
  ck_assert_uint_eq (ask (b, 10, 10), 0);
  ck_assert_uint_eq (ask_for (a, "l", 10, 10, 9, 60000), 5);
  ck_assert_uint_eq (ask (b, 10, 10), 1);
  ck_assert_uint_eq (ask_for (a, "l", 10, 10, 5, 60000), 5);
  ck_assert_uint_eq (ask (b, 10, 10), 5);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (a_lease_ends_by_itself)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  ck_assert_uint_eq (ask_for (a, "l", 10, 10, 0, 5000), 10);
  storekit_pass (4999);
  ck_assert_uint_eq (ask (b, 10, 10), 0);
  storekit_pass (1);
  ck_assert_uint_eq (ask (b, 10, 10), 10);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (asking_again_makes_it_last)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  ck_assert_uint_eq (ask_for (a, "l", 10, 10, 0, 5000), 10);
  storekit_pass (4000);
  ck_assert_uint_eq (ask_for (a, "l", 10, 10, 0, 5000), 10);
  storekit_pass (4000);
  ck_assert_uint_eq (ask (b, 10, 10), 0);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (wanting_none_gives_all_back)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  ck_assert_uint_eq (ask (a, 10, 10), 10);
  ck_assert_uint_eq (ask (a, 10, 0), 0);
  ck_assert_uint_eq (ask (b, 10, 10), 10);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (closing_gives_all_of_this_holder_back_and_nothing_of_others)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);
  struct storekit *c = storekit_open (NULL);

  ck_assert_uint_eq (ask (a, 10, 6), 6);
  ck_assert_uint_eq (ask_for (a, "m", 10, 10, 0, 60000), 10);
  ck_assert_uint_eq (ask (c, 10, 3), 3);
  storekit_close (a);
  ck_assert_uint_eq (ask (b, 10, 10), 7);
  ck_assert_uint_eq (ask_for (b, "m", 10, 10, 0, 60000), 10);
  storekit_close (b);
  storekit_close (c);
}
END_TEST

START_TEST (a_lease_is_neither_a_fact_nor_a_counter)
{
  struct storekit *a = storekit_open (NULL), *b;

  storekit_put (a, "l", 1, 0, "v");
  storekit_add_to (a, "l", 4);
  ck_assert_uint_eq (ask (a, 10, 6), 6);
  b = storekit_open (NULL);
  storekit_read (b);
  ck_assert_int_eq (b->delivered, 2);
  ck_assert_str_eq (storekit_fact (b, "l")->value, "v");
  ck_assert_int_eq (storekit_total (b, "l"), 4);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

START_TEST (limits_may_be_as_large_as_the_field)
{
  struct storekit *a = storekit_open (NULL), *b = storekit_open (NULL);

  ck_assert_uint_eq (ask (a, UINT32_MAX, UINT32_MAX), UINT32_MAX);
  ck_assert_uint_eq (ask_for (b, "l", UINT32_MAX, UINT32_MAX, UINT32_MAX, 60000), 0);
  ck_assert_uint_eq (ask (a, UINT32_MAX, UINT32_MAX), 0);
  storekit_close (a);
  storekit_close (b);
}
END_TEST

/* What each has now, in memory that the processes share. */
static void
hold_some (int i, void *user)
{
  struct storekit *k = storekit_open (NULL);
  uint32_t *have = user;
  uint64_t state = (uint64_t) i + 1;

  for (int round = 0; round < 25; round++) {
    uint32_t sum = 0;

    have[i] = ask (k, 10, 1 + storekit_random (&state, 10));
    storekit_gate ();
    for (int j = 0; j < HOLDERS; j++)
      sum += have[j];
    ck_assert_uint_le (sum, 10);
    storekit_gate ();
  }
  storekit_close (k);
}

START_TEST (processes_together_never_hold_more_than_there_are)
{
  storekit_processes (HOLDERS, hold_some, storekit_shared (HOLDERS * sizeof (uint32_t)));
}
END_TEST

void
storekit_add_leases (Suite *suite)
{
  TCase *t = storekit_case (suite, "leases");

  tcase_add_loop_test (t, grants_follow_the_rule, 0, 3);
  tcase_add_test (t, a_newcomer_gets_its_share_when_the_first_asks_again);
  tcase_add_test (t, who_are_more_than_the_places_take_turns);
  tcase_add_test (t, what_is_in_use_is_not_granted_to_others);
  tcase_add_test (t, a_lease_ends_by_itself);
  tcase_add_test (t, asking_again_makes_it_last);
  tcase_add_test (t, wanting_none_gives_all_back);
  tcase_add_test (t, closing_gives_all_of_this_holder_back_and_nothing_of_others);
  tcase_add_test (t, a_lease_is_neither_a_fact_nor_a_counter);
  tcase_add_test (t, limits_may_be_as_large_as_the_field);
  tcase_add_test (t, processes_together_never_hold_more_than_there_are);
}
