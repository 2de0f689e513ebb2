/* notices - what keywheel(1) says on stderr, one line each: errors, a client's
 * warnings, and its events as log_level and -v ask for them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Providers' words end up here: none may move the cursor or recolour the
 * terminal.  C1 controls are two bytes in UTF-8. */
static void
clean (char *s)
{
  for (unsigned char *p = (unsigned char *) s; *p != '\0'; p++) {
    if (*p < 0x20 || *p == 0x7f)
      *p = '?';
    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
      p[0] = p[1] = '?';
  }
}

/* One write a line, so that two processes on one terminal do not mix. */
static void __attribute__ ((__format__ (__printf__, 1, 0)))
say_v (const char *fmt, va_list ap)
{
  static const char prefix[] = "keywheel: ";
  const size_t start = sizeof prefix - 1;
  char line[4096];
  size_t len;
  int n;

  memcpy (line, prefix, sizeof prefix);
  n = vsnprintf (line + start, sizeof line - start - 1, fmt, ap);
  if (n < 0)
    return;
  if ((size_t) n >= sizeof line - start - 1) {
    static const char dots[] = "...";
    memcpy (line + sizeof line - 1 - sizeof dots, dots, sizeof dots);
  }
  clean (line + start);
  len = strlen (line);
  line[len++] = '\n';
  for (size_t at = 0; at < len;) {
    ssize_t w = write (STDERR_FILENO, line + at, len - at);
    if (w <= 0)
      return;                   /* with stderr gone there is no one to tell */
    at += (size_t) w;
  }
}

void
cli_say (const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  say_v (fmt, ap);
  va_end (ap);
}

/* ---- Events -------------------------------------------------------------- */

int
cli_level (const struct cli_options *options, const kw_client *client)
{
  int level = kw_client_log_level (client);
  int asked = options->verbose == 0 ? 0 : options->verbose == 1 ? 2 : 3;

  if (asked > level)
    level = asked;
  return level < 0 ? 0 : level > 3 ? 3 : level;
}

size_t
cli_tell_warnings (const kw_client *client)
{
  const char *warning;
  size_t n = 0;

  for (; (warning = kw_client_warning (client, n)) != NULL; n++)
    cli_say ("warning: %s", warning);
  return n;
}

void
cli_tell_event (const kw_event *event, int level)
{
  if (event->level <= level && event->message[0] != '\0')
    cli_say ("%s", event->message);
}

/* One observer for each level: it then needs nothing that would have to
 * outlive the call that set it. */
static void
observe_error (void *user, const kw_event *event)
{
  (void) user;
  cli_tell_event (event, 0);
}

static void
observe_warn (void *user, const kw_event *event)
{
  (void) user;
  cli_tell_event (event, 1);
}

static void
observe_info (void *user, const kw_event *event)
{
  (void) user;
  cli_tell_event (event, 2);
}

static void
observe_debug (void *user, const kw_event *event)
{
  (void) user;
  cli_tell_event (event, 3);
}

void
cli_observe (const struct cli_options *options, kw_client *client)
{
  static void (*const observers[]) (void *, const kw_event *) = {
    observe_error, observe_warn, observe_info, observe_debug
  };

  kw_client_observe (client, observers[cli_level (options, client)], NULL);
}

/* ---- Replies ------------------------------------------------------------- */

void
cli_tell_record (const struct cli_options *options, const kw_reply *reply)
{
  long long in = (long long) kw_reply_input_tokens (reply);
  long long out = (long long) kw_reply_output_tokens (reply);
  size_t attempts = kw_reply_attempts (reply);
  int switches = kw_reply_switches (reply);
  char waited[32], charged[80] = "";

  if (options->verbose == 0)
    return;
  if (in >= 0 && out >= 0
      && snprintf (charged, sizeof charged, ", charged %lld + %lld tokens", in, out)
         < 0)
    return;
  cli_say ("served by %s: %zu attempt%s, %d switch%s, waited %s%s",
           kw_reply_key (reply), attempts, attempts == 1 ? "" : "s", switches,
           switches == 1 ? "" : "es",
           cli_duration (kw_reply_waited_ms (reply), waited, sizeof waited), charged);
}

/* ---- Errors -------------------------------------------------------------- */

static void
tell_attempt (int number, const kw_attempt *attempt)
{
  char took[32], waited[32], status[32], after[64] = "";
  int n;

  n = attempt->http_status == 0
      ? snprintf (status, sizeof status, "no HTTP answer")
      : snprintf (status, sizeof status, "HTTP %d", (int) attempt->http_status);
  if (n < 0)
    return;
  if (attempt->waited_ms > 0) {
    n = snprintf (after, sizeof after, ", then waited %s",
                  cli_duration (attempt->waited_ms, waited, sizeof waited));
    if (n < 0)
      return;
  }
  cli_say ("  attempt %d: %s: %s%s%s%s, %s, took %s%s", number, attempt->key,
           kw_verdict_name (attempt->verdict),
           attempt->reason[0] != '\0' ? " (" : "", attempt->reason,
           attempt->reason[0] != '\0' ? ")" : "", status,
           cli_duration (attempt->took_ms, took, sizeof took), after);
}

int
cli_fail (const struct cli_options *options, int code, const struct kw_error *err)
{
  int shown = err->attempts < KW_ERROR_ATTEMPTS ? err->attempts : KW_ERROR_ATTEMPTS;
  int exit_code = kw_error_exit_code (code);

  if (code == KW_ERR_CANCELLED && cli_out_failed ())
    return CLI_INTERNAL;        /* ended by ourselves; the reason is told */
  cli_say ("%s", err->message[0] != '\0' ? err->message : kw_error_name (code));
  if (options->verbose > 0) {
    for (int i = 0; i < shown; i++)
      tell_attempt (i + 1, &err->attempt[i]);
    if (err->attempts > shown)
      cli_say ("  and %d more", (int) err->attempts - shown);
  }
  return exit_code != 0 ? exit_code : CLI_INTERNAL;
}

/* ---- Durations ------------------------------------------------------------ */

const char *
cli_duration (int64_t ms, char *buf, size_t size)
{
  int64_t tenths, s, m, h;
  int n;

  if (ms < 0)
    ms = 0;
  tenths = (ms + 99) / 100;     /* rounded up: never early */
  s = (ms + 999) / 1000;
  m = s / 60;
  h = m / 60;
  if (ms < 1000)
    n = snprintf (buf, size, "%dms", (int) ms);
  else if (tenths < 100 && tenths % 10 != 0)
    n = snprintf (buf, size, "%d.%ds", (int) (tenths / 10), (int) (tenths % 10));
  else if (s < 60)
    n = snprintf (buf, size, "%ds", (int) s);
  else if (m < 60)
    n = snprintf (buf, size, "%dm%02ds", (int) m, (int) (s % 60));
  else if (h < 48)
    n = snprintf (buf, size, "%dh%02dm%02ds", (int) h, (int) (m % 60),
                  (int) (s % 60));
  else
    n = snprintf (buf, size, "%lldd%02dh", (long long) (h / 24), (int) (h % 24));
  if (n < 0 || (size_t) n >= size)
    buf[0] = '\0';
  return buf;
}
