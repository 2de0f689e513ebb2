/* memory - what an idle stream costs: many streams that have had their first event
 * and wait for the next, in a bare loop or by kw_submit (-o says which; a process
 * each).  Prints the bytes of resident memory a stream. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kit.h"
#include "loop.h"

/* So many are begun at a time, so that no connection waits to be accepted. */
enum { BATCH = 250 };

static long heard;

static size_t
on_write (char *data, size_t one, size_t n, void *user)
{
  (void) data, (void) user;
  heard++;
  return one * n;
}

static int
on_data (void *user, const void *data, size_t len)
{
  (void) user, (void) data, (void) len;
  heard++;
  return 0;
}

static void
ended (void *user, CURL *e, CURLcode rc)
{
  (void) user, (void) e;
  bench_die ("the bare side: a stream ended: %s", curl_easy_strerror (rc));
}

static void
on_end (void *user, int code, kw_reply *reply, const struct kw_error *err)
{
  (void) user;
  if (code != KW_ERR_CANCELLED)
    bench_die ("keywheel's side: a stream ended: %s",
               err != NULL ? err->message : "served");
  kw_reply_free (reply);
}

static void
bare_more (const struct bench *b, struct bench_loop *l, long upto)
{
  long i;

  for (i = heard; i < upto; i++) {
    CURL *e = bench_easy (b, NULL);
    (void) curl_easy_setopt (e, CURLOPT_WRITEFUNCTION, on_write);
    bench_loop_fit (l, e);
    bench_loop_add (l, e);
  }
  while (heard < upto)
    bench_loop_turn (l, ended, NULL);
}

static void
keywheel_more (const struct bench *b, kw_client *c, long upto)
{
  struct pollfd p = { .fd = kw_client_fd (c), .events = POLLIN };
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request r = KW_REQUEST_INIT;
  long i;

  bench_request (b, &r);
  on.on_data = on_data;
  on.on_end = on_end;
  for (i = heard; i < upto; i++)
    if (kw_submit (c, &r, &on, NULL) == NULL)
      bench_die ("keywheel's side: no memory");
  while (heard < upto) {
    (void) poll (&p, 1, kw_client_timeout (c));
    (void) kw_client_process (c);
  }
}

/* VmRSS, in bytes. */
static double
resident (void)
{
  char line[256];
  long kb = 0;
  FILE *f = fopen ("/proc/self/status", "r");

  while (f != NULL && kb == 0 && fgets (line, sizeof line, f) != NULL)
    if (strncmp (line, "VmRSS:", 6) == 0)
      kb = strtol (line + 6, NULL, 10);
  if (kb == 0)
    bench_die ("/proc/self/status has no VmRSS");
  (void) fclose (f);
  return (double) kb * 1024;
}

int
main (int argc, char **argv)
{
  struct bench b = { .at_once = 10000, .body_size = 300, .stream = 1 };
  struct rlimit files = { 0, 0 };
  struct bench_loop *l;
  kw_client *c;
  double before;
  long n;
  int keywheel;

  bench_args (&b, argc, argv);
  keywheel = strcmp (b.only, "keywheel") == 0;
  if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void) setrlimit (RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur < (rlim_t) b.at_once + 64)
    bench_die ("%ld streams need more descriptors than \"ulimit -Hn\" allows",
               b.at_once);
  l = bench_loop_new (1);
  c = bench_client (&b);
  before = 0;
  for (n = 1; n <= b.at_once; n += BATCH) {
    /* The first one brings what the library needs once. */
    if (n == BATCH + 1)
      before = resident ();
    if (keywheel)
      keywheel_more (&b, c, n);
    else
      bare_more (&b, l, n);
  }
  n -= BATCH;                   /* as many as were begun */
  return printf ("%.0f\n", (resident () - before) / (double) (n - 1)) < 0;
}
