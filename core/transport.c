/* transport - HTTP by libcurl, on the loop of a lane; see transport.h.
 *
 * A lane is a multi handle driven by its sockets (curl_multi_socket_action), a
 * loop that watches them, and handles that are used again, the last one first.
 * Time-outs that libcurl has not, such as a silence, are the loop's timers.  A
 * key is in guarded memory; the copy in libcurl's send buffer is out of our
 * reach. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>  /* KW_NET_* */
#include <keywheel/keywheel.h>  /* KW_ERR_* */

#include "answer.h"
#include "clock.h"
#include "loop.h"
#include "transport-handle.h"
#include "transport-lines.h"
#include "upload.h"

/* ---- libcurl calls these ------------------------------------------------- */

static int
on_socket (CURL *easy, curl_socket_t fd, int what, void *user, void *ours)
{
  struct kwi_lane *l = user;
  struct kwi_loop_fd *known = (int) fd < l->loop.n_fds ? &l->loop.fds[fd] : NULL;
  int events = (what & CURL_POLL_IN) != 0 && what != CURL_POLL_REMOVE
               ? KWI_LOOP_IN : 0;

  (void) easy, (void) ours;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
    events |= KWI_LOOP_OUT;
  /* A connection's closing is told; that of the resolver's pipe is not. */
  return kwi_loop_want (&l->loop, (int) fd, events,
                        known != NULL && known->keep);
}

curl_socket_t
kwi_on_open (void *lane, curlsocktype purpose, struct curl_sockaddr *a)
{
  struct kwi_lane *l = lane;
  int fd = socket (a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

  (void) purpose;
  if (fd < 0)
    return CURL_SOCKET_BAD;
  if (kwi_loop_own (&l->loop, fd) != 0) {
    (void) close (fd);
    return CURL_SOCKET_BAD;
  }
  return fd;
}

int
kwi_on_close (void *lane, curl_socket_t fd)
{
  struct kwi_lane *l = lane;

  kwi_loop_forget (&l->loop, (int) fd);
  return close (fd);
}

static int
on_timer (CURLM *multi, long ms, void *user)
{
  struct kwi_lane *l = user;

  (void) multi;
  if (ms < 0)
    kwi_timer_unset (&l->loop.timers, &l->curl_timer);
  else
    kwi_timer_set (&l->loop.timers, &l->curl_timer, l->loop.now_ms + ms);
  return 0;
}

static void
note_text (struct kwi_answer *a, const char *text)
{
  memset (a->net_text, 0, sizeof a->net_text);
  (void) memccpy (a->net_text, text, '\0', sizeof a->net_text - 1);
}

static int32_t
status_of (const struct kwi_handle *h)
{
  long status = 0;

  (void) curl_easy_getinfo (h->easy, CURLINFO_RESPONSE_CODE, &status);
  return (int32_t) status;
}

size_t
kwi_on_header (char *line, size_t one, size_t n, void *user)
{
  struct kwi_handle *h = user;
  struct kwi_exchange *x = h->x;
  size_t len = n * one;

  if (x->heard_ms != h->lane->loop.now_ms && status_of (h) >= 200)
    x->heard_ms = h->lane->loop.now_ms; /* interim answers are no sign of life */
  if (x->answer->headers_len == 0) /* those of an interim answer are gone */
    x->answer->first_ms = h->lane->loop.now_ms - x->began_ms;
  if (x->upload != NULL && len <= 2 && status_of (h) >= 300)
    kwi_exchange_reject (x);
  if (kwi_lines_take (x->answer, line, len) == 0)
    return len;
  note_text (x->answer, "the answer's headers are larger than 256 KB");
  return 0;
}

/* What was taken comes again with the rest, and is passed over then. */
static size_t
hand_to_sink (struct kwi_exchange *x, const char *data, size_t len)
{
  size_t skip = x->skip < len ? x->skip : len, taken = 0;
  int r;

  x->skip -= skip;
  if (skip == len)
    return len;
  r = x->sink (x->user, x->answer, data + skip, len - skip, &taken);
  if (r == KWI_SINK_PAUSE) {
    x->paused = x->lane->pauses = 1;
    x->skip = skip + taken;
    return CURL_WRITEFUNC_PAUSE;
  }
  x->answer->aborted = r != 0;
  return r != 0 ? 0 : len;
}

size_t
kwi_on_body (char *data, size_t one, size_t n, void *user)
{
  struct kwi_handle *h = user;
  struct kwi_exchange *x = h->x;
  struct kwi_answer *a = x->answer;
  size_t len = n * one;

  x->heard_ms = h->lane->loop.now_ms;
  a->received_ms = x->wall_ms + (x->heard_ms - x->began_ms);
  if (a->status == 0)
    a->status = status_of (h);
  if (x->sink != NULL)
    return hand_to_sink (x, data, len);
  if ((int64_t) (a->body_len + len) > x->max_response) {
    a->too_large = 1;
    return 0;
  }
  if (kwi_answer_add_body (a, data, len) == 0)
    return len;
  note_text (a, "out of memory");
  return 0;
}

/* ---- How an exchange ends ------------------------------------------------ */

/* own_words: of libcurl about this connection; of what is not listed they may
 * have a proxy's password in them. */
struct net_error { CURLcode rc; uint32_t net; int own_words, no_trust; };

static const struct net_error *
net_error (CURLcode rc)
{
  static const struct net_error known[] = {
    { CURLE_OK, KW_NET_OK, 0, 0 },
    { CURLE_COULDNT_RESOLVE_HOST, KW_NET_RESOLVE, 1, 0 },
    { CURLE_COULDNT_RESOLVE_PROXY, KW_NET_RESOLVE, 1, 0 },
    { CURLE_COULDNT_CONNECT, KW_NET_CONNECT, 1, 0 },
    { CURLE_SSL_CONNECT_ERROR, KW_NET_TLS, 1, 0 },
    { CURLE_PEER_FAILED_VERIFICATION, KW_NET_TLS, 1, KW_ERR_UNAVAILABLE },
    { CURLE_SSL_CERTPROBLEM, KW_NET_TLS, 1, KW_ERR_SETTINGS },
    { CURLE_SSL_CACERT_BADFILE, KW_NET_TLS, 1, KW_ERR_SETTINGS },
    { CURLE_OPERATION_TIMEDOUT, KW_NET_TIMEOUT, 0, 0 },
    { CURLE_GOT_NOTHING, KW_NET_CLOSED, 0, 0 },
    { CURLE_PARTIAL_FILE, KW_NET_CLOSED, 0, 0 },
    { CURLE_SEND_ERROR, KW_NET_CLOSED, 1, 0 },
    { CURLE_SEND_FAIL_REWIND, KW_NET_CLOSED, 0, 0 },
    { CURLE_RECV_ERROR, KW_NET_CLOSED, 1, 0 },
    { CURLE_HTTP2, KW_NET_CLOSED, 1, 0 },
    { CURLE_HTTP2_STREAM, KW_NET_CLOSED, 1, 0 },
  };
  static const struct net_error other = { .net = KW_NET_OTHER };
  size_t i;

  for (i = 0; i < sizeof known / sizeof known[0]; i++)
    if (known[i].rc == rc)
      return &known[i];
  return &other;
}

/* Handles that idle; each has buffers of some 20 KB. */
enum { MAX_IDLE = 256 };

static void
give_back (struct kwi_lane *l, struct kwi_handle *h)
{
  if (l->n_handles >= MAX_IDLE) {
    kwi_handle_free (h);
    return;
  }
  h->next = l->handles;
  l->handles = h;
  l->n_handles++;
}

/* The handle goes back to the lane. */
static void
detach (struct kwi_exchange *x, int cut)
{
  struct kwi_lane *l = x->lane;
  struct kwi_handle *h = x->handle;

  kwi_timer_unset (&l->loop.timers, &x->timer);
  kwi_handle_remove (h, cut);
  kwi_handle_done (h);
  give_back (l, h);
  x->handle = NULL;
  x->lane = NULL;
  x->skip = 0;
  x->paused = x->upload_paused = 0;
}

/* rc: libcurl's; CURLE_OPERATION_TIMEDOUT and CURLE_ABORTED_BY_CALLBACK also
 * for our own ends. */
static void
note_failure (const struct kwi_exchange *x, CURLcode rc)
{
  const struct net_error *e = net_error (rc);
  struct kwi_answer *a = x->answer;

  if (a->past_deadline || a->timed_out)
    a->net = KW_NET_TIMEOUT;
  else {
    a->net = e->net;
    a->no_trust = e->no_trust;
    if (rc == CURLE_OPERATION_TIMEDOUT)
      a->connect_timed_out = 1; /* libcurl's own: it has no other of us */
  }
  if (a->net_text[0] == '\0')   /* else it says better why we stopped it */
    note_text (a, e->own_words && x->handle->why[0] != '\0'
                  ? x->handle->why : curl_easy_strerror (rc));
}

static void
note_end (const struct kwi_exchange *x, CURLcode rc)
{
  struct kwi_answer *a = x->answer;
  int64_t took = x->lane->loop.now_ms - x->began_ms;

  a->took_ms = took;
  a->received_ms = x->wall_ms + took;
  a->status = status_of (x->handle) >= 200 ? status_of (x->handle) : 0;
  a->cancelled = kwi_transport_cancelled (x->lane->transport);
  if (rc != CURLE_OK && !a->too_large && !a->aborted)
    note_failure (x, rc);
  if (a->status == 0 && a->net == KW_NET_OK)
    a->net = KW_NET_OTHER;      /* it failed on our side */
}

static void
end (struct kwi_exchange *x, CURLcode rc, int cut)
{
  note_end (x, rc);
  detach (x, cut);
  x->done (x->user);
}

/* One that could not begin; its answer says why. */
static void
end_failed (struct kwi_lane *l)
{
  struct kwi_exchange *x;

  while ((x = l->failed) != NULL) {
    l->failed = x->next;
    x->next = NULL;
    x->lane = NULL;
    x->answer->net = KW_NET_OTHER;
    x->answer->received_ms = x->wall_ms;
    x->done (x->user);
  }
}

/* The goodbye of an idle HTTP/2 connection may lie behind other frames, where
 * libcurl does not see it before it sends.  Nothing came of that request, so it
 * goes out once more at once, as libcurl itself does it for HTTP/1.1. */
static int
send_again (struct kwi_exchange *x, CURLcode rc)
{
  CURL *easy = x->handle->easy;
  long connects = 1;

  if (rc != CURLE_HTTP2 || x->again || status_of (x->handle) != 0
      || curl_easy_getinfo (easy, CURLINFO_NUM_CONNECTS, &connects) != CURLE_OK
      || connects != 0
      || (x->upload != NULL && kwi_upload_rewind (x->upload) != 0))
    return 0;
  x->again = 1;
  (void) curl_multi_remove_handle (x->lane->multi, easy);
  return curl_multi_add_handle (x->lane->multi, easy) == CURLM_OK;
}

static void
on_turn (void *user)
{
  struct kwi_lane *l = user;
  struct kwi_handle *h;
  CURLMsg *msg;
  int left;

  while ((msg = curl_multi_info_read (l->multi, &left)) != NULL)
    if (msg->msg == CURLMSG_DONE
        && curl_easy_getinfo (msg->easy_handle, CURLINFO_PRIVATE, &h) == CURLE_OK
        && h->x != NULL) {
      CURLcode rc = msg->data.result;   /* gone with what comes next */
      if (!send_again (h->x, rc))
        end (h->x, rc, 0);
    }
}

/* The first of its time-outs; *ret_is_deadline: it is its call's. */
static int64_t
time_out (const struct kwi_exchange *x, int *ret_is_deadline)
{
  int64_t attempt = (x->by_silence ? x->heard_ms : x->began_ms) + x->attempt_timeout_ms;
  int64_t deadline = x->began_ms + x->left_ms;
  int64_t now = x->lane->loop.now_ms;

  /* Its caller is silent, not the provider. */
  if ((x->paused || x->upload_paused) && x->by_silence && attempt <= now)
    attempt = now + x->attempt_timeout_ms;
  *ret_is_deadline = deadline <= attempt;
  return attempt < deadline ? attempt : deadline;
}

/* So many, each a millisecond later, where there is always more to read. */
enum { LOOKS_MOST = 100 };

static void
on_time_out (struct kwi_timer *t)
{
  struct kwi_exchange *x
    = (struct kwi_exchange *) ((char *) t - offsetof (struct kwi_exchange, timer));
  struct kwi_loop *loop = &x->lane->loop;
  int is_deadline;
  int64_t at = time_out (x, &is_deadline);

  if (at > loop->now_ms) {
    x->late = 0;
    kwi_timer_set (&loop->timers, t, at);
    return;
  }
  /* It may have been us who stood still, and the answer is there: all that has come
   * is looked at first. */
  if (x->late == 0 || (loop->unread && x->late < LOOKS_MOST)) {
    x->late++;
    kwi_timer_set (&loop->timers, t, loop->now_ms + 1);
    return;
  }
  x->answer->past_deadline = is_deadline;
  x->answer->timed_out = !is_deadline;
  end (x, CURLE_OPERATION_TIMEDOUT, 1);
}

/* ---- Turning ------------------------------------------------------------- */

static void
on_fd (void *user, int fd, int events)
{
  struct kwi_lane *l = user;
  int running, mask = ((events & KWI_LOOP_IN) != 0 ? CURL_CSELECT_IN : 0)
                      | ((events & KWI_LOOP_OUT) != 0 ? CURL_CSELECT_OUT : 0);

  (void) curl_multi_socket_action (l->multi, fd, mask, &running);
}

static void
on_curl_time (struct kwi_timer *t)
{
  struct kwi_lane *l
    = (struct kwi_lane *) ((char *) t - offsetof (struct kwi_lane, curl_timer));
  int running;

  end_failed (l);
  (void) curl_multi_socket_action (l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void
on_stop (void *user)
{
  struct kwi_lane *l = user;

  if (l->on_cancel != NULL)
    l->on_cancel (l->user);
}

void
kwi_exchange_begin (struct kwi_lane *l, struct kwi_exchange *x)
{
  struct kwi_handle *h = l->handles;
  const char *why = "out of memory";
  int is_deadline;

  l->loop.now_ms = kwi_clock_system.mono_ms (NULL);
  kwi_answer_reset (x->answer);
  x->lane = l;
  x->skip = 0;
  x->paused = x->upload_paused = x->rejected = x->again = x->late = 0;
  x->answer->first_ms = -1;
  if (x->upload != NULL)
    (void) kwi_upload_rewind (x->upload);
  x->began_ms = x->heard_ms = l->loop.now_ms;
  x->timer.fire = on_time_out;
  if (h != NULL) {
    l->handles = h->next;
    l->n_handles--;
  }
  else
    h = kwi_handle_new (l, l->share);
  if (h != NULL) {
    h->x = x;
    x->handle = h;
    if (kwi_handle_set (h, &why) == 0) {
      if (curl_multi_add_handle (l->multi, h->easy) == CURLM_OK) {
        kwi_timer_set (&l->loop.timers, &x->timer, time_out (x, &is_deadline));
        return;
      }
      why = "libcurl takes no more transfers";
    }
    kwi_handle_done (h);
    give_back (l, h);
    x->handle = NULL;
  }
  note_text (x->answer, why);
  x->next = l->failed;
  l->failed = x;
  kwi_timer_set (&l->loop.timers, &l->curl_timer, l->loop.now_ms);
}

void
kwi_exchange_abort (struct kwi_exchange *x)
{
  struct kwi_exchange **at;

  if (x->handle != NULL) {
    detach (x, 1);
    return;
  }
  if (x->lane != NULL)
    for (at = &x->lane->failed; *at != NULL; at = &(*at)->next)
      if (*at == x) {
        *at = x->next;
        break;
      }
  x->lane = NULL;
}

/* ---- Wiring --------------------------------------------------------------- */

int
kwi_lane_wire (struct kwi_lane *l)
{
  CURLM *m = l->multi;

  l->loop.on_fd = on_fd;
  l->loop.on_turn = on_turn;
  l->loop.on_stop = on_stop;
  l->loop.user = l;
  l->curl_timer.fire = on_curl_time;
  return curl_multi_setopt (m, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK
         || curl_multi_setopt (m, CURLMOPT_SOCKETDATA, l) != CURLM_OK
         || curl_multi_setopt (m, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK
         || curl_multi_setopt (m, CURLMOPT_TIMERDATA, l) != CURLM_OK ? -1 : 0;
}
