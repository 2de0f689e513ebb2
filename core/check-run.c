/* check-run - the parent: forks a child, listens to it, and learns from its
 * death what killed it; then the next child goes on behind that case.
 *
 * What comes through the pipe was written by a process that a plugin runs wild
 * in: it is bounded and cleaned here, and believed no further.  Knows no case
 * and no plugin. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "check-bounds.h"
#include "check-death.h"
#include "check-report.h"
#include "check-subject.h"
#include "fail.h"

/* Children that one group may cost, and those that had to be waited for. */
enum { MAX_DEATHS = 10, MAX_LATE = 3 };
/* A child is waited for in naps of so long. */
enum { NAP_MS = 100 };

struct child {
  pid_t pid;
  int in;                       /* its messages                           */
  size_t from, to;              /* the cases that are its                 */
  size_t next;                  /* the first that was not told of         */
  uint64_t checks;              /* that were told of                      */
  int called_exit;
  int ended;
  int lost;                     /* somebody else has waited for it        */
  int status;
  int quiet;
};

/* ---- Starting and ending ------------------------------------------------ */

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    (void) close (*fd);
  *fd = -1;
}

static void
close_printed (struct kwi_check *c)
{
  close_fd (&c->printed[0]);
  close_fd (&c->printed[1]);
}

static int
start (struct kwi_check *c, struct child *ch)
{
  int ends[2], parent = (int) getpid ();

  c->printed[0] = memfd_create ("stdout", MFD_CLOEXEC);
  c->printed[1] = memfd_create ("stderr", MFD_CLOEXEC);
  if (c->printed[0] < 0 || c->printed[1] < 0 || pipe2 (ends, O_CLOEXEC) != 0) {
    close_printed (c);
    return -1;
  }
  ch->pid = fork ();
  if (ch->pid == 0) {
    (void) close (ends[0]);
    c->pipe = ends[1];
    kwi_bounds_child (parent, c->printed, c->o.memory);
    kwi_check_child (c, ch->from, ch->to);
  }
  (void) close (ends[1]);
  ch->in = ends[0];
  if (ch->pid > 0)
    return 0;
  close_fd (&ch->in);
  close_printed (c);
  return -1;
}

static int
has_ended (struct child *ch, int how)
{
  pid_t pid;

  if (ch->ended)
    return 1;
  do
    pid = waitpid (ch->pid, &ch->status, how);
  while (pid < 0 && errno == EINTR);
  ch->lost = pid < 0;
  ch->ended = pid != 0;
  return ch->ended;
}

static void
finish (struct child *ch, int kill_it)
{
  close_fd (&ch->in);
  if (kill_it && !has_ended (ch, WNOHANG))
    (void) kill (ch->pid, SIGKILL);
  (void) has_ended (ch, 0);
}

/* ---- Listening ---------------------------------------------------------- */

/* The case that it has come to.  What stands in memory that a plugin can write
 * to is a number and no more. */
static size_t
came_to (const struct kwi_check *c, const struct child *ch)
{
  size_t at = __atomic_load_n (&c->progress->at, __ATOMIC_ACQUIRE);

  return at < ch->from ? ch->from : at >= ch->to ? ch->to - 1 : at;
}

/* Tells of the cases up to this one, which had nothing to say. */
static void
catch_up (struct kwi_check *c, struct child *ch, size_t at)
{
  uint64_t checks = __atomic_load_n (&c->progress->checks, __ATOMIC_ACQUIRE);

  if (!ch->quiet) {
    for (; ch->next <= at; ch->next++)
      kwi_check_report_start (c, &c->cases[ch->next]);
    if (checks > ch->checks)
      kwi_check_report_done (c, checks - ch->checks);
  }
  ch->checks = checks;
}

/* One message.  -1: no child of ours would say that. */
static int
hear (struct kwi_check *c, struct child *ch, struct kwi_check_message *m)
{
  const struct kwi_check_case *k;

  if (m->at < ch->from || m->at >= ch->to)
    return -1;
  m->rule[sizeof m->rule - 1] = m->text[sizeof m->text - 1] = '\0';
  kwi_clean_line (m->rule);
  kwi_clean_line (m->text);
  k = &c->cases[m->at];
  if (m->word == KWI_CHECK_ASKED && c->learning)
    (void) kwi_check_learn (m->what != 0 ? &c->pointers : &c->headers, m->text);
  if (m->word == KWI_CHECK_CALLED_EXIT)
    ch->called_exit = 1;
  if (m->word == KWI_CHECK_STOP)
    c->stopped = 1;
  if (ch->quiet)
    return 0;
  catch_up (c, ch, m->at);
  if (m->word == KWI_CHECK_NOTE)
    kwi_check_report_note (c, m->text);
  if (m->word == KWI_CHECK_BROKE)
    kwi_check_report_broke (c, k, m->what == KW_CHECK_FAILED ? KW_CHECK_FAILED
                            : KW_CHECK_WARNING, m->rule, m->text, "");
  if (m->word == KWI_CHECK_STOP && m->at + 1 < c->n_cases)
    kwi_check_report_stop (c, &c->cases[m->at + 1], 1, "this and all that follows: "
                           "without that there is nothing to ask");
  if (kwi_check_report_cancelled (c))
    c->stopped = 1;
  return 0;
}

/* The next message.  1; 0: the pipe's end; -1: none within so long; -2: junk.  In short
 * naps: on a machine that stands still no plugin waits for anything, and of the time
 * that is lost so no more than one of them counts. */
static int
next (const struct child *ch, int64_t left_ms, struct kwi_check_message *m)
{
  struct pollfd fd = { .fd = ch->in, .events = POLLIN };
  ssize_t n;

  for (;;) {
    int nap_ms = left_ms < NAP_MS ? (int) left_ms : NAP_MS;
    int r = poll (&fd, 1, nap_ms);
    if (r == 0 && left_ms <= 0)
      return -1;
    if (r == 0)
      left_ms -= nap_ms;
    if (r == 0 || (r < 0 && errno == EINTR))
      continue;
    n = read (ch->in, m, sizeof *m);
    if (n < 0 && errno == EINTR)
      continue;
    return n <= 0 ? 0 : n == (ssize_t) sizeof *m ? 1 : -2;
  }
}

static int64_t
patience (const struct kwi_check *c, const struct child *ch)
{
  uint32_t times = c->cases[came_to (c, ch)].patience;

  return 5 * c->o.time_ms * (times > 0 ? times : 1) + 2000;
}

static enum kwi_ending
listen_to (struct kwi_check *c, struct child *ch)
{
  size_t at = came_to (c, ch);

  for (;;) {
    struct kwi_check_message m;
    int r = next (ch, patience (c, ch), &m);
    if (r == -1 && at != came_to (c, ch)) {
      at = came_to (c, ch);     /* it has nothing to say, and goes on */
      continue;
    }
    if (r == 0)
      return KWI_DIED;
    if (r == -1)
      return has_ended (ch, WNOHANG) ? KWI_DIED : KWI_LATE;
    if (r != 1)
      return KWI_GARBLED;
    if (m.word == KWI_CHECK_END)
      return KWI_ENDED;
    if (m.word == KWI_CHECK_NO_ROOM)
      return KWI_NO_ROOM;
    if (hear (c, ch, &m) != 0)
      return KWI_GARBLED;
    if (c->stopped)
      return KWI_STOPPED;
    at = came_to (c, ch);
  }
}

/* ---- All of it ---------------------------------------------------------- */

struct losses {
  uint32_t group;
  int deaths, late;
};

static void
tell (struct kwi_check *c, const struct child *ch, enum kwi_ending ending,
      const struct kwi_check_case *k)
{
  struct kwi_death d = {
    .ending = ending, .status = ch->status, .lost = ch->lost,
    .called_exit = ch->called_exit, .patience_ms = patience (c, ch),
    .bound_ms = c->o.time_ms * (k->patience > 0 ? k->patience : 1),
    .bound_mb = c->o.memory >> 20
  };

  kwi_death_describe (&d, c->printed[1]);
  kwi_check_report_broke (c, k, KW_CHECK_FAILED, d.rule, d.text, d.output);
}

/* Where to go on behind a case that ended its child. */
static size_t
after_death (struct kwi_check *c, const struct child *ch, enum kwi_ending ending,
             struct losses *lost)
{
  size_t at = came_to (c, ch), n = 0;
  const struct kwi_check_case *k = &c->cases[at++];
  char text[160];

  if (!ch->quiet)
    tell (c, ch, ending, k);
  if (k->fatal) {
    c->stopped = 1;
    return ch->to;
  }
  if (lost->group != k->group)
    *lost = (struct losses) { .group = k->group };
  lost->deaths++;
  lost->late += ending == KWI_LATE;
  if (lost->deaths < MAX_DEATHS && lost->late < MAX_LATE)
    return at;
  while (at < ch->to && c->cases[at].group == k->group)
    at++, n++;
  if (n > 0 && !ch->quiet
      && snprintf (text, sizeof text, "given up after %d cases that ended the "
                   "process; %zu were not tried", lost->deaths, n) > 0)
    kwi_check_report_stop (c, k, 0, text);
  return at;
}

/* A child, from its first case to its end; returns where the next begins. */
static size_t
one_child (struct kwi_check *c, struct child *ch, struct losses *lost)
{
  enum kwi_ending ending = listen_to (c, ch);

  finish (ch, ending != KWI_ENDED);
  if (ending != KWI_STOPPED)
    catch_up (c, ch, ending == KWI_ENDED ? ch->to - 1 : came_to (c, ch));
  return ending == KWI_ENDED || ending == KWI_STOPPED ? ch->to
         : after_death (c, ch, ending, lost);
}

/* With no_fork: no pipe, no child, and nobody to tell of a crash. */
static void
straight (struct kwi_check *c, const struct kwi_check_message *said)
{
  struct kwi_check_message m = *said;

  if (m.word != KWI_CHECK_NO_ROOM)
    (void) hear (c, c->self, &m);
  else
    c->stopped = 1;
}

static void
run_here (struct kwi_check *c, size_t from, size_t to)
{
  struct kwi_check_progress progress = { .at = (uint32_t) from };
  struct child self = { .from = from, .to = to, .next = from, .in = -1 };

  c->progress = &progress;
  c->self = &self;
  c->send = straight;
  kwi_check_cases (c, from, to);
  if (!c->stopped)
    catch_up (c, &self, to - 1);
  kwi_check_close (c);
  c->self = NULL;
  c->progress = NULL;
}

int
kwi_check_run (struct kwi_check *c, size_t from, size_t to, int quiet,
               struct kw_error *err)
{
  struct losses lost = { .group = KWI_CHECK_GROUPS };
  void *shared;

  if (c->o.no_fork && !quiet) {
    run_here (c, from, to);
    return 0;
  }
  shared = mmap (NULL, sizeof *c->progress, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    return kwi_fail (err, KW_ERR_MEMORY, "plugin %s: no memory to try it", c->file);
  c->progress = shared;
  while (from < to && !c->stopped) {
    struct child ch = { .from = from, .to = to, .next = from, .in = -1, .quiet = quiet };

    *c->progress = (struct kwi_check_progress) { .at = (uint32_t) from };
    if (start (c, &ch) != 0) {
      (void) kwi_fail (err, KW_ERR_INTERNAL, "plugin %s: cannot start a child to try it "
                       "in: %s", c->file, strerror (errno));
      break;
    }
    from = one_child (c, &ch, &lost);
    close_printed (c);
  }
  c->progress = NULL;
  (void) munmap (shared, sizeof *c->progress);
  return from < to && !c->stopped ? KW_ERR_INTERNAL : 0;
}
