/* redisfake - a server that answers as a test wants it to (see redisfake.h). */
#include "redisfake.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Connections in all: one that was given up is another one next time. */
enum { MOST = 500 };

static pid_t pid;

const char *
redisfake_sound (const char *words)
{
  if (strstr (words, "SUBSCRIBE") != NULL)
    return "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
  if (strstr (words, "EVAL") != NULL)
    return "*4\r\n$1\r\ne\r\n$1\r\n0\r\n$1\r\n0\r\n:0\r\n";
  return "+PONG\r\n";
}

/* A command is what one read brings: those of a test are short. */
static int
serve_one (int fd, int n, redisfake_answer answer, void *user)
{
  char buf[65536];
  ssize_t len = read (fd, buf, sizeof buf - 1);

  if (len <= 0)
    return -1;
  buf[len] = '\0';
  const char *said = answer (n, buf, user);
  if (said == NULL)
    return -1;
  return send (fd, said, strlen (said), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void __attribute__ ((noreturn))
serve (int listening, redisfake_answer answer, void *user)
{
  struct pollfd fds[MOST + 1] = { { .fd = listening, .events = POLLIN } };
  int n = 0;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    if (poll (fds, (nfds_t) n + 1, -1) < 0)
      _exit (1);
    if (fds[0].revents != 0 && n < MOST)
      fds[++n] = (struct pollfd) { .fd = accept (listening, NULL, NULL), .events = POLLIN };
    for (int i = 1; i <= n; i++)
      if (fds[i].fd >= 0 && fds[i].revents != 0
          && serve_one (fds[i].fd, i - 1, answer, user) != 0) {
        close (fds[i].fd);
        fds[i].fd = -1;
      }
  }
}

int
redisfake_start (redisfake_answer answer, void *user)
{
  struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof in;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  ck_assert_int_eq (bind (fd, (struct sockaddr *) &in, sizeof in), 0);
  ck_assert_int_eq (listen (fd, MOST), 0);
  ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &in, &len), 0);
  pid = fork ();
  ck_assert_int_ge (pid, 0);
  if (pid == 0)
    serve (fd, answer, user);
  close (fd);
  return ntohs (in.sin_port);
}

void
redisfake_stop (void)
{
  if (pid > 0) {
    kill (pid, SIGKILL);
    waitpid (pid, NULL, 0);
  }
  pid = 0;
}
