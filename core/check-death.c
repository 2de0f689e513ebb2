/* check-death - what a child died of, in words: its signal or its exit code, and
 * the first words of what it printed, which is what an assertion or a sanitizer
 * had to say.  Knows no case. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check-death.h"
#include "fail.h"

/* The end of what it printed. */
static void
read_printed (int fd, char *buf, size_t size)
{
  off_t end = fd >= 0 ? lseek (fd, 0, SEEK_END) : 0;
  off_t from = end > (off_t) size - 1 ? end - (off_t) size + 1 : 0;
  ssize_t n = end > 0 ? pread (fd, buf, size - 1, from) : 0;

  buf[n > 0 ? n : 0] = '\0';
  for (ssize_t i = 0; i < n; i++)
    if (buf[i] == '\0')
      buf[i] = '?';
}

/* The first line with a letter in it; what a frame of lines surrounds. */
static void
first_words (const char *printed, char *buf, size_t size)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
  size_t len;

  while (*printed != '\0' && (len = strcspn (printed, "\n"),
                              strcspn (printed, letters) >= len))
    printed += len + (printed[len] == '\n');
  len = strcspn (printed, "\n");
  if (len >= size)
    len = size - 1;
  memcpy (buf, printed, len);
  buf[len] = '\0';
  kwi_clean_line (buf);
}

static const char *
signal_name (int s)
{
  switch (s) {
  case SIGABRT: return "SIGABRT, an assertion or a call of abort";
  case SIGBUS: return "SIGBUS";
  case SIGFPE: return "SIGFPE, a division by zero as a rule";
  case SIGILL: return "SIGILL";
  case SIGKILL: return "SIGKILL";
  case SIGPIPE: return "SIGPIPE";
  case SIGSEGV: return "SIGSEGV, memory that is not the plugin's to touch";
  case SIGSYS: return "SIGSYS";
  case SIGTRAP: return "SIGTRAP";
  default: return "another one";
  }
}

static int
tell_signal (int s, int64_t bound_ms, char *text, size_t size)
{
  if (s == SIGPROF || s == SIGXCPU)
    return snprintf (text, size, "did not come back within %lld ms of processor "
                     "time", (long long) bound_ms);
  if (s == SIGXFSZ)
    return snprintf (text, size, "printed more than a megabyte");
  return snprintf (text, size, "crashed (signal %d: %s)", s, signal_name (s));
}

static int
describe (struct kwi_death *d, const char **rule)
{
  *rule = NULL;
  switch (d->ending) {
  case KWI_LATE:
    *rule = "late";
    return snprintf (d->text, sizeof d->text, "did not come back within %lld ms by the "
                     "clock; it waits for something", (long long) d->patience_ms);
  case KWI_NO_ROOM:
    *rule = "memory";
    return snprintf (d->text, sizeof d->text, "has taken all of the %llu MB that it may "
                     "have, in this case or those before",
                     (unsigned long long) d->bound_mb);
  case KWI_GARBLED:
    *rule = "garbled";
    return snprintf (d->text, sizeof d->text, "wrote into descriptors that are not its "
                     "own");
  default:
    break;
  }
  if (!d->called_exit && !d->lost && WIFSIGNALED (d->status))
    return tell_signal (WTERMSIG (d->status), d->bound_ms, d->text, sizeof d->text);
  *rule = "exit";
  if (d->called_exit)
    return snprintf (d->text, sizeof d->text, "called exit: it is not the plugin's to end "
                     "the program");
  if (d->lost)
    return snprintf (d->text, sizeof d->text, "ended the process; how is not known, since "
                     "this program ignores SIGCHLD");
  return snprintf (d->text, sizeof d->text, "ended the process (exit code %d): it is not "
                   "the plugin's to end the program", WEXITSTATUS (d->status));
}

void
kwi_death_describe (struct kwi_death *d, int printed)
{
  const char *rule;
  char words[240];
  int n;

  read_printed (printed, d->output, sizeof d->output);
  first_words (d->output, words, sizeof words);
  n = describe (d, &rule);
  if (rule != NULL)
    (void) snprintf (d->rule, sizeof d->rule, "%s", rule);
  else
    (void) snprintf (d->rule, sizeof d->rule, "signal-%d", WTERMSIG (d->status));
  if (words[0] != '\0' && n > 0 && (size_t) n < sizeof d->text)
    (void) snprintf (d->text + n, sizeof d->text - (size_t) n, ": %s", words);
}
