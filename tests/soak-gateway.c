/* soak-gateway - the gateway as a process under watch: what it is configured with,
 * how that changes, and what the system and it itself say of it (see soak.h). */
#include "gatekit.h"
#include "soak.h"

#include <time.h>

#define DAY_S 86400

static struct {
  struct simctl *sims[SOAK_PROVIDERS];
  int attempt_ms, seconds;
  size_t asked, reloads, refused;       /* SIGHUPs, and what they came to */
  int wrong;                    /* the last one was                       */
  size_t generation, told_at;   /* of the configuration in force; read of its words */
  size_t rotations, logged[2];  /* of the access log; its lines           */
  char tokens[3][128];
} world;

static const char *const clients[3] = { "steady", "fickle", "ops" };

/* ---- What it is configured with ----------------------------------------------------------- */

/* Keys of the providers.  For all but the narrow one a day is as long as the soak, and
 * as little of it has each second.  Minutes are whole: a client that reckons with
 * what it is told of a limit would be misled. */
static const struct {
  int provider;
  const char *name;
  int a_second_of_day, a_minute;        /* 0: no such limit */
} keys[] = {
  { SOAK_MAIN, "a", 10, 0 },
  { SOAK_MAIN, "b", 20, 0 },
  { SOAK_MAIN, "c", 0, 0 },
  { SOAK_SPARE, "e", 1, 0 },
  { SOAK_SPARE, "f", 0, 0 },
  { SOAK_ALONE, "g", 10, 0 },
  { SOAK_ALONE, "h", 0, 0 },
  { SOAK_NARROW, "i", 0, 60 },
  { SOAK_NARROW, "j", 0, 120 },
};
#define N_KEYS (sizeof keys / sizeof keys[0])

static const char *const names[SOAK_PROVIDERS] = { "main", "spare", "alone", "narrow" };

/* What goes wrong all the time, and how often; the spare one's is a quarter. */
static const struct {
  const char *fault;
  int one_in;
} faults[] = {
  { "drop", 120 },
  { "drop,reset", 120 },
  { "hang", 1500 },
  { "status=500", 150 },
  { "status=503", 150 },
  { "html=520", 300 },
  { "garbage", 300 },
  { "truncate", 150 },
  { "truncate,reset", 150 },
  { "sse-break=0", 60 },
  { "sse-break=4", 60 },
  { "sse-break=4,reset", 60 },
  { "sse-error", 60 },
  { "sse-error,after=4", 60 },
  { "delay=100", 30 },
  { "chunk-delay=15", 10 },
};

static const char *
limit (const char *name, int n)
{
  return n > 0 ? format (",%s=%d", name, n) : "";
}

static void
start_sim (int provider)
{
  const char *const models[] = {
    "hang,model=never", "chunk-delay=40,model=slow",
    format ("body-size=%d,chunked,model=big,one-in=2", SOAK_BIG_BYTES),
    format ("body-size=%d,model=big", SOAK_BIG_BYTES),
  };
  char *args[64] = { NULL };
  size_t n = 0;

  args[n++] = strdup ("--time-scale");
  args[n++] = strdup (format ("%d", provider == SOAK_NARROW ? 1 : DAY_S / world.seconds));
  args[n++] = strdup ("--log");
  args[n++] = strdup (soak_gateway_log_path (provider));
  for (size_t i = 0; i < N_KEYS; i++)
    if (keys[i].provider == provider) {
      args[n++] = strdup ("--key");
      args[n++] = strdup (format (SECRET "%s,name=%s%s%s", keys[i].name, keys[i].name,
                                  limit ("rpm", keys[i].a_minute),
                                  limit ("rpd", keys[i].a_second_of_day * world.seconds)));
    }
  for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
    args[n++] = strdup ("--fault");
    args[n++] = strdup (models[i]);
  }
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    args[n++] = strdup ("--fault");
    args[n++] = strdup (format ("%s,one-in=%d", faults[i].fault,
                                faults[i].one_in * (provider == SOAK_SPARE ? 4 : 1)));
  }
  world.sims[provider] = simctl_start ((const char *const *) args);
  while (n > 0)
    free (args[--n]);
}

/* What differs between generations; a mark of its own tells which one is in force. */
static void
write_sections (FILE *f, size_t generation)
{
  static const char *const differs[] = {
    "", "on_rate_limit = switch\nstrategy = least_used\nmax_concurrency = 6\n",
    "strategy = round_robin\npace = on\n",
  };

  for (int p = 0; p < SOAK_PROVIDERS; p++)
    (void) fprintf (f, "[provider %s]\nplugin = groq\nbase_url = %s\nmax_retries = 3\n"
                    "backoff_initial = 10ms\nbackoff_max = 200ms\nattempt_timeout = %dms\n"
                    "deadline = %dms\nbreaker_open = 400ms\nbreaker_open_max = 2s\n%s%s",
                    names[p], simctl_base_url (world.sims[p]), world.attempt_ms,
                    (p == SOAK_NARROW ? 1 : 4) * world.attempt_ms, differs[generation % 3],
                    p == SOAK_MAIN ? "fallback = spare\n"
                    : p == SOAK_ALONE ? "breaker_failures = 8\n" : "breaker_failures = 0\n");
  for (size_t i = 0; i < N_KEYS; i++)
    (void) fprintf (f, "[key %s/%s]\nenv = SOAK_%s\n", names[keys[i].provider], keys[i].name,
                    keys[i].name);
  /* Those who wait here have to be told that their clients are gone. */
  (void) fprintf (f, "[provider patient]\nplugin = groq\nbase_url = %s\nmax_retries = 0\n"
                  "attempt_timeout = 1h\ndeadline = 1h\n[key patient/h]\nenv = SOAK_h\n"
                  "[provider mark-%zu]\nplugin = groq\n[key mark-%zu/m]\nenv = SOAK_a\n",
                  simctl_base_url (world.sims[SOAK_ALONE]), generation, generation);
}

static int
has_sqlite (void)
{
  return access (format ("%s/stores/.libs/sqlite.so", kwtest_builddir ()), R_OK) == 0;
}

/* wrong NULL, or a line that makes it one that is refused. */
static void
write_configuration (size_t generation, const char *wrong)
{
  const char *more = getenv ("SOAK_GATEWAY");
  FILE *f = fopen (format ("%s/keywheel.ini", dir), "w");

  ck_assert_ptr_nonnull (f);
  (void) fprintf (f, "[keywheel]\nprovider = main\nlog_level = error\nstate = %s\n[gateway]\n"
                  "client_tokens = tokens\naccess_log = %s/access.log\n%s%s\n",
                  generation % 4 == 3 && has_sqlite () ? "sqlite:state.db" : "memory",
                  dir, more != NULL ? more : "", wrong != NULL ? wrong : "");
  write_sections (f, generation);
  ck_assert_int_eq (fclose (f), 0);
}

static void
make_token (size_t i)
{
  run ("token", "new", clients[i], format ("%s/tokens", dir), NULL);
  ENDS_WITH (0);
  ck_assert_int_lt (snprintf (world.tokens[i], sizeof world.tokens[i], "%.*s",
                              (int) strcspn (got.out, "\n"), got.out),
                    (int) sizeof world.tokens[i]);
}

int
soak_gateway_start (int seconds, int slower)
{
  static const char say[] = "exec \"$0\" \"$@\" 2> \"$SOAK_SAID\"";
  const char *const argv[] = { "/bin/sh", "-c", say, program, "serve", "--listen",
                               "127.0.0.1:0", NULL };

  set_up ();
  world.seconds = seconds;
  world.attempt_ms = slower > 1 ? 6000 : 2000;
  set_env (format ("SOAK_SAID=%s/said", dir));
  for (size_t i = 0; i < N_KEYS; i++)
    set_env (format ("SOAK_%s=" SECRET "%s", keys[i].name, keys[i].name));
  for (int p = 0; p < SOAK_PROVIDERS; p++)
    start_sim (p);
  for (size_t i = 0; i < 3; i++)
    make_token (i);
  set_env (ini);
  write_configuration (0, NULL);
  gateway = proc_start (argv, environment);
  read_port ();
  return gateway_port;
}

struct simctl *
soak_gateway_sim (int provider)
{
  return world.sims[provider];
}

const char *
soak_gateway_log_path (int provider)
{
  return format ("%s/%s.log", dir, names[provider]);
}

const char *
soak_gateway_token (const char *client)
{
  size_t i = 0;

  while (strcmp (clients[i], client) != 0)
    i++;
  return world.tokens[i];
}

int
soak_gateway_attempt_ms (void)
{
  return world.attempt_ms;
}

/* ---- What it says of itself ------------------------------------------------------------------ */

/* A file's text, malloced; "" if it is not there. */
static char *
file_text (const char *path, size_t from)
{
  FILE *f = fopen (path, "r"), *all;
  char *text = NULL, piece[4096];
  size_t size, n;

  all = open_memstream (&text, &size);
  ck_assert_ptr_nonnull (all);
  if (f != NULL) {
    ck_assert_int_eq (fseek (f, (long) from, SEEK_SET), 0);
    while ((n = fread (piece, 1, sizeof piece, f)) > 0)
      ck_assert_uint_eq (fwrite (piece, 1, n, all), n);
    (void) fclose (f);
  }
  ck_assert_int_eq (fclose (all), 0);
  return text;
}

static void
ask_gateway (const char *path)
{
  ask_with ("GET", path, format ("Authorization: Bearer %s\r\n", world.tokens[2]), NULL);
  ck_assert_msg (a.status == 200, "%s: %s", path, a.heard.bytes);
}

double
soak_gateway_metric (const char *line_begins)
{
  size_t len = strlen (line_begins);
  double sum = 0;

  ask_gateway ("/metrics");
  for (const char *line = a.body; line != NULL && *line != '\0';
       line = strchr (line, '\n'), line += line != NULL)
    if (strncmp (line, line_begins, len) == 0)
      sum += strtod (line + strcspn (line, " \n"), NULL);
  return sum;
}

size_t
soak_gateway_under_way (void)
{
  /* The one that asks is among them. */
  size_t n = (size_t) soak_gateway_metric ("keywheel_requests_under_way ") - 1;

  for (int p = 0; p < SOAK_PROVIDERS; p++) {
    struct simctl_reply r;
    simctl_call (world.sims[p], "GET", "/sim/stats", NULL, NULL, &r);
    const char *at = strstr (r.body, "\"under_way\":");
    ck_assert_ptr_nonnull (at);
    n += strtoul (at + strlen ("\"under_way\":"), NULL, 10);
    simctl_reply_clear (&r);
  }
  return n;
}

/* ---- Another configuration --------------------------------------------------------------------- */

/* The access log that the n-th rotation put away. */
static const char *
old_log (size_t n)
{
  return format ("%s/access.%zu", dir, n);
}

static void
count_logged (const char *path)
{
  char *text = file_text (path, 0);

  for (size_t i = 0; i < 2; i++) {
    const char *mark = format ("\"client\":\"%s\"", clients[i]);
    for (const char *at = text; (at = strstr (at, mark)) != NULL; at++)
      world.logged[i]++;
  }
  free (text);
}

size_t
soak_gateway_logged (const char *client)
{
  return world.logged[strcmp (client, clients[0]) != 0];
}

int
soak_gateway_reload (void)
{
  static const char *const mistakes[] = {
    "max_bodies = 1", "idle_timeout = soon", "[nonsense]", "[provider main]\n[provider main]",
    "[key main/z]\nenv = SOAK_NOT_SET", "\x01",
  };
  size_t i = world.asked;

  if (world.asked > world.reloads + world.refused)
    return 0;
  world.wrong = i % 4 == 1;
  world.generation += (size_t) !world.wrong;
  write_configuration (world.generation, world.wrong
                       ? mistakes[i / 4 % (sizeof mistakes / sizeof mistakes[0])] : NULL);
  if (!world.wrong)
    (void) rename (format ("%s/access.log", dir), old_log (world.rotations++));
  world.asked++;
  proc_signal (gateway, SIGHUP);
  return 1;
}

/* What the last one came to is there. */
static void
reloaded (int wrong)
{
  world.reloads += (size_t) !wrong;
  world.refused += (size_t) wrong;
  if (wrong != world.wrong)
    soak_wrong ("a %s configuration was %s", world.wrong ? "wrong" : "right",
                wrong ? "refused" : "taken");
  ask_gateway ("/status");
  if (strstr (a.body, format ("\"mark-%zu\"", world.generation)) == NULL)
    soak_wrong ("configuration %zu is not in force: %s", world.generation, a.body);
}

void
soak_gateway_look (void)
{
  static const char read[] = "the configuration was read again:";
  static const char refused[] = "the configuration was not read again:";
  char *text;
  const char *good, *bad;

  if (world.asked == world.reloads + world.refused)
    return;
  text = file_text (format ("%s/said", dir), world.told_at);
  good = strstr (text, read);
  bad = strstr (text, refused);
  if (good != NULL || bad != NULL) {
    world.told_at += strlen (text);
    reloaded (bad != NULL);
  }
  free (text);
}

/* What a reload has replaced is closed beside the loop, and looked for once a second. */
static void
wait_until_still (void)
{
  const struct timespec nap = { 0, 50000000 };
  struct soak_figures was, is;

  soak_gateway_figures (&is);
  for (int same = 0; same < 50; same++) {
    was = is;
    (void) nanosleep (&nap, NULL);
    soak_gateway_figures (&is);
    if (is.descriptors != was.descriptors || is.threads != was.threads)
      same = 0;
  }
}

void
soak_gateway_settle (void)
{
  const struct timespec nap = { 0, 20000000 };

  do {
    (void) soak_gateway_reload ();
    (void) nanosleep (&nap, NULL);
    soak_gateway_look ();
  } while (world.asked > world.reloads + world.refused || world.generation % 4 != 0
           || world.wrong);
  wait_until_still ();
}

/* ---- What the system says of it ------------------------------------------------------------------ */

void
soak_gateway_figures (struct soak_figures *ret)
{
  char *text = file_text (format ("/proc/%d/status", (int) proc_pid (gateway)), 0);
  const char *rss = strstr (text, "\nVmRSS:"), *threads = strstr (text, "\nThreads:");

  ck_assert_msg (rss != NULL && threads != NULL, "the gateway is gone; it said: %s",
                 file_text (format ("%s/said", dir), 0));
  ret->resident_mb = strtod (rss + strlen ("\nVmRSS:"), NULL) / 1024;
  ret->threads = (int) strtol (threads + strlen ("\nThreads:"), NULL, 10);
  ret->descriptors = count_descriptors ();
  ret->reloads = world.reloads;
  ret->refused = world.refused;
  free (text);
}

/* ---- Its end --------------------------------------------------------------------------------------- */

/* Streams that are under way when it is told to end come to their end. */
void
soak_gateway_stop (void)
{
  int fds[SOAK_LAST_STREAMS];
  struct heard heard[SOAK_LAST_STREAMS] = { { NULL, 0 } };
  char *said;

  for (int p = 0; p < SOAK_PROVIDERS; p++) {
    simctl_clear_faults (world.sims[p]);
    simctl_fault (world.sims[p], "chunk-delay=40");
  }
  for (int i = 0; i < SOAK_LAST_STREAMS; i++) {
    fds[i] = client_connect ();
    say_request (fds[i], "POST", CHAT,
                 format ("Authorization: Bearer %s\r\n", world.tokens[2]), STREAM);
    hear_until (fds[i], &heard[i], "\ndata: ");
  }
  proc_signal (gateway, SIGTERM);
  for (int i = 0; i < SOAK_LAST_STREAMS; i++) {
    answer_clear ();
    a.heard = heard[i];
    finish_answer (fds[i]);
    if (a.cut || strstr (a.body, "data: [DONE]") == NULL)
      soak_wrong ("a stream was cut by SIGTERM: %s", a.heard.bytes);
  }
  gateway_stop ();
  for (size_t i = 0; i < world.rotations; i++)
    count_logged (old_log (i));
  count_logged (format ("%s/access.log", dir));
  said = file_text (format ("%s/said", dir), 0);
  if (strstr (said, SECRET) != NULL)
    soak_wrong ("a secret was told: %s", said);
  free (said);
  for (int p = 0; p < SOAK_PROVIDERS; p++)
    simctl_stop (world.sims[p]);
  gateway_tear_down ();
}
