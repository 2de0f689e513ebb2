/* wheel - a client in the loop (see wheel.h). */
#include "wheel.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

static void
on_ready (struct gw_watch *watch, uint32_t events)
{
  struct gw_wheel *wheel = (struct gw_wheel *) watch;

  (void) events;
  wheel->ready = 1;
}

int
gw_wheel_new (kw_client *client, struct gw_loop *loop, struct gw_wheel **ret, char *text,
              size_t size)
{
  struct gw_wheel *wheel = calloc (1, sizeof *wheel);
  int bad = wheel == NULL;

  (void) snprintf (text, size, "out of memory or descriptors");
  if (!bad) {
    wheel->client = client;
    wheel->loop = loop;
    wheel->watch.on_ready = on_ready;
    wheel->watch.fd = kw_client_fd (client);
    gw_settings_read (client, &wheel->settings);
    bad = wheel->watch.fd < 0 || gw_providers_read (client, &wheel->providers) != 0
          || gw_clients_load (&wheel->clients, &wheel->settings, text, size) != 0
          || gw_loop_add (loop, &wheel->watch, EPOLLIN) != 0;
  }
  if (bad) {
    if (wheel != NULL) {
      gw_clients_clear (&wheel->clients);
      gw_providers_clear (&wheel->providers);
    }
    free (wheel);
    kw_client_close (client);
    return -1;
  }
  *ret = wheel;
  return 0;
}

kw_client *
gw_wheel_end (struct gw_wheel *wheel)
{
  kw_client *client = wheel->client;

  gw_loop_remove (wheel->loop, &wheel->watch);
  gw_clients_clear (&wheel->clients);
  gw_providers_clear (&wheel->providers);
  free (wheel);
  return client;
}

int
gw_wheel_timeout (struct gw_wheel *wheel)
{
  return wheel->ready ? 0 : kw_client_timeout (wheel->client);
}

void
gw_wheel_turn (struct gw_wheel *wheel)
{
  if (!wheel->ready && kw_client_timeout (wheel->client) != 0)
    return;
  wheel->ready = 0;
  (void) kw_client_process (wheel->client);
}
