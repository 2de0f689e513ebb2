/* error - errors in OpenAI's shape (see error.h; the table of them is in
 * keywheel-serve(1)). */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include <keywheel/keywheel.h>

#include "cli.h"

/* The SDKs wait no longer than this for a retry-after, and would come back too
 * early. */
#define PATIENCE_MS 60000

#define SERVER "server_error"
#define LIMIT "rate_limit_error"
#define QUOTA "insufficient_quota"

/* no_retry: sending it again would not help. */
static const struct meaning {
  int call;                     /* KW_ERR_*                               */
  int status;
  int no_retry;
  int _reserved;
  const char *type, *code;
} meanings[] = {
  { KW_ERR_USAGE, 400, 1, 0, "invalid_request_error", "invalid_request" },
  { KW_ERR_REFUSED, 400, 1, 0, "invalid_request_error", "provider_refused" },
  { KW_ERR_AUTH, 502, 1, 0, "authentication_error", "provider_key_refused" },
  { KW_ERR_EXHAUSTED, 429, 0, 0, QUOTA, "keys_exhausted" },
  { KW_ERR_SWITCHES, 429, 0, 0, QUOTA, "too_many_switches" },
  { KW_ERR_BILLING, 429, 1, 0, QUOTA, "billing" },
  { KW_ERR_RATE_LIMIT, 429, 0, 0, LIMIT, "rate_limited" },
  { KW_ERR_UNAVAILABLE, 502, 0, 0, SERVER, "provider_unavailable" },
  { KW_ERR_TIMEOUT, 504, 0, 0, SERVER, "provider_timeout" },
  { KW_ERR_DEADLINE, 504, 0, 0, SERVER, "deadline_exceeded" },
  { KW_ERR_TOO_LARGE, 502, 1, 0, SERVER, "answer_too_large" },
  { KW_ERR_CANCELLED, 503, 0, 0, SERVER, "shutting_down" },
  { KW_ERR_SETTINGS, 500, 1, 0, SERVER, "misconfigured" },
  { KW_ERR_MEMORY, 500, 0, 0, SERVER, "out_of_memory" },
  { KW_ERR_INTERNAL, 500, 0, 0, SERVER, "internal_error" },
};

/* A client's path or Host may be any bytes, and what is too long is cut; in JSON there
 * is UTF-8 only. */
static void
make_utf8 (char *s)
{
  size_t len = strlen (s), at = 0;

  while ((at += cli_utf8_valid (s + at, len - at)) < len)
    s[at++] = '?';
}

static void __attribute__ ((__format__ (__printf__, 2, 0)))
set_message (struct gw_error *e, const char *fmt, va_list ap)
{
  if (vsnprintf (e->message, sizeof e->message, fmt, ap) < 0)
    e->message[0] = '\0';
  make_utf8 (e->message);
}

void
gw_error_set (struct gw_error *e, int status, const char *type, const char *code,
              const char *fmt, ...)
{
  va_list ap;

  *e = (struct gw_error) { .status = status, .type = type, .code = code };
  va_start (ap, fmt);
  set_message (e, fmt, ap);
  va_end (ap);
}

void
gw_error_retry_in (struct gw_error *e, int64_t ms)
{
  e->retry_after_ms = ms;
  if (ms > PATIENCE_MS)
    e->no_retry = 1;
}

void
gw_error_of_call (struct gw_error *e, int code, const struct kw_error *why,
                  int64_t now_unix_ms)
{
  const struct meaning *m = &meanings[sizeof meanings / sizeof meanings[0] - 1];

  for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
    if (meanings[i].call == code)
      m = &meanings[i];
  gw_error_set (e, m->status, m->type, m->code, "%s", why->message);
  e->no_retry = m->no_retry;
  if (code == KW_ERR_REFUSED && why->http_status >= 400 && why->http_status < 500)
    e->status = why->http_status;
  if (m->status == 429 && why->retry_at_ms > now_unix_ms)
    gw_error_retry_in (e, why->retry_at_ms - now_unix_ms);
  if (e->retry_after_ms == 0 && code == KW_ERR_EXHAUSTED)
    e->no_retry = 1;
}

char *
gw_error_json (const struct gw_error *e, size_t *ret_len)
{
  struct json_object *object = json_object_new_object ();
  struct json_object *error = json_object_new_object ();
  const char *text;
  char *copy = NULL;

  if (object != NULL && error != NULL
      && json_object_object_add (object, "error", error) == 0) {
    (void) json_object_object_add (error, "message", json_object_new_string (e->message));
    (void) json_object_object_add (error, "type", json_object_new_string (e->type));
    (void) json_object_object_add (error, "param", NULL);
    (void) json_object_object_add (error, "code", json_object_new_string (e->code));
    text = json_object_to_json_string_ext (object, JSON_C_TO_STRING_PLAIN
                                           | JSON_C_TO_STRING_NOSLASHESCAPE);
    copy = text != NULL ? strdup (text) : NULL;
    error = NULL;
  }
  json_object_put (error);
  json_object_put (object);
  if (copy != NULL)
    *ret_len = strlen (copy);
  return copy;
}

int64_t
gw_error_retry_after (const struct gw_error *e)
{
  return (e->retry_after_ms + 999) / 1000;
}
