/* reload - clients opened and closed beside the loop (see reload.h). */
#include "reload.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli.h"

struct gw_old {
  struct gw_old *next;
  kw_client *client;
};

static void
close_all (struct gw_old *old)
{
  while (old != NULL) {
    struct gw_old *next = old->next;
    kw_client_close (old->client);
    free (old);
    old = next;
  }
}

static void *
work (void *user)
{
  struct gw_reload *r = user;

  close_all (r->at_work);
  if (r->open && cli_open_client (r->options, &r->opened) != CLI_OK)
    r->opened = NULL;
  (void) eventfd_write (r->watch.fd, 1);
  return NULL;
}

static void
begin (struct gw_reload *r)
{
  if (r->running || (!r->wanted && r->closing == NULL))
    return;
  r->open = r->wanted;
  r->at_work = r->closing;
  r->wanted = 0;
  r->closing = NULL;
  r->opened = NULL;
  r->running = pthread_create (&r->thread, NULL, work, r) == 0;
  if (!r->running) {
    close_all (r->at_work);
    if (r->open) {
      cli_say ("no thread can be begun");
      r->on_opened (r->user, NULL);
    }
  }
}

static void
on_through (struct gw_watch *watch, uint32_t events)
{
  struct gw_reload *r = (struct gw_reload *) watch;
  eventfd_t n;
  kw_client *client;

  (void) events;
  (void) eventfd_read (watch->fd, &n);
  (void) pthread_join (r->thread, NULL);
  r->running = 0;
  client = r->opened;
  r->opened = NULL;
  if (r->open)
    r->on_opened (r->user, client);
  begin (r);
}

int
gw_reload_init (struct gw_reload *r, struct gw_loop *loop)
{
  r->watch.on_ready = on_through;
  r->watch.fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return r->watch.fd >= 0 ? gw_loop_add (loop, &r->watch, EPOLLIN) : -errno;
}

void
gw_reload_clear (struct gw_reload *r)
{
  if (r->running)
    (void) pthread_join (r->thread, NULL);
  kw_client_close (r->opened);
  close_all (r->closing);
  if (r->watch.fd >= 0)
    (void) close (r->watch.fd);
}

void
gw_reload_ask (struct gw_reload *r)
{
  r->wanted = 1;
  begin (r);
}

void
gw_reload_close (struct gw_reload *r, kw_client *client)
{
  struct gw_old *old = malloc (sizeof *old);

  if (old == NULL) {
    kw_client_close (client);
    return;
  }
  *old = (struct gw_old) { .next = r->closing, .client = client };
  r->closing = old;
  begin (r);
}
