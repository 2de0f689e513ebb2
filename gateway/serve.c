/* serve - the process of a gateway: its signals, its turns, its end (see
 * serve.h). */
#include "serve.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli.h"
#include "events.h"
#include "gateway.h"
#include "http.h"
#include "notify.h"
#include "reload.h"

#define SWEEP_MS 1000
#define RUSH 256                /* requests at once                       */

struct serve {
  struct gw_gateway gateway;
  const struct cli_options *options;
  struct gw_reload reload;
  struct gw_notify notify;
  struct gw_watch signals;
  size_t most;                  /* requests at once, lately               */
  int64_t sweep_ms;             /* when the next one is                   */
  _Atomic int log_level;        /* of the newest configuration            */
  int64_t end_by_ms;            /* draining: when it is over; 0: it is not */
};

/* ---- Signals ------------------------------------------------------------------ */

static void
end_calls (struct serve *s)
{
  for (struct gw_wheel *w = s->gateway.wheel; w != NULL; w = w->next)
    kw_client_cancel (w->client);
}

static void
drain (struct serve *s)
{
  int64_t patience = s->gateway.wheel->settings.drain_timeout_ms;

  if (s->end_by_ms != 0) {      /* the second signal */
    end_calls (s);
    return;
  }
  s->end_by_ms = gw_now_ms () + patience;
  gw_notify (&s->notify, "STOPPING=1");
  cli_say ("ending: %zu request%s under way", s->gateway.n_requests,
           s->gateway.n_requests == 1 ? "" : "s");
  gw_events_end (&s->gateway);
  gw_http_drain (&s->gateway);
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
  return s->signals.fd >= 0 ? gw_loop_add (&s->gateway.loop, &s->signals, EPOLLIN)
                            : -errno;
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

  gw_events_note (s->gateway.events, event);
  cli_tell_event (event, atomic_load (&s->log_level));
}

static void
observe (struct serve *s, kw_client *client)
{
  atomic_store (&s->log_level, cli_level (s->options, client));
  kw_client_observe (client, on_event, s);
}

/* ---- Clients that come and go ------------------------------------------------- */

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
reopen_log (struct serve *s, const struct gw_wheel *wheel)
{
  struct gw_log log = { .fd = -1 };
  int r = gw_log_open (&log, wheel->settings.access_log);

  if (r != 0) {
    cli_say ("access_log = %s: %s; the one that is open stays", wheel->settings.access_log,
             strerror (-r));
    return;
  }
  gw_log_close (&s->gateway.log);
  s->gateway.log = log;
}

/* The wheel of a new client, which it takes over; NULL: why was told. */
static struct gw_wheel *
new_wheel (struct serve *s, kw_client *client)
{
  struct gw_wheel *wheel;
  char why[512];

  if (gw_wheel_new (client, &s->gateway.loop, &wheel, why, sizeof why) != 0) {
    cli_say ("%s", why);
    return NULL;
  }
  if (wheel->clients.by_token || !is_reachable (&s->gateway.listeners))
    return wheel;
  cli_say ("without client_tokens everybody who reaches the gateway could use the keys, and "
           "it listens not only on this machine");
  gw_reload_close (&s->reload, gw_wheel_end (wheel));
  return NULL;
}

static void
on_opened (void *user, kw_client *client)
{
  struct serve *s = user;
  struct gw_wheel *wheel = client != NULL ? new_wheel (s, client) : NULL;
  const char *path;

  gw_notify (&s->notify, "READY=1");
  if (wheel == NULL) {
    cli_say ("the configuration was not read again: the one in force stays");
    return;
  }
  path = kw_client_config_path (client);
  reopen_log (s, wheel);
  observe (s, client);
  s->gateway.level = cli_level (s->options, client);
  wheel->next = s->gateway.wheel;
  s->gateway.wheel = wheel;
  gw_events_end (&s->gateway);
  cli_say ("the configuration was read again: %s", path != NULL ? path : "there is no file");
}

/* Those that a reload has replaced, and whose calls are over. */
static void
retire (struct serve *s)
{
  struct gw_wheel **link = &s->gateway.wheel->next;

  while (*link != NULL) {
    struct gw_wheel *w = *link;
    if (w->calls > 0) {
      link = &w->next;
      continue;
    }
    *link = w->next;
    gw_reload_close (&s->reload, gw_wheel_end (w));
  }
}

/* ---- Turns ---------------------------------------------------------------------- */

static int
sooner (int a, int b)
{
  return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int
timeout (struct serve *s)
{
  int64_t left = s->sweep_ms - gw_now_ms ();
  int ms = sooner (gw_http_timeout (&s->gateway), left > 0 ? (int) left : 0);

  for (struct gw_wheel *w = s->gateway.wheel; w != NULL && ms != 0; w = w->next)
    ms = sooner (ms, gw_wheel_timeout (w));
  return ms;
}

/* After a rush most of what malloc holds is free, and would be held for ever. */
static void
give_back (struct serve *s)
{
  size_t n = s->gateway.n_requests;

  if (n > s->most)
    s->most = n;
  if (s->most < RUSH || n > s->most / 4)
    return;
  s->most = n;
#ifdef __GLIBC__
  (void) malloc_trim (0);
#endif
}

static void
sweep (struct serve *s)
{
  int64_t now = gw_now_ms ();

  if (now < s->sweep_ms)
    return;
  s->sweep_ms = now + SWEEP_MS;
  gw_http_sweep (&s->gateway, now);
  gw_notify_alive (&s->notify, now);
  gw_events_sweep (&s->gateway);
  give_back (s);
  if (s->end_by_ms != 0 && now >= s->end_by_ms)
    end_calls (s);
}

/* What clients sent goes to the providers in the same turn, and what these sent
 * to the clients. */
static void
turn (struct serve *s)
{
  struct gw_gateway *g = &s->gateway;

  gw_loop_wait (&g->loop, timeout (s));
  gw_http_turn (g);
  for (struct gw_wheel *w = g->wheel; w != NULL; w = w->next)
    gw_wheel_turn (w);
  gw_http_turn (g);
  retire (s);
  sweep (s);
  gw_log_flush (&g->log);
}

static int
is_over (const struct serve *s)
{
  return s->end_by_ms != 0 && s->gateway.n_requests == 0;
}

/* ---- Beginning and end ------------------------------------------------------------ */

static int
listen_somewhere (struct serve *s)
{
  struct gw_gateway *g = &s->gateway;
  const struct gw_settings *settings = &g->wheel->settings;
  const char *where = s->options->listen != NULL ? s->options->listen : settings->listen;
  int others = g->wheel->clients.by_token;
  char why[512] = "";

  if (gw_listen_passed (others, &g->listeners, why, sizeof why) != 0
      || (g->listeners.n == 0
          && gw_listen (where, others, &g->listeners, why, sizeof why) != 0)) {
    cli_say ("serve: %s", why);
    return CLI_USAGE;
  }
  return CLI_OK;
}

static void
tell_where (const struct serve *s)
{
  char line[256];

  for (size_t i = 0; i < s->gateway.listeners.n; i++) {
    int n = snprintf (line, sizeof line, "listening on %s\n",
                      s->gateway.listeners.of[i].url);
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

static int
serve (struct serve *s, kw_client *client)
{
  struct gw_gateway *g = &s->gateway;
  char why[512];
  int r;

  if (gw_wheel_new (client, &g->loop, &g->wheel, why, sizeof why) != 0) {
    cli_say ("serve: %s", why);
    return CLI_USAGE;
  }
  observe (s, client);
  s->gateway.level = cli_level (s->options, client);
  r = gw_log_open (&g->log, g->wheel->settings.access_log);
  if (r != 0) {
    cli_say ("serve: access_log = %s: %s", g->wheel->settings.access_log, strerror (-r));
    return CLI_USAGE;
  }
  r = listen_somewhere (s);
  if (r != CLI_OK)
    return r;
  r = gw_http_start (g);
  if (r != 0)
    return internal ("the HTTP server", r);
  tell_where (s);
  gw_notify (&s->notify, "READY=1");
  while (!is_over (s))
    turn (s);
  return CLI_OK;
}

int
gw_serve (const struct cli_options *options, kw_client *client)
{
  struct serve s = {
    .gateway = { .log = { .fd = -1 }, .began_ms = gw_now_ms () },
    .options = options, .signals = { .fd = -1 }, .notify = { .fd = -1 },
    .reload = { .watch = { .fd = -1 }, .options = options, .on_opened = on_opened },
  };
  int r = gw_loop_init (&s.gateway.loop);

  s.reload.user = &s;
  gw_notify_begin (&s.notify);
  raise_descriptors ();
  if (r == 0)
    r = take_signals (&s);
  if (r == 0)
    r = gw_reload_init (&s.reload, &s.gateway.loop);
  if (r == 0)
    r = gw_events_new (&s.gateway, &s.gateway.events);
  if (r != 0) {
    kw_client_close (client);
    r = internal ("the loop", r);
  } else {
    r = serve (&s, client);
  }
  gw_http_stop (&s.gateway);
  gw_listen_close (&s.gateway.listeners);
  gw_reload_clear (&s.reload);
  while (s.gateway.wheel != NULL) {
    struct gw_wheel *next = s.gateway.wheel->next;
    kw_client_close (gw_wheel_end (s.gateway.wheel));
    s.gateway.wheel = next;
  }
  gw_events_free (s.gateway.events);
  if (s.signals.fd >= 0)
    (void) close (s.signals.fd);
  gw_notify_end (&s.notify);
  gw_log_close (&s.gateway.log);
  gw_metrics_clear (&s.gateway.metrics);
  gw_loop_clear (&s.gateway.loop);
  return r;
}
