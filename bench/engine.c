/* engine - what choosing a key costs: a pick, and the report of a good answer
 * that names its account, without any network.  Nanoseconds an operation by
 * keys, threads and strategy, and how much memory it asked for meanwhile.
 *
 *   bench/engine [STRATEGY]
 *
 * Half of the keys are exhausted.  A figure is the median of ROUNDS; that of
 * several threads is wall time by the operations of all. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include "keyring.h"

enum { ROUNDS = 7, OPERATIONS = 200000, THREADS = 4, SIZES = 4 };

static const size_t sizes[SIZES] = { 1, 10, 1000, 100000 };
static const int n_threads[] = { 1, 2, 4 };

/* ---- Allocations, counted by -Wl,--wrap ---------------------------------------- */

void *__real_malloc (size_t);
void *__real_calloc (size_t, size_t);
void *__real_realloc (void *, size_t);
void *__wrap_malloc (size_t);
void *__wrap_calloc (size_t, size_t);
void *__wrap_realloc (void *, size_t);

static atomic_ulong allocations;

void *
__wrap_malloc (size_t n)
{
  atomic_fetch_add (&allocations, 1);
  return __real_malloc (n);
}

void *
__wrap_calloc (size_t n, size_t size)
{
  atomic_fetch_add (&allocations, 1);
  return __real_calloc (n, size);
}

void *
__wrap_realloc (void *p, size_t n)
{
  atomic_fetch_add (&allocations, 1);
  return __real_realloc (p, n);
}

/* ---- The ring ---------------------------------------------------------------------- */

#define MODEL "a-model-with-a-name-of-some-length"

static atomic_uint_fast64_t seq;
static struct kwi_keyring *ring;
static char (*accounts)[16];    /* by key */

static void
wake (struct kwi_waiter *w)
{
  (void) w;
}

static void
die (const char *what)
{
  fprintf (stderr, "engine: %s\n", what);
  exit (1);
}

static void
report (size_t key, const struct kwi_judgement *j, int parks)
{
  struct kwi_hold hold = { .key = key };
  struct kwi_effect e;

  kwi_keyring_report (ring, &hold, MODEL, 1, NULL, j, parks, -1, 1000, 1000, &e);
}

static struct kwi_judgement
good_answer (void)
{
  return (struct kwi_judgement) { .outcome = KW_OUTCOME_OK,
                                  .scope = KW_SCOPE_REQUEST, .wait_ms = -1,
                                  .input_tokens = 500, .output_tokens = 100 };
}

/* n keys of as many accounts; of two keys the first is exhausted, but for one
 * that is alone. */
static void
set_up (size_t n, enum kwi_strategy strategy)
{
  struct kwi_judgement day = { .outcome = KW_OUTCOME_DAILY_LIMIT,
                               .scope = KW_SCOPE_ACCOUNT_MODEL,
                               .wait_ms = INT64_C (86400000) };
  struct kwi_judgement served = good_answer ();
  char name[32];
  size_t i;

  ring = kwi_keyring_new (&seq, wake);
  accounts = calloc (n, sizeof *accounts);
  if (ring == NULL || accounts == NULL)
    die ("no memory");
  kwi_keyring_strategy (ring, strategy, 0);
  for (i = 0; i < n; i++) {
    if (snprintf (name, sizeof name, "key-%zu", i) < 0
        || snprintf (accounts[i], sizeof accounts[i], "org_%zu", i) < 0
        || kwi_keyring_add (ring, name, name) != 0)
      die ("no memory");
    kwi_keyring_weigh (ring, i, 1 + (uint32_t) i % 3);
  }
  for (i = 0; i < n; i++) {
    memcpy (served.account, accounts[i], sizeof accounts[i]);
    report (i, &served, 0);
  }
  for (i = 0; i + 1 < n; i += 2) {
    memcpy (day.account, accounts[i], sizeof accounts[i]);
    report (i, &day, 1);
  }
}

static void
tear_down (void)
{
  kwi_keyring_free (ring);
  free (accounts);
}

/* ---- Operations --------------------------------------------------------------------- */

static pthread_barrier_t barrier;

static void
operate (uint64_t call, int n)
{
  struct kwi_size size = { .tokens = 600 };
  struct kwi_want want = { .size = &size, .left_ms = 60000 };
  struct kwi_judgement j = good_answer ();
  struct kwi_pick p;
  struct kwi_effect e;
  int i;

  for (i = 0; i < n; i++) {
    kwi_keyring_pick (ring, MODEL, KWI_NO_KEY, call, NULL, &want, 2000, &p);
    if (p.picked != KWI_PICK_KEY)
      die ("no key was free");
    memcpy (j.account, accounts[p.hold.key], sizeof accounts[0]);
    kwi_keyring_report (ring, &p.hold, MODEL, call, &size, &j, 0, -1, 2000, 2000,
                        &e);
  }
}

struct work {
  uint64_t call;
  int n;
};

static void *
worker (void *user)
{
  const struct work *w = user;

  (void) pthread_barrier_wait (&barrier);
  operate (w->call, w->n);
  (void) pthread_barrier_wait (&barrier);
  return NULL;
}

static double
now_ns (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static double
round_ns (int threads)
{
  struct work w[THREADS];
  pthread_t t[THREADS];
  double began;
  int i;

  (void) pthread_barrier_init (&barrier, NULL, (unsigned) threads + 1);
  for (i = 0; i < threads; i++) {
    w[i] = (struct work) { (uint64_t) i + 1, OPERATIONS / threads };
    if (pthread_create (&t[i], NULL, worker, &w[i]) != 0)
      die ("no thread");
  }
  (void) pthread_barrier_wait (&barrier);
  began = now_ns ();
  (void) pthread_barrier_wait (&barrier);
  began = now_ns () - began;
  for (i = 0; i < threads; i++)
    (void) pthread_join (t[i], NULL);
  (void) pthread_barrier_destroy (&barrier);
  return began / OPERATIONS;
}

static int
by_size (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double
median_ns (int threads)
{
  double ns[ROUNDS];
  int i;

  for (i = 0; i < ROUNDS; i++)
    ns[i] = round_ns (threads);
  qsort (ns, ROUNDS, sizeof ns[0], by_size);
  return ns[ROUNDS / 2];
}

/* ---- The table ---------------------------------------------------------------------- */

static void
measure (const char *name, enum kwi_strategy strategy)
{
  double ns[SIZES][THREADS];
  unsigned long asked = 0;
  size_t i, k;

  for (i = 0; i < SIZES; i++) {
    set_up (sizes[i], strategy);
    operate (1, OPERATIONS);    /* until nothing is new any more */
    asked -= atomic_load (&allocations);
    operate (1, OPERATIONS);
    asked += atomic_load (&allocations);
    for (k = 0; k < sizeof n_threads / sizeof n_threads[0]; k++)
      ns[i][k] = median_ns (n_threads[k]);
    tear_down ();
  }
  for (k = 0; k < sizeof n_threads / sizeof n_threads[0]; k++) {
    printf ("| %-14s | %7d |", name, n_threads[k]);
    for (i = 0; i < SIZES; i++)
      printf (" %7.0f |", ns[i][k]);
    printf (" %6.2f |", ns[SIZES - 1][k] / ns[0][k]);
    if (k == 0)
      printf (" %11.6f |\n", (double) asked / SIZES / OPERATIONS);
    else
      printf ("             |\n");
  }
  (void) fflush (stdout);
}

int
main (int argc, char **argv)
{
  static const struct { const char *name; enum kwi_strategy strategy; } all[] = {
    { "priority", KWI_PRIORITY },
    { "round_robin", KWI_ROUND_ROBIN },
    { "weighted", KWI_WEIGHTED },
    { "least_used", KWI_LEAST_USED },
    { "most_remaining", KWI_MOST_REMAINING },
  };
  size_t i;

  printf ("| strategy       | threads |  1 key  | 10 keys |   1,000 | 100,000 |"
          "  ratio | allocations |\n"
          "|----------------|--------:|--------:|--------:|--------:|--------:|"
          "-------:|------------:|\n");
  for (i = 0; i < sizeof all / sizeof all[0]; i++)
    if (argc < 2 || strcmp (argv[1], all[i].name) == 0)
      measure (all[i].name, all[i].strategy);
  return 0;
}
