/* test_ring - the sets and heaps of the ring; and that the pick which looks at
 * a key or two agrees with the one that looks at all of them, whatever happened
 * before.  Time is a number; what is random is the same each time. */
#include <stdatomic.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "keyring.h"
#include "kwtest.h"
#include "ring-bits.h"
#include "ring-heap.h"

static uint64_t seed;

static size_t
below (size_t n)
{
  seed = seed * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
  return (size_t) (seed >> 33) % n;
}

/* ---- Sets and heaps -------------------------------------------------------- */

START_TEST (a_set_finds_the_next_member_across_levels)
{
  static const size_t sizes[] = { 1, 63, 64, 65, 4096, 4097, 300000 };
  size_t i, k;

  for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    size_t n = sizes[i];
    uint64_t *words = calloc (kwi_bits_words (n), sizeof *words);
    struct kwi_bits b;
    kwi_bits_init (&b, words, n);
    ck_assert_uint_eq (kwi_bits_next (&b, 0), n);
    kwi_bits_fill (&b);
    ck_assert_uint_eq (kwi_bits_next (&b, n - 1), n - 1);
    ck_assert_uint_eq (kwi_bits_next (&b, n), n);
    for (k = 0; k + 1 < n; k++)
      kwi_bits_drop (&b, k);
    ck_assert_msg (kwi_bits_next (&b, 0) == n - 1, "of %zu the last", n);
    kwi_bits_drop (&b, n - 1);
    ck_assert_uint_eq (kwi_bits_next (&b, 0), n);
    kwi_bits_add (&b, n / 2);
    ck_assert_msg (kwi_bits_next (&b, 0) == n / 2, "of %zu the middle", n);
    ck_assert_uint_eq (kwi_bits_next (&b, n / 2 + 1), n);
    free (words);
  }
}
END_TEST

START_TEST (a_heap_keeps_its_order_when_any_is_moved_or_taken)
{
  enum { N = 50, STEPS = 20000 };
  struct kwi_heap_item item[N];
  uint32_t pos[N] = { 0 };
  int64_t value[N];
  int in[N] = { 0 }, step;
  struct kwi_heap h = { item, 0, pos };
  size_t i, first;

  seed = 7;
  for (step = 0; step < STEPS; step++) {
    i = below (N);
    if (in[i] && below (2) == 0)
      kwi_heap_take (&h, i);
    else
      kwi_heap_put (&h, i, value[i] = (int64_t) below (30));
    in[i] = pos[i] != 0;
    for (i = 0, first = N; i < N; i++)
      if (in[i] && (first == N || value[i] < value[first]))
        first = i;
    ck_assert_msg (first == N ? h.n == 0 : item[0].i == first, "step %d", step);
  }
}
END_TEST

/* ---- Two rings ---------------------------------------------------------------- */

/* A flag that no bucket knows: the second ring looks at key after key. */
#define IN_TURN (1 << 8)

enum { CALLS = 40, MANY_MODELS = 90 };

static atomic_uint_fast64_t seqs[2];
static struct kwi_keyring *rings[2];
static int64_t now;
static uint64_t calls;
static int step;

static struct {
  int busy;
  uint64_t call;
  char model[16];
  struct kwi_hold hold[2];
} flights[CALLS];

static void
wake (struct kwi_waiter *w)
{
  (void) w;
}

static void
open_rings (size_t n)
{
  char name[16];
  size_t i;
  int k;

  for (k = 0; k < 2; k++) {
    atomic_store (&seqs[k], 0);
    rings[k] = kwi_keyring_new (&seqs[k], wake);
    for (i = 0; i < n; i++) {
      ck_assert_int_gt (snprintf (name, sizeof name, "k%zu", i), 0);
      ck_assert_int_eq (kwi_keyring_add (rings[k], name, name), 0);
    }
  }
  kwi_keyring_pace (rings[1], IN_TURN, 0);
  memset (flights, 0, sizeof flights);
  now = 1000000;
  calls = 0;
}

static void
close_rings (void)
{
  kwi_keyring_free (rings[0]);
  kwi_keyring_free (rings[1]);
}

static void
a_model (char model[16])
{
  size_t m = below (4) == 0 ? below (MANY_MODELS) : below (3);

  ck_assert_int_gt (snprintf (model, 16, "m%zu", m), 0);
}

/* every: also what it says when nothing is free. */
static void
compare (const struct kwi_pick *a, const struct kwi_pick *b, int every)
{
  size_t v;

  ck_assert_msg ((a->picked == KWI_PICK_KEY) == (b->picked == KWI_PICK_KEY)
                   && a->hold.key == b->hold.key && a->seq == b->seq
                   && a->prefer_verdict == b->prefer_verdict,
                 "step %d: %d key %zd (%u), and in turn %d key %zd (%u)", step,
                 a->picked, (ssize_t) a->hold.key, a->prefer_verdict, b->picked,
                 (ssize_t) b->hold.key, b->prefer_verdict);
  if (a->picked == KWI_PICK_KEY) {
    ck_assert_msg (a->probe == b->probe, "step %d: probe %d", step, a->probe);
    return;
  }
  if (!every)
    return;
  ck_assert_msg (a->picked == b->picked && a->ready_key == b->ready_key
                   && a->ready_ms == b->ready_ms
                   && a->limited_key == b->limited_key
                   && a->limited_ready_ms == b->limited_ready_ms,
                 "step %d: picked %d, key %zd at %lld, limited %zd at %lld; in "
                 "turn %d, %zd at %lld, %zd at %lld", step, a->picked,
                 (ssize_t) a->ready_key, (long long) a->ready_ms,
                 (ssize_t) a->limited_key, (long long) a->limited_ready_ms,
                 b->picked, (ssize_t) b->ready_key, (long long) b->ready_ms,
                 (ssize_t) b->limited_key, (long long) b->limited_ready_ms);
  for (v = 0; v < 8; v++)
    ck_assert_msg (a->n_by_verdict[v] == b->n_by_verdict[v],
                   "step %d: %zu keys by verdict %zu; in turn %zu", step,
                   a->n_by_verdict[v], v, b->n_by_verdict[v]);
}

static void
do_pick (size_t n, int every)
{
  size_t i = below (CALLS), prefer = below (2) == 0 ? below (n) : KWI_NO_KEY;
  int look = below (8) == 0, k;
  struct kwi_pick p[2];
  char model[16];

  if (flights[i].busy)
    return;
  a_model (model);
  calls++;
  for (k = 0; k < 2; k++)
    kwi_keyring_pick (rings[k], model, prefer, look ? 0 : calls, NULL, NULL, now,
                      &p[k]);
  compare (&p[0], &p[1], every);
  if (look || p[0].picked != KWI_PICK_KEY)
    return;
  flights[i].busy = 1;
  flights[i].call = calls;
  memcpy (flights[i].model, model, sizeof model);
  flights[i].hold[0] = p[0].hold;
  flights[i].hold[1] = p[1].hold;
}

static void
an_answer (struct kwi_judgement *j, int provider)
{
  static const uint32_t outcomes[] = {
    KW_OUTCOME_OK, KW_OUTCOME_OK, KW_OUTCOME_OK, KW_OUTCOME_DAILY_LIMIT,
    KW_OUTCOME_RATE_LIMIT, KW_OUTCOME_BILLING, KW_OUTCOME_AUTH,
    KW_OUTCOME_TRANSIENT
  };
  static const char *const reasons[] = { "a_day", "a_minute", "" };

  memset (j, 0, sizeof *j);
  j->outcome = outcomes[below (8)];
  j->scope = KW_SCOPE_REQUEST + (uint32_t) below (5);
  if (provider && below (20) == 0)
    j->scope = KW_SCOPE_PROVIDER;
  j->wait_ms = below (9) == 0 ? -1 : (int64_t) below (20000);
  j->input_tokens = j->output_tokens = 1;
  (void) memccpy (j->reason, reasons[below (3)], '\0', sizeof j->reason);
  if (below (3) == 0)
    ck_assert_int_gt (snprintf (j->account, sizeof j->account, "org_%zu",
                                below (5)), 0);
  if (below (9) == 0)
    a_model (j->model);
}

static void
do_report (int provider)
{
  size_t i = below (CALLS);
  struct kwi_judgement j;
  struct kwi_effect e[2];
  int k;

  if (!flights[i].busy)
    return;
  an_answer (&j, provider);
  for (k = 0; k < 2; k++)
    kwi_keyring_report (rings[k], &flights[i].hold[k], flights[i].model,
                        flights[i].call, NULL, &j,
                        j.outcome != KW_OUTCOME_OK
                          && j.outcome != KW_OUTCOME_TRANSIENT,
                        below (1) == 0 ? -1 : 0, now, now, &e[k]);
  ck_assert_msg (e[0].newly_parked == e[1].newly_parked
                   && e[0].revived == e[1].revived
                   && e[0].account_learnt == e[1].account_learnt
                   && e[0].n_members == e[1].n_members
                   && strcmp (e[0].members, e[1].members) == 0,
                 "step %d: the effect differs", step);
  flights[i].busy = 0;
}

static void
do_leave (void)
{
  size_t i = below (CALLS);
  int k;

  for (k = 0; flights[i].busy && k < 2; k++)
    kwi_keyring_leave (rings[k], &flights[i].hold[k], flights[i].model,
                       flights[i].call, NULL);
  flights[i].busy = 0;
}

/* A block that a clock set back made too long is cut when it is looked at, and
 * only then: so all are, at the same time. */
static void
look_at_all (void)
{
  struct kwi_ring_view v = { 0 };
  char model[16];
  size_t m;
  int k;

  for (m = 0; m < MANY_MODELS; m++)
    for (k = 0; k < 2; k++) {
      ck_assert_int_gt (snprintf (model, sizeof model, "m%zu", m), 0);
      ck_assert_int_eq (kwi_keyring_view (rings[k], model, now, &v), 0);
      kwi_ring_view_clear (&v);
    }
}

static void
do_time (void)
{
  if (below (40) == 0)
    now -= (int64_t) below (900);       /* a moment: another thread's clock */
  else if (below (400) == 0) {
    now -= (int64_t) below (100000);
    look_at_all ();
  }
  else
    now += (int64_t) below (700);
}

static void
do_next_ready (void)
{
  char model[16];
  int64_t at[2];

  a_model (model);
  at[0] = kwi_keyring_next_ready (rings[0], model, NULL, now);
  at[1] = kwi_keyring_next_ready (rings[1], model, NULL, now);
  ck_assert_msg (at[0] == at[1], "step %d: ready at %lld, in turn %lld", step,
                 (long long) at[0], (long long) at[1]);
}

static void
do_reset (size_t n)
{
  size_t key = below (3) == 0 ? n : below (n);

  kwi_keyring_reset (rings[0], key, now);
  kwi_keyring_reset (rings[1], key, now);
}

static void
go_through (size_t n, int provider, int steps)
{
  steps = kwtest_scaled (steps);
  open_rings (n);
  for (step = 0; step < steps; step++)
    switch (below (16)) {
    case 0:
      do_leave ();
      break;
    case 1: case 2:
      do_time ();
      break;
    case 3:
      do_next_ready ();
      break;
    case 4:
      if (below (60) == 0)
        do_reset (n);
      break;
    case 5: case 6: case 7: case 8: case 9:
      do_report (provider);
      break;
    default:
      do_pick (n, !provider);
    }
  close_rings ();
}

START_TEST (it_agrees_in_every_field_with_looking_at_every_key)
{
  static const size_t sizes[] = { 1, 2, 3, 5, 9, 70, 200 };

  seed = 11 + (uint64_t) _i;
  go_through (sizes[_i], 0, 60000);
}
END_TEST

START_TEST (it_agrees_where_the_provider_itself_is_parked_at_times)
{
  static const size_t sizes[] = { 1, 3, 9, 70 };

  seed = 5 + (uint64_t) _i;
  go_through (sizes[_i], 1, 40000);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("ring");
  TCase *tc = tcase_create ("ring");

  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, a_set_finds_the_next_member_across_levels);
  tcase_add_test (tc, a_heap_keeps_its_order_when_any_is_moved_or_taken);
  tcase_add_loop_test (tc, it_agrees_in_every_field_with_looking_at_every_key, 0, 7);
  tcase_add_loop_test (tc, it_agrees_where_the_provider_itself_is_parked_at_times,
                       0, 4);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
