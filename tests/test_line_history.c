/* test_line_history - the ring's lines in a random history, which is compared with
 * a few numbers: no order is broken, no more are let through than were shown to be
 * admitted, nobody is forgotten.  Time is a number; what is random is the same each
 * time. */
#include <stdatomic.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "keyring.h"
#include "kwtest.h"

enum { CALLS = 60, STEPS = 60000 };
enum state { GONE = 0, READY, WAITING, FLYING };

struct call {
  struct kwi_waiter waiter;     /* first: woken by its address */
  enum state state;
  uint64_t id;
  size_t prefer;
  struct kwi_hold hold;
  int gated;                    /* it went through a gate, */
  int released;                 /* and since the last refusal */
  int woken;
  int64_t timer_ms;             /* or KWI_NEVER */
};

static struct call calls[CALLS];
static atomic_uint_fast64_t seq;
static struct kwi_keyring *r;
static uint64_t n_calls, random_state;
static int64_t now;
static int step, stay, n_served;
/* Of each key, the reference: whether there is a gate; how many went through it
 * since the last refusal, and may at most; how many ever were there meanwhile. */
static int limited[2], flying[2], window[2], most[2], half[2];

static size_t
below (size_t n)
{
  random_state = random_state * UINT64_C (6364136223846793005)
                 + UINT64_C (1442695040888963407);
  return (size_t) (random_state >> 33) % n;
}

static void
wake (struct kwi_waiter *w)
{
  ((struct call *) (void *) w)->woken = 1;
}

/* A gate is kept while somebody waits or is on his way. */
static void
forget_gates (void)
{
  int n[2] = { 0 };
  size_t i;

  for (i = 0; i < CALLS; i++)
    if (calls[i].state == WAITING)
      return;
    else if (calls[i].state == FLYING && calls[i].gated)
      n[calls[i].hold.key]++;
  for (i = 0; i < 2; i++)
    if (n[i] == 0)
      limited[i] = 0;
}

static struct call *
any_in (enum state state)
{
  size_t i, at = below (CALLS);

  for (i = 0; i < CALLS; i++, at = (at + 1) % CALLS)
    if (calls[at].state == state)
      return &calls[at];
  return NULL;
}

/* Nobody who came before may wait for what this one was given. */
static void
check_order (const struct call *c)
{
  size_t i;

  for (i = 0; i < CALLS; i++)
    ck_assert_msg (calls[i].state != WAITING || calls[i].id > c->id
                     || (calls[i].prefer != c->hold.key
                         && calls[i].prefer != KWI_NO_KEY),
                   "step %d: call %d goes, and %d has waited for longer", step,
                   (int) c->id, (int) calls[i].id);
}

static void
check_admitted (struct call *c)
{
  size_t k = c->hold.key, i;
  int n = 0;

  for (i = 0; i < CALLS; i++)
    n += calls[i].state == FLYING && calls[i].hold.key == k;
  if (n > most[k])
    most[k] = n;
  c->released = limited[k];
  c->gated = c->hold.line != NULL;
  if (!limited[k])
    return;
  flying[k]++;
  ck_assert_msg (flying[k] <= window[k], "step %d: %d on key %d, and %d may be",
                 step, flying[k], (int) k, window[k]);
}

static void
do_pick (struct call *c)
{
  struct kwi_want want = { .left_ms = 1000000 };
  struct kwi_pick p;

  c->woken = 0;
  c->timer_ms = KWI_NEVER;
  kwi_keyring_pick (r, "m", c->prefer, c->id, &c->waiter, &want, now, &p);
  switch (p.picked) {
  case KWI_PICK_KEY:
    c->state = FLYING;
    c->hold = p.hold;
    check_order (c);
    check_admitted (c);
    return;
  case KWI_PICK_BUSY:
    c->state = WAITING;
    if (p.ahead == 0)
      c->timer_ms = p.ready_ms;
    return;
  case KWI_PICK_LINE:
  case KWI_PICK_NONE:
    ck_assert (p.picked == KWI_PICK_LINE || p.limited_ready_ms != KWI_NEVER);
    c->state = WAITING;
    if (p.ahead == 0)
      c->timer_ms = p.limited_ready_ms;
    return;
  default:
    ck_abort_msg ("step %d: picked %d", step, p.picked);
  }
}

static void
land (struct call *c)
{
  size_t k = c->hold.key;

  if (c->released)
    flying[k]--;
  c->gated = c->released = 0;
}

static void
end (struct call *c)
{
  kwi_keyring_leave (r, &c->hold, "m", c->id, &c->waiter);
  memset (c, 0, sizeof *c);
  forget_gates ();
}

/* From now on only one may go, until it is served. */
static void
refuse (size_t k)
{
  size_t i;

  half[k] = most[k] / 2 + 1;
  limited[k] = window[k] = 1;
  flying[k] = 0;
  for (i = 0; i < CALLS; i++)
    if (calls[i].state == FLYING && calls[i].hold.key == k)
      calls[i].released = 0;
}

static void
do_answer (struct call *c, uint32_t outcome)
{
  struct kwi_judgement j = { .outcome = outcome, .wait_ms = -1,
                             .scope = outcome == KW_OUTCOME_RATE_LIMIT
                                      ? KW_SCOPE_KEY_MODEL : KW_SCOPE_REQUEST,
                             .reason = "requests_per_minute" };
  size_t k = c->hold.key, ahead;
  int was_released = c->released;
  struct kwi_effect e;

  if (outcome == KW_OUTCOME_RATE_LIMIT)
    j.wait_ms = 1000 + (int64_t) below (3000);
  land (c);
  kwi_keyring_report (r, &c->hold, "m", c->id, NULL, &j, !stay, 1000, now, now, &e);
  if (outcome == KW_OUTCOME_OK) {
    if (was_released)
      window[k] = window[k] == 1 && half[k] > 2 ? half[k] : window[k] + 1;
    n_served++;
    end (c);
    return;
  }
  c->state = READY;
  forget_gates ();
  if (outcome == KW_OUTCOME_RATE_LIMIT) {
    refuse (k);
    if (stay) {
      c->prefer = k;
      ck_assert_int_eq (kwi_keyring_line_up (r, &c->hold, "m", c->id, &c->waiter, &j,
                                             now + j.wait_ms, now, now, &ahead), 0);
      c->state = WAITING;
    }
  }
  else if (stay)
    c->prefer = k;
  do_pick (c);
}

/* What is due: who was woken, or whose time has come. */
static int
settle (void)
{
  int n = 0;
  size_t i;

  for (i = 0; i < CALLS; i++)
    if (calls[i].state == WAITING && (calls[i].woken || calls[i].timer_ms <= now)) {
      do_pick (&calls[i]);
      n++;
    }
  return n;
}

static int64_t
next_time (void)
{
  int64_t at = KWI_NEVER;
  size_t i;

  for (i = 0; i < CALLS; i++)
    if (calls[i].state == WAITING && calls[i].timer_ms < at)
      at = calls[i].timer_ms;
  return at;
}

static void
arrive (void)
{
  struct call *c = NULL;
  size_t i;

  for (i = 0; i < CALLS && c == NULL; i++)
    if (calls[i].state == GONE)
      c = &calls[i];
  if (c == NULL)
    return;
  c->id = ++n_calls;
  c->prefer = KWI_NO_KEY;
  c->hold.key = KWI_NO_KEY;
  do_pick (c);
}

static void
one_step (void)
{
  size_t what = below (100), i;
  struct call *c;

  if (what < 30)
    arrive ();
  else if (what < 60 && (c = any_in (FLYING)) != NULL)
    do_answer (c, below (100) < 75 ? KW_OUTCOME_OK
                  : below (3) > 0 ? KW_OUTCOME_RATE_LIMIT
                                            : KW_OUTCOME_TRANSIENT);
  else if (what < 63 && (c = any_in (WAITING)) != NULL)
    end (c);                    /* cancelled, or its deadline passed */
  else if (what < 66 && (c = any_in (FLYING)) != NULL) {
    land (c);
    end (c);                    /* it dies without an answer */
  }
  else if (what == 66 && below (10) == 0) {
    kwi_keyring_reset (r, 2, now);
    for (i = 0; i < 2; i++)     /* then one may try */
      if (limited[i])
        refuse (i);
  }
  else
    now += (int64_t) below (300);
}

/* Until nothing moves any more: then nobody may be left. */
static void
run_out (void)
{
  int left = 100000;
  struct call *c;
  size_t i;

  while (left-- > 0) {
    if (settle () > 0)
      continue;
    if ((c = any_in (FLYING)) != NULL)
      do_answer (c, KW_OUTCOME_OK);
    else if (next_time () != KWI_NEVER)
      now = next_time () > now ? next_time () : now;
    else
      break;
  }
  for (i = 0; i < CALLS; i++)
    ck_assert_msg (calls[i].state == GONE, "call %d was forgotten (step %d)",
                   (int) calls[i].id, step);
  ck_assert_uint_eq (kwi_keyring_waiting (r), 0);
}

static void
open_ring (int stays, int max_concurrency, size_t keys)
{
  size_t i;

  stay = stays;
  random_state = (uint64_t) (stays * 100 + max_concurrency * 10) + keys;
  memset (calls, 0, sizeof calls);
  memset (limited, 0, sizeof limited);
  memset (flying, 0, sizeof flying);
  memset (most, 0, sizeof most);
  memset (half, 0, sizeof half);
  memset (window, 0, sizeof window);
  now = 1000000;
  n_served = 0;
  n_calls = 0;
  r = kwi_keyring_new (&seq, wake);
  kwi_keyring_pace (r, 0, stays);
  kwi_keyring_strategy (r, KWI_PRIORITY, max_concurrency);
  for (i = 0; i < keys; i++)
    ck_assert_int_eq (kwi_keyring_add (r, i == 0 ? "a" : "b", i == 0 ? "a" : "b"), 0);
}

static void
history (int stays, int max_concurrency, size_t keys)
{
  open_ring (stays, max_concurrency, keys);
  for (step = 0; step < STEPS; step++) {
    one_step ();
    while (below (3) > 0 && settle () > 0)
      ;
    forget_gates ();
    if (step % 500 == 499)
      run_out ();
  }
  printf ("%s, %zu keys, max_concurrency %d: %d served of %d\n",
          stays ? "wait" : "switch", keys, max_concurrency, n_served, (int) n_calls);
  ck_assert_int_gt (n_served, 1000);
  kwi_keyring_free (r);
}

START_TEST (no_order_is_broken_none_is_forgotten_and_no_wall_is_run_into)
{
  static const struct { int stays, max_concurrency; size_t keys; } cases[] = {
    { 1, 0, 1 }, { 0, 0, 1 }, { 1, 3, 1 }, { 0, 3, 1 }, { 0, 0, 2 }, { 0, 2, 2 },
  };

  history (cases[_i].stays, cases[_i].max_concurrency, cases[_i].keys);
}
END_TEST

/* The first of a line waits for what the one ahead of it finds: also if that one,
 * refused, comes back behind it. */
START_TEST (the_first_is_told_when_the_one_that_tried_is_refused)
{
  struct call *old = &calls[0], *tries = &calls[1];
  struct kwi_judgement j = { .outcome = KW_OUTCOME_RATE_LIMIT, .wait_ms = 5000,
                             .scope = KW_SCOPE_KEY_MODEL };
  struct kwi_effect e;
  size_t ahead = 9;
  int i;

  open_ring (1, 0, 1);
  arrive ();
  arrive ();
  for (i = 0; i < 2; i++) {
    ck_assert_int_eq (tries->state, FLYING);
    kwi_keyring_report (r, &tries->hold, "m", tries->id, NULL, &j, 0, -1, now, now, &e);
    tries->prefer = 0;
    if (old->woken)             /* it is quick */
      do_pick (old);
    ck_assert_int_eq (kwi_keyring_line_up (r, &tries->hold, "m", tries->id,
                                           &tries->waiter, &j, now + 5000, now, now,
                                           &ahead), 0);
    if (i == 0) {
      now += 5000;
      do_pick (tries);
      do_answer (old, KW_OUTCOME_TRANSIENT);
      ck_assert_int_eq (old->state, WAITING);
      ck_assert (old->timer_ms == KWI_NEVER);
      ck_assert_int_eq (old->woken, 0);
    }
  }
  ck_assert_uint_eq (ahead, 1);
  ck_assert_int_eq (old->woken, 1);
  do_pick (old);
  ck_assert_int_eq (old->timer_ms, now + 5000);
  kwi_keyring_free (r);
}
END_TEST

START_TEST (who_waits_for_his_own_key_holds_up_nobody_from_another)
{
  open_ring (0, 1, 2);
  while (n_calls < 3)
    arrive ();
  ck_assert_int_eq (calls[2].state, WAITING);
  calls[0].prefer = 0;
  do_answer (&calls[0], KW_OUTCOME_TRANSIENT); /* no longer on its key */
  ck_assert_int_eq (calls[0].state, FLYING);
  (void) settle ();
  do_answer (&calls[0], KW_OUTCOME_OK);
  (void) settle ();
  ck_assert_int_eq (calls[2].state, FLYING);
  ck_assert_uint_eq (calls[2].hold.key, 0);
  arrive ();                    /* a retry, whose key the third has now */
  calls[0].prefer = 0;
  do_pick (&calls[0]);
  ck_assert_int_eq (calls[0].state, WAITING);
  ck_assert_int_eq (calls[3].state, GONE);
  while (n_calls < 5)
    arrive ();
  ck_assert_int_eq (calls[3].state, WAITING);
  do_answer (&calls[1], KW_OUTCOME_OK);
  (void) settle ();
  ck_assert_int_eq (calls[0].state, WAITING);
  ck_assert_int_eq (calls[3].state, FLYING);
  ck_assert_uint_eq (calls[3].hold.key, 1);
  do_answer (&calls[2], KW_OUTCOME_OK);
  (void) settle ();
  ck_assert_int_eq (calls[0].state, FLYING);
  ck_assert_uint_eq (calls[0].hold.key, 0);
  kwi_keyring_free (r);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("line history");
  TCase *tc = tcase_create ("history");

  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc,
                       no_order_is_broken_none_is_forgotten_and_no_wall_is_run_into,
                       0, 6);
  tcase_add_test (tc, the_first_is_told_when_the_one_that_tried_is_refused);
  tcase_add_test (tc, who_waits_for_his_own_key_holds_up_nobody_from_another);
  suite_add_tcase (s, tc);
  return s;
}

KW_MAIN (suite)
