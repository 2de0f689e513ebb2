/* concurrent - many requests at once on one thread: keywheel by kw_submit,
 * beside the two bare loops of loop.h.  Both reuse their handles as they are,
 * which is more than libcurl's examples do. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "loop.h"

struct one {
  CURL *easy;
  struct bench_sink sink;
};

struct sides {
  struct bench b;
  struct one *ones;
  struct bench_loop *loop;      /* of these rounds                        */
  kw_client *client;
  long begun, ended;            /* of the round's n                       */
};

/* ---- The bare side --------------------------------------------------------- */

static void
ended (void *user, CURL *e, CURLcode rc)
{
  struct sides *s = user;
  struct one *o = NULL;

  (void) curl_easy_getinfo (e, CURLINFO_PRIVATE, &o);
  bench_judge (e, rc, &o->sink);
  s->ended++;
  if (s->begun < s->b.n) {
    s->begun++;
    bench_loop_add (s->loop, e);
  }
}

static void
bare (struct sides *s)
{
  long k;

  for (k = 0; k < s->b.at_once && s->begun < s->b.n; k++) {
    s->begun++;
    bench_loop_add (s->loop, s->ones[k].easy);
  }
  while (s->ended < s->b.n)
    bench_loop_turn (s->loop, ended, s);
}

/* ---- keywheel's side -------------------------------------------------------- */

static void begin (struct sides *s);

static void
on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  struct sides *s = user;
  size_t len = 0;

  if (code != 0)
    bench_die ("keywheel's side: %s", err->message);
  if (kw_reply_body (reply, &len) == NULL || len == 0)
    bench_die ("keywheel's side: no answer");
  kw_reply_free (reply);
  s->ended++;
  if (s->begun < s->b.n)
    begin (s);
}

static void
begin (struct sides *s)
{
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request r = KW_REQUEST_INIT;

  bench_request (&s->b, &r);
  on.on_end = on_end;
  s->begun++;
  if (kw_submit (s->client, &r, &on, s) == NULL)
    bench_die ("keywheel's side: no memory");
}

static void
by_keywheel (struct sides *s)
{
  struct pollfd p = { .fd = kw_client_fd (s->client), .events = POLLIN };
  long k;

  for (k = 0; k < s->b.at_once && s->begun < s->b.n; k++)
    begin (s);
  while (s->ended < s->b.n) {
    (void) poll (&p, 1, kw_client_timeout (s->client));
    (void) kw_client_process (s->client);
  }
}

/* ---- Both -------------------------------------------------------------------- */

/* Requests a second. */
static double
side (void *user, int keywheel)
{
  struct sides *s = user;
  double began = bench_us ();

  s->begun = s->ended = 0;
  if (keywheel)
    by_keywheel (s);
  else
    bare (s);
  return (double) s->b.n / (bench_us () - began) * 1e6;
}

int
main (int argc, char **argv)
{
  static struct sides s = { .b = { .n = 4000, .rounds = 15, .at_once = 64,
                                   .body_size = 300 } };
  struct bench_result p;
  char what[80];
  long k;
  int i;

  bench_args (&s.b, argc, argv);
  s.client = bench_client (&s.b);
  for (i = 0; i < 2; i++) {
    s.loop = bench_loop_new (i == 1);
    s.ones = calloc ((size_t) s.b.at_once, sizeof *s.ones);
    if (s.ones == NULL)
      bench_die ("out of memory");
    for (k = 0; k < s.b.at_once; k++) {
      s.ones[k].easy = bench_easy (&s.b, &s.ones[k].sink);
      (void) curl_easy_setopt (s.ones[k].easy, CURLOPT_PRIVATE, &s.ones[k]);
      bench_loop_fit (s.loop, s.ones[k].easy);
    }
    if (s.b.only[0] != '\0') {
      /* "plain", "best" or "keywheel", for a profile */
      if (strcmp (s.b.only, i == 0 ? "plain" : "best") == 0)
        (void) side (&s, 0);
      else if (i == 0 && strcmp (s.b.only, "keywheel") == 0)
        (void) side (&s, 1);
      continue;
    }
    bench_rounds (s.b.rounds, s.b.n, side, &s, &p);
    if (snprintf (what, sizeof what, "%ld at once, beside the %s bare loop",
                  s.b.at_once, i == 0 ? "plain" : "best") < 0)
      return 1;
    bench_row (what, "requests/s", &p, i == 0 ? 1.0 : 0.93, 0);
    for (k = 0; k < s.b.at_once; k++) {
      curl_easy_cleanup (s.ones[k].easy);
      free (s.ones[k].sink.data);
    }
    free (s.ones);
    bench_loop_free (s.loop);
  }
  kw_client_close (s.client);
  return 0;
}
