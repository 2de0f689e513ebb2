/* worker - a loop and its turns (see worker.h). */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

#include "cli.h"
#include "events.h"
#include "http.h"

#define SWEEP_MS 1000

/* ---- Turns ---------------------------------------------------------------------- */

static int
sooner (int a, int b)
{
  return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int
timeout (struct gw_worker *w)
{
  int64_t left = atomic_load (&w->swept_ms) + SWEEP_MS - gw_now_ms ();
  int ms = sooner (gw_http_timeout (w), left > 0 ? (int) left : 0);

  for (struct gw_wheel *wheel = w->wheel; wheel != NULL && ms != 0; wheel = wheel->next)
    ms = sooner (ms, gw_wheel_timeout (wheel));
  return ms;
}

/* Those that a reload has replaced, and whose calls are over. */
static void
retire (struct gw_worker *w)
{
  struct gw_wheel **link = &w->wheel->next;

  while (*link != NULL) {
    struct gw_wheel *wheel = *link;
    if (wheel->calls > 0) {
      link = &wheel->next;
      continue;
    }
    *link = wheel->next;
    gw_wheel_free (wheel);
  }
}

static void
sweep (struct gw_worker *w)
{
  int64_t now = gw_now_ms ();

  if (now < atomic_load (&w->swept_ms) + SWEEP_MS)
    return;
  atomic_store (&w->swept_ms, now);
  if (atomic_load (&w->gateway->ending))
    w->ending++;
  gw_http_sweep (w, now);
  gw_events_sweep (w->events);
}

/* What clients sent goes to the providers in the same turn, and what these sent
 * to the clients. */
void
gw_worker_turn (struct gw_worker *w)
{
  w->quiet = gw_loop_wait (&w->loop, timeout (w)) == 0;
  gw_http_turn (w);
  for (struct gw_wheel *wheel = w->wheel; wheel != NULL; wheel = wheel->next)
    gw_wheel_turn (wheel);
  gw_http_turn (w);
  retire (w);
  sweep (w);
}

int
gw_worker_is_over (const struct gw_worker *w)
{
  return w->draining && atomic_load (&w->n_requests) == 0;
}

/* ---- Orders ---------------------------------------------------------------------- */

static void
take (struct gw_worker *w, struct gw_config *config)
{
  struct gw_wheel *wheel = gw_wheel_new (config, &w->loop);

  if (wheel == NULL) {
    cli_say ("no memory or descriptors for the new configuration: a loop goes on with the "
             "old one");
    return;
  }
  wheel->next = w->wheel;
  w->wheel = wheel;
  gw_events_end (w->events);
}

static void
on_config (struct gw_post *post)
{
  struct gw_order *o = (struct gw_order *) post;

  take (o->worker, o->config);
  free (o);
}

int
gw_worker_take_config (struct gw_worker *w, struct gw_config *config)
{
  struct gw_order *o = malloc (sizeof *o);

  if (o == NULL)
    return -1;
  *o = (struct gw_order) { .post = { .run = on_config }, .worker = w, .config = config };
  gw_loop_post (&w->loop, &o->post);
  return 0;
}

static void
on_drain (struct gw_post *post)
{
  struct gw_worker *w = ((struct gw_order *) post)->worker;

  w->draining = 1;
  gw_events_end (w->events);
  gw_http_drain (w);
}

void
gw_worker_drain (struct gw_worker *w)
{
  w->drain = (struct gw_order) { .post = { .run = on_drain }, .worker = w };
  gw_loop_post (&w->loop, &w->drain.post);
}

/* ---- Beginning and end -------------------------------------------------------------- */

int
gw_worker_init (struct gw_worker *w, struct gw_gateway *g, struct gw_config *config)
{
  int r;

  w->gateway = g;
  r = gw_loop_init (&w->loop);
  w->wheel = gw_wheel_new (config, &w->loop);
  if (r == 0 && w->wheel == NULL)
    r = -ENOMEM;
  if (r == 0)
    r = gw_events_new (w, &w->events);
  return r != 0 ? r : gw_http_start (w);
}

void
gw_worker_clear (struct gw_worker *w)
{
  gw_http_stop (w);
  while (w->wheel != NULL) {
    struct gw_wheel *wheel = w->wheel;
    w->wheel = wheel->next;
    gw_wheel_free (wheel);
  }
  gw_events_free (w->events);
  gw_loop_clear (&w->loop);
}

static void *
run (void *user)
{
  struct gw_worker *w = user;

  while (!gw_worker_is_over (w))
    gw_worker_turn (w);
  gw_http_stop (w);             /* others go on: who asks again is not to wait for them */
  atomic_store (&w->running, 0);
  gw_loop_wake (w->main_loop);
  return NULL;
}

int
gw_worker_begin (struct gw_worker *w, struct gw_loop *main_loop)
{
  int r;

  w->main_loop = main_loop;
  atomic_store (&w->running, 1);
  r = pthread_create (&w->thread, NULL, run, w);
  if (r != 0)
    atomic_store (&w->running, 0);
  w->threaded = r == 0;
  return -r;
}

void
gw_worker_join (struct gw_worker *w)
{
  if (w->threaded)
    (void) pthread_join (w->thread, NULL);
  w->threaded = 0;
}
