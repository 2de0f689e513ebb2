/* libevent - a client in a libevent loop: several questions at once on one thread,
 * and each answer as it comes.
 *   cc -o libevent libevent.c $(pkg-config --cflags --libs keywheel libevent)
 *   GROQ_API_KEY=... ./libevent "Why is the sky blue?" "And the sea?" */
#include <stdio.h>
#include <event2/event.h>
#include <keywheel/keywheel.h>

static int asked, failed;

static int
on_text (void *user, const char *text, size_t len)
{
  printf ("%d: %.*s\n", *(int *) user, (int) len, text);
  return 0;
}

static void
on_end (void *user, int code, kw_reply *reply, const kw_error *err)
{
  if (code == 0)
    printf ("%d: (by key %s)\n", *(int *) user, kw_reply_key (reply));
  else
    fprintf (stderr, "%d: %s\n", *(int *) user, err->message);
  failed |= code != 0;
  kw_reply_free (reply);
}

/* All of them at once; the answers come as streams. */
static void
ask (kw_client *client, char **questions)
{
  static int number[64];
  kw_callbacks on = KW_CALLBACKS_INIT;
  kw_request request = KW_REQUEST_INIT;

  on.on_text = on_text;
  on.on_end = on_end;
  request.stream = 1;
  for (; *questions != NULL && asked < 64; questions++, asked++) {
    number[asked] = asked + 1;
    request.prompt = *questions;
    if (kw_submit (client, &request, &on, &number[asked]) == NULL)
      failed = 1;
  }
}

/* The plug.  One event is both: readable, or so many ms have passed. */
static struct event *event;

static void
turn (evutil_socket_t fd, short what, void *user)
{
  kw_client *client = user;
  int under_way = kw_client_process (client), ms = kw_client_timeout (client);
  struct timeval wait = { ms / 1000, ms % 1000 * 1000 };

  (void) fd, (void) what;
  if (under_way > 0)            /* nothing left ends this program; others go on */
    (void) event_add (event, ms >= 0 ? &wait : NULL);
}

static void
run (kw_client *client, struct event_base *base)
{
  event = base != NULL ? event_new (base, kw_client_fd (client), EV_READ, turn, client)
                       : NULL;
  if (event != NULL && event_add (event, NULL) == 0)
    (void) event_base_dispatch (base);
  else
    failed = 1;
  if (event != NULL)
    event_free (event);
}

int
main (int argc, char **argv)
{
  kw_error err = KW_ERROR_INIT;
  kw_client *client = kw_client_open (NULL, &err);

  if (client == NULL || argc < 2) {
    fprintf (stderr, "libevent: %s\n", client != NULL ? "what is to be asked?" : err.message);
    kw_client_close (client);
    return 2;
  }
  ask (client, argv + 1);
  struct event_base *base = event_base_new ();
  run (client, base);
  if (base != NULL)
    event_base_free (base);
  kw_client_close (client);
  return failed;
}
