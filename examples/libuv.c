/* libuv - a client in a libuv loop: several questions at once on one thread,
 * and each answer as it comes.
 *   cc -o libuv libuv.c $(pkg-config --cflags --libs keywheel libuv)
 *   GROQ_API_KEY=... ./libuv "Why is the sky blue?" "And the sea?" */
#include <stdio.h>
#include <uv.h>
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

/* The plug: what stands in a program once. */
static uv_poll_t readable;
static uv_timer_t timer;

static void on_timer (uv_timer_t *);

/* Processes, and sees to the next time. */
static void
turn (kw_client *client)
{
  int under_way = kw_client_process (client), ms = kw_client_timeout (client);

  if (ms >= 0)
    (void) uv_timer_start (&timer, on_timer, (uint64_t) ms, 0);
  else
    (void) uv_timer_stop (&timer);
  if (under_way <= 0) {         /* this program's end; others go on */
    uv_close ((uv_handle_t *) &readable, NULL);
    uv_close ((uv_handle_t *) &timer, NULL);
  }
}

static void
on_readable (uv_poll_t *handle, int status, int events)
{
  (void) status, (void) events;
  turn (handle->data);
}

static void
on_timer (uv_timer_t *handle)
{
  turn (handle->data);
}

static void
run (kw_client *client, uv_loop_t *loop)
{
  readable.data = timer.data = client;
  (void) uv_timer_init (loop, &timer);
  if (uv_poll_init (loop, &readable, kw_client_fd (client)) == 0
      && uv_poll_start (&readable, UV_READABLE, on_readable) == 0)
    (void) uv_run (loop, UV_RUN_DEFAULT);
  else
    failed = 1;
}

int
main (int argc, char **argv)
{
  kw_error err = KW_ERROR_INIT;
  kw_client *client = kw_client_open (NULL, &err);

  if (client == NULL || argc < 2) {
    fprintf (stderr, "libuv: %s\n", client != NULL ? "what is to be asked?" : err.message);
    kw_client_close (client);
    return 2;
  }
  ask (client, argv + 1);
  run (client, uv_default_loop ());
  (void) uv_loop_close (uv_default_loop ());
  kw_client_close (client);
  return failed;
}
