/* error - the error in an answer's body, wherever it stands; see family.h. */
#include "family.h"

/* Where an error's members may be.  What stands deeper goes first: a proxy's
 * wrapping says less than the provider's own words. */
static const char *const bases[] = {
  "/error/message/error", "/error/message/0/error", "/0/error/message/error",
  "/error/error", "/response/error", "/choices/0/error", "/0/error", "/error",
  "/detail/error",
  "/message/error", "/detail", "", "/0", "/errors/0",
};

struct reader {
  const struct kw_host *host;
  const struct kw_response *resp;
};

/* 1: there is one, cut to nothing where it is longer than anybody writes. */
static int
text_at (const struct reader *r, const char *base, const char *member, char *buf,
         size_t size)
{
  char pointer[96];
  int n;

  if (base[0] != '\0') {
    if (!kwp_join (pointer, sizeof pointer, base, member))
      return 0;
    member = pointer;
  }
  buf[0] = '\0';                /* the host leaves it alone where it does not fit */
  n = r->host->response_json (r->resp, member, buf, size);
  return n == KW_OK || n == KW_ERR_RANGE;
}

static int
count_at (const struct reader *r, const char *base, const char *member)
{
  char buf[32];
  int64_t n = text_at (r, base, member, buf, sizeof buf) ? kwp_count (buf) : -1;

  return n >= 400 && n <= 599 ? (int) n : 0;
}

/* {"error":"Too Many Requests","message":"You have ..."}: the longer word. */
static void
read_message (const struct reader *r, const char *base, struct kwp_error *e)
{
  static const char *const members[] = { "/message", "/detail", "/msg", "/title",
                                         "/error_description", "/error" };
  char short_text[sizeof e->message] = "";

  if (text_at (r, base, "", short_text, sizeof short_text)) /* the error is a text */
    e->present = 1;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (members) && e->message[0] == '\0'; i++)
    e->present |= text_at (r, base, members[i], e->message, sizeof e->message);
  if (e->message[0] == '\0')
    memcpy (e->message, short_text, sizeof e->message);
}

static void
read_at (const struct reader *r, const char *base, struct kwp_error *e)
{
  static const char *const codes[] = { "/code", "/error_code" };
  static const char *const types[] = { "/type", "/error_type", "/__type", "/status" };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (codes) && e->code[0] == '\0'; i++)
    e->present |= text_at (r, base, codes[i], e->code, sizeof e->code);
  for (size_t i = 0; i < KWP_ARRAY_SIZE (types) && e->type[0] == '\0'; i++)
    e->present |= text_at (r, base, types[i], e->type, sizeof e->type);
  read_message (r, base, e);
}

static void
read_status (const struct reader *r, const char *base, struct kwp_error *e)
{
  static const char *const members[] = { "/status_code", "/status", "/code",
                                         "/raw_status_code", "/http_status" };

  for (size_t i = 0; i < KWP_ARRAY_SIZE (members) && e->status == 0; i++)
    e->status = count_at (r, base, members[i]);
}

/* Beside an "error" that is a text, its code stands at the top. */
static void
read_beside (const struct reader *r, struct kwp_error *e)
{
  char text[sizeof e->message];

  if (e->code[0] == '\0')
    (void) text_at (r, "", "/code", e->code, sizeof e->code);
  if (e->type[0] == '\0')
    (void) text_at (r, "", "/type", e->type, sizeof e->type);
  if (text_at (r, "", "/message", text, sizeof text) && text[0] != '\0')
    memcpy (e->message, text, sizeof text);
}

/* "false", "0" and "" are no errors, whatever the member is called. */
static int
is_nothing (const struct kwp_error *e)
{
  return e->code[0] == '\0' && e->type[0] == '\0'
         && (kwp_is (e->message, "false") || kwp_is (e->message, "0"));
}

/* At the top stand the members of good answers, too.  Of those that come with
 * a good status, and of events, only what says so is an error. */
static int
may_be_at_top (const struct reader *r)
{
  char buf[32] = "";

  if (r->resp->http_status >= 400)
    return 1;
  (void) text_at (r, "", "/object", buf, sizeof buf);
  if (buf[0] != '\0')
    return kwp_is (buf, "error");
  (void) text_at (r, "", "/type", buf, sizeof buf);
  if (kwp_is (buf, "error"))
    return 1;
  if (kwp_starts_with (buf, "response.")) /* an event of the Responses API */
    return 0;
  return (r->resp->in_stream || r->resp->http_status == 0)
         && !text_at (r, "", "/choices/0/index", buf, sizeof buf)
         && !text_at (r, "", "/usage/prompt_tokens", buf, sizeof buf);
}

static int
is_top (const char *base)
{
  return base[0] == '\0' || kwp_is (base, "/0") || kwp_is (base, "/detail")
         || kwp_is (base, "/errors/0") || kwp_is (base, "/message/error");
}

/* Good answers are many, and this is all that they are asked. */
static int
has_error (const struct reader *r, const char *error_at)
{
  static const char *const signs[] = {
    "/error", "/error/message", "/error/code", "/error/type", "/0/error",
    "/0/error/message", "/response/error/message", "/response/error/code",
    "/choices/0/error/message", "/choices/0/error/code",
  };
  char buf[8];

  for (size_t i = 0; i < KWP_ARRAY_SIZE (signs); i++)
    if (text_at (r, "", signs[i], buf, sizeof buf))
      return 1;
  return (error_at != NULL && text_at (r, "", error_at, buf, sizeof buf))
         || may_be_at_top (r);
}

void
kwp_read_error (const struct kw_host *host, const struct kw_response *resp,
                const char *error_at, struct kwp_error *e)
{
  struct reader r = { host, resp };
  int top = -1;
  char any[8];

  *e->code = *e->type = *e->message = '\0'; /* not all of the 4 KB */
  e->present = e->status = 0;
  e->is_json = host->response_json (resp, "/error", any, sizeof any) != KW_ERR;
  if (!e->is_json || !has_error (&r, error_at))
    return;
  for (size_t i = 0; i < KWP_ARRAY_SIZE (bases); i++) {
    if (is_top (bases[i]) && top < 0)
      top = may_be_at_top (&r);
    if (is_top (bases[i]) && !top)
      continue;
    read_at (&r, bases[i], e);
    if (is_nothing (e)) {
      memset (e, 0, sizeof *e);
      e->is_json = 1;
    }
    if (!e->present)
      continue;
    if (kwp_is (bases[i], "/error"))
      read_beside (&r, e);
    read_status (&r, bases[i], e);
    if (e->status == 0)
      read_status (&r, "", e);
    return;
  }
  if (error_at != NULL)
    e->present = text_at (&r, "", error_at, e->message, sizeof e->message);
}
