/* threads - several threads that block on one client, beside as many with a bare
 * easy handle each: what they share must not be in each other's way. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit.h"

struct sides;
struct worker {
  struct sides *s;
  pthread_t thread;
  CURL *easy;
  struct bench_sink sink;
};

struct sides {
  struct bench b;
  struct worker *workers;
  kw_client *client;
};

static void *
bare (void *user)
{
  struct worker *w = user;
  long i;

  for (i = 0; i < w->s->b.n / w->s->b.at_once; i++)
    bench_judge (w->easy, curl_easy_perform (w->easy), &w->sink);
  return NULL;
}

static void *
by_keywheel (void *user)
{
  struct worker *w = user;
  long i;

  for (i = 0; i < w->s->b.n / w->s->b.at_once; i++)
    bench_chat (&w->s->b, w->s->client);
  return NULL;
}

/* Requests a second, of all threads together. */
static double
side (void *user, int keywheel)
{
  struct sides *s = user;
  double began = bench_us ();
  long k;

  for (k = 0; k < s->b.at_once; k++)
    if (pthread_create (&s->workers[k].thread, NULL,
                        keywheel ? by_keywheel : bare, &s->workers[k]) != 0)
      bench_die ("no more threads");
  for (k = 0; k < s->b.at_once; k++)
    (void) pthread_join (s->workers[k].thread, NULL);
  return (double) (s->b.n / s->b.at_once * s->b.at_once)
         / (bench_us () - began) * 1e6;
}

int
main (int argc, char **argv)
{
  struct sides s = { .b = { .n = 4000, .rounds = 15, .at_once = 8,
                            .body_size = 300 } };
  struct bench_result p;
  char what[80];
  long k;

  bench_args (&s.b, argc, argv);
  s.client = bench_client (&s.b);
  s.workers = calloc ((size_t) s.b.at_once, sizeof *s.workers);
  if (s.workers == NULL)
    bench_die ("out of memory");
  for (k = 0; k < s.b.at_once; k++) {
    s.workers[k].s = &s;
    s.workers[k].easy = bench_easy (&s.b, &s.workers[k].sink);
  }
  bench_rounds (s.b.rounds, s.b.n, side, &s, &p);
  if (snprintf (what, sizeof what, "%ld threads on one client", s.b.at_once) < 0)
    return 1;
  bench_row (what, "requests/s", &p, 0.95, 0);
  for (k = 0; k < s.b.at_once; k++) {
    curl_easy_cleanup (s.workers[k].easy);
    free (s.workers[k].sink.data);
  }
  free (s.workers);
  kw_client_close (s.client);
  return 0;
}
