/* transport-setup - a request of ours as libcurl's options; see
 * transport-handle.h.  Knows nothing of loops and answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "net.h"
#include "request.h"
#include "secrets.h"
#include "transport-handle.h"
#include "transport-lines.h"
#include "upload.h"

/* Room for a header line with the longest key (8 KB), a name and a prefix. */
enum { SECRET_LINE = 8192 + 256 };

/* libcurl asks for a "100 Continue" before a body of 1 MB. */
enum { EXPECT_FROM = 512 * 1024 };

/* libcurl keeps room for what it reads at once, 16 KB, and for what it asks an upload
 * for, 64 KB, for as long as the answer lasts.  An event has some 300 bytes, and each
 * is read when it comes. */
enum { STREAM_BUFFER = 2048, STREAM_UPLOAD = 16 * 1024, UPLOAD = 64 * 1024 };

#define USER_AGENT "keywheel/" PACKAGE_VERSION

/* libcurl formats a header of its own twice, a character at a time, and one of
 * the list once: these two are in the list (8 % of a short request's work). */
static char user_agent[] = "User-Agent: " USER_AGENT;

/* What libcurl would send for CURLOPT_ACCEPT_ENCODING ""; "": it can unpack
 * nothing. */
static void
accept_encoding (char *buf, size_t size)
{
  const curl_version_info_data *v = curl_version_info (CURLVERSION_NOW);
  const int zlib = (v->features & CURL_VERSION_LIBZ) != 0;
  const int brotli = (v->features & CURL_VERSION_BROTLI) != 0;
  const int zstd = (v->features & CURL_VERSION_ZSTD) != 0;
  int n = snprintf (buf, size, "Accept-Encoding: %s%s%s%s%s",
                    zlib ? "deflate, gzip" : "", zlib && brotli ? ", " : "",
                    brotli ? "br" : "", (zlib || brotli) && zstd ? ", " : "",
                    zstd ? "zstd" : "");

  if (n < 0 || (size_t) n >= size || !(zlib || brotli || zstd))
    buf[0] = '\0';
}

/* Of those that libcurl would look for, for each request anew. */
static int
proxy_in_environment (void)
{
  static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
                                       "all_proxy", "ALL_PROXY" };
  size_t i;

  for (i = 0; i < sizeof names / sizeof names[0]; i++)
    if (getenv (names[i]) != NULL)
      return 1;
  return 0;
}

/* A proxy that is asked for a tunnel is told our name, too; and who is in
 * no_proxy is reached without. */
static int
set_proxy (struct kwi_handle *h, const char *proxy)
{
  CURL *e = h->easy;

  return curl_easy_setopt (e, CURLOPT_PROXY, proxy) != CURLE_OK
         || curl_easy_setopt (e, CURLOPT_NOPROXY, NULL) != CURLE_OK
         || curl_easy_setopt (e, CURLOPT_USERAGENT, USER_AGENT) != CURLE_OK;
}

/* What never changes. */
static void
set_always (struct kwi_handle *h)
{
  CURL *e = h->easy;

  if (proxy_in_environment ())
    (void) set_proxy (h, NULL);
  else
    (void) curl_easy_setopt (e, CURLOPT_NOPROXY, "*");

#if LIBCURL_VERSION_NUM >= 0x075500
  (void) curl_easy_setopt (e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  (void) curl_easy_setopt (e, CURLOPT_PROTOCOLS,
                           (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  (void) curl_easy_setopt (e, CURLOPT_NOSIGNAL, 1L);
  /* A redirect would take the key to wherever it points. */
  (void) curl_easy_setopt (e, CURLOPT_FOLLOWLOCATION, 0L);
  (void) curl_easy_setopt (e, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
  (void) curl_easy_setopt (e, CURLOPT_TCP_KEEPALIVE, 1L);
  (void) curl_easy_setopt (e, CURLOPT_TCP_NODELAY, 1L);
  /* Over TLS a second call waits to hear whether the first one's connection
   * can carry it, too, rather than to open its own. */
  (void) curl_easy_setopt (e, CURLOPT_PIPEWAIT, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* Else removing the handle waits for the resolver's thread, whatever a
   * cancel or a time-out has ended. */
  (void) curl_easy_setopt (e, CURLOPT_QUICK_EXIT, 1L);
#endif
  (void) curl_easy_setopt (e, CURLOPT_SHARE, h->share);
  (void) curl_easy_setopt (e, CURLOPT_PRIVATE, h);
  (void) curl_easy_setopt (e, CURLOPT_ERRORBUFFER, h->why);
  (void) curl_easy_setopt (e, CURLOPT_HEADERFUNCTION, kwi_on_header);
  (void) curl_easy_setopt (e, CURLOPT_HEADERDATA, h);
  (void) curl_easy_setopt (e, CURLOPT_WRITEFUNCTION, kwi_on_body);
  (void) curl_easy_setopt (e, CURLOPT_WRITEDATA, h);
  (void) curl_easy_setopt (e, CURLOPT_READFUNCTION, kwi_on_read);
  (void) curl_easy_setopt (e, CURLOPT_READDATA, h);
  (void) curl_easy_setopt (e, CURLOPT_SEEKFUNCTION, kwi_on_seek);
  (void) curl_easy_setopt (e, CURLOPT_SEEKDATA, h);
  (void) curl_easy_setopt (e, CURLOPT_OPENSOCKETFUNCTION, kwi_on_open);
  (void) curl_easy_setopt (e, CURLOPT_OPENSOCKETDATA, h->lane);
  (void) curl_easy_setopt (e, CURLOPT_CLOSESOCKETFUNCTION, kwi_on_close);
  (void) curl_easy_setopt (e, CURLOPT_CLOSESOCKETDATA, h->lane);
}

struct kwi_handle *
kwi_handle_new (struct kwi_lane *lane, CURLSH *share)
{
  struct kwi_handle *h = calloc (1, sizeof *h);

  if (h == NULL)
    return NULL;
  h->easy = curl_easy_init ();
  if (h->easy == NULL) {
    free (h);
    return NULL;
  }
  h->lane = lane;
  h->share = share;
  h->encoded = -1;
  accept_encoding (h->encoding, sizeof h->encoding);
  set_always (h);
  return h;
}

void
kwi_handle_free (struct kwi_handle *h)
{
  if (h == NULL)
    return;
  curl_easy_cleanup (h->easy);
  curl_url_cleanup (h->parts);
  sodium_free (h->line);
  free (h->nodes);
  free (h->url);
  free (h);
}

static void
forget_url (struct kwi_handle *h)
{
  free (h->url);
  h->url = NULL;
  (void) curl_easy_setopt (h->easy, CURLOPT_CURLU, NULL);
  curl_url_cleanup (h->parts);
  h->parts = NULL;
}

/* A handle that goes to another provider begins anew: some of these cannot be
 * taken back one by one. */
static int
set_net (struct kwi_handle *h, const struct kwi_net *n)
{
  CURL *e = h->easy;
  int bad = 0;

  if (h->net == n)
    return 0;
  forget_url (h);
  curl_easy_reset (e);
  set_always (h);
  h->net = n;
  h->method = KWI_METHOD_NONE;
  h->encoded = -1;
  h->http_1_1 = 0;
  h->connect_timeout_ms = 0;
  if (n == NULL)
    return 0;
  if (n->proxy != NULL)
    bad |= set_proxy (h, n->proxy);
  if (n->ca_file != NULL)
    bad |= curl_easy_setopt (e, CURLOPT_CAINFO, n->ca_file) != CURLE_OK;
  if (n->client_cert != NULL)
    bad |= curl_easy_setopt (e, CURLOPT_SSLCERT, n->client_cert) != CURLE_OK;
  if (n->client_key != NULL)
    bad |= curl_easy_setopt (e, CURLOPT_SSLKEY, n->client_key) != CURLE_OK;
  if (n->insecure) {
    bad |= curl_easy_setopt (e, CURLOPT_SSL_VERIFYPEER, 0L) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_SSL_VERIFYHOST, 0L) != CURLE_OK;
  }
  if (bad)
    h->net = NULL;
  return bad ? -1 : 0;
}

/* Without TLS nothing tells libcurl what a server speaks but an answer, and until
 * the first one came every other call would wait for it (see CURLOPT_PIPEWAIT).
 *
 * Of a paused stream of HTTP/2 libcurl takes on what its window has room for, into
 * memory: 32 MB with 7.88.1 (where nobody else is served while that comes fast),
 * 20 MB with 8.14.1; of one of HTTP/1.1 nothing.  So where streams are paused
 * those to come have connections of their own. */
static int
set_http_version (struct kwi_handle *h)
{
  const struct kwi_exchange *x = h->x;
  int http_1_1 = (x->net != NULL && x->net->http_1_1)
                 || (x->may_pause && h->lane->pauses)
                 || strncasecmp (x->request->url, "http:", 5) == 0;

  if (h->http_1_1 == http_1_1)
    return 0;
  h->http_1_1 = http_1_1;
  return curl_easy_setopt (h->easy, CURLOPT_HTTP_VERSION,
                           (long) (http_1_1 ? CURL_HTTP_VERSION_1_1
                                            : CURL_HTTP_VERSION_NONE)) == CURLE_OK
         ? 0 : -1;
}

/* A URL that is a text libcurl takes apart for each request anew, and puts it
 * together again (a tenth of a short request's instructions).  NULL: it does, and
 * says what is wrong. */
static CURLU *
parts_of (const char *url)
{
  CURLU *parts = curl_url ();

  if (parts != NULL
      && curl_url_set (parts, CURLUPART_URL, url,
                       CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    curl_url_cleanup (parts);
    parts = NULL;
  }
  return parts;
}

/* Both, the text and the parts: the text is what libcurl goes by when it begins
 * anew on another connection.  One with a key in it is not kept. */
static int
set_url (struct kwi_handle *h)
{
  const char *url = h->x->url != NULL ? h->x->url : h->x->request->url;

  if (h->x->url == NULL && h->url != NULL && strcmp (h->url, url) == 0)
    return 0;
  forget_url (h);
  if (curl_easy_setopt (h->easy, CURLOPT_URL, url) != CURLE_OK)
    return -1;
  if (h->x->url != NULL)
    return 0;
  h->url = strdup (url);        /* NULL: it is set again next time */
  h->parts = parts_of (url);
  return h->parts == NULL
         || curl_easy_setopt (h->easy, CURLOPT_CURLU, h->parts) == CURLE_OK ? 0 : -1;
}

static enum kwi_method
method_of (const struct kwi_exchange *x)
{
  const struct kw_request *r = x->request;

  if (x->upload != NULL)
    return KWI_METHOD_UPLOAD;
  if (strcmp (r->method, "POST") == 0)
    return KWI_METHOD_POST;
  if (strcmp (r->method, "GET") == 0 && r->body_len == 0)
    return KWI_METHOD_GET;
  if (strcmp (r->method, "HEAD") == 0)
    return KWI_METHOD_HEAD;
  return KWI_METHOD_OTHER;
}

static int
set_method (struct kwi_handle *h)
{
  const struct kw_request *r = h->x->request;
  enum kwi_method m = method_of (h->x);
  CURL *e = h->easy;
  int bad = 0;

  if (m != h->method || m >= KWI_METHOD_OTHER) {
    /* First, for to take it back makes a GET of it. */
    if (m == KWI_METHOD_UPLOAD || h->method == KWI_METHOD_UPLOAD)
      bad |= curl_easy_setopt (e, CURLOPT_UPLOAD,
                               m == KWI_METHOD_UPLOAD ? 1L : 0L) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_CUSTOMREQUEST,
                             m >= KWI_METHOD_OTHER ? r->method : NULL)
           != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_NOBODY, m == KWI_METHOD_HEAD ? 1L : 0L)
           != CURLE_OK;
    if (m == KWI_METHOD_GET || (m == KWI_METHOD_OTHER && r->body_len == 0))
      bad |= curl_easy_setopt (e, CURLOPT_HTTPGET, 1L) != CURLE_OK;
    h->method = m;
  }
  if (m == KWI_METHOD_UPLOAD)
    bad |= curl_easy_setopt (e, CURLOPT_INFILESIZE_LARGE,
                             (curl_off_t) h->x->upload->len) != CURLE_OK;
  if (m == KWI_METHOD_POST || (m == KWI_METHOD_OTHER && r->body_len > 0)) {
    bad |= curl_easy_setopt (e, CURLOPT_POSTFIELDS,
                             r->body != NULL ? r->body : "") != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_POSTFIELDSIZE_LARGE,
                             (curl_off_t) r->body_len) != CURLE_OK;
  }
  return bad ? -1 : 0;
}

/* NULL: no memory, or the key is too long. */
static char *
own_line (struct kwi_handle *h)
{
  if (h->line == NULL)
    h->line = sodium_malloc (SECRET_LINE);
  if (h->line == NULL
      || kwi_lines_secret (h->x->request, h->x->secret, h->line, SECRET_LINE)
           != 0)
    return NULL;
  return h->line;
}

/* Which of the headers that we would add is this one: a bit, or 0. */
enum { HAS_TYPE = 1, HAS_AGENT = 2, HAS_ENCODING = 4 };
static int
which_header (const char *line)
{
  switch (line[0] | 0x20) {     /* nearly all are told by their first letter */
  case 'c':
    return strncasecmp (line, "Content-Type:", 13) == 0 ? HAS_TYPE : 0;
  case 'u':
    return strncasecmp (line, "User-Agent:", 11) == 0 ? HAS_AGENT : 0;
  case 'a':
    return strncasecmp (line, "Accept-Encoding:", 16) == 0 ? HAS_ENCODING : 0;
  default:
    return 0;
  }
}

/* Nodes of our own, so that no header is copied. */
static int
set_headers (struct kwi_handle *h)
{
  static char no_expect[] = "Expect:", no_type[] = "Content-Type:";
  const struct kw_request *r = h->x->request;
  const char *secret = h->x->secret_line;
  size_t i, n = 0, want = r->n_headers + 5;
  char *line = r->headers;
  int has = 0;

  if (h->n_nodes < want) {
    struct curl_slist *nodes = calloc (want, sizeof *nodes);
    if (nodes == NULL)
      return -1;
    free (h->nodes);
    h->nodes = nodes;
    h->n_nodes = want;
  }
  for (i = 0; i < r->n_headers; i++, line += strlen (line) + 1) {
    h->nodes[n++].data = line;
    has |= which_header (line);
  }
  if (r->secret_header[0] != '\0') {
    if (secret == NULL)
      secret = own_line (h);
    if (secret == NULL)
      return -1;
    h->nodes[n++].data = (char *) (uintptr_t) secret;
  }
  if ((has & HAS_AGENT) == 0)
    h->nodes[n++].data = user_agent;
  if (!h->x->stream && (has & HAS_ENCODING) == 0 && h->encoding[0] != '\0')
    h->nodes[n++].data = h->encoding;
  /* It would wait a second for what few servers send; and libcurl's form type
   * would be a lie. */
  if (r->body_len >= EXPECT_FROM || h->x->upload != NULL)
    h->nodes[n++].data = no_expect;
  if ((has & HAS_TYPE) == 0)
    h->nodes[n++].data = no_type;
  for (i = 0; i < n; i++)
    h->nodes[i].next = i + 1 < n ? &h->nodes[i + 1] : NULL;
  return curl_easy_setopt (h->easy, CURLOPT_HTTPHEADER, h->nodes) == CURLE_OK
         ? 0 : -1;
}

int
kwi_handle_set (struct kwi_handle *h, const char **ret_why)
{
  struct kwi_exchange *x = h->x;
  const struct kw_request *r = x->request;

  *ret_why = "libcurl was built without what the section's options ask for";
  if (set_net (h, x->net) != 0 || set_http_version (h) != 0)
    return -1;
  *ret_why = "out of memory, or the key is too long for a header";
  if (r->secret_query[0] != '\0') {
    x->url = kwi_lines_secret_url (r, x->secret);
    if (x->url == NULL)
      return -1;
  }
  if (h->encoded != !x->stream) {
    /* A compressed stream may hold its events back. */
    (void) curl_easy_setopt (h->easy, CURLOPT_ACCEPT_ENCODING,
                             x->stream ? NULL : "");
    (void) curl_easy_setopt (h->easy, CURLOPT_BUFFERSIZE,
                             x->stream ? (long) STREAM_BUFFER : (long) CURL_MAX_WRITE_SIZE);
    (void) curl_easy_setopt (h->easy, CURLOPT_UPLOAD_BUFFERSIZE,
                             x->stream ? (long) STREAM_UPLOAD : (long) UPLOAD);
    h->encoded = !x->stream;
  }
  if (h->connect_timeout_ms != x->connect_timeout_ms) {
    (void) curl_easy_setopt (h->easy, CURLOPT_CONNECTTIMEOUT_MS,
                             (long) x->connect_timeout_ms);
    h->connect_timeout_ms = x->connect_timeout_ms;
  }
  return set_url (h) != 0 || set_method (h) != 0 || set_headers (h) != 0
         ? -1 : 0;
}

/* To the provider an end on our side is told by a reset of its stream, which
 * libcurl 7.88 keeps until something else is to be written there.  Where nothing
 * else is under way it may as well close the connection, as HTTP/1.1 has to: else
 * the provider would go on, and count, what nobody reads. */
void
kwi_handle_remove (struct kwi_handle *h, int cut)
{
  if (cut)
    (void) curl_easy_setopt (h->easy, CURLOPT_FORBID_REUSE, 1L);
  (void) curl_multi_remove_handle (h->lane->multi, h->easy);
  if (cut)
    (void) curl_easy_setopt (h->easy, CURLOPT_FORBID_REUSE, 0L);
}

void
kwi_handle_done (struct kwi_handle *h)
{
  /* The used part: wiping all of it would cost more than the setup. */
  if (h->line != NULL)
    sodium_memzero (h->line, strnlen (h->line, SECRET_LINE));
  if (h->x->url != NULL) {
    (void) curl_easy_setopt (h->easy, CURLOPT_URL, NULL);
    sodium_free (h->x->url);    /* wipes it */
    h->x->url = NULL;
  }
  h->x = NULL;
}
