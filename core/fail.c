/* fail - filling in the caller's struct kw_error, and how durations and times
 * are written for people.  Knows nothing of what failed. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <keywheel/keywheel.h>

#include "fail.h"
#include "values.h"

void
kwi_clean_line (char *s)
{
  size_t len = strlen (s), i = 0;

  for (;;) {
    i += kwi_utf8_valid (s + i, len - i);
    if (i == len)
      break;
    /* Cut by a buffer's end, or never UTF-8. */
    if (len - i < 4 && (unsigned char) s[i] >= 0xc0) {
      s[i] = '\0';
      break;
    }
    s[i++] = '?';
  }
  for (; *s != '\0'; s++)
    if ((unsigned char) *s < ' ' || *s == 0x7f)
      *s = '?';
}

int
kwi_fail (struct kw_error *err, int code, const char *fmt, ...)
{
  va_list ap;

  /* A shorter struct is an older caller's; it had the message already. */
  if (err == NULL
      || err->struct_size < offsetof (struct kw_error, attempt))
    return code;
  err->code = code;
  va_start (ap, fmt);
  (void) vsnprintf (err->message, sizeof err->message, fmt, ap);
  va_end (ap);
  kwi_clean_line (err->message);
  return code;
}

const char *
kwi_duration_text (int64_t ms, char *buf, size_t size)
{
  int64_t s;
  int n;

  if (ms < 0)
    ms = 0;
  if (ms < 1000)
    n = snprintf (buf, size, "%" PRId64 "ms", ms);
  else if (ms <= 59900) {
    /* Tenths below a minute: a wait of 1.5 s is not "2s". */
    int64_t tenths = (ms + 99) / 100;
    if (tenths % 10 == 0)
      n = snprintf (buf, size, "%" PRId64 "s", tenths / 10);
    else
      n = snprintf (buf, size, "%" PRId64 ".%" PRId64 "s", tenths / 10,
                    tenths % 10);
  }
  else {
    s = ms / 1000 + (ms % 1000 != 0);
    if (s < 3600)
      n = snprintf (buf, size, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
      n = snprintf (buf, size, "%" PRId64 "h%" PRId64 "m%" PRId64 "s",
                    s / 3600, s / 60 % 60, s % 60);
    else
      n = snprintf (buf, size, "%" PRId64 "d%" PRId64 "h%" PRId64 "m",
                    s / 86400, s / 3600 % 24, s / 60 % 60);
  }
  if ((n < 0 || (size_t) n >= size) && size > 0)
    buf[0] = '\0';
  return buf;
}

const char *
kwi_time_text (int64_t at_ms, int64_t now_ms, char *buf, size_t size)
{
  const int64_t near_ms = INT64_C (20) * 3600 * 1000;
  time_t t = (time_t) (at_ms / 1000 + (at_ms % 1000 > 0));
  struct tm tm;
  int near = at_ms - now_ms < near_ms && now_ms - at_ms < near_ms;

  if (gmtime_r (&t, &tm) == NULL
      || strftime (buf, size, near ? "%H:%M:%SZ" : "%Y-%m-%dT%H:%M:%SZ", &tm)
           == 0)
    if (size > 0)
      buf[0] = '\0';
  return buf;
}

const char *
kw_error_name (int code)
{
  switch (code) {
  case 0: return "ok";
  case KW_ERR_INTERNAL: return "internal";
  case KW_ERR_MEMORY: return "memory";
  case KW_ERR_USAGE: return "usage";
  case KW_ERR_SETTINGS: return "settings";
  case KW_ERR_AUTH: return "auth";
  case KW_ERR_EXHAUSTED: return "exhausted";
  case KW_ERR_SWITCHES: return "switches";
  case KW_ERR_BILLING: return "billing";
  case KW_ERR_RATE_LIMIT: return "rate_limit";
  case KW_ERR_REFUSED: return "refused";
  case KW_ERR_UNAVAILABLE: return "unavailable";
  case KW_ERR_TIMEOUT: return "timeout";
  case KW_ERR_DEADLINE: return "deadline";
  case KW_ERR_TOO_LARGE: return "too_large";
  case KW_ERR_CANCELLED: return "cancelled";
  default: return "unknown";
  }
}

int
kw_error_exit_code (int code)
{
  switch (code) {
  case 0: return 0;
  case KW_ERR_USAGE:
  case KW_ERR_SETTINGS: return 2;
  case KW_ERR_AUTH: return 3;
  case KW_ERR_EXHAUSTED:
  case KW_ERR_SWITCHES:
  case KW_ERR_BILLING: return 4;
  case KW_ERR_RATE_LIMIT: return 5;
  case KW_ERR_REFUSED: return 6;
  case KW_ERR_UNAVAILABLE:
  case KW_ERR_TIMEOUT:
  case KW_ERR_DEADLINE:
  case KW_ERR_TOO_LARGE: return 7;
  case KW_ERR_CANCELLED: return 130;
  default: return 1;
  }
}

const char *
kw_verdict_name (int verdict)
{
  switch (verdict) {
  case KW_VERDICT_OK: return "OK";
  case KW_VERDICT_DAILY_LIMIT: return "DAILY_LIMIT";
  case KW_VERDICT_RATE_LIMIT: return "RATE_LIMIT";
  case KW_VERDICT_AUTH: return "AUTH";
  case KW_VERDICT_BILLING: return "BILLING";
  case KW_VERDICT_REQUEST: return "REQUEST";
  case KW_VERDICT_TRANSIENT: return "TRANSIENT";
  default: return "UNKNOWN";
  }
}

const char *
kw_version (void)
{
  return PACKAGE_VERSION;
}
