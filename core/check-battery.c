/* check-battery - the answers that are known beforehand: every status, bodies
 * of every kind, documents cut at every byte, answers that never came, clocks
 * that are wrong, and the events of streams. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "check-subject.h"
#include "check-text.h"

#define N_OF(a) (sizeof (a) / sizeof (a)[0])
#define EVENT 1u                /* c of a case: the body is an event's data */

static int
begin (struct kwi_answer *a, int32_t status)
{
  a->status = status;
  a->received_ms = KWI_CHECK_NOW;
  return 0;
}

static int
add_text (struct kwi_answer *a, const char *s)
{
  return kwi_answer_add_body (a, s, strlen (s));
}

static struct kwi_check_case *
add (struct kwi_check *c, const char *name,
     int (*make) (const struct kwi_check *, const struct kwi_check_case *,
                  struct kwi_answer *), uint32_t x, uint32_t y)
{
  struct kwi_check_case *k = kwi_check_add (c, KWI_CHECK_CLASSIFY, kwi_check_classify,
                                            "%s", name);
  k->make = make;
  k->a = x;
  k->b = y;
  return k;
}

static struct kwi_check_case * __attribute__ ((__format__ (__printf__, 5, 6)))
addf (struct kwi_check *c,
      int (*make) (const struct kwi_check *, const struct kwi_check_case *,
                   struct kwi_answer *), uint32_t x, uint32_t y, const char *fmt, ...)
{
  char name[64];
  va_list ap;

  va_start (ap, fmt);
  if (vsnprintf (name, sizeof name, fmt, ap) < 0)
    name[0] = '\0';
  va_end (ap);
  return add (c, name, make, x, y);
}

/* ---- Usual ones --------------------------------------------------------- */

static const struct {
  const char *name;
  int32_t status;
  uint32_t document;
  int headers;
} usual[] = {
  { "reply", 200, KWI_T_REPLY, 1 },
  { "limit", 429, KWI_T_ERROR, 1 },
  { "reply-without-headers", 200, KWI_T_REPLY, 0 },
  { "limit-without-headers", 429, KWI_T_ERROR, 0 },
};

static int
make_usual (const struct kwi_check *c, const struct kwi_check_case *k,
            struct kwi_answer *a)
{
  (void) c;
  begin (a, usual[k->a].status);
  if (usual[k->a].headers && kwi_usual_headers (a) != 0)
    return -1;
  return add_text (a, kwi_template_text (usual[k->a].document));
}

/* ---- Every status ------------------------------------------------------- */

static const char page[] =
  "<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head><body><center>"
  "<h1>403 Forbidden</h1></center></body></html>\n";

static const char *const of_status[] = { "", "error", "page" };
static const int32_t wild[] = { 0, 1, 99, 600, 999, 1000, -1, INT32_MIN, INT32_MAX };

static int
make_status (const struct kwi_check *c, const struct kwi_check_case *k,
             struct kwi_answer *a)
{
  (void) c;
  begin (a, (int32_t) k->a);
  if (k->b == 1)
    return kwi_usual_headers (a) == 0
           ? add_text (a, kwi_template_text (KWI_T_ERROR)) : -1;
  return k->b == 2 ? add_text (a, page) : 0;
}

static void
plan_statuses (struct kwi_check *c)
{
  for (uint32_t body = 0; body < N_OF (of_status); body++) {
    const char *dash = body > 0 ? "-" : "";
    for (uint32_t status = 100; status <= 599; status++)
      addf (c, make_status, status, body, "status-%u%s%s", (unsigned) status, dash,
            of_status[body])->sane = 1;
    for (size_t i = 0; i < N_OF (wild); i++)
      addf (c, make_status, (uint32_t) wild[i], body, "status-%ld%s%s", (long) wild[i],
            dash, of_status[body]);
  }
}

/* ---- Bodies ------------------------------------------------------------- */

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16
#define BLANK16 "                "
#define BLANK64 BLANK16 BLANK16 BLANK16 BLANK16

static const struct kwi_spelling bodies[] = {
  { .name = "empty" },
  { .name = "blank", .unit = " \r\n\t", .times = 64 },
  { .name = "one-byte", .head = "{" },
  { .name = "nul", .head = "\1" },
  { .name = "nuls", .unit = "\1", .times = 5000 },
  { .name = "nul-inside", .head = "{\"error\":{\"message\":\"a\1b\"}}" },
  { .name = "nul-behind", .head = "{\"error\":{\"message\":\"a\"}}\1" },
  { .name = "null", .head = "null" },
  { .name = "true", .head = "true" },
  { .name = "number", .head = "42" },
  { .name = "number-infinite", .head = "-1e999" },
  { .name = "string", .head = "\"rate limit\"" },
  { .name = "empty-object", .head = "{}" },
  { .name = "empty-array", .head = "[]" },
  { .name = "array-of-errors", .head = "[{\"error\":{\"message\":\"m\",\"code\":429}},null]" },
  { .name = "error-null", .head = "{\"error\":null}" },
  { .name = "error-false", .head = "{\"error\":false}" },
  { .name = "error-number", .head = "{\"error\":429}" },
  { .name = "error-string", .head = "{\"error\":\"Rate limit reached\"}" },
  { .name = "error-array", .head = "{\"error\":[{\"message\":\"m\"}]}" },
  { .name = "error-empty", .head = "{\"error\":{}}" },
  { .name = "error-typed", .head = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded\","
    "\"message\":\"m\"}}" },
  { .name = "error-detail", .head = "{\"detail\":\"not found\",\"title\":\"t\",\"status\":404}" },
  { .name = "error-at-top", .head = "{\"object\":\"error\",\"message\":\"m\",\"code\":40301}" },
  { .name = "error-twice", .head = "{\"error\":{\"code\":\"a\"},\"error\":{\"code\":\"b\"}}" },
  { .name = "error-in-text", .head = "{\"error\":{\"message\":\"{\\\"error\\\":{\\\"message\\\":"
    "\\\"m\\\",\\\"code\\\":429}}\"}}" },
  { .name = "message-long", .head = "{\"error\":{\"message\":\"", .unit = "limit ",
    .times = 200000, .tail = "\",\"code\":\"rate_limit_exceeded\"}}" },
  { .name = "code-long", .head = "{\"error\":{\"code\":\"", .unit = "c", .times = 100000,
    .tail = "\"}}" },
  { .name = "member-long", .head = "{\"", .unit = "k", .times = 100000, .tail = "\":1}" },
  { .name = "members", .head = "{\"error\":{\"a\":0", .unit = ",\"k\":{}", .times = 20000,
    .tail = "}}" },
  { .name = "array-long", .head = "[0", .unit = ",1", .times = 200000, .tail = "]" },
  { .name = "deep-255", .unit = "[", .close = "]", .times = 255 },
  { .name = "deep-objects", .unit = "{\"error\":", .middle = "1", .close = "}", .times = 250 },
  { .name = "deep-100000", .unit = "[", .close = "]", .times = 100000 },
  { .name = "deep-open", .unit = "{\"error\":", .times = 100000 },
  { .name = "large", .unit = A64, .times = (size_t) 64 << 10 },
  { .name = "large-blank-json", .unit = BLANK64, .times = (size_t) 16 << 10, .tail = "{}" },
  { .name = "no-utf-8", .head = "{\"error\":{\"message\":\"\xff\xfe\xc0\xaf\xed\xa0\x80\"}}" },
  { .name = "byte-order-mark", .head = "\xef\xbb\xbf{\"error\":{\"message\":\"m\"}}" },
  { .name = "utf-16", .head = "{\1\"\1e\1\"\1:\1" "1\1}\1" },
  { .name = "escapes", .head = "{\"error\":{\"message\":\"\\u0000\\ud800\\udfff\\b\\/\"}}" },
  { .name = "trailing-comma", .head = "{\"error\":{\"message\":\"m\",},}" },
  { .name = "trailing-text", .head = "{\"error\":{\"message\":\"m\"}} and more" },
  { .name = "two-documents", .head = "{\"error\":{\"message\":\"m\"}}\n{\"a\":1}" },
  { .name = "single-quotes", .head = "{'error':{'message':'m'}}" },
  { .name = "comment", .head = "/* a */{\"error\":{}}" },
  { .name = "page", .head = page },
  { .name = "xml", .head = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>" },
  { .name = "text", .head = "upstream connect error or disconnect/reset before headers\n" },
  { .name = "events", .head = "event: error\ndata: {\"error\":{\"message\":\"m\"}}\n\n" },
  { .name = "done", .head = "[DONE]" },
  { .name = "gzip", .head = "\x1f\x8b\x08\1\1\1\1\1\1\x03\xab\x56\x4a\x2d\x2a\xca\x2f" },
  { .name = "format", .head = "{\"error\":{\"message\":\"%s%n%x%999999d\",\"code\":\"%n\"}}" },
  { .name = "usage-negative", .head = "{\"object\":\"chat.completion\",\"usage\":"
    "{\"prompt_tokens\":-5,\"completion_tokens\":-1}}" },
  { .name = "usage-large", .head = "{\"object\":\"chat.completion\",\"usage\":"
    "{\"prompt_tokens\":9223372036854775807,\"completion_tokens\":1e30}}" },
  { .name = "usage-wrong", .head = "{\"object\":\"chat.completion\",\"usage\":"
    "{\"prompt_tokens\":\"many\",\"completion_tokens\":[]}}" },
};
static const int32_t body_statuses[] = { 200, 400, 429, 503 };

static int
spell (struct kwi_answer *a, const struct kwi_spelling *s)
{
  size_t len;
  char *text;
  int rc;

  if (kwi_spell (s, &text, &len) != 0)
    return -1;
  rc = kwi_answer_add_body (a, text, len);
  free (text);
  return rc;
}

static int
make_body (const struct kwi_check *c, const struct kwi_check_case *k,
           struct kwi_answer *a)
{
  (void) c;
  begin (a, (int32_t) k->b);
  a->in_stream = k->c == EVENT;
  return spell (a, &bodies[k->a]);
}

static void
plan_bodies (struct kwi_check *c)
{
  for (uint32_t i = 0; i < N_OF (bodies); i++) {
    uint32_t patience = bodies[i].times >= 10000 ? 4 : 1; /* much to read */
    struct kwi_check_case *k;
    for (size_t s = 0; s < N_OF (body_statuses); s++)
      addf (c, make_body, i, (uint32_t) body_statuses[s], "body-%s-%ld", bodies[i].name,
            (long) body_statuses[s])->patience = patience;
    k = addf (c, make_body, i, 200, "event-%s", bodies[i].name);
    k->c = EVENT;
    k->patience = patience;
  }
}

/* ---- Every byte, and documents that end at every byte ------------------- */

static const struct {
  const char *name;
  uint32_t document, in_stream;
  int32_t status;
} cut[] = {
  { "error", KWI_T_ERROR, 0, 429 },
  { "reply", KWI_T_REPLY, 0, 200 },
  { "event", KWI_T_ERROR, 1, 200 },
};

static int
make_cut (const struct kwi_check *c, const struct kwi_check_case *k, struct kwi_answer *a)
{
  (void) c;
  begin (a, cut[k->a].status);
  a->in_stream = (int) cut[k->a].in_stream;
  return kwi_answer_add_body (a, kwi_template_text (cut[k->a].document), k->b);
}

static int
make_bytes (const struct kwi_check *c, const struct kwi_check_case *k,
            struct kwi_answer *a)
{
  unsigned char all[256];

  (void) c;
  for (unsigned i = 0; i < sizeof all; i++)
    all[i] = (unsigned char) (i + k->a);
  begin (a, (int32_t) k->b);
  return kwi_answer_add_body (a, all, sizeof all);
}

static void
plan_cuts (struct kwi_check *c)
{
  for (uint32_t i = 0; i < N_OF (cut); i++) {
    size_t len = strlen (kwi_template_text (cut[i].document));
    for (uint32_t n = 0; n <= len; n++)
      addf (c, make_cut, i, n, "cut-%s-%u", cut[i].name, (unsigned) n);
  }
  for (uint32_t i = 0; i < 4; i++) {
    addf (c, make_bytes, i * 64, 200, "bytes-%u-200", (unsigned) i * 64);
    addf (c, make_bytes, i * 64, 429, "bytes-%u-429", (unsigned) i * 64);
  }
}

/* ---- The network, the clock, the stream --------------------------------- */

static const uint32_t nets[] = {
  KW_NET_RESOLVE, KW_NET_CONNECT, KW_NET_TLS, KW_NET_TIMEOUT, KW_NET_CLOSED,
  KW_NET_OTHER, 7, UINT32_MAX
};

/* b 0: no answer came; 1: a part of one; 2: more came than is kept. */
static int
make_net (const struct kwi_check *c, const struct kwi_check_case *k, struct kwi_answer *a)
{
  (void) c;
  begin (a, k->b != 0 ? 200 : 0);
  a->net = k->a;
  a->too_large = k->b == 2;
  return k->b != 0 ? kwi_answer_add_body (a, kwi_template_text (KWI_T_REPLY), 100) : 0;
}

static const int64_t times[] = {
  0, 1, -1, INT64_MIN, INT64_MAX, INT64_MAX - 1, INT64_C (253402300800000),
  INT64_C (4102444800000), INT64_C (-62135596800000)
};

static int
make_time (const struct kwi_check *c, const struct kwi_check_case *k, struct kwi_answer *a)
{
  (void) c;
  begin (a, k->b == KWI_T_ERROR ? 429 : 200);
  a->received_ms = times[k->a];
  if (kwi_usual_headers (a) != 0)
    return -1;
  return add_text (a, kwi_template_text (k->b));
}

static int
make_event (const struct kwi_check *c, const struct kwi_check_case *k,
            struct kwi_answer *a)
{
  (void) c;
  begin (a, (int32_t) k->b);
  a->in_stream = 1;
  return add_text (a, kwi_template_text (k->a));
}

static void
plan_rest (struct kwi_check *c)
{
  static const int32_t begun[] = { 200, 0, 204, 429, 500 };

  for (uint32_t i = 0; i < N_OF (nets); i++) {
    addf (c, make_net, nets[i], 0, "network-%u", (unsigned) nets[i]);
    addf (c, make_net, nets[i], 1, "network-%u-half-way", (unsigned) nets[i]);
  }
  add (c, "truncated", make_net, KW_NET_OK, 2);
  for (uint32_t i = 0; i < N_OF (times); i++) {
    addf (c, make_time, i, KWI_T_ERROR, "time-%u-429", (unsigned) i);
    addf (c, make_time, i, KWI_T_REPLY, "time-%u-200", (unsigned) i);
  }
  for (size_t i = 0; i < N_OF (begun); i++) {
    addf (c, make_event, KWI_T_ERROR, (uint32_t) begun[i], "stream-%ld-error",
          (long) begun[i])->sane = 1;
    addf (c, make_event, KWI_T_CHUNK, (uint32_t) begun[i], "stream-%ld-chunk",
          (long) begun[i]);
  }
}

void
kwi_check_plan_battery (struct kwi_check *c)
{
  /* First, for what the plugin asks of them; the first is a good one. */
  for (uint32_t i = 0; i < N_OF (usual); i++)
    add (c, usual[i].name, make_usual, i, 0)->sane = 1;
  plan_statuses (c);
  plan_bodies (c);
  plan_cuts (c);
  plan_rest (c);
  for (uint32_t i = 0; i < 2; i++) {
    struct kwi_check_case *k = addf (c, make_usual, i, 0, "%s-over-and-over",
                                     usual[i].name);
    k->run = kwi_check_classify_often;
    k->patience = 10;
  }
}
