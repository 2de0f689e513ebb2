/* statekit - a state store that is a table, and processes that share it: rings
 * with their states.  Time is a number, chance a seed; nothing runs by itself. */
#ifndef STATEKIT_H
#define STATEKIT_H

#include <stdatomic.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "keyring.h"
#include "kwtest.h"
#include "state-fact.h"
#include "state.h"

#define DAY INT64_C (86400000)
#define BEGIN INT64_C (1700000000000)

/* ---- Time and chance -------------------------------------------------------------- */

static int64_t now;
static uint64_t chance;

static inline int64_t
get_now (void *ctx)
{
  (void) ctx;
  return now;
}

static inline uint64_t
draw (void *ctx)
{
  (void) ctx;
  chance ^= chance << 13;
  chance ^= chance >> 7;
  return chance ^= chance << 17;
}

static inline size_t
below (size_t n)
{
  return (size_t) (draw (NULL) % n);
}

static inline void
no_wait (void *ctx, int64_t ms)
{
  (void) ctx;
  now += ms;
}

static const struct kwi_clock clock_of_test = {
  .mono_ms = get_now, .wall_ms = get_now, .random = draw, .wait = no_wait
};

/* ---- A store ------------------------------------------------------------------------ */

static inline void
put (char *to, size_t size, const char *text)
{
  ck_assert_uint_lt (strlen (text), size);
  memcpy (to, text, strlen (text) + 1);
}

enum { MANY = 400 };

struct row {
  char name[1001], value[4001];
  int64_t major, minor;
  unsigned rev;
};

static struct row rows[MANY];
static size_t n_rows;
static struct { char name[1001]; int64_t total; unsigned rev; } counts[64];
static size_t n_counts;
static unsigned revision;
static struct { char holder[17]; uint64_t number; } batches[16];
static int is_away, lose_answer, max_at_once, pace_flags;
static void (*within_lease) (void);     /* happens while a lease is asked for */
static int shuffled;            /* hands over in any order, some of it twice */

static struct {
  char name[200], holder[17];
  uint32_t held, want;
  int64_t expires_ms;
} leases[64];

struct kw_store_handle {
  unsigned seen;
  char holder[17];
};

static struct kw_store_handle *closed;  /* the last that was */

static inline int
fake_open (const struct kw_store_setup *setup, struct kw_store_handle **ret,
           struct kw_store_error *why)
{
  struct kw_store_handle *h = calloc (1, sizeof *h);

  (void) why;
  closed = NULL;
  ck_assert_ptr_nonnull (h);
  ck_assert_uint_eq (strlen (setup->holder), 16);
  memcpy (h->holder, setup->holder, 17);
  *ret = h;
  return 0;
}

static inline void
fake_close (struct kw_store_handle *h)
{
  closed = h;
  for (size_t i = 0; i < 64; i++)
    if (strcmp (leases[i].holder, h->holder) == 0)
      leases[i].name[0] = '\0';
  free (h);
}

static inline const char *
fake_where (struct kw_store_handle *h)
{
  (void) h;
  return "a table";
}

static inline int
fake_fd (struct kw_store_handle *h)
{
  (void) h;
  return -1;
}

static inline void
keep_fact (const struct kw_store_fact *f)
{
  size_t i;

  ck_assert_uint_le (strlen (f->name), 1000);
  ck_assert_uint_le (strlen (f->value), 4000);
  ck_assert_int_gt (f->expires_ms, now);
  for (i = 0; i < n_rows && strcmp (rows[i].name, f->name) != 0; i++)
    ;
  ck_assert_uint_lt (i, MANY);
  if (i < n_rows
      && (f->major < rows[i].major
          || (f->major == rows[i].major && f->minor < rows[i].minor)
          || (f->major == rows[i].major && f->minor == rows[i].minor
              && strcmp (f->value, rows[i].value) <= 0)))
    return;
  n_rows += i == n_rows;
  put (rows[i].name, sizeof rows[i].name, f->name);
  put (rows[i].value, sizeof rows[i].value, f->value);
  rows[i].major = f->major;
  rows[i].minor = f->minor;
  rows[i].rev = ++revision;
}

static inline void
keep_count (const struct kw_store_count *c)
{
  size_t i;

  ck_assert_int_gt (c->add, 0);
  for (i = 0; i < n_counts && strcmp (counts[i].name, c->name) != 0; i++)
    ;
  ck_assert_uint_lt (i, 64);
  if (i == n_counts)
    put (counts[n_counts++].name, sizeof counts[0].name, c->name);
  counts[i].total += c->add;
  counts[i].rev = ++revision;
}

/* Is the batch one that is here already?  Remembers it. */
static inline int
is_again (const char *holder, uint64_t number)
{
  size_t i;

  for (i = 0; batches[i].number != 0 && strcmp (batches[i].holder, holder) != 0;
       i++)
    ck_assert_uint_lt (i, 15);
  if (batches[i].number == number)
    return 1;
  ck_assert_uint_eq (batches[i].number + 1, number);
  put (batches[i].holder, sizeof batches[i].holder, holder);
  batches[i].number = number;
  return 0;
}

static inline void
hand_over (struct kw_store_handle *h, const struct kw_store_sink *sink)
{
  size_t i, rounds = shuffled ? 2 : 1, from = shuffled ? below (n_rows + 1) : 0;

  for (i = 0; i < n_rows * rounds; i++) {
    const struct row *r = &rows[(i + from) % n_rows];
    struct kw_store_fact f = { r->name, r->value, r->major, r->minor, INT64_MAX };
    if (r->rev > h->seen)
      sink->fact (sink->user, &f);
  }
  for (i = 0; i < n_counts; i++)
    if (counts[i].rev > h->seen)
      sink->count (sink->user, counts[i].name, counts[i].total);
  h->seen = revision;
}

static inline int
fake_sync (struct kw_store_handle *h, const struct kw_store_batch *b,
           const struct kw_store_sink *sink, struct kw_store_error *why)
{
  size_t i;

  ck_assert_ptr_ne (h, closed);
  if (is_away) {
    put (why->text, sizeof why->text, "the table is away");
    return KW_STORE_AWAY;
  }
  if (b != NULL && !is_again (h->holder, b->number)) {
    for (i = 0; i < b->n_facts; i++)
      keep_fact (&b->facts[i]);
    for (i = 0; i < b->n_counts; i++)
      keep_count (&b->counts[i]);
  }
  if (lose_answer) {            /* kept, and nobody was told so */
    lose_answer = 0;
    put (why->text, sizeof why->text, "the table went away");
    return KW_STORE_AWAY;
  }
  hand_over (h, sink);
  return 0;
}

/* Is it others' turn, and one of them has nothing?  n want some. */
static inline int
is_others_turn (const char *holder, const char *name, uint32_t limit, uint32_t n)
{
  int64_t first = now / KW_STORE_TURN_MS * limit % n, own = 0;
  int lacks = 0;

  if (n <= limit)
    return 0;
  for (size_t i = 0; i < 64; i++) {
    int64_t p = 0;
    if (strcmp (leases[i].name, name) != 0 || leases[i].want == 0
        || strcmp (leases[i].holder, holder) == 0)
      continue;
    own += strcmp (leases[i].holder, holder) < 0;
    for (size_t j = 0; j < 64; j++)
      p += strcmp (leases[j].name, name) == 0 && leases[j].want > 0
           && strcmp (leases[j].holder, holder) != 0
           && strcmp (leases[j].holder, leases[i].holder) < 0;
    p += strcmp (holder, leases[i].holder) < 0;
    lacks |= (p - first + n) % n < limit && leases[i].held == 0;
  }
  return lacks && (own - first + n) % n >= limit;
}

/* By the rule of keywheel/store.h. */
static inline int
fake_lease (struct kw_store_handle *h, const struct kw_store_lease *l,
            uint32_t *ret, struct kw_store_error *why)
{
  uint32_t others = 0, n = 1, fair, grant;
  size_t i, own = 64;
  int hungry = 0;

  if (is_away) {
    put (why->text, sizeof why->text, "the table is away");
    return KW_STORE_AWAY;
  }
  if (within_lease != NULL) {
    void (*once) (void) = within_lease;
    within_lease = NULL;
    once ();
  }
  ck_assert_uint_le (l->floor, l->want);
  ck_assert_uint_le (l->want, l->limit);
  for (i = 0; i < 64; i++) {
    if (leases[i].expires_ms <= now)
      leases[i].name[0] = '\0';
    if (strcmp (leases[i].holder, h->holder) == 0
        && strcmp (leases[i].name, l->name) == 0)
      own = i;
    else if (strcmp (leases[i].name, l->name) == 0) {
      others += leases[i].held;
      n += leases[i].want > 0;
    }
  }
  fair = l->limit / n > 0 ? l->limit / n : 1;
  for (i = 0; i < 64; i++)
    hungry |= i != own && strcmp (leases[i].name, l->name) == 0
              && leases[i].held < leases[i].want && leases[i].held < fair;
  grant = l->limit > others ? l->limit - others : 0;
  grant = grant < l->want ? grant : l->want;
  if (hungry && grant > fair)
    grant = fair;
  if (is_others_turn (h->holder, l->name, l->limit, n))
    grant = 0;
  for (i = 0; own == 64 && i < 64; i++)
    if (leases[i].name[0] == '\0')
      own = i;
  ck_assert_uint_lt (own, 64);
  put (leases[own].name, sizeof leases[own].name, l->want > 0 ? l->name : "");
  put (leases[own].holder, sizeof leases[own].holder, h->holder);
  leases[own].held = grant > l->floor ? grant : l->floor;
  leases[own].want = l->want;
  leases[own].expires_ms = now + l->ttl_ms;
  *ret = grant;
  return 0;
}

static const struct kw_store fake = {
  ._header = KW_STORE_HEADER_INIT, .name = "fake", .version = "1",
  .description = "a table", .schemes = "fake", .open = fake_open,
  .close = fake_close, .where = fake_where, .fd = fake_fd, .sync = fake_sync,
  .lease = fake_lease
};

/* ---- Processes ---------------------------------------------------------------------- */

enum { PROCESSES = 4, KEYS = 3, MODELS = 2 };

static struct process {
  struct kwi_state *state;
  struct kwi_keyring *ring;
  struct kwi_hold holds[KEYS];
  uint64_t call;
  int blocks, frees, resets, accounts, warnings;
} all[PROCESSES];
static atomic_uint_fast64_t seq;
static uint64_t calls;

static inline void
wake (struct kwi_waiter *w)
{
  (void) w;
}

static inline void
say (void *user, int level, const char *line)
{
  struct process *p = user;

  ck_assert_int_le (level, 3);
  ck_assert_uint_gt (strlen (line), 0);
  p->warnings += level <= 1;
}

/* What whoever is told does; may be anything. */
static void (*when_told) (struct process *);

static inline int
listens (void *user)
{
  (void) user;
  return 1;
}

static inline void
heard (void *user, void *ring_user, enum kwi_heard what, size_t key,
       const struct kwi_change *c)
{
  struct process *p = user;

  ck_assert_ptr_eq (user, ring_user);
  ck_assert (key < KEYS || key == KWI_NO_KEY);
  ck_assert_ptr_nonnull (c->subject);
  p->blocks += what == KWI_HEARD_BLOCK;
  p->frees += what == KWI_HEARD_FREE;
  p->resets += what == KWI_HEARD_RESET;
  p->accounts += what == KWI_HEARD_ACCOUNT;
  if (when_told != NULL)
    when_told (p);
}

static inline void
begin_process (struct process *p)
{
  static const char *const names[KEYS][2] = {
    { "primary", "aaaaaaaaaaaaaaaa" }, { "second", "bbbbbbbbbbbbbbbb" },
    { "third", "cccccccccccccccc" } };
  struct kwi_state_setup setup = { .store = &fake, .clock = &clock_of_test,
                                   .spec = "fake",
                                   .hooks = { listens, say, heard, p } };
  struct kw_error err = KW_ERROR_INIT;
  size_t i;

  memset (p, 0, sizeof *p);
  ck_assert_int_eq (kwi_state_new (&setup, &p->state, &err), 0);
  p->ring = kwi_keyring_new (&seq, wake);
  for (i = 0; i < KEYS; i++)
    ck_assert_int_eq (kwi_keyring_add (p->ring, names[i][0], names[i][1]), 0);
  kwi_keyring_strategy (p->ring, KWI_PRIORITY, max_at_once);
  kwi_keyring_pace (p->ring, pace_flags, 1);
  ck_assert_int_eq (kwi_state_ring (p->state, p->ring, "x@host/v1", p), 0);
  kwi_state_start (p->state);   /* nothing, in virtual time */
}

static inline void
end_process (struct process *p)
{
  kwi_state_free (p->state);
  kwi_keyring_free (p->ring);
  p->state = NULL;
}

static inline void
setup (void)
{
  size_t i;

  now = BEGIN;
  chance = UINT64_C (88172645463325252);
  n_rows = n_counts = revision = 0;
  is_away = lose_answer = shuffled = 0;
  within_lease = NULL;
  when_told = NULL;
  memset (batches, 0, sizeof batches);
  memset (counts, 0, sizeof counts);
  memset (leases, 0, sizeof leases);
  for (i = 0; i < PROCESSES; i++)
    begin_process (&all[i]);
}

static inline void
teardown (void)
{
  size_t i;

  for (i = 0; i < PROCESSES; i++)
    if (all[i].state != NULL)
      end_process (&all[i]);
}

static inline void
sync_all (void)
{
  int round;
  size_t i;

  for (round = 0; round < 4; round++)
    for (i = 0; i < PROCESSES; i++)
      ck_assert_int_eq (kwi_state_sync (all[i].state, NULL), 0);
}

/* ---- What they do -------------------------------------------------------------------- */

static const char *const models[MODELS] = { "m-1", "meta/llama 3.3%" };

static inline struct kwi_pick
pick (struct process *p, const char *model)
{
  struct kwi_pick k;

  p->call = ++calls;
  kwi_keyring_pick (p->ring, model, KWI_NO_KEY, p->call, NULL, NULL, now, &k);
  if (k.picked == KWI_PICK_KEY)
    p->holds[k.hold.key] = k.hold;
  return k;
}

static inline void
answer (struct process *p, size_t key, const char *model, uint32_t outcome,
        uint32_t scope, int64_t wait_ms, const char *account)
{
  struct kwi_judgement j = { .outcome = outcome, .scope = scope,
                             .wait_ms = wait_ms, .input_tokens = 10,
                             .output_tokens = 5 };
  struct kwi_effect e;

  memccpy (j.account, account, '\0', sizeof j.account);
  memccpy (j.reason, "tokens_per_day", '\0', sizeof j.reason);
  p->holds[key].key = key;
  kwi_keyring_report (p->ring, &p->holds[key], model, p->call, NULL, &j,
                      outcome == KW_OUTCOME_DAILY_LIMIT
                        || outcome == KW_OUTCOME_BILLING,
                      -1, now, now, &e);
}

static inline void
run_out (struct process *p, size_t key, const char *model, int64_t wait_ms)
{
  answer (p, key, model, KW_OUTCOME_DAILY_LIMIT, KW_SCOPE_KEY_MODEL, wait_ms, "");
}

static inline size_t
first_key (struct process *p, const char *model)
{
  struct kwi_pick k;

  kwi_keyring_pick (p->ring, model, KWI_NO_KEY, 0, NULL, NULL, now, &k);
  return k.picked == KWI_PICK_KEY ? k.hold.key : KWI_NO_KEY;
}

#endif
