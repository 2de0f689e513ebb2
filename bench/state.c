/* state - what a shared state costs a request: the same requests by three clients
 * that differ in their state alone, in memory, by sqlite and by redis; one thread
 * after another request, and eight at once.  And how long it takes until another
 * process knows what one found out.
 *
 * KW_BENCH_STATES: the specs, separated by blanks; the first is what the others
 * are compared with. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kit.h"

enum { MOST = 4, RESETS = 200 };

struct side {
  char spec[256], name[32];
  kw_client *client;
};

struct worker {
  struct bench *b;
  kw_client *client;
  pthread_t thread;
  long n;
  double cpu_us;
};

static struct side sides[MOST];
static size_t n_sides;
static struct bench b = { .n = 4000, .rounds = 15, .body_size = 300 };

/* ---- The sides -------------------------------------------------------------------- */

static void
take_states (void)
{
  const char *p = getenv ("KW_BENCH_STATES");

  while (p != NULL && *p != '\0') {
    struct side *s = &sides[n_sides];
    size_t len = strcspn (p, " "), name = strcspn (p, ":+ ");
    if (n_sides == MOST || len >= sizeof s->spec || name >= sizeof s->name)
      bench_die ("KW_BENCH_STATES: too many, or too long");
    memcpy (s->spec, p, len);
    memcpy (s->name, p, name);
    n_sides++;
    p += len + strspn (p + len, " ");
  }
  if (n_sides < 2)
    bench_die ("KW_BENCH_STATES: two states are wanted; bench/run.sh gives them");
}

static kw_client *
open_client (const struct side *s)
{
  kw_options o = KW_OPTIONS_INIT;
  struct kw_error err = KW_ERROR_INIT;
  kw_client *c;

  o.config = b.ini;
  o.state = s->spec;
  c = kw_client_open_with (&o, &err);
  if (c == NULL)
    bench_die ("%s: %s", s->spec, err.message);
  if (kw_client_warning (c, 0) != NULL)
    bench_die ("%s: %s", s->spec, kw_client_warning (c, 0));
  return c;
}

/* ---- Requests ---------------------------------------------------------------------- */

static double
clock_us (clockid_t id)
{
  struct timespec t;

  (void) clock_gettime (id, &t);
  return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static void *
work (void *user)
{
  struct worker *w = user;
  double began = clock_us (CLOCK_THREAD_CPUTIME_ID);
  long i;

  for (i = 0; i < w->n; i++)
    bench_chat (w->b, w->client);
  w->cpu_us = clock_us (CLOCK_THREAD_CPUTIME_ID) - began;
  return NULL;
}

enum { WALL, CALLERS, PROCESS, MEASURES };

/* Microseconds each of n requests. */
static void
measure (kw_client *client, long threads, double ret[MEASURES])
{
  struct worker w[64];
  double wall = bench_us (), process = clock_us (CLOCK_PROCESS_CPUTIME_ID);
  double callers = 0;
  long k, n = b.n / threads;

  for (k = 0; k < threads; k++)
    w[k] = (struct worker) { .b = &b, .client = client, .n = n };
  if (threads == 1)
    (void) work (&w[0]);
  else
    for (k = 0; k < threads; k++)
      if (pthread_create (&w[k].thread, NULL, work, &w[k]) != 0)
        bench_die ("no more threads");
  for (k = 0; k < threads; k++) {
    if (threads > 1)
      (void) pthread_join (w[k].thread, NULL);
    callers += w[k].cpu_us;
  }
  n *= threads;
  ret[WALL] = (bench_us () - wall) / (double) n;
  ret[CALLERS] = callers / (double) n;
  ret[PROCESS] = (clock_us (CLOCK_PROCESS_CPUTIME_ID) - process) / (double) n;
}

static void
print_row (const char *what, double *v[MOST], size_t s, int judged)
{
  double *ratio = calloc ((size_t) b.rounds, sizeof *ratio), median, base, own;
  char verdict[32] = "";
  long i;

  if (ratio == NULL)
    bench_die ("out of memory");
  for (i = 0; i < b.rounds; i++)
    ratio[i] = v[s][i] / v[0][i];
  median = bench_median (ratio, (size_t) b.rounds);
  if (judged && snprintf (verdict, sizeof verdict, "<= 1.02: %s",
                          median <= 1.02 ? "holds" : "MISSED") < 0)
    return;
  base = v[0][b.rounds];
  own = v[s][b.rounds];
  (void) printf ("| %-40s | %8.2f | %8.2f | %5.3f | %.2f..%.2f   | %-15s |\n", what,
                 base, own, median, ratio[0], ratio[b.rounds - 1], verdict);
  (void) fflush (stdout);
  free (ratio);
}

/* A round of each by turns, another one first each time. */
static void
compare (long threads)
{
  static const char *const names[MEASURES] = {
    "wall time", "processor time of the callers", "processor time with the state's thread" };
  double *v[MEASURES][MOST], got[MEASURES];
  char what[80];
  size_t s, m;
  long i;

  for (s = 0; s < n_sides; s++)
    measure (sides[s].client, threads, got);
  for (m = 0; m < MEASURES; m++)
    for (s = 0; s < n_sides; s++) {
      v[m][s] = calloc ((size_t) b.rounds + 1, sizeof (double));
      if (v[m][s] == NULL)
        bench_die ("out of memory");
    }
  for (i = 0; i < b.rounds; i++)
    for (s = 0; s < n_sides; s++) {
      size_t turn = (s + (size_t) i) % n_sides;
      measure (sides[turn].client, threads, got);
      for (m = 0; m < MEASURES; m++)
        v[m][turn][i] = got[m];
    }
  for (m = 0; m < MEASURES; m++) {
    /* The median goes behind the rounds, which stay in their order. */
    for (s = 0; s < n_sides; s++) {
      double *sorted = calloc ((size_t) b.rounds, sizeof *sorted);
      if (sorted == NULL)
        bench_die ("out of memory");
      memcpy (sorted, v[m][s], (size_t) b.rounds * sizeof *sorted);
      v[m][s][b.rounds] = bench_median (sorted, (size_t) b.rounds);
      free (sorted);
    }
    for (s = 1; s < n_sides; s++) {
      if (snprintf (what, sizeof what, "%s, %ld thread%s: %s", sides[s].name, threads,
                    threads == 1 ? "" : "s", names[m]) < 0)
        return;
      print_row (what, v[m], s, m != PROCESS);
    }
  }
  for (m = 0; m < MEASURES; m++)
    for (s = 0; s < n_sides; s++)
      free (v[m][s]);
}

/* ---- Until another process knows ----------------------------------------------------- */

static int tell_fd;

static void
on_event (void *user, const kw_event *e)
{
  double at = bench_us ();

  (void) user;
  if (e->type == KW_EVENT_REVIVED
      && write (tell_fd, &at, sizeof at) != (ssize_t) sizeof at)
    _exit (1);
}

/* The other process: tells when it heard of a reset, until its stdin ends. */
static void
listen_for_resets (const struct side *s, int until)
{
  kw_client *c = open_client (s);
  double ready = 0;
  char end;

  kw_client_observe (c, on_event, NULL);
  bench_chat (&b, c);           /* which begins its thread */
  if (write (tell_fd, &ready, sizeof ready) != (ssize_t) sizeof ready
      || read (until, &end, 1) < 0)
    _exit (1);
  kw_client_close (c);
  _exit (0);
}

static double
next_time (int fd)
{
  double at;

  if (read (fd, &at, sizeof at) != (ssize_t) sizeof at)
    bench_die ("the other process ended");
  return at;
}

static void
propagate (const struct side *s)
{
  const struct timespec gap = { 0, 20000000 };
  double late[RESETS];
  int told[2], until[2], status;
  kw_client *c;
  pid_t pid;

  if (pipe (told) != 0 || pipe (until) != 0 || (pid = fork ()) < 0)
    bench_die ("no second process");
  if (pid == 0) {
    (void) close (until[1]);
    tell_fd = told[1];
    listen_for_resets (s, until[0]);
  }
  (void) close (told[1]);
  (void) close (until[0]);
  c = open_client (s);
  bench_chat (&b, c);
  (void) next_time (told[0]);
  for (int i = 0; i < RESETS; i++) {
    double began;
    (void) nanosleep (&gap, NULL);
    began = bench_us ();
    (void) kw_reset (c, NULL, NULL);
    late[i] = (next_time (told[0]) - began) / 1000;
  }
  (void) close (until[1]);
  (void) waitpid (pid, &status, 0);
  kw_client_close (c);
  (void) close (told[0]);
  (void) bench_median (late, RESETS);   /* sorts them */
  (void) printf ("| %-10s | %6.2f | %6.2f | %6.2f |\n", s->name, late[RESETS / 2],
                 late[RESETS * 99 / 100], late[RESETS - 1]);
}

int
main (int argc, char **argv)
{
  size_t s;

  bench_args (&b, argc, argv);
  take_states ();
  for (s = 0; b.only[0] != '\0' && s < n_sides; s++)
    if (strcmp (b.only, sides[s].name) == 0) {
      double ignored[MEASURES];
      sides[s].client = open_client (&sides[s]);
      measure (sides[s].client, 1, ignored);
      kw_client_close (sides[s].client);
      return 0;
    }
  (void) printf ("Milliseconds until another process has been told, of %d resets:\n\n"
                 "| state | median | 99th of 100 | longest |\n|---|--:|--:|--:|\n",
                 RESETS);
  for (s = 1; s < n_sides; s++)
    propagate (&sides[s]);
  for (s = 0; s < n_sides; s++)
    sides[s].client = open_client (&sides[s]);
  (void) printf ("\nMicroseconds a request, with memory and with the other:\n\n"
                 "| what | memory | this | ratio | single rounds | wanted |\n"
                 "|---|--:|--:|--:|---|---|\n");
  compare (1);
  compare (8);
  for (s = 0; s < n_sides; s++)
    kw_client_close (sides[s].client);
  return 0;
}
