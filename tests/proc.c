/* proc - running another program from a test (see proc.h).
 * One pump moves bytes between the child and memory; every waiting function is
 * a loop around it with a deadline. */
#include "proc.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The longest nap between two looks at the child's state. */
#define NAP_MS 10

struct bytes {
  char *data;
  size_t len, room;
};

struct proc {
  pid_t pid;
  int ended, wstatus;
  int in;                       /* -1: closed */
  int from[2];                  /* its stdout and stderr; -1: at their end */
  int want_eof;                 /* close in when input is sent */
  size_t sent;
  struct bytes input;
  struct bytes got[2];
  size_t line_at;               /* where proc_read_line goes on */
  char *line;
};

static int64_t
now_ms (void)
{
  struct timespec ts;
  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Always leaves room for, and puts, a NUL behind the last byte. */
static void
bytes_add (struct bytes *b, const void *data, size_t len)
{
  if (b->data == NULL || b->room - b->len <= len) {
    size_t room = b->room == 0 ? 4096 : b->room;
    while (room - b->len <= len)
      room *= 2;
    char *bigger = realloc (b->data, room);
    if (bigger == NULL)
      ck_abort_msg ("no memory for %zu bytes of a child's output", room);
    b->data = bigger;
    b->room = room;
  }
  if (len != 0)
    memcpy (b->data + b->len, data, len);
  b->len += len;
  b->data[b->len] = '\0';
}

/* ---- environment ------------------------------------------------------- */

static size_t
name_length (const char *entry)
{
  return strcspn (entry, "=");
}

static void
env_drop (const char **envp, size_t *n, const char *name, size_t len)
{
  size_t kept = 0;
  for (size_t i = 0; i < *n; i++)
    if (name_length (envp[i]) != len || strncmp (envp[i], name, len) != 0)
      envp[kept++] = envp[i];
  *n = kept;
}

/* The array is the caller's to free, its strings are not. */
static const char **
env_build (const char *const changes[])
{
  size_t n = 0, extra = 0;
  while (environ[n] != NULL)
    n++;
  while (changes != NULL && changes[extra] != NULL)
    extra++;
  const char **envp = calloc (n + extra + 1, sizeof *envp);
  if (envp == NULL)
    ck_abort_msg ("no memory for a child's environment");
  for (size_t i = 0; i < n; i++)
    envp[i] = environ[i];
  for (size_t i = 0; i < extra; i++) {
    if (strcmp (changes[i], "-") == 0) {
      n = 0;
      continue;
    }
    env_drop (envp, &n, changes[i], name_length (changes[i]));
    if (strchr (changes[i], '=') != NULL)
      envp[n++] = changes[i];
  }
  envp[n] = NULL;
  return envp;
}

/* ---- start ------------------------------------------------------------- */

static _Noreturn void
child (const int fds[3], pid_t parent, const char *const argv[], const char **envp)
{
  sigset_t none;
  struct sigaction dfl = { .sa_handler = SIG_DFL };

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (127);                /* it died before we could ask to be told */
  for (int i = 0; i < 3; i++)
    if (dup2 (fds[i], i) < 0)
      _exit (127);
  sigaction (SIGPIPE, &dfl, NULL);
  sigaction (SIGINT, &dfl, NULL);
  sigaction (SIGTERM, &dfl, NULL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  execvpe (argv[0], (char *const *) argv, (char *const *) envp);
  const char *why = strerrordesc_np (errno);
  const char *const parts[] = { argv[0], ": cannot be run: ", why, "\n" };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    if (parts[i] == NULL || write (2, parts[i], strlen (parts[i])) < 0)
      break;
  _exit (127);
}

/* Above 2, so that no dup2 in the child can overwrite another's source. */
static void
make_pipe (int fds[2])
{
  int raw[2];
  if (pipe2 (raw, O_CLOEXEC) != 0)
    ck_abort_msg ("pipe: %s", strerror (errno));
  for (int i = 0; i < 2; i++) {
    fds[i] = fcntl (raw[i], F_DUPFD_CLOEXEC, 3);
    if (fds[i] < 0)
      ck_abort_msg ("fcntl: %s", strerror (errno));
    close (raw[i]);
  }
}

/* Held here over the fork so that a child that cannot be run has, for a leak
 * checker, lost nothing.  Volatile: nobody else reads it. */
static void *volatile starting[2];

struct proc *
proc_start (const char *const argv[], const char *const env[])
{
  int in[2], out[2], err[2];
  struct proc *p = calloc (1, sizeof *p);
  if (p == NULL)
    ck_abort_msg ("no memory for a child");
  make_pipe (in);
  make_pipe (out);
  make_pipe (err);
  const char **envp = env_build (env);
  const int theirs[3] = { in[0], out[1], err[1] };
  pid_t parent = getpid ();
  starting[0] = p;
  starting[1] = envp;
  p->pid = fork ();
  if (p->pid < 0)
    ck_abort_msg ("fork: %s", strerror (errno));
  if (p->pid == 0)
    child (theirs, parent, argv, envp);
  starting[0] = NULL;
  starting[1] = NULL;
  free (envp);
  for (int i = 0; i < 3; i++)
    close (theirs[i]);
  p->in = in[1];
  p->from[0] = out[0];
  p->from[1] = err[0];
  if (fcntl (p->in, F_SETFL, O_NONBLOCK) != 0)
    ck_abort_msg ("fcntl: %s", strerror (errno));
  bytes_add (&p->got[0], NULL, 0);
  bytes_add (&p->got[1], NULL, 0);
  return p;
}

pid_t
proc_pid (const struct proc *p)
{
  return p->pid;
}

void
proc_write (struct proc *p, const void *data, size_t len)
{
  bytes_add (&p->input, data, len);
}

void
proc_close_stdin (struct proc *p)
{
  p->want_eof = 1;
}

void
proc_signal (struct proc *p, int signo)
{
  if (!p->ended && kill (p->pid, signo) != 0)
    ck_abort_msg ("kill %d: %s", (int) p->pid, strerror (errno));
}

/* ---- the pump ---------------------------------------------------------- */

/* A child that no longer reads must not end the test by SIGPIPE, and the
 * test's own handling of that signal is not ours to change. */
static ssize_t
write_no_sigpipe (int fd, const void *data, size_t len)
{
  sigset_t pipe_only, before, pending;
  const struct timespec at_once = { 0, 0 };

  sigemptyset (&pipe_only);
  sigaddset (&pipe_only, SIGPIPE);
  sigpending (&pending);
  pthread_sigmask (SIG_BLOCK, &pipe_only, &before);
  ssize_t n = write (fd, data, len);
  int saved = errno;
  if (n < 0 && saved == EPIPE && !sigismember (&pending, SIGPIPE))
    while (sigtimedwait (&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
      ;
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  errno = saved;
  return n;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
feed (struct proc *p)
{
  ssize_t n = write_no_sigpipe (p->in, p->input.data + p->sent,
                                p->input.len - p->sent);
  if (n >= 0)
    p->sent += (size_t) n;
  else if (errno != EAGAIN && errno != EINTR)
    close_fd (&p->in);
}

static void
drain (struct proc *p, int which)
{
  char buf[65536];
  ssize_t n = read (p->from[which], buf, sizeof buf);
  if (n > 0)
    bytes_add (&p->got[which], buf, (size_t) n);
  else if (n == 0 || errno != EINTR)
    close_fd (&p->from[which]);
}

static void
reap (struct proc *p)
{
  if (!p->ended && waitpid (p->pid, &p->wstatus, WNOHANG) == p->pid)
    p->ended = 1;
}

/* Moves what can be moved, waiting for it at most nap_ms; then looks whether
 * the child has ended.  Returns whether anything was ready. */
static int
pump (struct proc *p, int nap_ms)
{
  int unsent = p->sent < p->input.len;
  if (!unsent && p->want_eof)
    close_fd (&p->in);
  struct pollfd fds[3] = {
    { .fd = unsent ? p->in : -1, .events = POLLOUT },
    { .fd = p->from[0], .events = POLLIN },
    { .fd = p->from[1], .events = POLLIN },
  };
  int ready = poll (fds, 3, nap_ms);
  if (ready > 0) {
    if (fds[0].revents != 0)
      feed (p);
    if (fds[1].revents != 0)
      drain (p, 0);
    if (fds[2].revents != 0)
      drain (p, 1);
  }
  reap (p);
  return ready > 0;
}

/* Nothing more can come: it has ended, and its output is read. */
static int
is_over (struct proc *p)
{
  if (p->from[0] < 0 && p->from[1] < 0)
    return p->ended;
  /* A grandchild may keep the pipes open for ever: take what is there. */
  return p->ended && !pump (p, 0);
}

static int
nap_until (int64_t deadline)
{
  int64_t left = deadline - now_ms ();
  return left <= 0 ? 0 : left < NAP_MS ? (int) left : NAP_MS;
}

/* ---- waiting ----------------------------------------------------------- */

const char *
proc_read_line (struct proc *p, int timeout_ms)
{
  int64_t deadline = now_ms () + timeout_ms;
  for (;;) {
    const struct bytes *out = &p->got[0];
    const char *start = out->data + p->line_at;
    const char *end = memchr (start, '\n', out->len - p->line_at);
    if (end != NULL) {
      free (p->line);
      p->line = strndup (start, (size_t) (end - start));
      p->line_at += (size_t) (end - start) + 1;
      return p->line;
    }
    if (is_over (p) || now_ms () >= deadline)
      return NULL;
    pump (p, nap_until (deadline));
  }
}

int
proc_expect (struct proc *p, int fd, const char *text, int timeout_ms)
{
  int64_t deadline = now_ms () + timeout_ms;
  const struct bytes *got = &p->got[fd == 2];
  for (;;) {
    if (memmem (got->data, got->len, text, strlen (text)) != NULL)
      return 1;
    int over = is_over (p);
    if (memmem (got->data, got->len, text, strlen (text)) != NULL)
      return 1;
    if (over || now_ms () >= deadline)
      return 0;
    pump (p, nap_until (deadline));
  }
}

void
proc_finish (struct proc *p, struct proc_result *res, int timeout_ms)
{
  int64_t deadline = now_ms () + timeout_ms;
  int timed_out = 0;

  p->want_eof = 1;
  while (!is_over (p)) {
    if (!p->ended && !timed_out && now_ms () >= deadline) {
      timed_out = 1;
      proc_signal (p, SIGKILL);
    }
    pump (p, timed_out ? NAP_MS : nap_until (deadline));
  }
  if (res != NULL) {
    res->status = WIFEXITED (p->wstatus) ? WEXITSTATUS (p->wstatus)
                                         : 128 + WTERMSIG (p->wstatus);
    res->timed_out = timed_out;
    res->out = p->got[0].data;
    res->out_len = p->got[0].len;
    res->err = p->got[1].data;
    res->err_len = p->got[1].len;
  } else {
    free (p->got[0].data);
    free (p->got[1].data);
  }
  close_fd (&p->in);
  close_fd (&p->from[0]);
  close_fd (&p->from[1]);
  free (p->input.data);
  free (p->line);
  free (p);
}

void
proc_end (struct proc *p, int signo, struct proc_result *res, int timeout_ms)
{
  int64_t deadline = now_ms () + timeout_ms, next = 0;

  while (!is_over (p) && now_ms () < deadline) {
    if (now_ms () >= next) {
      proc_signal (p, signo);
      next = now_ms () + 100;
    }
    pump (p, NAP_MS);
  }
  proc_finish (p, res, 0);
}

void
proc_result_clear (struct proc_result *res)
{
  free (res->out);
  free (res->err);
  memset (res, 0, sizeof *res);
}

void
proc_run (struct proc_result *res, const char *const argv[],
          const char *const env[], const void *input, size_t input_len,
          int timeout_ms)
{
  struct proc *p = proc_start (argv, env);
  if (input != NULL)
    proc_write (p, input, input_len);
  proc_finish (p, res, timeout_ms);
}
