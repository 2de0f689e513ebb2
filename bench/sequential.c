/* sequential - one thread, one connection kept alive, a request at a time: bare
 * curl_easy_perform on one reused handle, and kw_chat.  With -b a large body,
 * which shows what keywheel does with a request's bytes. */
#include <stdio.h>
#include <string.h>

#include "kit.h"

struct sides {
  struct bench b;
  struct bench_sink sink;
  CURL *easy;
  kw_client *client;
};

static void
bare (struct sides *s)
{
  bench_judge (s->easy, curl_easy_perform (s->easy), &s->sink);
}

static double
side (void *user, int keywheel)
{
  struct sides *s = user;
  double began = bench_us ();
  long i;

  for (i = 0; i < s->b.n; i++)
    if (keywheel)
      bench_chat (&s->b, s->client);
    else
      bare (s);
  return (bench_us () - began) / (double) s->b.n;
}

int
main (int argc, char **argv)
{
  struct sides s = { .b = { .n = 1000, .rounds = 15, .body_size = 300 } };
  struct bench_result p;
  char what[64];
  int n;

  bench_args (&s.b, argc, argv);
  s.easy = bench_easy (&s.b, &s.sink);
  s.client = bench_client (&s.b);
  if (s.b.only[0] != '\0') {
    (void) side (&s, strcmp (s.b.only, "keywheel") == 0);
    return 0;
  }
  bench_rounds (s.b.rounds, s.b.n, side, &s, &p);
  n = snprintf (what, sizeof what, "sequential, body of %zu bytes: wall time",
                s.b.body_len);
  if (n < 0 || (size_t) n >= sizeof what)
    return 1;
  bench_row (what, "us/request", &p, s.b.body_len < 1000 ? 1.05 : -1.0, 1);
  kw_client_close (s.client);
  curl_easy_cleanup (s.easy);
  return 0;
}
