/* test_redis_netns - the Redis store on machines with addresses of their own, one
 * of which is cut off and comes back: no fact is lost, and nobody waits. */
#include "rediskit.h"

#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "netnskit.h"

enum { CLIENTS = 3, CUT = 2, FACTS = 60, STEP_MS = 50 };
/* Of who is cut off, and of whom nothing keeps from the server. */
enum { TIMEOUT_MS = 500, PATIENCE_MS = 30000 };

static void
begin (void)
{
  static const char *const open_to_all[] = { "--protected-mode", "no", NULL };

  storekit_backing = &rediskit_backing;
  netnskit_open (CLIENTS);
  rediskit_start (&(struct rediskit_how) { .bind = netnskit_address (-1), .real_clock = 1,
                                           .options = open_to_all });
}

static struct storekit *
open_on (int machine)
{
  netnskit_enter (machine);
  return storekit_open (&(struct storekit_how) {
    .spec = rediskit_spec (), .timeout_ms = machine == CUT ? TIMEOUT_MS : PATIENCE_MS });
}

/* What a host does: keeps what it has learnt, hands it over when it can, all of it
 * after the store was away, and a batch whose fate is unknown with its number. */
struct host {
  struct storekit *k;
  struct kw_store_fact facts[FACTS];
  char names[FACTS][32];
  size_t n, sent;               /* learnt; of which handed over           */
  size_t in_doubt;              /* of which in the batch that failed      */
  int failed, aways;
};

static void
learn (struct host *h, int machine)
{
  snprintf (h->names[h->n], sizeof h->names[0], "block %d %zu", machine, h->n);
  h->facts[h->n] = (struct kw_store_fact) { h->names[h->n], "v", 1, 0, STOREKIT_NEVER };
  h->n++;
}

/* A count for each fact that is new in a batch. */
static void
hand_over (struct host *h)
{
  size_t to = h->failed ? h->in_doubt : h->n;
  struct kw_store_count c = { "tokens", (int64_t) (to - h->sent) };
  size_t from = h->failed ? 0 : h->sent;
  int64_t began = storekit_ticks ();
  int rc = h->failed ? storekit_sync_again (h->k, h->facts + from, to - from, &c, c.add > 0)
                     : storekit_sync (h->k, h->facts + from, to - from, &c, c.add > 0);

  ck_assert_int_lt (storekit_ticks () - began, TIMEOUT_MS + STOREKIT_STILL_MS);
  h->failed = rc != 0;
  h->in_doubt = to;
  h->aways += rc != 0;
  if (rc == 0)
    h->sent = to;
}

static int
knows_all (const struct host *h, int machine, int n)
{
  char name[32];

  for (int i = 0; i < n; i++) {
    snprintf (name, sizeof name, "block %d %d", machine, i);
    if (storekit_fact (h->k, name) == NULL)
      return 0;
  }
  return 1;
}

/* Learns a fact in each step, and listens in between; while it is away it tries
 * again after a while only. */
static void
work (struct host *h, int machine)
{
  int64_t began = storekit_ticks ();

  while (h->n < FACTS) {
    struct pollfd p = { h->k->store->fd (h->k->handle), POLLIN, 0 };
    int64_t left = began + (int64_t) h->n * STEP_MS - storekit_ticks ();
    if (h->failed)
      left = left < 5 * STEP_MS ? 5 * STEP_MS : left;
    if (left > 0)
      (void) poll (&p, 1, (int) left);
    for (int64_t now = storekit_ticks ();
         h->n < FACTS && now >= began + (int64_t) h->n * STEP_MS;)
      learn (h, machine);
    hand_over (h);
  }
}

static void
client (int machine)
{
  struct host h = { .k = open_on (machine) };
  int64_t deadline;

  storekit_reach (h.k);
  storekit_gate ();
  storekit_gate ();             /* the cable is pulled */
  work (&h, machine);
  if (machine == CUT)
    ck_assert_int_gt (h.aways, 0);
  else {
    ck_assert_int_eq (h.aways, 0);
    for (deadline = storekit_ticks () + PATIENCE_MS; !knows_all (&h, !machine, FACTS);
         hand_over (&h))
      ck_assert (storekit_ticks () < deadline && storekit_stirs (h.k, STOREKIT_STILL_MS));
  }
  ck_assert (!knows_all (&h, machine == CUT ? 0 : CUT, 1));
  storekit_gate ();
  storekit_gate ();             /* and plugged in */
  deadline = storekit_ticks () + PATIENCE_MS;
  for (int m = 0; m < CLIENTS;) {
    ck_assert_msg (storekit_ticks () < deadline, "%d lacks facts of %d", machine, m);
    (void) poll (NULL, 0, 10);
    hand_over (&h);
    if (h.sent == h.n)
      m += knows_all (&h, m, FACTS);
  }
  storekit_gate ();
  /* Each is counted once, whatever came twice. */
  while (storekit_total (h.k, "tokens") < CLIENTS * FACTS)
    storekit_reach (h.k);
  ck_assert_int_eq (storekit_total (h.k, "tokens"), CLIENTS * FACTS);
  storekit_close (h.k);
}

static void
client_or_cable (int i, void *user)
{
  (void) user;
  if (i < CLIENTS) {
    client (i);
    return;
  }
  storekit_gate ();
  netnskit_cut (CUT, 1);
  storekit_gate ();
  storekit_gate ();
  netnskit_cut (CUT, 0);
  storekit_gate ();
  storekit_gate ();
}

START_TEST (one_of_three_is_cut_off_for_a_while)
{
  storekit_processes (CLIENTS + 1, client_or_cable, NULL);
}
END_TEST

/* Whose peer vanished without a word, and who has nothing to say: wakes up by
 * itself, says it is away, and has all when the cable is in again. */
static void
idle_and_cut (int i, void *user)
{
  struct storekit *k = open_on (i == 0 ? CUT : 0);
  struct kw_store_lease lease = { sizeof lease, 10, 10, 0, "l", 1500 };
  uint32_t granted = 0;
  int64_t began;

  (void) user;
  storekit_reach (k);
  if (i == 0) {
    while (k->store->lease (k->handle, &lease, &granted, &k->why) != 0)
      storekit_reach (k);
    ck_assert_uint_eq (granted, 10);
    storekit_reach (k);
    netnskit_enter (-1);
    netnskit_cut (CUT, 1);
    netnskit_enter (CUT);
    storekit_gate ();
    began = storekit_ticks ();
    ck_assert_int_eq (storekit_stirs (k, PATIENCE_MS), 1);
    ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
    /* The second is said where three seconds have passed. */
    ck_assert_msg (strstr (k->why.text, "in time") != NULL
                   || strstr (k->why.text, "No route to host") != NULL, "%s", k->why.text);
    ck_assert_int_lt (storekit_ticks () - began, PATIENCE_MS + STOREKIT_STILL_MS);
    storekit_gate ();
    netnskit_enter (-1);
    netnskit_cut (CUT, 0);
    netnskit_enter (CUT);
    began = storekit_ticks ();
    while (storekit_sync (k, NULL, 0, NULL, 0) != 0)
      ck_assert_msg (storekit_ticks () - began < PATIENCE_MS, "%s", k->why.text);
    ck_assert_ptr_nonnull (storekit_fact (k, "f"));
  } else {
    storekit_gate ();
    storekit_put (k, "f", 1, 0, "v");
    /* What the other held comes back by itself. */
    for (began = storekit_ticks (); granted < 10; (void) poll (NULL, 0, 20)) {
      ck_assert_int_lt (storekit_ticks () - began, PATIENCE_MS);
      ck_assert_int_eq (k->store->lease (k->handle, &lease, &granted, &k->why), 0);
    }
    storekit_gate ();
  }
  storekit_close (k);
}

START_TEST (a_peer_that_vanished_is_noticed_by_who_has_nothing_to_say)
{
  storekit_processes (2, idle_and_cut, NULL);
}
END_TEST

/* The test's own file in the place of another; for root alone. */
static int
replace_file (const char *path, const char *name, const char *text)
{
  if (geteuid () != 0)
    return 0;
  rediskit_write (name, text);
  ck_assert_int_eq (unshare (CLONE_NEWNS), 0);
  ck_assert_int_eq (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
  ck_assert_int_eq (mount (rediskit_path (name), path, NULL, MS_BIND, NULL), 0);
  return 1;
}

/* Of a host with two addresses the one that is asked first swallows what it is
 * sent: the other is reached in the time that is left. */
START_TEST (a_dead_address_is_not_the_end)
{
  const struct storekit_how how = { .spec = storekit_spec, .timeout_ms = STOREKIT_STILL_MS };
  char hosts[128];
  struct storekit *k;

  snprintf (hosts, sizeof hosts, "%s two.test\n%s two.test\n", netnskit_address (1),
            netnskit_address (-1));
  if (!replace_file ("/etc/hosts", "hosts", hosts))
    return;
  netnskit_cut (1, 1);
  netnskit_enter (0);
  snprintf (storekit_spec, sizeof storekit_spec, "redis://two.test:%d", rediskit_port ());
  k = storekit_open (&how);
  int64_t began = storekit_ticks ();
  storekit_put (k, "f", 1, 0, "v");
  ck_assert_msg (storekit_ticks () - began > TIMEOUT_MS / 2, "the dead one was not asked");
  storekit_close (k);
  ck_assert_int_eq (umount ("/etc/hosts"), 0);
}
END_TEST

/* A resolver that never answers holds up no call, and no close. */
START_TEST (a_dead_resolver_is_not_waited_for)
{
  const struct storekit_how how = { .spec = "redis://slow.test", .timeout_ms = TIMEOUT_MS };
  char conf[64];
  struct storekit *k;

  snprintf (conf, sizeof conf, "nameserver %s\n", netnskit_address (1));
  if (!replace_file ("/etc/resolv.conf", "conf", conf))
    return;
  netnskit_cut (1, 1);
  netnskit_enter (0);
  k = storekit_open (&how);
  int64_t began = storekit_ticks ();
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq (storekit_sync (k, NULL, 0, NULL, 0), KW_STORE_AWAY);
    storekit_expect_text (k->why.text, "\"slow.test\" is, the resolver does not say in time");
  }
  storekit_close (k);
  ck_assert_int_lt (storekit_ticks () - began, 2 * TIMEOUT_MS + STOREKIT_STILL_MS);
  ck_assert_int_eq (umount ("/etc/resolv.conf"), 0);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("redis_netns");
  TCase *t = tcase_create ("netns");

  tcase_add_checked_fixture (t, begin, rediskit_end);
  tcase_set_timeout (t, 120);
  tcase_add_test (t, one_of_three_is_cut_off_for_a_while);
  tcase_add_test (t, a_peer_that_vanished_is_noticed_by_who_has_nothing_to_say);
  tcase_add_test (t, a_dead_address_is_not_the_end);
  tcase_add_test (t, a_dead_resolver_is_not_waited_for);
  suite_add_tcase (s, t);
  return s;
}

int
main (void)
{
  const char *missing = netnskit_missing ();

  if (rediskit_program () == NULL)
    return rediskit_skip (REDISKIT_NO_PROGRAM);
  if (missing != NULL) {        /* no installation mends that, so KW_NO_SKIP is no help */
    printf ("skipped: %s\n", missing);
    return 77;
  }
  return rediskit_run (suite ());
}
