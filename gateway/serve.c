/* serve - the process of a gateway: its signals, its loops, its end (see
 * serve.h). */
#include "serve.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "accept.h"
#include "cli.h"
#include "gateway.h"
#include "notify.h"
#include "reload.h"
#include "worker.h"

#define SWEEP_MS 1000
#define HANGS_MS 10000          /* without a turn                         */
#define RUSH 256                /* requests at once                       */
#define LOOPS_MAX 256           /* as the option loops                    */
#define NOTED 2                 /* the level of events that notes are of  */

struct serve {
  struct gw_gateway gateway;
  struct gw_accept accept;
  const struct cli_options *options;
  struct gw_reload reload;
  struct gw_notify notify;
  struct gw_watch signals;
  size_t most;                  /* requests at once, lately               */
  int64_t sweep_ms;             /* when the next one is                   */
  int64_t end_by_ms;            /* draining: when it is over; 0: it is not */
};

static struct gw_worker *
main_worker (struct serve *s)
{
  return &s->gateway.workers[0];
}

/* ---- Signals ------------------------------------------------------------------ */

static void
end_calls (struct serve *s)
{
  atomic_store (&s->gateway.ending, 1);
  for (struct gw_config *c = s->gateway.configs; c != NULL; c = c->next)
    kw_client_cancel (c->client);
}

static void
drain (struct serve *s)
{
  int64_t patience = s->gateway.configs->settings.drain_timeout_ms;
  size_t n;

  if (s->end_by_ms != 0) {      /* the second signal */
    end_calls (s);
    return;
  }
  s->end_by_ms = gw_now_ms () + patience;
  gw_notify (&s->notify, "STOPPING=1");
  n = gw_n_requests (&s->gateway);
  gw_accept_end (&s->accept);
  cli_say ("ending: %zu request%s under way", n, n == 1 ? "" : "s");
  atomic_store (&s->gateway.draining, 1);
  for (size_t i = 0; i < s->gateway.n_workers; i++)
    gw_worker_drain (&s->gateway.workers[i]);
}

static void
on_signal (struct gw_watch *watch, uint32_t events)
{
  struct serve *s = (struct serve *) (void *) ((char *) watch
                                               - offsetof (struct serve, signals));
  struct signalfd_siginfo info;

  (void) events;
  while (read (watch->fd, &info, sizeof info) == (ssize_t) sizeof info)
    if (info.ssi_signo != SIGHUP)
      drain (s);
    else if (s->end_by_ms == 0) {
      gw_notify_reloading (&s->notify);
      gw_reload_ask (&s->reload);
    }
}

/* Before any thread begins: none is to take a signal that the loop waits for.
 * They stay blocked, so that one that comes at the very end does not end the end. */
static int
take_signals (struct serve *s)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGHUP);
  (void) sigprocmask (SIG_BLOCK, &set, NULL);
  s->signals.on_ready = on_signal;
  s->signals.fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return s->signals.fd >= 0 ? 0 : -errno;
}

/* A connection of a client's is one descriptor, and its provider's another. */
static void
raise_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit (RLIMIT_NOFILE, &limit);
  }
}

/* ---- What the clients tell ------------------------------------------------------ */

static void
on_event (void *user, const kw_event *event)
{
  struct serve *s = user;

  gw_notes_event (s->gateway.notes, event);
  cli_tell_event (event, atomic_load (&s->gateway.level));
}

static void
observe (struct serve *s, kw_client *client)
{
  int level = cli_level (s->options, client);

  atomic_store (&s->gateway.level, level);
  kw_client_observe (client, on_event, s);
  kw_client_observe_texts (client, level > NOTED ? level : NOTED);
}

/* ---- Configurations that come and go ------------------------------------------ */

static int
is_reachable (const struct gw_listeners *listeners)
{
  for (size_t i = 0; i < listeners->n; i++)
    if (!listeners->of[i].local)
      return 1;
  return 0;
}

/* Also the way to rotate it. */
static void
reopen_log (struct serve *s, const struct gw_config *config)
{
  int r = gw_log_open (&s->gateway.log, config->settings.access_log);

  if (r != 0)
    cli_say ("access_log = %s: %s; the one that is open stays", config->settings.access_log,
             strerror (-r));
}

/* That of a new client, which it takes over; NULL: why was told. */
static struct gw_config *
new_config (struct serve *s, kw_client *client)
{
  struct gw_config *config;
  char why[512];

  if (gw_config_new (client, &config, why, sizeof why) != 0) {
    cli_say ("%s", why);
    return NULL;
  }
  if (config->clients.by_token || !is_reachable (&s->accept.listeners))
    return config;
  cli_say ("without client_tokens everybody who reaches the gateway could use the keys, and "
           "it listens not only on this machine");
  gw_reload_close (&s->reload, gw_config_end (config));
  return NULL;
}

/* It is in the list before it inherits, so that a reset that comes meanwhile reaches
 * it. */
static void
hand_out (struct serve *s, struct gw_config *config)
{
  struct gw_gateway *g = &s->gateway;

  atomic_store (&config->holders, (int) g->n_workers);
  gw_lock (g);
  config->next = g->configs;
  g->configs = config;
  gw_unlock (g);
  gw_config_inherit (g, config, gw_now_ms ());
  for (size_t i = 0; i < g->n_workers; i++)
    if (gw_worker_take_config (&g->workers[i], config) != 0) {
      cli_say ("no memory to hand the new configuration on: a loop goes on with the old one");
      atomic_fetch_sub (&config->holders, 1);
    }
}

static void
on_opened (void *user, kw_client *client)
{
  struct serve *s = user;
  struct gw_config *config = NULL;
  const char *path;

  gw_notify (&s->notify, "READY=1");
  if (client != NULL && s->end_by_ms != 0) {    /* too late */
    gw_reload_close (&s->reload, client);
    return;
  }
  if (client != NULL)
    config = new_config (s, client);
  if (config == NULL) {
    cli_say ("the configuration was not read again: the one in force stays");
    return;
  }
  path = kw_client_config_path (client);
  reopen_log (s, config);
  observe (s, client);
  hand_out (s, config);
  cli_say ("the configuration was read again: %s", path != NULL ? path : "there is no file");
}

/* Those that no loop holds any more. */
static void
retire (struct serve *s)
{
  struct gw_config **link = &s->gateway.configs->next;

  while (*link != NULL) {
    struct gw_config *config = *link;
    if (atomic_load (&config->holders) > 0) {
      link = &config->next;
      continue;
    }
    gw_config_learn (s->gateway.configs);
    gw_lock (&s->gateway);
    *link = config->next;
    gw_unlock (&s->gateway);
    gw_reload_close (&s->reload, gw_config_end (config));
  }
}

/* ---- Turns ---------------------------------------------------------------------- */

/* After a rush most of what malloc holds is free, and would be held for ever. */
static void
give_back (struct serve *s)
{
  size_t n = gw_n_requests (&s->gateway);

  if (n > s->most)
    s->most = n;
  if (s->most < RUSH || n > s->most / 4)
    return;
  s->most = n;
#ifdef __GLIBC__
  (void) malloc_trim (0);
#endif
}

/* A loop that hangs is the service's failure. */
static int
all_turn (const struct gw_gateway *g, int64_t now_ms)
{
  for (size_t i = 0; i < g->n_workers; i++)
    if (atomic_load (&g->workers[i].running)
        && now_ms - atomic_load (&g->workers[i].swept_ms) > HANGS_MS)
      return 0;
  return 1;
}

static void
sweep (struct serve *s)
{
  int64_t now = gw_now_ms ();

  if (now < s->sweep_ms)
    return;
  s->sweep_ms = now + SWEEP_MS;
  gw_accept_sweep (&s->accept);
  gw_notes_settle (s->gateway.notes);
  gw_config_learn (s->gateway.configs);
  retire (s);
  if (all_turn (&s->gateway, now))
    gw_notify_alive (&s->notify, now);
  give_back (s);
  if (s->end_by_ms != 0 && now >= s->end_by_ms)
    end_calls (s);
}

static int
is_over (struct serve *s)
{
  int over = gw_worker_is_over (main_worker (s));

  for (size_t i = 1; i < s->gateway.n_workers; i++)
    over = over && !atomic_load (&s->gateway.workers[i].running);
  return over;
}

/* ---- Beginning and end ------------------------------------------------------------ */

/* Those that it may use, which taskset and systemd's CPUAffinity bound. */
static size_t
n_processors (void)
{
  cpu_set_t set;
  int n = sched_getaffinity (0, sizeof set, &set) == 0 ? CPU_COUNT (&set) : 1;

  return n < 1 ? 1 : n > LOOPS_MAX ? LOOPS_MAX : (size_t) n;
}

static int
listen_somewhere (struct serve *s)
{
  const struct gw_settings *settings = &s->gateway.configs->settings;
  const char *where = s->options->listen != NULL ? s->options->listen : settings->listen;
  struct gw_listeners *listeners = &s->accept.listeners;
  int others = s->gateway.configs->clients.by_token;
  char why[512] = "";

  if (gw_listen_passed (others, listeners, why, sizeof why) != 0
      || (listeners->n == 0 && gw_listen (where, others, listeners, why, sizeof why) != 0)) {
    cli_say ("serve: %s", why);
    return CLI_USAGE;
  }
  return CLI_OK;
}

static void
tell_where (const struct serve *s)
{
  char line[256];

  for (size_t i = 0; i < s->accept.listeners.n; i++) {
    int n = snprintf (line, sizeof line, "listening on %s\n",
                      s->accept.listeners.of[i].url);
    if (n > 0 && (size_t) n < sizeof line)
      (void) cli_out (line, (size_t) n);
  }
}

static int
internal (const char *what, int r)
{
  cli_say ("serve: %s: %s", what, strerror (-r));
  return CLI_INTERNAL;
}

/* 0 or a negative errno. */
static int
make_workers (struct serve *s)
{
  struct gw_gateway *g = &s->gateway;
  int64_t loops = s->gateway.configs->settings.loops;
  size_t n = loops > 0 ? (size_t) loops : n_processors ();
  int r = 0;

  g->workers = calloc (n, sizeof *g->workers);
  if (g->workers == NULL)
    return -ENOMEM;
  atomic_store (&s->gateway.configs->holders, (int) n);
  while (r == 0 && g->n_workers < n)
    r = gw_worker_init (&g->workers[g->n_workers++], g, s->gateway.configs);
  return r;
}

/* What is the main thread's besides its share of the requests. */
static int
begin (struct serve *s)
{
  struct gw_gateway *g = &s->gateway;
  struct gw_loop *loop = &main_worker (s)->loop;
  int r = gw_loop_add (loop, &s->signals, EPOLLIN);

  s->accept.gateway = g;
  s->accept.loop = loop;
  s->accept.most = (size_t) s->gateway.configs->settings.max_connections;
  if (r == 0)
    r = gw_reload_init (&s->reload, loop);
  if (r == 0)
    r = gw_accept_begin (&s->accept);
  for (size_t i = 1; r == 0 && i < g->n_workers; i++)
    r = gw_worker_begin (&g->workers[i], loop);
  return r;
}

static int
serve (struct serve *s, kw_client *client)
{
  struct gw_gateway *g = &s->gateway;
  char why[512];
  int r;

  if (gw_config_new (client, &s->gateway.configs, why, sizeof why) != 0) {
    cli_say ("serve: %s", why);
    return CLI_USAGE;
  }
  observe (s, client);
  r = gw_log_open (&g->log, s->gateway.configs->settings.access_log);
  if (r != 0) {
    cli_say ("serve: access_log = %s: %s", s->gateway.configs->settings.access_log,
             strerror (-r));
    return CLI_USAGE;
  }
  r = listen_somewhere (s);
  if (r != CLI_OK)
    return r;
  r = make_workers (s);
  if (r == 0)
    r = begin (s);
  if (r != 0)
    return internal ("the loops", r);
  tell_where (s);
  gw_notify (&s->notify, "READY=1");
  while (!is_over (s)) {
    gw_worker_turn (main_worker (s));
    gw_accept_turn (&s->accept);
    sweep (s);
  }
  return CLI_OK;
}

/* Threads that could not all be begun have been drained by nobody. */
static void
end_workers (struct serve *s)
{
  struct gw_gateway *g = &s->gateway;

  if (s->end_by_ms == 0)
    for (size_t i = 1; i < g->n_workers; i++)
      gw_worker_drain (&g->workers[i]);
  for (size_t i = 1; i < g->n_workers; i++)
    gw_worker_join (&g->workers[i]);
  for (size_t i = 0; i < g->n_workers; i++)
    gw_worker_clear (&g->workers[i]);
  g->n_workers = 0;
  free (g->workers);
}

static void
end (struct serve *s)
{
  struct gw_gateway *g = &s->gateway;

  end_workers (s);
  gw_listen_close (&s->accept.listeners);
  gw_reload_clear (&s->reload);
  while (s->gateway.configs != NULL) {
    struct gw_config *next = s->gateway.configs->next;
    kw_client_close (gw_config_end (s->gateway.configs));
    s->gateway.configs = next;
  }
  gw_notes_free (g->notes);
  if (s->signals.fd >= 0)
    (void) close (s->signals.fd);
  gw_notify_end (&s->notify);
  gw_log_clear (&g->log);
  gw_metrics_clear (&g->metrics);
  (void) pthread_mutex_destroy (&g->lock);
}

int
gw_serve (const struct cli_options *options, kw_client *client)
{
  struct serve s = {
    .gateway = { .began_ms = gw_now_ms () }, .options = options, .signals = { .fd = -1 },
    .notify = { .fd = -1 },
    .reload = { .watch = { .fd = -1 }, .options = options, .on_opened = on_opened },
  };
  int r;

  s.reload.user = &s;
  (void) pthread_mutex_init (&s.gateway.lock, NULL);
  gw_log_init (&s.gateway.log);
  gw_notify_begin (&s.notify);
  raise_descriptors ();
  s.gateway.notes = gw_notes_new ();
  r = s.gateway.notes != NULL ? take_signals (&s) : -ENOMEM;
  if (r != 0) {
    kw_client_close (client);
    r = internal ("signals", r);
  } else {
    r = serve (&s, client);
  }
  end (&s);
  return r;
}
