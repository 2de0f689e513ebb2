/* keysource - the bytes of one key from its file or its command.
 * Knows no configuration and judges no key.  What comes in goes into guarded
 * memory at once. */
#include "keysource.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

static int
because (char *why, size_t size, const char *text)
{
  int n = snprintf (why, size, "%s", text);
  return n < 0 ? -1 : 1;
}

int
kwi_keysource_file (const char *path, struct kwi_text *ret, char *why,
                    size_t size)
{
  int r = kwi_text_read (path, KWI_KEY_MAX_OUTPUT, ret);

  if (r == KWI_TEXT_OK)
    return 0;
  if (r == KWI_TEXT_NO_MEMORY)
    return -1;
  if (r == KWI_TEXT_TOO_LARGE)
    return because (why, size, "larger than 64 KB, so it is no key");
  if (r == KWI_TEXT_NO_FILE)
    return because (why, size, KWI_TEXT_NO_FILE_TEXT);
  return because (why, size, strerror (errno));
}

/* ---- Running a command ------------------------------------------------- */

/* How long at most until it is seen that a command has ended.  Its signal is
 * the program's, not ours, and descriptors for processes are not everywhere. */
#define LOOK_MS 10

struct running {
  pid_t pid;
  int out;                      /* our end of its standard output         */
  int ended;
  int lost;                     /* ended, and how is not known            */
  int status;
};

/* 0, or an errno. */
static int
prepare (posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr,
         int out)
{
  sigset_t none, defaults;
  int r = posix_spawn_file_actions_addopen (actions, 0, "/dev/null", O_RDONLY,
                                            0);

  if (r == 0)
    r = posix_spawn_file_actions_adddup2 (actions, out, 1);
  /* A caller's blocked or ignored signals are no business of the command's. */
  sigemptyset (&none);
  sigemptyset (&defaults);
  sigaddset (&defaults, SIGPIPE);
  sigaddset (&defaults, SIGCHLD);
  if (r == 0)
    r = posix_spawnattr_setsigmask (attr, &none);
  if (r == 0)
    r = posix_spawnattr_setsigdefault (attr, &defaults);
  if (r == 0)
    r = posix_spawnattr_setflags (attr, POSIX_SPAWN_SETSIGMASK
                                        | POSIX_SPAWN_SETSIGDEF);
  return r;
}

/* 0, or an errno. */
static int
spawn_shell (const char *command, int out, pid_t *ret)
{
  char shell[] = "sh", option[] = "-c";
  char *argv[] = { shell, option, (char *) (uintptr_t) command, NULL };
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  int r = posix_spawn_file_actions_init (&actions);

  if (r != 0)
    return r;
  r = posix_spawnattr_init (&attr);
  if (r == 0) {
    r = prepare (&actions, &attr, out);
    if (r == 0)
      r = posix_spawn (ret, "/bin/sh", &actions, &attr, argv, environ);
    posix_spawnattr_destroy (&attr);
  }
  posix_spawn_file_actions_destroy (&actions);
  return r;
}

static int
start (const char *command, struct running *ret)
{
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) != 0)
    return errno;
  int r = spawn_shell (command, ends[1], &ret->pid);
  close (ends[1]);
  if (r == 0 && fcntl (ends[0], F_SETFL, O_NONBLOCK) != 0)
    r = errno;
  if (r != 0) {
    close (ends[0]);
    return r;
  }
  ret->out = ends[0];
  return 0;
}

enum ending { ENDED, TOO_LONG, TOO_MUCH, BROKEN };

/* Looks whether it has ended, with how = 0 until it has. */
static void
look (struct running *running, int how)
{
  pid_t pid;

  do
    pid = waitpid (running->pid, &running->status, how);
  while (pid < 0 && errno == EINTR);
  running->lost = pid < 0;
  running->ended = pid != 0;
}

/* Takes what is there.  1: the other end is closed; 0: more may come; -1: no
 * more fits, or errno (*len says which). */
static int
take (int fd, char *buf, size_t size, size_t *len)
{
  while (*len < size) {
    ssize_t n = read (fd, buf + *len, size - *len);
    if (n == 0)
      return 1;
    if (n < 0 && errno == EAGAIN)
      return 0;
    if (n < 0 && errno != EINTR)
      return -1;
    if (n > 0)
      *len += (size_t) n;
  }
  return -1;
}

/* Reads until it ends: a command can close its output and go on, and can end
 * while a child of its own holds the output open. */
static enum ending
collect (struct running *running, const struct kwi_clock *clock, char *buf,
         size_t size, size_t *len)
{
  struct pollfd fd = { .fd = running->out, .events = POLLIN };
  int64_t until = clock->mono_ms (clock->ctx) + KWI_KEY_COMMAND_MS;
  int all = 0;                  /* it has ended: what is there is all */

  for (;;) {
    int closed = fd.fd < 0 ? 1 : take (running->out, buf, size, len);
    if (closed < 0)
      return *len == size ? TOO_MUCH : BROKEN;
    if (all)
      return ENDED;
    look (running, WNOHANG);
    all = running->ended;
    if (all)
      continue;
    if (closed)
      fd.fd = -1;               /* which poll passes over */
    if (clock->mono_ms (clock->ctx) >= until)
      return TOO_LONG;
    if (poll (&fd, 1, LOOK_MS) < 0 && errno != EINTR)
      return BROKEN;
  }
}

static int
judge (enum ending ending, const struct running *running, char *why,
       size_t size)
{
  int n, status = running->status;

  if (ending == TOO_LONG)
    return because (why, size, "its command did not end within 30 seconds, "
                    "and was killed");
  if (ending == TOO_MUCH)
    return because (why, size, "its command wrote more than 64 KB, so it is "
                    "no key");
  if (ending == BROKEN)
    return because (why, size, "the output of its command could not be read");
  if (running->lost)
    return because (why, size, "whether its command succeeded is not known: "
                    "this program ignores SIGCHLD, or waits for children that "
                    "are not its own");
  if (WIFSIGNALED (status))
    n = snprintf (why, size, "its command was ended by signal %d",
                  WTERMSIG (status));
  else if (WEXITSTATUS (status) == 127)
    n = snprintf (why, size, "its command failed with exit code 127: a "
                  "program in it was not found");
  else if (WEXITSTATUS (status) != 0)
    n = snprintf (why, size, "its command failed with exit code %d",
                  WEXITSTATUS (status));
  else
    return 0;
  return n < 0 ? -1 : 1;
}

/* Ends it if it has not; returns what came of it as kwi_keysource_command. */
static int
finish (struct running *running, enum ending ending, char *why, size_t size)
{
  close (running->out);
  if (!running->ended) {
    kill (running->pid, SIGKILL);
    look (running, 0);
  }
  return judge (ending, running, why, size);
}

int
kwi_keysource_command (const char *command, const struct kwi_clock *clock,
                       struct kwi_text *ret, char *why, size_t size)
{
  struct running running = { .out = -1 };
  size_t len = 0;
  char *buf = kwi_guarded (KWI_KEY_MAX_OUTPUT + 2);

  if (buf == NULL)
    return -1;
  int r = start (command, &running);
  if (r != 0) {
    int n = snprintf (why, size, "its command cannot be run: %s",
                      strerror (r));
    sodium_free (buf);
    return n < 0 ? -1 : 1;
  }
  enum ending ending
    = collect (&running, clock, buf, KWI_KEY_MAX_OUTPUT + 1, &len);
  r = finish (&running, ending, why, size);
  if (r != 0) {
    sodium_free (buf);
    return r;
  }
  buf[len] = '\0';
  *ret = (struct kwi_text) { .bytes = buf, .len = len };
  return 0;
}
