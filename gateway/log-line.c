/* log-line - a line of JSON (see log-line.h). */
#include "log-line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define TEXT_SHOWN 512          /* bytes of each                          */

struct line {
  char *text;
  size_t len, size;
};

static void
put_bytes (struct line *l, const char *bytes, size_t len)
{
  if (len > l->size - l->len)
    len = l->size - l->len;
  memcpy (l->text + l->len, bytes, len);
  l->len += len;
}

static void __attribute__ ((__format__ (__printf__, 2, 3)))
put (struct line *l, const char *fmt, ...)
{
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (l->text + l->len, l->size - l->len, fmt, ap);
  va_end (ap);
  if (n > 0)
    l->len += (size_t) n < l->size - l->len ? (size_t) n : l->size - l->len;
}

static int
is_plain (unsigned char c)
{
  return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
}

/* UTF-8 stays, and of what is none each byte is told. */
static void
put_text (struct line *l, const char *name, const char *value)
{
  size_t i = 0, len, valid;

  if (value == NULL) {
    put (l, ",\"%s\":null", name);
    return;
  }
  put (l, ",\"%s\":\"", name);
  len = strnlen (value, TEXT_SHOWN);
  valid = cli_utf8_valid (value, len);
  while (i < len) {
    size_t from = i;
    while (i < valid && is_plain ((unsigned char) value[i]))
      i++;
    put_bytes (l, value + from, i - from);
    if (i == len)
      break;
    if (i < valid && (value[i] == '"' || value[i] == '\\'))
      put (l, "\\%c", value[i++]);
    else
      put (l, "\\u%04x", (unsigned char) value[i++]);
    if (i > valid)
      valid = i + cli_utf8_valid (value + i, len - i);
  }
  put (l, "\"");
}

static void
put_ms (struct line *l, const char *name, int64_t ms)
{
  if (ms < 0)
    put (l, ",\"%s\":null", name);
  else
    put (l, ",\"%s\":%" PRId64, name, ms);
}

static void
put_time (struct line *l, int64_t unix_ms)
{
  time_t seconds = (time_t) (unix_ms / 1000);
  struct tm tm;
  char text[32] = "";

  if (gmtime_r (&seconds, &tm) != NULL)
    (void) strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  put (l, "{\"time\":\"%s.%03dZ\"", text, (int) (unix_ms % 1000));
}

size_t
gw_log_line_text (const struct gw_log_line *in, char text[GW_LOG_LINE_SIZE])
{
  struct line l = { .text = text, .size = GW_LOG_LINE_SIZE };

  put_time (&l, in->at_unix_ms);
  put_text (&l, "client", in->client);
  put_text (&l, "method", in->method);
  put_text (&l, "path", in->path);
  put (&l, ",\"status\":%d", in->status);
  put_text (&l, "code", in->code);
  put_text (&l, "provider", in->provider);
  put_text (&l, "fallback", in->fallback);
  put_text (&l, "model", in->model);
  put_text (&l, "key", in->key);
  put (&l, ",\"attempts\":%d,\"switches\":%d", in->attempts, in->switches);
  put_ms (&l, "waited_ms", in->waited_ms);
  put_ms (&l, "first_byte_ms", in->first_byte_ms);
  put_ms (&l, "took_ms", in->took_ms);
  put_ms (&l, "bytes_in", in->bytes_in);
  put_ms (&l, "bytes_out", in->bytes_out);
  put (&l, "}\n");
  return l.len;
}
