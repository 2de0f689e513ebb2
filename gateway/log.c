/* log - lines on their way to a file (see log.h). */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define WAITING_MAX (8 * 1024 * 1024) /* lines beyond are lost, not memory */
#define KEPT (64 * 1024)        /* of memory, when nothing is to be written */
#define GATHER_MS 20            /* a write for each line costs more than a line */
#define RETRY_MS 1000
#define END_S 5                 /* for what is left at the end            */

/* One that was opened, until all of its lines are written. */
struct gw_log_file {
  struct gw_log_file *next;     /* opened later                           */
  int fd;
  int failed;                   /* and that was told                      */
  size_t waiting;               /* bytes of both                          */
  struct gw_buffer lines;
  struct gw_buffer writing;     /* the writer's own                       */
};

/* ---- Writing -------------------------------------------------------------------- */

static void
lose (struct gw_log *log, struct gw_buffer *lines)
{
  const char *bytes = gw_buffer_bytes (lines);

  for (size_t i = 0; i < gw_buffer_len (lines); i++)
    if (bytes[i] == '\n')
      atomic_fetch_add (&log->lost, 1);
  gw_buffer_clear (lines);
}

/* The one place where it may be given up. */
static ssize_t
write_some (const struct gw_log_file *file)
{
  int before;
  ssize_t n;

  (void) pthread_setcancelstate (PTHREAD_CANCEL_ENABLE, &before);
  n = write (file->fd, gw_buffer_bytes (&file->writing), gw_buffer_len (&file->writing));
  (void) pthread_setcancelstate (before, NULL);
  return n;
}

/* What is left of it stays: there may be room again. */
static void
write_out (struct gw_log_file *file)
{
  struct gw_buffer *b = &file->writing;

  while (gw_buffer_len (b) > 0) {
    ssize_t n = write_some (file);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      if (!file->failed)
        cli_say ("access_log: %s; its lines wait until it can be written, and those beyond "
                 "%d MB are lost", strerror (n < 0 ? errno : ENOSPC), WAITING_MAX / 1024 / 1024);
      file->failed = 1;
      return;
    }
    gw_buffer_drop (b, (size_t) n);
  }
  if (file->failed)
    cli_say ("access_log: it is written again");
  file->failed = 0;
  if (b->size > KEPT)
    gw_buffer_clear (b);
}

/* Another file's turn has come, or the end. */
static int
is_pressed (const struct gw_log *log)
{
  return log->ending || log->first != log->last;
}

/* Until there is something, and somewhat more. */
static void
gather (struct gw_log *log)
{
  struct gw_log_file *file = log->first;
  struct timespec until;
  long ms;

  while (!is_pressed (log) && file->waiting == 0)
    (void) pthread_cond_wait (&log->more, &log->lock);
  (void) clock_gettime (CLOCK_MONOTONIC, &until);
  ms = until.tv_nsec / 1000000 + (file->failed ? RETRY_MS : GATHER_MS);
  until.tv_sec += ms / 1000;
  until.tv_nsec = ms % 1000 * 1000000;
  while (!is_pressed (log)
         && pthread_cond_timedwait (&log->more, &log->lock, &until) == 0)
    continue;
}

/* Nothing comes to it any more. */
static void
leave (struct gw_log *log)
{
  struct gw_log_file *file = log->first;

  log->first = file->next;
  lose (log, &file->writing);
  lose (log, &file->lines);
  if (file->fd >= 0)
    (void) close (file->fd);
  free (file);
}

static void
write_first (struct gw_log *log)
{
  struct gw_log_file *file = log->first;
  int is_left = is_pressed (log);
  size_t len;

  if (gw_buffer_len (&file->writing) == 0) {
    struct gw_buffer empty = file->writing;
    file->writing = file->lines;
    file->lines = empty;
  }
  len = gw_buffer_len (&file->writing);
  (void) pthread_mutex_unlock (&log->lock);
  write_out (file);
  (void) pthread_mutex_lock (&log->lock);
  file->waiting -= len - gw_buffer_len (&file->writing);
  if (is_left && (file->failed || file->waiting == 0))
    leave (log);
}

static void *
run (void *user)
{
  struct gw_log *log = user;
  int before;

  (void) pthread_setcancelstate (PTHREAD_CANCEL_DISABLE, &before);
  (void) pthread_mutex_lock (&log->lock);
  while (log->first != NULL) {
    gather (log);
    write_first (log);
  }
  (void) pthread_mutex_unlock (&log->lock);
  return NULL;
}

/* ---- Opening and closing --------------------------------------------------------- */

void
gw_log_init (struct gw_log *log)
{
  pthread_condattr_t monotonic;

  *log = (struct gw_log) { .begun = 0 };
  (void) pthread_mutex_init (&log->lock, NULL);
  (void) pthread_condattr_init (&monotonic);
  (void) pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  (void) pthread_cond_init (&log->more, &monotonic);
  (void) pthread_condattr_destroy (&monotonic);
}

/* A pipe that nobody reads is an error, nothing to wait for. */
static int
open_fd (const char *where)
{
  int fd;

  if (strcmp (where, "stderr") == 0)
    fd = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  else {
    fd = open (where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd >= 0)
      (void) fcntl (fd, F_SETFL, O_APPEND);
  }
  return fd >= 0 ? fd : -errno;
}

/* No signal is taken by the writer. */
static int
begin (struct gw_log *log)
{
  sigset_t all, before;
  int failed;

  (void) sigfillset (&all);
  (void) pthread_sigmask (SIG_SETMASK, &all, &before);
  failed = pthread_create (&log->writer, NULL, run, log);
  (void) pthread_sigmask (SIG_SETMASK, &before, NULL);
  log->begun = !failed;
  return -failed;
}

static void
put_last (struct gw_log *log, struct gw_log_file *file)
{
  (void) pthread_mutex_lock (&log->lock);
  if (log->last != NULL)
    log->last->next = file;
  else
    log->first = file;
  log->last = file;
  atomic_store (&log->open, file->fd >= 0);
  (void) pthread_cond_signal (&log->more);
  (void) pthread_mutex_unlock (&log->lock);
}

int
gw_log_open (struct gw_log *log, const char *where)
{
  int is_off = where == NULL || strcmp (where, "off") == 0;
  struct gw_log_file *file;
  int r = 0;

  if (is_off && !log->begun)
    return 0;
  file = calloc (1, sizeof *file);
  if (file == NULL)
    return -ENOMEM;
  file->fd = is_off ? -1 : open_fd (where);
  if (is_off || file->fd >= 0)
    put_last (log, file);
  else {
    r = file->fd;
    free (file);
  }
  if (r == 0 && !log->begun)
    r = begin (log);
  return r;
}

static void
give_up (struct gw_log *log)
{
  struct timespec until;

  (void) clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += END_S;
  if (pthread_timedjoin_np (log->writer, NULL, &until) == 0)
    return;
  cli_say ("access_log: nothing has been written for %d seconds; what is left of it is lost",
           END_S);
  (void) pthread_cancel (log->writer);
  (void) pthread_join (log->writer, NULL);
}

void
gw_log_clear (struct gw_log *log)
{
  (void) pthread_mutex_lock (&log->lock);
  log->ending = 1;
  (void) pthread_cond_signal (&log->more);
  (void) pthread_mutex_unlock (&log->lock);
  if (log->begun)
    give_up (log);
  while (log->first != NULL)
    leave (log);
  (void) pthread_cond_destroy (&log->more);
  (void) pthread_mutex_destroy (&log->lock);
}

/* ---- Lines ------------------------------------------------------------------------ */

int
gw_log_is_open (const struct gw_log *log)
{
  return atomic_load (&log->open);
}

void
gw_log_add (struct gw_log *log, const struct gw_log_line *line)
{
  char text[GW_LOG_LINE_SIZE];
  size_t len = gw_log_line_text (line, text);
  struct gw_log_file *file;
  int was_empty = 0, is_lost = 0;

  (void) pthread_mutex_lock (&log->lock);
  file = log->last;
  if (file != NULL && file->fd >= 0) {
    was_empty = file->waiting == 0;
    is_lost = file->waiting + len > WAITING_MAX
              || gw_buffer_put (&file->lines, text, len) != 0;
    if (!is_lost)
      file->waiting += len;
  }
  if (was_empty)
    (void) pthread_cond_signal (&log->more);
  (void) pthread_mutex_unlock (&log->lock);
  if (is_lost)
    atomic_fetch_add (&log->lost, 1);
}
