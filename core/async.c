/* async - calls that share one lane, whose loop the program's own turns: the
 * descriptor, the time-out, and what kw_client_process does. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "call.h"
#include "client.h"
#include "fail.h"
#include "loop.h"
#include "pass.h"
#include "transport.h"

struct kwi_async {
  struct kwi_lane *lane;
  pthread_mutex_t lock;         /* of the list                            */
  struct kw_handle *first;      /* every call that is not over            */
  int n;
  atomic_int closing;
  struct kw_error err;          /* of the call that ends just now: a call's
                                   end is one step of one thread          */
};

struct kw_handle {
  struct kwi_call call;
  struct kwi_async *async;
  struct kw_handle *next, **link;
  kw_callbacks on;
  void *user;
  char *own;                    /* the body, and a path behind it         */
  char *path;
  int refused;                  /* before it began; text in why           */
  char *why;
};

static void over (struct kwi_call *c);

/* ---- The lane ------------------------------------------------------------- */

/* Everything that is under way ends: kw_client_cancel was called. */
static void
on_cancel (void *user)
{
  struct kwi_async *a = user;
  struct kw_handle *h;

  (void) pthread_mutex_lock (&a->lock);
  for (h = a->first; h != NULL; h = h->next)
    kwi_call_ask_cancel (&h->call);
  (void) pthread_mutex_unlock (&a->lock);
}

static struct kwi_async *
async_new (struct kw_client *c)
{
  struct kwi_async *a = calloc (1, sizeof *a);

  if (a == NULL)
    return NULL;
  a->lane = kwi_lane_take (c->transport);
  if (a->lane == NULL) {
    free (a);
    return NULL;
  }
  a->err.struct_size = sizeof a->err;
  (void) pthread_mutex_init (&a->lock, NULL);
  kwi_lane_on_cancel (a->lane, on_cancel, a);
  return a;
}

static struct kwi_async *
async_of (struct kw_client *c)
{
  struct kwi_async *a;

  (void) pthread_mutex_lock (&c->async_lock);
  if (c->async == NULL)
    c->async = async_new (c);
  a = c->async;
  (void) pthread_mutex_unlock (&c->async_lock);
  return a;
}

int
kw_client_fd (kw_client *c)
{
  const struct kwi_async *a = async_of (c);

  return a != NULL ? kwi_lane_loop (a->lane)->epoll_fd : KW_ERR_MEMORY;
}

int
kw_client_timeout (kw_client *c)
{
  const struct kwi_async *a = async_of (c);

  return a != NULL ? kwi_loop_timeout (kwi_lane_loop (a->lane)) : -1;
}

int
kw_client_process (kw_client *c)
{
  struct kwi_async *a = async_of (c);
  int n;

  if (a == NULL)
    return KW_ERR_MEMORY;
  kwi_loop_run (kwi_lane_loop (a->lane), 0);
  (void) pthread_mutex_lock (&a->lock);
  n = a->n;
  (void) pthread_mutex_unlock (&a->lock);
  return n;
}

/* ---- A call ---------------------------------------------------------------- */

static void
list (struct kwi_async *a, struct kw_handle *h)
{
  (void) pthread_mutex_lock (&a->lock);
  h->next = a->first;
  if (h->next != NULL)
    h->next->link = &h->next;
  h->link = &a->first;
  a->first = h;
  a->n++;
  (void) pthread_mutex_unlock (&a->lock);
}

static void
unlist (struct kwi_async *a, struct kw_handle *h)
{
  (void) pthread_mutex_lock (&a->lock);
  *h->link = h->next;
  if (h->next != NULL)
    h->next->link = h->link;
  a->n--;
  (void) pthread_mutex_unlock (&a->lock);
}

static void
handle_free (struct kw_handle *h)
{
  free (h->own);
  free (h->path);
  free (h->why);
  kwi_pass_free (h->call.pass);
  free (h);
}

static struct kw_handle *
handle_of (struct kwi_call *c)
{
  return (struct kw_handle *) (void *)
           ((char *) c - offsetof (struct kw_handle, call));
}

/* The last step of a call, on the loop's thread. */
static void
over (struct kwi_call *c)
{
  struct kw_handle *h = handle_of (c);
  struct kwi_async *a = h->async;
  kw_reply *reply = NULL;
  int code = c->code;

  if (code == 0)
    code = kwi_client_hand_out (c, &reply);
  else
    kwi_call_hand_over_error (c);
  kwi_call_clear (c);
  kwi_call_leave_lane (c);
  unlist (a, h);
  h->on.on_end (h->user, code, reply, code != 0 ? &a->err : NULL);
  handle_free (h);
  kwi_client_clear_error (&a->err);
}

/* The first step of one whose request was wrong. */
static void
on_refused (struct kwi_post *p)
{
  struct kw_handle *h = (struct kw_handle *) (void *)
    ((char *) p - offsetof (struct kw_handle, call.post));
  struct kwi_async *a = h->async;

  kwi_client_clear_error (&a->err);
  (void) kwi_fail (&a->err, h->refused, "%s",
                   h->why != NULL ? h->why : "out of memory");
  unlist (a, h);
  h->on.on_end (h->user, h->refused, NULL, &a->err);
  handle_free (h);
  kwi_client_clear_error (&a->err);
}

/* Bodies that were handed in, and a path, are copied. */
static int
keep_texts (struct kw_handle *h, const kw_request *rq)
{
  struct kwi_call *c = &h->call;

  if (h->own == NULL && c->body_len > 0) {
    h->own = malloc (c->body_len);
    if (h->own == NULL)
      return -1;
    memcpy (h->own, c->body, c->body_len);
    c->body = h->own;
  }
  if (rq->path != NULL) {
    h->path = strdup (rq->path);
    if (h->path == NULL)
      return -1;
    c->path = h->path;
  }
  return 0;
}

static int
take (struct kw_client *client, struct kw_handle *h, const kw_request *request,
      struct kw_error *err)
{
  struct kwi_call *c = &h->call;
  kw_request rq = { 0 };
  int code;

  if (request == NULL || request->struct_size == 0)
    return kwi_fail (err, KW_ERR_USAGE,
                     "the request was not begun as KW_REQUEST_INIT");
  memcpy (&rq, request, request->struct_size < sizeof rq
                          ? request->struct_size : sizeof rq);
  if (rq.on_data != NULL || rq.on_text != NULL || rq.on_upload != NULL
      || rq.on_start != NULL)
    return kwi_fail (err, KW_ERR_USAGE,
                     "on_data, on_text, on_upload and on_start of an asynchronous "
                     "call belong into its kw_callbacks, not into the request");
  rq.on_data = h->on.on_data;
  rq.on_text = h->on.on_text;
  rq.on_upload = h->on.on_upload;
  rq.on_start = h->on.on_start;
  rq.user = h->user;
  c->sink.may_pause = 1;
  c->err = err;
  code = kwi_client_take (client, &rq, c, &h->own);
  if (code == 0 && keep_texts (h, &rq) != 0)
    code = kwi_fail (err, KW_ERR_MEMORY, "out of memory");
  if (code != 0)
    return code;
  c->on_event = h->on.on_event;
  c->on_event_user = h->user;
  kwi_call_begin (c, rq.deadline_ms);
  return 0;
}

kw_handle *
kw_submit (kw_client *client, const kw_request *request,
           const kw_callbacks *callbacks, void *user)
{
  struct kw_error err;          /* its record of attempts is not needed   */
  struct kwi_async *a = async_of (client);
  struct kw_handle *h;

  if (a == NULL || callbacks == NULL || callbacks->struct_size == 0
      || atomic_load (&a->closing))
    return NULL;
  h = calloc (1, sizeof *h);
  if (h == NULL)
    return NULL;
  memcpy (&h->on, callbacks, callbacks->struct_size < sizeof h->on
                               ? callbacks->struct_size : sizeof h->on);
  if (h->on.on_end == NULL) {
    free (h);
    return NULL;
  }
  h->async = a;
  h->user = user;
  h->call.method = "POST";
  h->call.only_key = KWI_NO_KEY;
  h->call.lane = a->lane;
  h->call.over = over;
  err.struct_size = offsetof (struct kw_error, attempt);
  kwi_client_clear_error (&err);
  h->refused = take (client, h, request, &err);
  h->call.err = &a->err;
  if (h->refused != 0) {
    h->why = strdup (err.message);
    h->call.post.run = on_refused;
    list (a, h);
    kwi_loop_post (kwi_lane_loop (a->lane), &h->call.post);
    return h;
  }
  list (a, h);
  kwi_call_start (&h->call);
  return h;
}

void
kw_handle_cancel (kw_handle *h)
{
  if (h->refused == 0)
    kwi_call_ask_cancel (&h->call);
}

void
kw_handle_resume (kw_handle *h)
{
  if (h->refused == 0)
    kwi_call_ask_resume (&h->call);
}

void
kw_handle_resume_upload (kw_handle *h)
{
  if (h->refused == 0)
    kwi_call_ask_more (&h->call);
}

/* ---- The end --------------------------------------------------------------- */

void
kwi_async_close (struct kw_client *c)
{
  struct kwi_async *a = c->async;

  if (a == NULL)
    return;
  atomic_store (&a->closing, 1);
  kwi_transport_cancel (c->transport);
  while (a->first != NULL) {
    on_cancel (a);
    kwi_loop_run (kwi_lane_loop (a->lane), 0);
  }
  kwi_lane_give (c->transport, a->lane);
  (void) pthread_mutex_destroy (&a->lock);
  free (a);
  c->async = NULL;
}
