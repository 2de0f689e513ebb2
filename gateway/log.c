/* log - lines of JSON (see log.h). */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATH_SHOWN 512
#define WAITING_MAX (1024 * 1024) /* lines beyond are lost, not memory */

void
gw_log_init (struct gw_log *log)
{
  *log = (struct gw_log) { .fd = -1 };
  (void) pthread_mutex_init (&log->lock, NULL);
}

static int
open_fd (const char *where)
{
  int fd;

  if (strcmp (where, "stderr") == 0)
    fd = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  else
    fd = open (where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  return fd >= 0 ? fd : -errno;
}

static void
flush (struct gw_log *log)
{
  size_t left = gw_buffer_len (&log->lines);
  const char *at = gw_buffer_bytes (&log->lines);

  while (left > 0) {
    ssize_t n = write (log->fd, at, left);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;                    /* with the disk full nothing helps */
    at += n;
    left -= (size_t) n;
  }
  log->lines.at = log->lines.end = 0;
}

/* fd -1: none. */
static void
change (struct gw_log *log, int fd)
{
  (void) pthread_mutex_lock (&log->lock);
  flush (log);
  if (log->fd >= 0)
    (void) close (log->fd);
  log->fd = fd;
  (void) pthread_mutex_unlock (&log->lock);
}

int
gw_log_open (struct gw_log *log, const char *where)
{
  int off = where == NULL || strcmp (where, "off") == 0;
  int fd = off ? -1 : open_fd (where);

  if (fd < 0 && !off)
    return fd;
  change (log, fd);
  return 0;
}

void
gw_log_clear (struct gw_log *log)
{
  change (log, -1);
  gw_buffer_clear (&log->lines);
  (void) pthread_mutex_destroy (&log->lock);
}

int
gw_log_is_open (const struct gw_log *log)
{
  return atomic_load (&log->fd) >= 0;
}

void
gw_log_flush (struct gw_log *log)
{
  if (!gw_log_is_open (log))
    return;
  (void) pthread_mutex_lock (&log->lock);
  flush (log);
  (void) pthread_mutex_unlock (&log->lock);
}

/* ---- A line ------------------------------------------------------------------------ */

struct line {
  char text[2048];
  size_t len;
};

static void __attribute__ ((__format__ (__printf__, 2, 3)))
put (struct line *l, const char *fmt, ...)
{
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (l->text + l->len, sizeof l->text - l->len, fmt, ap);
  va_end (ap);
  if (n > 0 && (size_t) n < sizeof l->text - l->len)
    l->len += (size_t) n;
}

static void
put_text (struct line *l, const char *name, const char *value)
{
  if (value == NULL) {
    put (l, ",\"%s\":null", name);
    return;
  }
  put (l, ",\"%s\":\"", name);
  for (size_t i = 0; i < PATH_SHOWN && value[i] != '\0'; i++) {
    unsigned char c = (unsigned char) value[i];
    if (c == '"' || c == '\\')
      put (l, "\\%c", c);
    else if (c < 0x20 || c > 0x7e)
      put (l, "\\u%04x", c);    /* nor is a path always UTF-8 */
    else
      put (l, "%c", c);
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

void
gw_log_add (struct gw_log *log, const struct gw_log_line *in)
{
  struct line l = { .len = 0 };

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
  if (l.len == 0 || l.text[l.len - 1] != '\n')
    return;
  (void) pthread_mutex_lock (&log->lock);
  if (log->fd >= 0 && gw_buffer_len (&log->lines) <= WAITING_MAX)
    (void) gw_buffer_put (&log->lines, l.text, l.len);
  (void) pthread_mutex_unlock (&log->lock);
}
