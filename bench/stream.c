/* stream - one stream of 10,000 events: kw_chat with on_data, beside a bare write
 * callback that does as little. */
#include <stdio.h>
#include <string.h>

#include "kit.h"

struct sides {
  struct bench b;
  CURL *easy;
  kw_client *client;
  size_t got, calls, expected;
};

static size_t
on_write (char *data, size_t one, size_t n, void *user)
{
  struct sides *s = user;

  (void) data;
  s->got += one * n;
  s->calls++;
  return one * n;
}

static int
on_data (void *user, const void *data, size_t len)
{
  return on_write ((char *) data, 1, len, user) != len;
}

static void
bare (struct sides *s)
{
  CURLcode rc = curl_easy_perform (s->easy);

  if (rc != CURLE_OK)
    bench_die ("the bare side: %s", curl_easy_strerror (rc));
}

static void
by_keywheel (struct sides *s)
{
  kw_request r = KW_REQUEST_INIT;
  struct kw_error err = KW_ERROR_INIT;
  kw_reply *reply = NULL;

  bench_request (&s->b, &r);
  r.on_data = on_data;
  r.user = s;
  if (kw_chat (s->client, &r, &reply, &err) != 0)
    bench_die ("keywheel's side: %s", err.message);
  kw_reply_free (reply);
}

static double
side (void *user, int keywheel)
{
  struct sides *s = user;
  double began = bench_us ();
  long i;

  s->got = s->calls = 0;
  for (i = 0; i < s->b.n; i++)
    if (keywheel)
      by_keywheel (s);
    else
      bare (s);
  if (s->expected == 0)
    s->expected = s->got;
  if (s->got == 0 || s->got != s->expected)
    bench_die ("%zu bytes came, and %zu before", s->got, s->expected);
  return (bench_us () - began) / (double) s->b.n;
}

int
main (int argc, char **argv)
{
  struct sides s = { .b = { .n = 5, .rounds = 15, .body_size = 300, .stream = 1 } };
  struct bench_result p;
  char what[80];

  bench_args (&s.b, argc, argv);
  s.easy = bench_easy (&s.b, NULL);
  (void) curl_easy_setopt (s.easy, CURLOPT_WRITEFUNCTION, on_write);
  (void) curl_easy_setopt (s.easy, CURLOPT_WRITEDATA, &s);
  s.client = bench_client (&s.b);
  if (s.b.only[0] != '\0') {
    (void) side (&s, strcmp (s.b.only, "keywheel") == 0);
    return 0;
  }
  bench_rounds (s.b.rounds, s.b.n, side, &s, &p);
  if (snprintf (what, sizeof what, "10,000 events, %s",
                strstr (s.b.url, "/each/") != NULL ? "a send each" : "all at once") < 0)
    return 1;
  bench_row (what, "us/stream", &p,
             strstr (s.b.url, "/each/") != NULL ? 1.10 : -1.0, 1);
  kw_client_close (s.client);
  curl_easy_cleanup (s.easy);
  return 0;
}
