/* async - calls that share one lane, whose loop the program's own turns: the
 * descriptor, the time-out, and what kw_loop_process does.  A client has one such
 * loop of its own, and those that were made for more threads. */
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

struct kw_loop {
  struct kw_client *client;
  struct kw_loop *next, **link; /* the client's others; under its lock    */
  struct kwi_lane *lane;
  pthread_mutex_t lock;         /* of the calls                           */
  struct kw_handle *first;      /* every call that is not over            */
  int n;
  atomic_int closing;
  struct kw_error err;          /* of the call that ends just now: a call's
                                   end is one step of one thread          */
};

struct kw_handle {
  struct kwi_call call;
  struct kw_loop *loop;
  struct kw_handle *next, **link;
  kw_callbacks on;
  void *user;
  char *own;                    /* the body, as long as it may be sent    */
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
  struct kw_loop *l = user;
  struct kw_handle *h;

  (void) pthread_mutex_lock (&l->lock);
  for (h = l->first; h != NULL; h = h->next)
    kwi_call_ask_cancel (&h->call);
  (void) pthread_mutex_unlock (&l->lock);
}

kw_loop *
kw_loop_new (kw_client *c)
{
  struct kw_loop *l = calloc (1, sizeof *l);

  if (l == NULL)
    return NULL;
  l->lane = kwi_lane_take (c->transport);
  if (l->lane == NULL) {
    free (l);
    return NULL;
  }
  l->client = c;
  l->err.struct_size = sizeof l->err;
  (void) pthread_mutex_init (&l->lock, NULL);
  kwi_lane_on_cancel (l->lane, on_cancel, l);
  (void) pthread_mutex_lock (&c->loops_lock);
  l->next = c->loops;
  if (l->next != NULL)
    l->next->link = &l->next;
  l->link = &c->loops;
  c->loops = l;
  (void) pthread_mutex_unlock (&c->loops_lock);
  return l;
}

int
kw_loop_fd (kw_loop *l)
{
  return kwi_lane_loop (l->lane)->epoll_fd;
}

int
kw_loop_timeout (kw_loop *l)
{
  return kwi_loop_timeout (kwi_lane_loop (l->lane));
}

int
kw_loop_process (kw_loop *l)
{
  int n;

  kwi_loop_run (kwi_lane_loop (l->lane), 0);
  (void) pthread_mutex_lock (&l->lock);
  n = l->n;
  (void) pthread_mutex_unlock (&l->lock);
  return n;
}

/* ---- The client's own -------------------------------------------------------- */

static struct kw_loop *
own_loop (struct kw_client *c)
{
  struct kw_loop *l;

  (void) pthread_mutex_lock (&c->own_lock);
  if (c->own_loop == NULL)
    c->own_loop = kw_loop_new (c);
  l = c->own_loop;
  (void) pthread_mutex_unlock (&c->own_lock);
  return l;
}

int
kw_client_fd (kw_client *c)
{
  struct kw_loop *l = own_loop (c);

  return l != NULL ? kw_loop_fd (l) : KW_ERR_MEMORY;
}

int
kw_client_timeout (kw_client *c)
{
  struct kw_loop *l = own_loop (c);

  return l != NULL ? kw_loop_timeout (l) : -1;
}

int
kw_client_process (kw_client *c)
{
  struct kw_loop *l = own_loop (c);

  return l != NULL ? kw_loop_process (l) : KW_ERR_MEMORY;
}

/* ---- A call ---------------------------------------------------------------- */

/* Its first step is on its way before on_cancel can find it, and so be ahead of it. */
static void
list_and_begin (struct kw_loop *l, struct kw_handle *h)
{
  (void) pthread_mutex_lock (&l->lock);
  h->next = l->first;
  if (h->next != NULL)
    h->next->link = &h->next;
  h->link = &l->first;
  l->first = h;
  l->n++;
  if (h->refused != 0)
    kwi_loop_post (kwi_lane_loop (l->lane), &h->call.post);
  else
    kwi_call_start (&h->call);
  (void) pthread_mutex_unlock (&l->lock);
}

static void
unlist (struct kw_loop *l, struct kw_handle *h)
{
  (void) pthread_mutex_lock (&l->lock);
  *h->link = h->next;
  if (h->next != NULL)
    h->next->link = h->link;
  l->n--;
  (void) pthread_mutex_unlock (&l->lock);
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

static void
let_go (struct kwi_call *c)
{
  struct kw_handle *h = handle_of (c);

  free (h->own);
  h->own = NULL;
}

/* The last step of a call, on the loop's thread. */
static void
over (struct kwi_call *c)
{
  struct kw_handle *h = handle_of (c);
  struct kw_loop *l = h->loop;
  kw_reply *reply = NULL;
  int code = c->code;

  if (code == 0)
    code = kwi_client_hand_out (c, &reply);
  else
    kwi_call_hand_over_error (c);
  kwi_call_clear (c);
  kwi_call_leave_lane (c);
  unlist (l, h);
  h->on.on_end (h->user, code, reply, code != 0 ? &l->err : NULL);
  handle_free (h);
  kwi_client_clear_error (&l->err);
}

/* The first step of one whose request was wrong. */
static void
on_refused (struct kwi_post *p)
{
  struct kw_handle *h = (struct kw_handle *) (void *)
    ((char *) p - offsetof (struct kw_handle, call.post));
  struct kw_loop *l = h->loop;

  kwi_client_clear_error (&l->err);
  (void) kwi_fail (&l->err, h->refused, "%s",
                   h->why != NULL ? h->why : "out of memory");
  unlist (l, h);
  h->on.on_end (h->user, h->refused, NULL, &l->err);
  handle_free (h);
  kwi_client_clear_error (&l->err);
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
kw_loop_submit (kw_loop *l, const kw_request *request,
                const kw_callbacks *callbacks, void *user)
{
  struct kw_error err;          /* its record of attempts is not needed   */
  struct kw_handle *h;

  if (callbacks == NULL || callbacks->struct_size == 0
      || atomic_load (&l->closing))
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
  h->loop = l;
  h->user = user;
  h->call.method = "POST";
  h->call.only_key = KWI_NO_KEY;
  h->call.lane = l->lane;
  h->call.over = over;
  h->call.let_go = let_go;
  err.struct_size = offsetof (struct kw_error, attempt);
  kwi_client_clear_error (&err);
  h->refused = take (l->client, h, request, &err);
  h->call.err = &l->err;
  if (h->refused != 0) {
    h->why = strdup (err.message);
    h->call.post.run = on_refused;
  }
  list_and_begin (l, h);
  return h;
}

kw_handle *
kw_submit (kw_client *client, const kw_request *request,
           const kw_callbacks *callbacks, void *user)
{
  struct kw_loop *l = own_loop (client);

  return l != NULL ? kw_loop_submit (l, request, callbacks, user) : NULL;
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
kw_loop_free (kw_loop *l)
{
  struct kw_client *c;

  if (l == NULL)
    return;
  c = l->client;
  atomic_store (&l->closing, 1);
  while (l->first != NULL) {
    on_cancel (l);
    kwi_loop_run (kwi_lane_loop (l->lane), 0);
  }
  (void) pthread_mutex_lock (&c->loops_lock);
  *l->link = l->next;
  if (l->next != NULL)
    l->next->link = l->link;
  (void) pthread_mutex_unlock (&c->loops_lock);
  kwi_lane_give (c->transport, l->lane);
  (void) pthread_mutex_destroy (&l->lock);
  free (l);
}

void
kwi_async_close (struct kw_client *c)
{
  if (c->loops != NULL)
    kwi_transport_cancel (c->transport);
  while (c->loops != NULL)
    kw_loop_free (c->loops);
}
