/* kit - what the benchmarks share; see kit.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kit.h"

void
bench_die (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  (void) fputs ("bench: ", stderr);
  (void) vfprintf (stderr, fmt, args);
  (void) fputc ('\n', stderr);
  va_end (args);
  exit (1);
}

double
bench_us (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* ---- Arguments ---------------------------------------------------------- */

static long
number (int option, const char *text)
{
  char *end;
  long n;

  errno = 0;
  n = strtol (text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || n < 1 || n > 1000000000)
    bench_die ("-%c %s: a number from 1 to 1000000000 is wanted", option, text);
  return n;
}

/* A chat as people send them, as long as body_size says. */
static void
make_body (struct bench *b)
{
  static const char before[] =
    "{\"model\":\"llama-3.3-70b-versatile\",\"temperature\":0.2,\"max_tokens\":256,"
    "\"stream\":false,\"messages\":[{\"role\":\"system\","
    "\"content\":\"You are a helpful assistant.\"},"
    "{\"role\":\"user\",\"content\":\"";
  static const char words[] = "Say in one sentence what a key wheel is for, please. ";
  static const char after[] = "\"}]}", no[] = "false", yes[] = "true ";
  const size_t fixed = sizeof before - 1 + sizeof after - 1;
  size_t size = (size_t) b->body_size, i;

  if (size < fixed)
    size = fixed;
  b->body_len = size;
  b->body = malloc (size + 1);
  if (b->body == NULL)
    bench_die ("out of memory");
  memcpy (b->body, before, sizeof before);
  if (b->stream)
    memcpy (strstr (b->body, no), yes, sizeof yes - 1);
  for (i = sizeof before - 1; i < size - (sizeof after - 1); i++)
    b->body[i] = words[(i - (sizeof before - 1)) % (sizeof words - 1)];
  memcpy (b->body + i, after, sizeof after);
}

void
bench_args (struct bench *b, int argc, char **argv)
{
  int c;

  while ((c = getopt (argc, argv, "c:u:o:n:r:k:b:")) != -1)
    switch (c) {
    case 'c': b->ini = optarg; break;
    case 'u': b->url = optarg; break;
    case 'o': b->only = optarg; break;
    case 'n': b->n = number (c, optarg); break;
    case 'r': b->rounds = number (c, optarg); break;
    case 'k': b->at_once = number (c, optarg); break;
    case 'b': b->body_size = number (c, optarg); break;
    default: bench_die ("bench/run.sh says how this is called");
    }
  if (b->only == NULL)
    b->only = "";
  if (optind != argc || b->ini == NULL || b->url == NULL)
    bench_die ("-c FILE.ini and -u URL are wanted; bench/run.sh gives them");
  make_body (b);
  if (curl_global_init (CURL_GLOBAL_ALL) != CURLE_OK)
    bench_die ("libcurl does not start");
}

/* ---- The two sides ------------------------------------------------------- */

static size_t
keep (char *data, size_t one, size_t n, void *user)
{
  struct bench_sink *s = user;
  size_t len = one * n;

  if (len > s->room - s->len) {
    size_t room = 2 * (s->len + len);
    char *more = realloc (s->data, room);
    if (more == NULL)
      return 0;
    s->data = more;
    s->room = room;
  }
  memcpy (s->data + s->len, data, len);
  s->len += len;
  return len;
}

CURL *
bench_easy (const struct bench *b, struct bench_sink *s)
{
  CURL *e = curl_easy_init ();
  struct curl_slist *h = NULL;
  char auth[256];
  const char *key = getenv ("KW_BENCH_KEY");
  int n = snprintf (auth, sizeof auth, "Authorization: Bearer %s",
                    key != NULL ? key : "");

  if (key == NULL || n < 0 || (size_t) n >= sizeof auth)
    bench_die ("KW_BENCH_KEY is not set, or too long");
  h = curl_slist_append (h, "Content-Type: application/json");
  h = h != NULL ? curl_slist_append (h, auth) : NULL;
  if (e == NULL || h == NULL)
    bench_die ("out of memory");
  (void) curl_easy_setopt (e, CURLOPT_URL, b->url);
  (void) curl_easy_setopt (e, CURLOPT_NOSIGNAL, 1L);
  (void) curl_easy_setopt (e, CURLOPT_USERAGENT, "keywheel/0.1.0");
  /* Nor does keywheel ask for a packed stream. */
  (void) curl_easy_setopt (e, CURLOPT_ACCEPT_ENCODING, b->stream ? NULL : "");
  (void) curl_easy_setopt (e, CURLOPT_HTTPHEADER, h);
  (void) curl_easy_setopt (e, CURLOPT_WRITEFUNCTION, keep);
  (void) curl_easy_setopt (e, CURLOPT_WRITEDATA, s);
  (void) curl_easy_setopt (e, CURLOPT_POSTFIELDS, b->body);
  (void) curl_easy_setopt (e, CURLOPT_POSTFIELDSIZE, (long) b->body_len);
  return e;                     /* the list lives as long as the program */
}

void
bench_judge (CURL *e, CURLcode rc, struct bench_sink *s)
{
  long status = 0;

  if (rc != CURLE_OK)
    bench_die ("the bare side: %s", curl_easy_strerror (rc));
  (void) curl_easy_getinfo (e, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200 || s->len == 0)
    bench_die ("the bare side: status %ld with %zu bytes", status, s->len);
  s->len = 0;
}

kw_client *
bench_client (const struct bench *b)
{
  struct kw_error err = KW_ERROR_INIT;
  kw_client *c = kw_client_open (b->ini, &err);

  if (c == NULL)
    bench_die ("%s", err.message);
  return c;
}

void
bench_request (const struct bench *b, kw_request *r)
{
  r->body = b->body;
  r->body_len = b->body_len;
}

void
bench_chat (const struct bench *b, kw_client *c)
{
  kw_request r = KW_REQUEST_INIT;
  struct kw_error err = KW_ERROR_INIT;
  kw_reply *reply = NULL;
  size_t len = 0;

  bench_request (b, &r);
  if (kw_chat (c, &r, &reply, &err) != 0)
    bench_die ("keywheel's side: %s", err.message);
  if (kw_reply_body (reply, &len) == NULL || len == 0)
    bench_die ("keywheel's side: no answer");
  kw_reply_free (reply);
}

/* ---- Rounds and rows ------------------------------------------------------ */

static int
by_size (const void *a, const void *b)
{
  const double *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

double
bench_median (double *v, size_t n)
{
  qsort (v, n, sizeof *v, by_size);
  return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double
cpu_us (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* What the rounds of both sides come to; v is bare's and keywheel's. */
static void
sum_up (double *v[2], long rounds, struct bench_pair *p)
{
  double *ratio = calloc ((size_t) rounds, sizeof *ratio);
  long i;

  if (ratio == NULL)
    bench_die ("out of memory");
  for (i = 0; i < rounds; i++)
    ratio[i] = v[1][i] / v[0][i];
  p->ratio = bench_median (ratio, (size_t) rounds);     /* sorts them */
  p->lowest = ratio[0];
  p->highest = ratio[rounds - 1];
  p->bare = bench_median (v[0], (size_t) rounds);
  p->keywheel = bench_median (v[1], (size_t) rounds);
  free (ratio);
}

void
bench_rounds (long rounds, long per_round,
              double (*side) (void *user, int keywheel), void *user,
              struct bench_result *ret)
{
  double *v[2], *cpu[2];
  long i;
  int k, turn;

  for (k = 0; k < 2; k++) {
    v[k] = calloc ((size_t) rounds, sizeof **v);
    cpu[k] = calloc ((size_t) rounds, sizeof **cpu);
    if (v[k] == NULL || cpu[k] == NULL)
      bench_die ("out of memory");
    (void) side (user, k);
  }
  for (i = 0; i < rounds; i++)
    for (turn = 0; turn < 2; turn++) {
      double began = cpu_us ();
      k = (int) ((i + turn) % 2);
      v[k][i] = side (user, k);
      cpu[k][i] = (cpu_us () - began) / (double) per_round;
    }
  sum_up (v, rounds, &ret->wall);
  sum_up (cpu, rounds, &ret->cpu);
  for (k = 0; k < 2; k++) {
    free (v[k]);
    free (cpu[k]);
  }
}

static void
row (const char *what, const char *unit, const struct bench_pair *p,
     const char *verdict)
{
  (void) printf ("| %-44s | %10.*f | %10.*f | %-10s | %5.3f | %.2f..%.2f   | %-15s |\n",
                 what, p->bare < 1000 ? 2 : 0, p->bare,
                 p->keywheel < 1000 ? 2 : 0, p->keywheel, unit, p->ratio, p->lowest,
                 p->highest, verdict);
}

void
bench_row (const char *what, const char *unit, const struct bench_result *r,
           double wanted, int at_most)
{
  char verdict[64] = "";
  int holds = at_most ? r->wall.ratio <= wanted : r->wall.ratio >= wanted;

  if (wanted >= 0
      && snprintf (verdict, sizeof verdict, "%s %.2f: %s", at_most ? "<=" : ">=",
                   wanted, holds ? "holds" : "MISSED") < 0)
    return;
  row (what, unit, &r->wall, verdict);
  row ("    processor time of it", "us each", &r->cpu, "");
  (void) fflush (stdout);
}
