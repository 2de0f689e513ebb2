/* transport - HTTP by libcurl; the only file that includes <curl/curl.h>.
 *
 * A lane is an easy handle in a multi handle of its own: for its poll, which
 * hears of wake-ups and of cancel (an eventfd, written to from a signal
 * handler), and for time-outs that libcurl has not, such as a silence.  The
 * secret's line is built in guarded memory and wiped after each exchange; the
 * copy in libcurl's send buffer is out of our reach. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_NET_* */
#include <keywheel/keywheel.h>  /* KW_ERR_* */

#include "answer.h"
#include "clock.h"
#include "fail.h"
#include "request.h"
#include "secrets.h"
#include "transport-lines.h"
#include "transport.h"

/* Room for a header line with the longest key (8 KB), a name and a prefix. */
enum { SECRET_LINE = 8192 + 256 };

struct kwi_lane {
  struct kwi_lane *next;        /* in the pool                            */
  struct kwi_transport *transport;
  CURLM *multi;
  CURL *easy;
  char *secret_line;            /* guarded; SECRET_LINE bytes             */
  const struct kwi_exchange *x; /* the one under way                      */
  struct kwi_answer *answer;
  int64_t began_ms;             /* when it was sent, by now_ms            */
  int64_t heard_ms;             /* when its last byte came                */
};

struct kwi_transport {
  pthread_mutex_t lock;
  struct kwi_lane *pool;        /* the most recently used first           */
  int cancel_fd;
  atomic_int cancelled;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_failed;

/* Process-wide, as libcurl wants it; never undone, since another user of
 * libcurl may live in the process. */
static void
init_once (void)
{
  once_failed = curl_global_init (CURL_GLOBAL_ALL) != CURLE_OK
                || sodium_init () < 0;
}

struct kwi_transport *
kwi_transport_new (struct kw_error *err)
{
  struct kwi_transport *t;

  (void) pthread_once (&once, init_once);
  if (once_failed) {
    (void) kwi_fail (err, KW_ERR_INTERNAL,
                     "libcurl or libsodium could not be initialized");
    return NULL;
  }
  t = calloc (1, sizeof *t);
  if (t == NULL) {
    (void) kwi_fail (err, KW_ERR_MEMORY, "out of memory");
    return NULL;
  }
  t->cancel_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (t->cancel_fd < 0) {
    (void) kwi_fail (err, KW_ERR_INTERNAL, "no eventfd (errno %d)", errno);
    free (t);
    return NULL;
  }
  (void) pthread_mutex_init (&t->lock, NULL);
  return t;
}

static void
lane_free (struct kwi_lane *l)
{
  if (l == NULL)
    return;
  curl_easy_cleanup (l->easy);  /* NULL is fine for all of these */
  (void) curl_multi_cleanup (l->multi);
  sodium_free (l->secret_line);
  free (l);
}

void
kwi_transport_free (struct kwi_transport *t)
{
  if (t == NULL)
    return;
  while (t->pool != NULL) {
    struct kwi_lane *l = t->pool;
    t->pool = l->next;
    lane_free (l);
  }
  (void) close (t->cancel_fd);
  (void) pthread_mutex_destroy (&t->lock);
  free (t);
}

void
kwi_transport_cancel (struct kwi_transport *t)
{
  const uint64_t one = 1;
  int saved = errno;
  ssize_t n;

  atomic_store (&t->cancelled, 1);
  /* Never read again: it wakes every lane, now and later. */
  n = write (t->cancel_fd, &one, sizeof one);
  (void) n;
  errno = saved;
}

int
kwi_transport_cancelled (const struct kwi_transport *t)
{
  return atomic_load (&t->cancelled);
}

static struct kwi_lane *
lane_new (struct kwi_transport *t)
{
  struct kwi_lane *l = calloc (1, sizeof *l);

  if (l == NULL)
    return NULL;
  l->transport = t;
  l->multi = curl_multi_init ();
  l->easy = curl_easy_init ();
  l->secret_line = sodium_malloc (SECRET_LINE);
  if (l->multi == NULL || l->easy == NULL || l->secret_line == NULL) {
    lane_free (l);
    return NULL;
  }
  return l;
}

struct kwi_lane *
kwi_lane_take (struct kwi_transport *t)
{
  struct kwi_lane *l;

  (void) pthread_mutex_lock (&t->lock);
  l = t->pool;
  if (l != NULL)
    t->pool = l->next;
  (void) pthread_mutex_unlock (&t->lock);
  return l != NULL ? l : lane_new (t);
}

void
kwi_lane_give (struct kwi_transport *t, struct kwi_lane *l)
{
  if (l == NULL)
    return;
  (void) pthread_mutex_lock (&t->lock);
  l->next = t->pool;
  t->pool = l;
  (void) pthread_mutex_unlock (&t->lock);
}

/* ---- libcurl calls these ------------------------------------------------ */

static int64_t
now_ms (void)
{
  return kwi_clock_system.mono_ms (NULL);
}

static void
note_text (struct kwi_answer *a, const char *text)
{
  memset (a->net_text, 0, sizeof a->net_text);
  (void) memccpy (a->net_text, text, '\0', sizeof a->net_text - 1);
}

static int32_t
status_of (const struct kwi_lane *l)
{
  long status = 0;

  (void) curl_easy_getinfo (l->easy, CURLINFO_RESPONSE_CODE, &status);
  return (int32_t) status;
}

static size_t
on_header (char *line, size_t one, size_t n, void *user)
{
  struct kwi_lane *l = user;
  size_t len = n * one;

  if (status_of (l) >= 200)     /* interim answers are no sign of life */
    l->heard_ms = now_ms ();
  if (kwi_lines_take (l->answer, line, len) == 0)
    return len;
  note_text (l->answer, "the answer's headers are larger than 256 KB");
  return 0;
}

static size_t
on_body (char *data, size_t one, size_t n, void *user)
{
  struct kwi_lane *l = user;
  struct kwi_answer *a = l->answer;
  size_t len = n * one;

  l->heard_ms = now_ms ();
  a->received_ms = l->x->wall_ms + (l->heard_ms - l->began_ms);
  if (a->status == 0)
    a->status = status_of (l);
  if (l->x->sink != NULL) {
    a->aborted = l->x->sink (l->x->user, a, data, len) != 0;
    return a->aborted ? 0 : len;
  }
  if ((int64_t) (a->body_len + len) > l->x->max_response) {
    a->too_large = 1;
    return 0;
  }
  if (kwi_answer_add_body (a, data, len) == 0)
    return len;
  note_text (a, "out of memory");
  return 0;
}

/* ---- Setting up --------------------------------------------------------- */

/* Nodes of our own, so that no header is copied. */
static int
link_headers (struct kwi_lane *l, struct curl_slist **ret)
{
  static char no_expect[] = "Expect:", no_type[] = "Content-Type:";
  const struct kw_request *r = l->x->request;
  struct curl_slist *node = calloc (r->n_headers + 3, sizeof *node);
  char *h = r->headers;
  size_t i, n = 0, typed = 0;

  if (node == NULL)
    return -1;
  for (i = 0; i < r->n_headers; i++, h += strlen (h) + 1) {
    node[n++].data = h;
    typed |= strncasecmp (h, "Content-Type:", sizeof "Content-Type:" - 1) == 0;
  }
  if (r->secret_header[0] != '\0')
    node[n++].data = l->secret_line;
  /* A body of 1 MB would wait a second for a "100 Continue" that few servers
   * send; and libcurl's form type would be a lie. */
  node[n++].data = no_expect;
  if (!typed)
    node[n++].data = no_type;
  for (i = 0; i + 1 < n; i++)
    node[i].next = &node[i + 1];
  *ret = node;
  return 0;
}

static void
set_options (struct kwi_lane *l, const char *url, struct curl_slist *headers)
{
  const struct kwi_exchange *x = l->x;
  const struct kw_request *r = x->request;
  int has_body = r->body_len > 0 || (strcmp (r->method, "GET") != 0
                                     && strcmp (r->method, "HEAD") != 0);
  CURL *e = l->easy;

  curl_easy_reset (e);
#if LIBCURL_VERSION_NUM >= 0x075500
  (void) curl_easy_setopt (e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  (void) curl_easy_setopt (e, CURLOPT_PROTOCOLS,
                           (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  (void) curl_easy_setopt (e, CURLOPT_URL, url);
  (void) curl_easy_setopt (e, CURLOPT_NOSIGNAL, 1L);
  (void) curl_easy_setopt (e, CURLOPT_FOLLOWLOCATION, 0L);
  (void) curl_easy_setopt (e, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
  (void) curl_easy_setopt (e, CURLOPT_TCP_KEEPALIVE, 1L);
  (void) curl_easy_setopt (e, CURLOPT_ACCEPT_ENCODING, x->stream ? NULL : "");
  (void) curl_easy_setopt (e, CURLOPT_USERAGENT, "keywheel/" PACKAGE_VERSION);
  (void) curl_easy_setopt (e, CURLOPT_CONNECTTIMEOUT_MS,
                           (long) x->connect_timeout_ms);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* Else removing the handle waits for the resolver's thread, whatever a
   * cancel or a time-out has ended. */
  (void) curl_easy_setopt (e, CURLOPT_QUICK_EXIT, 1L);
#endif
  (void) curl_easy_setopt (e, CURLOPT_HTTPHEADER, headers);
  (void) curl_easy_setopt (e, CURLOPT_HEADERFUNCTION, on_header);
  (void) curl_easy_setopt (e, CURLOPT_HEADERDATA, l);
  (void) curl_easy_setopt (e, CURLOPT_WRITEFUNCTION, on_body);
  (void) curl_easy_setopt (e, CURLOPT_WRITEDATA, l);
  if (has_body) {
    (void) curl_easy_setopt (e, CURLOPT_POSTFIELDS,
                             r->body != NULL ? r->body : "");
    (void) curl_easy_setopt (e, CURLOPT_POSTFIELDSIZE_LARGE,
                             (curl_off_t) r->body_len);
  }
  if (strcmp (r->method, "HEAD") == 0)
    (void) curl_easy_setopt (e, CURLOPT_NOBODY, 1L);
  else if (strcmp (r->method, has_body ? "POST" : "GET") != 0)
    (void) curl_easy_setopt (e, CURLOPT_CUSTOMREQUEST, r->method);
}

/* ---- Running ------------------------------------------------------------ */

static uint32_t
net_error (CURLcode rc)
{
  static const struct { CURLcode rc; uint32_t net; } known[] = {
    { CURLE_OK, KW_NET_OK },
    { CURLE_COULDNT_RESOLVE_HOST, KW_NET_RESOLVE },
    { CURLE_COULDNT_RESOLVE_PROXY, KW_NET_RESOLVE },
    { CURLE_COULDNT_CONNECT, KW_NET_CONNECT },
    { CURLE_SSL_CONNECT_ERROR, KW_NET_TLS },
    { CURLE_PEER_FAILED_VERIFICATION, KW_NET_TLS },
    { CURLE_SSL_CERTPROBLEM, KW_NET_TLS },
    { CURLE_SSL_CACERT_BADFILE, KW_NET_TLS },
    { CURLE_OPERATION_TIMEDOUT, KW_NET_TIMEOUT },
    { CURLE_GOT_NOTHING, KW_NET_CLOSED },
    { CURLE_PARTIAL_FILE, KW_NET_CLOSED },
    { CURLE_SEND_ERROR, KW_NET_CLOSED },
    { CURLE_RECV_ERROR, KW_NET_CLOSED },
    { CURLE_HTTP2_STREAM, KW_NET_CLOSED },
  };
  size_t i;

  for (i = 0; i < sizeof known / sizeof known[0]; i++)
    if (known[i].rc == rc)
      return known[i].net;
  return KW_NET_OTHER;
}

/* How long poll may sleep: to the first of the time-outs; 0: one has passed,
 * and the answer says which. */
static int64_t
time_left (const struct kwi_lane *l)
{
  const struct kwi_exchange *x = l->x;
  int64_t now = now_ms ();
  int64_t attempt = (x->stream ? l->heard_ms : l->began_ms) + x->attempt_timeout_ms;
  int64_t deadline = l->began_ms + x->left_ms;
  int64_t end = attempt < deadline ? attempt : deadline;

  if (now < end)
    return end - now;
  l->answer->past_deadline = deadline <= attempt;
  l->answer->timed_out = !l->answer->past_deadline;
  return 0;
}

/* Drives the transfer to its end or a time-out's; returns libcurl's result,
 * CURLE_OPERATION_TIMEDOUT and CURLE_ABORTED_BY_CALLBACK for our own ends. */
static CURLcode
run (struct kwi_lane *l)
{
  struct curl_waitfd cancel = { .fd = l->transport->cancel_fd,
                                .events = CURL_WAIT_POLLIN };
  int running = 1, left;
  CURLMsg *msg;

  for (;;) {
    int64_t ms;
    if (curl_multi_perform (l->multi, &running) != CURLM_OK)
      return CURLE_FAILED_INIT;
    if (running == 0)
      break;
    if (kwi_transport_cancelled (l->transport))
      return CURLE_ABORTED_BY_CALLBACK;
    ms = time_left (l);
    if (ms == 0)
      return CURLE_OPERATION_TIMEDOUT;
    if (curl_multi_poll (l->multi, &cancel, 1,
                         ms < 60000 ? (int) ms : 60000, NULL)
        != CURLM_OK)
      return CURLE_FAILED_INIT;
  }
  while ((msg = curl_multi_info_read (l->multi, &left)) != NULL)
    if (msg->msg == CURLMSG_DONE)
      return msg->data.result;
  return CURLE_FAILED_INIT;
}

static void
finish (struct kwi_lane *l, CURLcode rc)
{
  struct kwi_answer *a = l->answer;

  a->status = status_of (l) >= 200 ? status_of (l) : 0;
  a->cancelled = kwi_transport_cancelled (l->transport);
  if (rc == CURLE_OK || a->too_large || a->aborted)
    return;
  a->net = a->past_deadline || a->timed_out ? KW_NET_TIMEOUT : net_error (rc);
  if (rc == CURLE_OPERATION_TIMEDOUT && !a->past_deadline && !a->timed_out)
    a->connect_timed_out = 1;   /* libcurl's own: it has no other of us */
  if (a->net_text[0] == '\0')   /* else it says better why we stopped it */
    note_text (a, curl_easy_strerror (rc));
}

void
kwi_lane_exchange (struct kwi_lane *l, const struct kwi_exchange *x,
                   struct kwi_answer *a)
{
  const struct kw_request *r = x->request;
  int in_query = r->secret_query[0] != '\0';
  char *url = in_query ? kwi_lines_secret_url (r, x->secret) : NULL;
  struct curl_slist *headers = NULL;

  kwi_answer_reset (a);
  l->x = x;
  l->answer = a;
  l->began_ms = l->heard_ms = now_ms ();
  if (kwi_lines_secret (r, x->secret, l->secret_line, SECRET_LINE) != 0)
    note_text (a, "the key is too long for a header");
  else if ((in_query && url == NULL) || link_headers (l, &headers) != 0)
    note_text (a, "out of memory");
  else {
    set_options (l, in_query ? url : r->url, headers);
    if (curl_multi_add_handle (l->multi, l->easy) != CURLM_OK)
      note_text (a, "libcurl takes no more transfers");
    else {
      finish (l, run (l));
      (void) curl_multi_remove_handle (l->multi, l->easy);
    }
    curl_easy_reset (l->easy);  /* forgets what points to headers and URL */
  }
  /* The used part: wiping all of it would cost more than the setup. */
  sodium_memzero (l->secret_line, strnlen (l->secret_line, SECRET_LINE));
  sodium_free (url);            /* wipes it; NULL is fine */
  free (headers);
  if (a->status == 0 && a->net == KW_NET_OK)
    a->net = KW_NET_OTHER;      /* it failed on our side */
  a->took_ms = now_ms () - l->began_ms;
  a->received_ms = x->wall_ms + a->took_ms;
  l->x = NULL;
  l->answer = NULL;
}

void
kwi_lane_wait (struct kwi_lane *l, int64_t ms)
{
  struct curl_waitfd cancel = { .fd = l->transport->cancel_fd,
                                .events = CURL_WAIT_POLLIN };

  if (ms <= 0 || kwi_transport_cancelled (l->transport))
    return;
  (void) curl_multi_poll (l->multi, &cancel, 1,
                          ms < INT32_MAX ? (int) ms : INT32_MAX, NULL);
}

void
kwi_lane_wake (struct kwi_lane *l)
{
  (void) curl_multi_wakeup (l->multi);
}
