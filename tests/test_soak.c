/* test_soak - the gateway under load for as long as it is told (SOAK_MINUTES, or half
 * a minute and some): upstreams that reset, hang, fail in bursts and run out, clients
 * that vanish, a new configuration every few seconds.  Afterwards each request was
 * answered once and by its own answer, errors are those that the faults explain, and
 * nothing has grown.  Prints a table ("make soak"; see bench/RESULTS.md).
 * What SOAK_GATEWAY has is put into the INI's [gateway]. */
#include "kwtest.h"
#include "soak.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHORT_S 40
#define STEADY 48
#define FICKLE 12
#define SECOND INT64_C (1000000)
#define SAMPLES_MAX 8192

static struct {
  int seconds, slower, is_long;
  int64_t began_us, end_us;
  int64_t look_us, sample_us, hup_us, burst_us, tell_us;        /* when next */
  int64_t turned_us;            /* when last */
  struct soak_book book;
  struct soak_log logs[SOAK_PROVIDERS];
  struct soak_clients *clients;
  struct soak_figures before, after;
  struct soak_sums sums;
  double samples[SAMPLES_MAX];  /* of resident memory */
  size_t n_samples, bursts;
  double quarters[4];
  size_t heard_fickle, gone_fickle;
  int64_t drained_us;
} soak;

/* ---- While it runs ----------------------------------------------------------------------- */

static int
is_due (int64_t *next_us, int64_t every_us, int64_t now)
{
  if (now < *next_us)
    return 0;
  *next_us = now + every_us;
  return 1;
}

static void
read_logs (void)
{
  for (int p = 0; p < SOAK_PROVIDERS; p++)
    soak_log_read (&soak.logs[p], &soak.book);
}

/* On top of what fails all the time: enough that a breaker opens, and a probe or two
 * fail.  More would pile up behind it, as only probes use them up. */
static void
burst (void)
{
  static const char *const faults[] = {
    "status=503", "drop,reset", "status=500", "hang", "truncate", "html=520",
  };
  static const int providers[] = { SOAK_MAIN, SOAK_MAIN, SOAK_ALONE, SOAK_MAIN, SOAK_SPARE };
  int provider = providers[soak.bursts % 5];
  char fault[64];
  int n = snprintf (fault, sizeof fault, "%s,count=%d", faults[soak.bursts % 6],
                    provider == SOAK_ALONE ? 11 : 7);

  ck_assert (n > 0 && (size_t) n < sizeof fault);
  simctl_fault (soak_gateway_sim (provider), fault);
  soak.bursts++;
}

static void
sample (void)
{
  struct soak_figures now;

  soak_gateway_figures (&now);
  if (soak.n_samples < SAMPLES_MAX)
    soak.samples[soak.n_samples++] = now.resident_mb;
}

static void
tell (int64_t now)
{
  (void) fprintf (stderr, "soak: %" PRId64 " s of %d, %zu requests, %.1f MB resident, %zu wrong\n",
                  (now - soak.began_us) / SECOND, soak.seconds, soak.book.n,
                  soak.samples[soak.n_samples - 1], soak_n_wrong ());
}

/* Once in a turn.  Where one took so long others had none either: whatever was under
 * way then may be late. */
static void
note_standstill (void)
{
  int64_t now = soak_now_us ();

  if (soak.turned_us > 0 && now - soak.turned_us >= soak.book.attempt_us / 2)
    soak.book.may_be_late += STEADY + FICKLE;
  soak.turned_us = now;
}

static void
run_load (void)
{
  int64_t now = soak_now_us ();

  soak.began_us = now;
  soak.end_us = now + soak.seconds * SECOND;
  soak.burst_us = now + 2 * SECOND;
  soak.tell_us = now + 60 * SECOND;
  for (; now < soak.end_us; now = soak_now_us ()) {
    soak_clients_turn (soak.clients, 10);
    note_standstill ();
    if (is_due (&soak.look_us, SECOND / 10, now)) {
      read_logs ();
      soak_gateway_look ();
    }
    if (is_due (&soak.sample_us, SECOND / 2, now))
      sample ();
    if (is_due (&soak.burst_us, (soak.is_long ? 15 : 4) * SECOND, now))
      burst ();
    if (now >= soak.hup_us && soak_gateway_reload ())
      soak.hup_us = now + (soak.is_long ? 10 : 2) * SECOND;
    if (soak.is_long && is_due (&soak.tell_us, 60 * SECOND, now))
      tell (now);
  }
}

/* ---- Its end --------------------------------------------------------------------------------- */

static void
end_load (void)
{
  int64_t began = soak_now_us (), give_up = began + 2 * soak.book.bound_us;

  while (!soak_clients_end (soak.clients) && soak_now_us () < give_up) {
    soak_clients_turn (soak.clients, 20);
    note_standstill ();
    read_logs ();
    soak_gateway_look ();
  }
  soak.drained_us = soak_now_us () - began;
  soak_clients_free (soak.clients);
}

static int
is_as_before (void)
{
  soak_gateway_figures (&soak.after);
  return soak.after.descriptors <= soak.before.descriptors
         && soak.after.threads <= soak.before.threads;
}

/* Calls whose clients are gone are cancelled, at the provider too; and what served
 * an old configuration goes with it. */
static void
check_nothing_is_left (void)
{
  const struct timespec nap = { 0, 50000000 };
  int64_t give_up = soak_now_us () + 20 * SECOND * soak.slower;

  while (soak_gateway_under_way () > 0 && soak_now_us () < give_up)
    (void) nanosleep (&nap, NULL);
  if (soak_gateway_under_way () > 0)
    soak_wrong ("%zu requests go on that nobody waits for", soak_gateway_under_way ());
  soak_gateway_settle ();
  give_up = soak_now_us () + 20 * SECOND * soak.slower;
  while (!is_as_before () && soak_now_us () < give_up)
    (void) nanosleep (&nap, NULL);
  if (!is_as_before ())
    soak_wrong ("%d descriptors and %d threads, and %d and %d before", soak.after.descriptors,
                soak.after.threads, soak.before.descriptors, soak.before.threads);
}

static size_t
counted (const char *client, const char *code)
{
  char begins[160];
  int n = snprintf (begins, sizeof begins, "keywheel_client_requests_total{client=\"%s\"%s%s%s",
                    client, code != NULL ? ",code=\"" : "", code != NULL ? code : "",
                    code != NULL ? "\"" : "");

  ck_assert (n > 0 && (size_t) n < sizeof begins);
  return (size_t) soak_gateway_metric (begins);
}

static void
expect (const char *what, size_t is, size_t wanted)
{
  if (is != wanted)
    soak_wrong ("%s: %zu, and the clients have %zu", what, is, wanted);
}

static int
is_own (size_t code)
{
  return strcmp (soak_code_name (code), "provider's own") == 0;
}

/* What the gateway says of itself. */
static void
check_counts (void)
{
  size_t errors = 0, own = 0;

  expect ("requests of those that stay", counted ("steady", NULL), soak.sums.steady);
  expect ("of these ok", counted ("steady", "ok"), soak.sums.ok);
  for (size_t i = 0; i < SOAK_CODES; i++) {
    size_t n = counted ("steady", soak_code_name (i));
    if (n < soak.sums.codes[i] && !is_own (i))
      expect (soak_code_name (i), n, soak.sums.codes[i]);
    errors += n - (is_own (i) ? 0 : soak.sums.codes[i]);
    own += is_own (i) ? soak.sums.codes[i] : 0;
  }
  /* The rest are what was the provider's own, by the gateway's name for it. */
  expect ("streams cut, and errors of the providers'", errors, soak.sums.cut + own);
  soak.heard_fickle = counted ("fickle", NULL);
  soak.gone_fickle = counted ("fickle", "client_gone");
  if (soak.heard_fickle > soak.book.n - soak.sums.steady || soak.gone_fickle == 0)
    soak_wrong ("of %zu that vanished it counted %zu, %zu as gone",
                soak.book.n - soak.sums.steady, soak.heard_fickle, soak.gone_fickle);
}

static void
check_log (void)
{
  expect ("lines of those that stay", soak_gateway_logged ("steady"), soak.sums.steady);
  if (soak_gateway_logged ("fickle") != soak.heard_fickle)
    soak_wrong ("lines of those that vanish: %zu, not %zu", soak_gateway_logged ("fickle"),
                soak.heard_fickle);
}

static int
by_size (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

/* Medians of the quarters; the first one is for warming up.  A sanitizer keeps what is
 * freed. */
static void
check_memory (void)
{
  const char *sanitizers = getenv ("KW_SANITIZERS");
  size_t n = soak.n_samples / 4;

  for (size_t i = 0; i < 4; i++) {
    qsort (soak.samples + i * n, n, sizeof *soak.samples, by_size);
    soak.quarters[i] = soak.samples[i * n + n / 2];
  }
  if (sanitizers != NULL && strcmp (sanitizers, "no") != 0)
    return;
  if (soak.quarters[3] > soak.quarters[1] * 1.1 + 2)
    soak_wrong ("resident memory grows: %.1f MB in the second quarter, %.1f in the last",
                soak.quarters[1], soak.quarters[3]);
}

/* ---- What it was -------------------------------------------------------------------------------- */

#define ROW(what, fmt, ...) (void) printf ("| %-42s | " fmt " |\n", what, __VA_ARGS__)

static void
print_requests (void)
{
  const struct soak_sums *s = &soak.sums;

  ROW ("requests", "%zu: %zu questions, %zu streams, %zu of 66 to 166 KB, %zu uploads of 66 to "
       "297 KB, %zu with answers of %d KB", s->steady, s->kinds[SOAK_PLAIN],
       s->kinds[SOAK_STREAM], s->kinds[SOAK_LARGE], s->kinds[SOAK_UPLOAD], s->kinds[SOAK_BIG],
       SOAK_BIG_BYTES / 1000);
  ROW ("answered in full, by the right answer, once", "%zu (%.3f %%)", s->ok,
       100.0 * (double) s->ok / (double) s->steady);
  ROW ("of the provider with a fallback; failed", "%zu; %zu", s->backed, s->backed_failed);
  ROW ("streams cut by the provider, told so", "%zu", s->cut);
  for (size_t i = 0; i < SOAK_CODES; i++)
    ROW (soak_code_name (i), "%zu", s->codes[i]);
  ROW ("anything wrong besides", "%zu", soak_n_wrong ());
  ROW ("served again, as the answer was too late", "%zu", s->late);
  ROW ("vanished", "%zu in the head, %zu in an upload, %zu when it was sent, %zu in a stream, "
       "%zu in silence", s->leaves[SOAK_IN_HEAD], s->leaves[SOAK_IN_UPLOAD],
       s->leaves[SOAK_AT_ONCE], s->leaves[SOAK_IN_STREAM], s->leaves[SOAK_IN_SILENCE]);
  ROW ("of these heard of, and cancelled", "%zu, %zu", soak.heard_fickle, soak.gone_fickle);
}

static void
print_providers (double switches, double fallbacks, double waits)
{
  size_t all = 0;

  for (size_t i = 0; i < soak.book.n_verdicts; i++)
    all += soak.book.verdicts[i].n;
  (void) printf ("| %-42s | %zu:", "exchanges with providers", all);
  for (size_t i = 0; i < soak.book.n_verdicts; i++)
    (void) printf ("%s %zu %s", i > 0 ? "," : "", soak.book.verdicts[i].n,
                   soak.book.verdicts[i].name);
  (void) printf (" |\n");
  ROW ("bursts of faults on top", "%zu", soak.bursts);
  ROW ("switches of keys, waits, fallbacks", "%.0f, %.0f, %.0f", switches, waits, fallbacks);
}

static void
print_table (double switches, double fallbacks, double waits)
{
  (void) printf ("\n| what | figure |\n|---|---|\n");
  ROW ("load", "%d s; %d clients that stay, %d that vanish", soak.seconds, STEADY, FICKLE);
  print_requests ();
  print_providers (switches, fallbacks, waits);
  ROW ("SIGHUP: right and wrong configurations", "%zu, %zu", soak.after.reloads,
       soak.after.refused);
  ROW ("resident: before, by quarters, idle again", "%.1f; %.1f, %.1f, %.1f, %.1f; %.1f MB",
       soak.before.resident_mb, soak.quarters[0], soak.quarters[1], soak.quarters[2],
       soak.quarters[3], soak.after.resident_mb);
  ROW ("descriptors, threads: before and after", "%d, %d; %d, %d", soak.before.descriptors,
       soak.before.threads, soak.after.descriptors, soak.after.threads);
  ROW ("small questions: half and 99 % of them in", "%.1f ms, %.1f ms",
       (double) soak.sums.p50_us / 1e3, (double) soak.sums.p99_us / 1e3);
  ROW ("the longest request, and its bound", "%.1f s, %.1f s", (double) soak.sums.most_us / 1e6,
       (double) soak.book.bound_us / 1e6);
  ROW ("SIGTERM", "%d streams under way came to their end, exit code 0", SOAK_LAST_STREAMS);
  (void) printf ("\n");
  (void) fflush (stdout);
}

/* ---- The whole -------------------------------------------------------------------------------------- */

static void
set_length (void)
{
  const char *minutes = getenv ("SOAK_MINUTES");
  double n = minutes != NULL ? strtod (minutes, NULL) : 0;

  soak.seconds = n > 0 ? (int) (n * 60) : SHORT_S;
  soak.is_long = soak.seconds >= 300;
  soak.slower = kwtest_slower ();
}

START_TEST (every_request_is_answered_once_whatever_fails_and_nothing_grows)
{
  int port = soak_gateway_start (soak.seconds, soak.slower);
  int64_t attempt_us = soak_gateway_attempt_ms () * INT64_C (1000);
  double switches, fallbacks, waits;

  soak.book.attempt_us = attempt_us;
  soak.book.bound_us = 4 * attempt_us + (soak.slower > 1 ? 20 : 5) * SECOND;
  for (int p = 0; p < SOAK_PROVIDERS; p++)
    soak_log_open (&soak.logs[p], soak_gateway_log_path (p));
  soak_gateway_settle ();
  soak_gateway_figures (&soak.before);
  soak.clients = soak_clients_new (&soak.book, port, STEADY, FICKLE,
                                   soak_gateway_token ("steady"), soak_gateway_token ("fickle"));
  run_load ();
  end_load ();
  check_nothing_is_left ();
  read_logs ();
  soak_book_close (&soak.book, &soak.sums);
  check_counts ();
  check_memory ();
  switches = soak_gateway_metric ("keywheel_switches_total");
  fallbacks = soak_gateway_metric ("keywheel_fallbacks_total");
  waits = soak_gateway_metric ("keywheel_waits_total");
  soak_gateway_stop ();
  check_log ();
  print_table (switches, fallbacks, waits);
  for (int p = 0; p < SOAK_PROVIDERS; p++)
    soak_log_close (&soak.logs[p]);
  soak_book_clear (&soak.book);
  ck_assert_msg (soak_n_wrong () == 0, "%zu things were wrong; see above", soak_n_wrong ());
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *s = suite_create ("soak");
  TCase *t = tcase_create ("soak");

  set_length ();
  tcase_set_timeout (t, soak.seconds + 240);
  tcase_add_test (t, every_request_is_answered_once_whatever_fails_and_nothing_grows);
  suite_add_tcase (s, t);
  return s;
}

KW_MAIN (make_suite)
