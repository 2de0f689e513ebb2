/* answer - responses of libmicrohttpd (see answer.h). */
#include "answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "call.h"
#include "chunks.h"
#include "gate.h"

/* What the reader is asked for at once; of chunks it may be more than that, up to what
 * there is room for, and so they need none. */
#define BLOCK 1024
#define NO_BLOCK 64
#define JSON "application/json"

static void
add_text (struct MHD_Response *response, const char *name, const char *value)
{
  if (value != NULL && value[0] != '\0')
    (void) MHD_add_response_header (response, name, value);
}

static void
add_number (struct MHD_Response *response, const char *name, int64_t n)
{
  char text[24] = { n >= 0 && n < 10 ? (char) ('0' + n) : '\0' };
  int len = text[0] != '\0' ? 1 : snprintf (text, sizeof text, "%" PRId64, n);

  if (len > 0 && (size_t) len < sizeof text)
    add_text (response, name, text);
}

/* What was tried; nothing if the provider was not asked. */
static void
add_record (struct MHD_Response *response, const struct gw_record *record,
            const struct gw_way *way)
{
  add_text (response, "x-keywheel-provider", record->provider);
  if (way->moves > 0)
    add_text (response, "x-keywheel-fallback", way->left);
  if (record->attempts == 0)
    return;
  add_text (response, "x-keywheel-key", record->key);
  add_number (response, "x-keywheel-attempts", record->attempts);
  add_number (response, "x-keywheel-switches", record->switches);
  add_number (response, "x-keywheel-waited-ms", record->waited_ms);
}

/* For a page of an allowed origin: without these its browser hides the answer
 * from it. */
static void
add_cors (struct MHD_Response *response, struct gw_request *r)
{
  if (!gw_gate_is_foreign (r))
    return;
  add_text (response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN,
            MHD_lookup_connection_value (r->connection, MHD_HEADER_KIND,
                                         MHD_HTTP_HEADER_ORIGIN));
  add_text (response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN);
  add_text (response, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS, "*");
}

/* Takes the response over. */
static enum MHD_Result
queue (struct gw_request *r, int status, struct MHD_Response *response)
{
  enum MHD_Result result;

  if (response == NULL)
    return MHD_NO;
  add_record (response, &r->record, &r->way);
  add_cors (response, r);
  if (r->gateway->draining || r->last)
    add_text (response, MHD_HTTP_HEADER_CONNECTION, "close");
  result = MHD_queue_response (r->connection, (unsigned) status, response);
  MHD_destroy_response (response);
  r->queued = 1;
  r->status = status;
  return result;
}

enum MHD_Result
gw_answer_text (struct gw_request *r, int status, const char *type, char *text,
                size_t len)
{
  struct MHD_Response *response
    = text != NULL ? MHD_create_response_from_buffer (len, text, MHD_RESPMEM_MUST_FREE)
                   : NULL;

  if (response == NULL) {
    free (text);
    return MHD_NO;
  }
  add_text (response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  return queue (r, status, response);
}

enum MHD_Result
gw_answer_options (struct gw_request *r)
{
  struct MHD_Response *response
    = MHD_create_response_from_buffer (0, NULL, MHD_RESPMEM_PERSISTENT);
  const char *methods = gw_route_methods (r->route.place);

  if (response == NULL)
    return MHD_NO;
  add_text (response, MHD_HTTP_HEADER_ALLOW, methods);
  if (gw_gate_is_foreign (r)) {
    add_text (response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS, methods);
    add_text (response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
              MHD_lookup_connection_value (r->connection, MHD_HEADER_KIND,
                                           MHD_HTTP_HEADER_ACCESS_CONTROL_REQUEST_HEADERS));
    add_text (response, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, "600");
  }
  return queue (r, MHD_HTTP_NO_CONTENT, response);
}

enum MHD_Result
gw_answer_error (struct gw_request *r)
{
  const struct gw_error *e = &r->error;
  struct MHD_Response *response;
  size_t len = 0;
  char *text = gw_error_json (e, &len);

  if (text == NULL)
    return MHD_NO;
  response = MHD_create_response_from_buffer (len, text, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) {
    free (text);
    return MHD_NO;
  }
  add_text (response, MHD_HTTP_HEADER_CONTENT_TYPE, JSON);
  if (e->retry_after_ms > 0)
    add_number (response, MHD_HTTP_HEADER_RETRY_AFTER, gw_error_retry_after (e));
  if (e->no_retry)
    add_text (response, "x-should-retry", "false");
  if (e->status == MHD_HTTP_UNAUTHORIZED)
    add_text (response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
  if (e->status == MHD_HTTP_METHOD_NOT_ALLOWED)
    add_text (response, MHD_HTTP_HEADER_ALLOW, gw_route_methods (r->route.place));
  return queue (r, e->status, response);
}

void
gw_head_put (struct gw_head *head, const char *name, const char *value)
{
  if (value[0] != '\0' && gw_buffer_put (&head->fields, name, strlen (name) + 1) == 0)
    (void) gw_buffer_put (&head->fields, value, strlen (value) + 1);
}

static void
add_head (struct MHD_Response *response, const struct gw_head *head)
{
  const char *at = head->fields.data;
  const char *end = at + head->fields.end;

  while (at < end) {
    const char *value = at + strlen (at) + 1;
    add_text (response, at, value);
    at = value + strlen (value) + 1;
  }
}

/* A piece that is there, or the end, or sleep until there is something. */
static ssize_t
read_out (void *user, uint64_t pos, char *buf, size_t max)
{
  struct gw_request *r = user;
  size_t n;

  (void) pos;
  gw_chunks_stop (r);
  n = gw_buffer_take (&r->out, buf, max);
  if (n > 0) {
    gw_call_taken (r);
    return (ssize_t) n;
  }
  if (r->gone || r->broken) {
    /* libmicrohttpd would close it when it next hears of it, on a connection that
     * had other requests before at its idle time. */
    (void) shutdown (r->conn->watch.fd, SHUT_RDWR);
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  if (r->ended)
    return MHD_CONTENT_READER_END_OF_STREAM;
  gw_request_sleep (r);
  if (r->http_1_1 && r->head.length < 0 && r->handle != NULL && max > NO_BLOCK)
    gw_chunks_begin (r, buf, max);
  return 0;
}

/* All of it is there: it lives as long as the request, and so longer than the
 * response. */
static struct MHD_Response *
whole (struct gw_request *r)
{
  return MHD_create_response_from_buffer (gw_buffer_len (&r->out), gw_buffer_bytes (&r->out),
                                          MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *
as_it_comes (struct gw_request *r)
{
  uint64_t size = r->head.length >= 0 && !r->broken ? (uint64_t) r->head.length
                                                    : MHD_SIZE_UNKNOWN;
  int chunks = size == MHD_SIZE_UNKNOWN && r->http_1_1;

  return MHD_create_response_from_callback (size, chunks ? NO_BLOCK : BLOCK, read_out, r,
                                            NULL);
}

/* To HEAD: the length of what GET would have got.  Where that is not known there is
 * none, and no chunks either, which libmicrohttpd (0.9.75) would end, and so begin
 * the next answer with what is no answer. */
static struct MHD_Response *
head_only (struct gw_request *r)
{
  int known = r->head.length >= 0;
  struct MHD_Response *response
    = MHD_create_response_from_callback (known ? (uint64_t) r->head.length : MHD_SIZE_UNKNOWN,
                                         BLOCK, read_out, r, NULL);

  if (response != NULL && !known)
    (void) MHD_set_response_options (response, MHD_RF_HTTP_VERSION_1_0_ONLY, MHD_RO_END);
  return response;
}

static struct MHD_Response *
respond (struct gw_request *r)
{
  int is_head = strcmp (r->method, MHD_HTTP_METHOD_HEAD) == 0;

  if (is_head && (!r->ended || gw_buffer_len (&r->out) == 0))
    return head_only (r);
  return r->ended && !r->broken ? whole (r) : as_it_comes (r);
}

enum MHD_Result
gw_answer (struct gw_request *r)
{
  struct MHD_Response *response;

  if (r->gone)
    return MHD_NO;
  if (r->head.status == 0)
    return gw_answer_error (r);
  response = respond (r);
  if (response != NULL)
    add_head (response, &r->head);
  gw_buffer_clear (&r->head.fields);    /* there are copies now */
  return queue (r, r->head.status, response);
}
