/* epoll - a client in an epoll loop: several questions at once on one thread,
 * and each answer as it comes.
 *   cc -o epoll epoll.c $(pkg-config --cflags --libs keywheel)
 *   GROQ_API_KEY=... ./epoll "Why is the sky blue?" "And the sea?" */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
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

/* The plug.  A loop with other descriptors tells them apart by events.data. */
static void
run (kw_client *client)
{
  int ep = epoll_create1 (EPOLL_CLOEXEC);
  struct epoll_event ready = { .events = EPOLLIN, .data.ptr = client };

  if (ep < 0 || epoll_ctl (ep, EPOLL_CTL_ADD, kw_client_fd (client), &ready) != 0)
    failed = 1;
  else
    while (kw_client_process (client) > 0)
      (void) epoll_wait (ep, &ready, 1, kw_client_timeout (client));
  if (ep >= 0)
    (void) close (ep);
}

int
main (int argc, char **argv)
{
  kw_error err = KW_ERROR_INIT;
  kw_client *client = kw_client_open (NULL, &err);

  if (client == NULL || argc < 2) {
    fprintf (stderr, "epoll: %s\n", client != NULL ? "what is to be asked?" : err.message);
    kw_client_close (client);
    return 2;
  }
  ask (client, argv + 1);
  run (client);
  kw_client_close (client);
  return failed;
}
