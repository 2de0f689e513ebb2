/* check-child - the child: runs case after case, and says what broke.
 *
 * What it says goes through one function, into the pipe or, with no_fork,
 * straight to the parent's ears.  Before each case it says which, so that the
 * parent knows what it died of.  Knows no case. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "check-bounds.h"
#include "check-subject.h"
#include "fail.h"

/* The one in whose child this is, for the function that exit calls. */
static struct kwi_check *exiting;

/* ---- Saying ------------------------------------------------------------- */

static void
say (struct kwi_check *c, uint32_t word, uint32_t what, const char *rule,
     const char *text)
{
  struct kwi_check_message m;

  memset (&m, 0, sizeof m);
  m.word = word;
  m.what = what;
  m.at = c->progress->at;
  (void) snprintf (m.rule, sizeof m.rule, "%s", rule);
  (void) snprintf (m.text, sizeof m.text, "%s", text);
  c->send (c, &m);
}

static void
into_pipe (struct kwi_check *c, const struct kwi_check_message *m)
{
  ssize_t n;

  do
    n = write (c->pipe, m, sizeof *m);  /* under PIPE_BUF: whole or not */
  while (n < 0 && errno == EINTR);
  if (n != (ssize_t) sizeof *m)
    _exit (EXIT_FAILURE);       /* nobody listens */
}

static int __attribute__ ((__format__ (__printf__, 5, 0)))
tell (struct kwi_check *c, int ok, uint32_t what, const char *rule,
      const char *fmt, va_list ap)
{
  char text[720];

  c->progress->checks++;
  if (ok)
    return 1;
  c->broke |= what == KW_CHECK_FAILED;
  if (!kwi_check_learn (&c->told, rule))
    return 0;                   /* once a case is enough */
  if (vsnprintf (text, sizeof text, fmt, ap) < 0)
    text[0] = '\0';
  kwi_clean_line (text);
  say (c, KWI_CHECK_BROKE, what, rule, text);
  return 0;
}

int
kwi_check_that (struct kwi_check *c, int ok, const char *rule, const char *fmt,
                ...)
{
  va_list ap;

  va_start (ap, fmt);
  ok = tell (c, ok, KW_CHECK_FAILED, rule, fmt, ap);
  va_end (ap);
  return ok;
}

int
kwi_check_warn (struct kwi_check *c, int ok, const char *rule, const char *fmt,
                ...)
{
  va_list ap;

  va_start (ap, fmt);
  ok = tell (c, ok, KW_CHECK_WARNING, rule, fmt, ap);
  va_end (ap);
  return ok;
}

void
kwi_check_note (struct kwi_check *c, const char *fmt, ...)
{
  char text[720];
  va_list ap;

  va_start (ap, fmt);
  if (vsnprintf (text, sizeof text, fmt, ap) < 0)
    text[0] = '\0';
  va_end (ap);
  kwi_clean_line (text);
  say (c, KWI_CHECK_NOTE, 0, "", text);
}

void
kwi_check_asked (struct kwi_check *c, int pointer, const char *name)
{
  /* Told once by each child; the parent keeps what it did not know. */
  if (c->learning
      && kwi_check_learn (pointer ? &c->pointers : &c->headers, name))
    say (c, KWI_CHECK_ASKED, (uint32_t) pointer, "", name);
}

void
kwi_check_no_room (struct kwi_check *c)
{
  say (c, KWI_CHECK_NO_ROOM, 0, "", "");
  if (exiting != NULL)
    _exit (EXIT_SUCCESS);
}

/* ---- Running ------------------------------------------------------------ */

/* What the plugin printed during this case, and then no more. */
static void
look_at_printed (struct kwi_check *c, int which, const char *name)
{
  char text[81];
  struct stat st;
  ssize_t n;

  if (c->printed[which] < 0 || fstat (c->printed[which], &st) != 0
      || st.st_size == 0)
    return;
  n = pread (c->printed[which], text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = '\0';
  if (which == 0)
    kwi_check_that (c, 0, "prints", "it printed on %s: \"%s\"; standard output is "
                    "the program's, use kw_log", name, text);
  else
    kwi_check_warn (c, 0, "prints", "it printed on %s: \"%s\"; use kw_log", name,
                    text);
  if (ftruncate (c->printed[which], 0) == 0)
    (void) lseek (c->printed[which], 0, SEEK_SET);
}

static void
run_case (struct kwi_check *c, size_t i)
{
  const struct kwi_check_case *k = &c->cases[i];

  c->progress->at = (uint32_t) i;
  c->progress->running = 1;
  c->broke = 0;
  c->told.n = 0;
  if (!c->o.no_fork)
    kwi_bounds_time (c->o.time_ms * (k->patience > 0 ? k->patience : 1));
  k->run (c, k);
  kwi_check_after (c);
  if (!c->o.no_fork) {
    kwi_bounds_time (0);
    (void) fflush (stdout);
    (void) fflush (stderr);
    look_at_printed (c, 0, "stdout");
    look_at_printed (c, 1, "stderr");
  }
  c->progress->running = 0;
  if (k->fatal && c->broke) {
    say (c, KWI_CHECK_STOP, 0, "", "");
    c->stopped = 1;
  }
}

void
kwi_check_cases (struct kwi_check *c, size_t from, size_t to)
{
  for (size_t i = from; i < to && !c->stopped; i++)
    run_case (c, i);
}

/* A plugin that calls exit comes here, before the handlers of whatever program
 * this was forked from. */
static void
at_exit (void)
{
  if (exiting != NULL)
    say (exiting, KWI_CHECK_CALLED_EXIT, 0, "", "");
  _exit (EXIT_FAILURE);
}

void
kwi_check_child (struct kwi_check *c, size_t from, size_t to)
{
  /* What the parent has not written yet is the parent's to write. */
  __fpurge (stdout);
  __fpurge (stderr);
  c->send = into_pipe;
  exiting = c;
  (void) atexit (at_exit);
  kwi_check_cases (c, from, to);
  say (c, KWI_CHECK_END, 0, "", "");
  _exit (EXIT_SUCCESS);
}
