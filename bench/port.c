/* port - a free port on loopback, and whether somebody has begun to listen on it.
 *
 *   port              prints a port that nobody listens on now
 *   port PORT PID     ends when the process PID listens on PORT: 0; 1 if it has
 *                     ended, or ten seconds have passed */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in
loopback (long port)
{
  struct sockaddr_in a;

  memset (&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  a.sin_port = htons ((uint16_t) port);
  return a;
}

static int
listens (long port)
{
  struct sockaddr_in a = loopback (port);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int rc = connect (fd, (struct sockaddr *) &a, sizeof a);

  (void) close (fd);
  return rc == 0;
}

int
main (int argc, char **argv)
{
  static const struct timespec step = { 0, 10 * 1000 * 1000 };
  struct sockaddr_in a = loopback (0);
  socklen_t len = sizeof a;
  int fd, i;

  if (argc == 3) {
    long port = strtol (argv[1], NULL, 10), pid = strtol (argv[2], NULL, 10);
    if (port < 1 || port > 65535 || pid < 1)
      return 2;
    for (i = 0; i < 1000; i++) {
      if (listens (port))
        return 0;
      if (kill ((pid_t) pid, 0) != 0 && errno == ESRCH)
        return 1;
      (void) nanosleep (&step, NULL);
    }
    return 1;
  }
  fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind (fd, (struct sockaddr *) &a, sizeof a) != 0
      || getsockname (fd, (struct sockaddr *) &a, &len) != 0)
    return 1;
  return printf ("%d\n", ntohs (a.sin_port)) < 0;
}
