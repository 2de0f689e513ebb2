/* wheel - calls in the loop (see wheel.h). */
#include "wheel.h"

#include <stdlib.h>
#include <sys/epoll.h>

static void
on_ready (struct gw_watch *watch, uint32_t events)
{
  struct gw_wheel *wheel = (struct gw_wheel *) watch;

  (void) events;
  wheel->ready = 1;
}

struct gw_wheel *
gw_wheel_new (struct gw_config *config, struct gw_loop *loop)
{
  struct gw_wheel *wheel = calloc (1, sizeof *wheel);

  if (wheel != NULL) {
    wheel->config = config;
    wheel->loop = loop;
    wheel->kw = kw_loop_new (config->client);
    wheel->watch.on_ready = on_ready;
    wheel->watch.fd = wheel->kw != NULL ? kw_loop_fd (wheel->kw) : -1;
  }
  if (wheel != NULL && wheel->kw != NULL
      && gw_loop_add (loop, &wheel->watch, EPOLLIN) == 0)
    return wheel;
  if (wheel != NULL)
    kw_loop_free (wheel->kw);
  free (wheel);
  atomic_fetch_sub (&config->holders, 1);
  return NULL;
}

void
gw_wheel_free (struct gw_wheel *wheel)
{
  gw_loop_remove (wheel->loop, &wheel->watch);
  kw_loop_free (wheel->kw);
  atomic_fetch_sub (&wheel->config->holders, 1);
  free (wheel);
}

int
gw_wheel_timeout (struct gw_wheel *wheel)
{
  return wheel->ready ? 0 : kw_loop_timeout (wheel->kw);
}

void
gw_wheel_turn (struct gw_wheel *wheel)
{
  if (!wheel->ready && kw_loop_timeout (wheel->kw) != 0)
    return;
  wheel->ready = 0;
  (void) kw_loop_process (wheel->kw);
}
