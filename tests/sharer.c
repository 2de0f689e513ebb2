/* sharer - a process of many that share a state; test_shared's.
 *
 *   sharer INI N LOG [PACE_US]
 *
 * Makes N requests one after the other, and writes a line for each answer into
 * LOG: when its request went out and when it was read (CLOCK_MONOTONIC, in
 * microseconds), the key, the verdict.  Prints a line when it begins, and ends
 * with 0 if all were served.  N 0: until it is ended; then a line on stdout for
 * each request, the key's name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <keywheel/keywheel.h>

static int64_t sent_us;
static FILE *log_file;

static int64_t
now_us (void)
{
  struct timespec ts;

  (void) clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
observe (void *user, const kw_event *e)
{
  (void) user;
  if (e->type == KW_EVENT_ATTEMPT)
    sent_us = now_us ();
  else if (e->type == KW_EVENT_VERDICT)
    fprintf (log_file, "%lld %lld %s %s\n", (long long) sent_us,
             (long long) now_us (), e->key, kw_verdict_name (e->verdict));
  else if (e->type == KW_EVENT_LOG && e->level <= 1)
    fprintf (stderr, "%s\n", e->message);
}

static int
ask (kw_client *c, int tell)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *reply;

  rq.prompt = "hi";
  if (kw_chat (c, &rq, &reply, &err) != 0) {
    fprintf (stderr, "%s\n", err.message);
    return 1;
  }
  if (tell)
    printf ("%s\n", kw_reply_key (reply));
  kw_reply_free (reply);
  return 0;
}

int
main (int argc, char **argv)
{
  struct kw_error err = KW_ERROR_INIT;
  const long n = argc > 3 ? strtol (argv[2], NULL, 10) : -1;
  const long pace_us = argc > 4 ? strtol (argv[4], NULL, 10) : 0;
  kw_client *c;
  long i;
  int failed = 0;

  if (n < 0)
    return 2;
  log_file = fopen (argv[3], "w");
  c = kw_client_open (argv[1], &err);
  if (log_file == NULL || c == NULL) {
    fprintf (stderr, "%s\n", err.message);
    return 2;
  }
  for (i = 0; kw_client_warning (c, (size_t) i) != NULL; i++)
    fprintf (stderr, "%s\n", kw_client_warning (c, (size_t) i));
  kw_client_observe (c, observe, NULL);
  (void) setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("ready\n");
  for (i = 0; n == 0 || i < n; i++) {
    failed += ask (c, n == 0);
    if (pace_us > 0)
      (void) nanosleep (&(struct timespec) { 0, pace_us * 1000 }, NULL);
  }
  kw_client_close (c);
  (void) fclose (log_file);
  return failed != 0;
}
