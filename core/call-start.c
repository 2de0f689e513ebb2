/* call-start - an answer is the caller's: what is told of it before its body, and
 * an error that is handed over like one.  What of a provider's headers is safe
 * to pass on is here. */
#include <stdlib.h>
#include <string.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>
#include <keywheel/keywheel.h>

#include "client.h"
#include "pass.h"
#include "secrets.h"

/* More than any provider has. */
enum { FIELDS = 64 };

struct word { size_t len; const char *text; };
#define WORD(text) { sizeof (text) - 1, text }

static int
ends_in (const char *s, size_t len, const struct word *end)
{
  return len >= end->len && memcmp (s + len - end->len, end->text, end->len) == 0;
}

/* Names come in lower case.  What is not known stays here: a cookie, an
 * alternative service, the account's name. */
static int
may_be_passed_on (const char *name)
{
  static const struct word names[] = {
    WORD ("retry-after"), WORD ("retry-after-ms"), WORD ("content-disposition"),
    WORD ("content-language"), WORD ("etag"), WORD ("last-modified")
  };
  static const struct word ends[] = { WORD ("request-id"), WORD ("-processing-ms"),
                                      WORD ("-version"), WORD ("-model") };
  static const char limits[] = "x-ratelimit-";
  size_t i, len = strlen (name);

  if (strncmp (name, limits, sizeof limits - 1) == 0)
    return 1;
  for (i = 0; i < sizeof names / sizeof names[0]; i++)
    if (len == names[i].len && memcmp (name, names[i].text, len) == 0)
      return 1;
  for (i = 0; i < sizeof ends / sizeof ends[0]; i++)
    if (ends_in (name, len, &ends[i]))
      return 1;
  return 0;
}

/* libcurl unpacks what it asked for; see transport-setup.c. */
static int
comes_as_it_is (const struct kwi_call *c)
{
  return c->stream && !c->request.translated;
}

static int32_t
choose_fields (const struct kwi_call *c, kw_field fields[FIELDS])
{
  const struct kwi_answer *a = &c->answer;
  const char *p = a->headers, *value;
  int32_t n = 0;

  for (; p != NULL && p < a->headers + a->headers_len && n < FIELDS;
       p = value + strlen (value) + 1) {
    value = p + strlen (p) + 1;
    if (may_be_passed_on (p)
        || (strcmp (p, "content-encoding") == 0 && comes_as_it_is (c)))
      fields[n++] = (kw_field) { p, value };
  }
  return n;
}

static int64_t
length_of (const struct kwi_call *c)
{
  const struct kwi_answer *a = &c->answer;
  const char *header = kwi_answer_header (a, "content-length");
  int head = c->pass != NULL && c->pass->no_body;
  long long n;
  char *end;

  if (!c->sink.is_stream && !c->sink.started && !head)
    return (int64_t) a->body_len;
  /* Of packed bytes it is the packed ones' length. */
  if (header == NULL || c->request.translated
      || (!c->stream && kwi_answer_header (a, "content-encoding") != NULL))
    return -1;
  n = strtoll (header, &end, 10);
  return end != header && *end == '\0' && n >= 0 ? n : -1;
}

/* What has been sent, and whose answer has begun, is not sent again.  A translation
 * may ask for it, though. */
static void
let_go (struct kwi_call *c)
{
  if (!c->sink.started || c->request.translated || !kwi_exchange_has_sent (&c->exchange))
    return;
  kwi_request_let_go (&c->request);
  if (c->pass != NULL) {
    c->pass->upload.spent = 1;
    kwi_upload_clear (&c->pass->upload);
  }
  if (c->let_go != NULL)
    c->let_go (c);
  c->body = NULL;
  c->body_len = 0;
}

void
kwi_call_announce (struct kwi_call *c)
{
  const char *type = kwi_answer_header (&c->answer, "content-type");
  kw_field fields[FIELDS];
  kw_start start;

  if (c->on_start == NULL || c->announced)
    return;
  c->announced = 1;
  start = (kw_start) {
    .struct_size = sizeof start,
    .http_status = c->answer.status,
    .attempts = (int32_t) c->n_attempts,
    .switches = c->state.switches,
    .n_fields = choose_fields (c, fields),
    .waited_ms = c->state.waited_ms,
    .first_byte_ms = kwi_call_first_byte_ms (c),
    .content_length = length_of (c),
    .content_type = type != NULL ? type : "",
    .fields = fields,
    .provider = c->provider->config->name,
    .key = kwi_call_key_name (c),
    .model = c->model,
  };
  c->on_start (c->sink.user, &start);
  let_go (c);
}

int64_t
kwi_call_first_byte_ms (const struct kwi_call *c)
{
  return c->sent_ms + (c->answer.first_ms > 0 ? c->answer.first_ms : 0);
}

/* A value stays as long as it is: the next header is behind it. */
static void
redact_value (const struct kwi_secrets *s, char *value)
{
  size_t size = strlen (value) + 1;
  char *copy = malloc (size);

  if (copy != NULL) {
    memcpy (copy, value, size);
    kwi_secrets_redact (s, copy, size);
  }
  if (copy == NULL || strcmp (copy, value) != 0)
    memset (value, '*', size - 1);
  free (copy);
}

/* No key in an error's body and headers; 0: that cannot be known. */
static int
redact (struct kwi_call *c)
{
  const struct kwi_secrets *s = c->provider->secrets;
  struct kwi_answer *a = &c->answer;
  char *p = a->headers, *end = p != NULL ? p + a->headers_len : NULL;

  if (kwi_answer_header (a, "content-encoding") != NULL && comes_as_it_is (c))
    return 0;
  if (a->body_len > 0) {
    if (memchr (a->body, '\0', a->body_len) != NULL)
      return 0;
    kwi_secrets_redact (s, a->body, a->body_size);
    kwi_answer_forget_json (a);
    a->body_len = strlen (a->body);
  }
  for (; p < end; p += strlen (p) + 1)
    redact_value (s, p);
  return 1;
}

void
kwi_call_hand_over_error (struct kwi_call *c)
{
  const struct kwi_answer *a = &c->answer;

  if (!c->final || c->announced || !redact (c))
    return;
  kwi_call_announce (c);
  if (c->sink.on_data != NULL && a->body_len > 0)
    (void) c->sink.on_data (c->sink.user, a->body, a->body_len);
}
