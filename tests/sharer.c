/* sharer - a process of many that share a state; test_shared's and its siblings'.
 *
 *   sharer INI N LOG [PACE_US [THREADS]]
 *
 * Makes N requests one after the other, in each of its threads, and writes a line
 * for each answer into LOG: the key, the verdict, and of when its request was decided
 * on (kw_event.seq); and a line with "told" as the verdict for what another process
 * found out.  Prints a line when it begins, and ends with 0 if all were served.  N 0: until it is ended; then a line
 * on stdout for each request, the key's name.
 *
 * N "-": a request for the model that each line on stdin names, its key's name on
 * stdout as before; and "told KEY MODEL" there for what another process found out. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <keywheel/keywheel.h>

enum { MOST_THREADS = 16 };

static _Thread_local uint64_t sent_seq;
static FILE *log_file;
static kw_client *client;
static long n, pace_us;
static _Thread_local uint32_t chance;
static int on_demand;
static atomic_int failed;

static void
note (const char *key, const char *verdict, uint64_t seq)
{
  fprintf (log_file, "%s %s %llu\n", key, verdict, (unsigned long long) seq);
}

static void
observe (void *user, const kw_event *e)
{
  (void) user;
  if (e->type == KW_EVENT_ATTEMPT)
    sent_seq = e->seq;
  else if (e->type == KW_EVENT_VERDICT)
    note (e->key, kw_verdict_name (e->verdict), sent_seq);
  else if (e->type == KW_EVENT_LOG && e->level <= 1)
    fprintf (stderr, "%s\n", e->message);
  else if (e->type == KW_EVENT_EXHAUSTED && strstr (e->message, "another process") != NULL) {
    note (e->key, "told", e->seq);
    if (on_demand)
      printf ("told %s %s\n", e->key, e->model);
  }
}

static void
ask (const char *model)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_request rq = KW_REQUEST_INIT;
  kw_reply *reply;

  rq.prompt = "hi";
  rq.model = model;
  if (kw_chat (client, &rq, &reply, &err) != 0) {
    fprintf (stderr, "%s\n", err.message);
    failed = 1;
    return;
  }
  if (n == 0)
    printf ("%s\n", kw_reply_key (reply));
  kw_reply_free (reply);
}

/* Around pace_us, by chance: those who rest equally long come to ask all at once. */
static long
rest_us (void)
{
  if (chance == 0)
    chance = (uint32_t) getpid () + (uint32_t) (uintptr_t) &chance;
  chance = chance * 1664525 + 1013904223;
  return pace_us / 2 + (long) (chance >> 8) % pace_us;
}

static void
rest (long us)
{
  (void) nanosleep (&(struct timespec) { us / 1000000, us % 1000000 * 1000 }, NULL);
}

static void *
work (void *arg)
{
  long i;

  (void) arg;
  for (i = 0; n == 0 || i < n; i++) {
    ask (NULL);
    if (pace_us > 0)
      rest (rest_us ());
  }
  return NULL;
}

static void
work_on_demand (void)
{
  char model[128];

  while (fgets (model, sizeof model, stdin) != NULL) {
    model[strcspn (model, "\n")] = '\0';
    ask (model);
  }
}

static void
work_in_threads (long threads)
{
  pthread_t thread[MOST_THREADS];
  long i;

  for (i = 0; i < threads; i++)
    if (pthread_create (&thread[i], NULL, work, NULL) != 0)
      abort ();
  for (i = 0; i < threads; i++)
    (void) pthread_join (thread[i], NULL);
}

int
main (int argc, char **argv)
{
  struct kw_error err = KW_ERROR_INIT;
  const long threads = argc > 5 ? strtol (argv[5], NULL, 10) : 1;
  size_t i;

  if (argc < 4 || threads < 1 || threads > MOST_THREADS)
    return 2;
  on_demand = strcmp (argv[2], "-") == 0;
  n = on_demand ? 0 : strtol (argv[2], NULL, 10);
  pace_us = argc > 4 ? strtol (argv[4], NULL, 10) : 0;
  log_file = fopen (argv[3], "w");
  client = kw_client_open (argv[1], &err);
  if (log_file == NULL || client == NULL) {
    fprintf (stderr, "%s\n", err.message);
    return 2;
  }
  for (i = 0; kw_client_warning (client, i) != NULL; i++)
    fprintf (stderr, "%s\n", kw_client_warning (client, i));
  kw_client_observe (client, observe, NULL);
  (void) setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("ready\n");
  if (on_demand)
    work_on_demand ();
  else
    work_in_threads (threads);
  kw_client_close (client);
  (void) fclose (log_file);
  return failed;
}
