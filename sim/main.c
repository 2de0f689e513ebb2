/* main - keywheel-sim, from its command line to its end.
 * Waits in sigwait for SIGTERM or SIGINT while the server's threads work. */
#include "server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static void
say (const char *what, const char *name, int error)
{
  fprintf (stderr, "keywheel-sim: %s%s%s%s%s\n", what, name != NULL ? " " : "",
           name != NULL ? name : "", error != 0 ? ": " : "",
           error != 0 ? strerror (error) : "");
}

/* A reader never sees half of it: written beside, then moved. */
static int
write_port (const char *path, int port)
{
  char *beside = NULL;
  if (asprintf (&beside, "%s.new", path) < 0)
    return -1;
  FILE *f = fopen (beside, "we");
  int bad = f == NULL || fprintf (f, "%d\n", port) < 0;
  if (f != NULL && fclose (f) != 0)
    bad = 1;
  if (!bad && rename (beside, path) != 0)
    bad = 1;
  int saved = errno;
  if (bad && f != NULL)
    remove (beside);
  free (beside);
  errno = saved;
  return bad ? -1 : 0;
}

static int
run (struct sim *sim)
{
  const char *port_file = sim->options.port_file;
  sigset_t ends;
  int port = 0, signo;

  /* Before any thread is made, so that all have it so. */
  sigemptyset (&ends);
  sigaddset (&ends, SIGTERM);
  sigaddset (&ends, SIGINT);
  pthread_sigmask (SIG_BLOCK, &ends, NULL);
  struct sim_server *server = sim_server_start (sim, (int) sim->options.port, &port);
  if (server == NULL) {
    say ("cannot listen on 127.0.0.1 (is the port of --port taken?)", NULL, errno);
    return FAILED;
  }
  if (port_file != NULL && write_port (port_file, port) != 0) {
    say ("cannot write --port-file", port_file, errno);
    sim_server_stop (server);
    return FAILED;
  }
  printf ("listening on http://127.0.0.1:%d/v1\n", port);
  fflush (stdout);
  while (sigwait (&ends, &signo) != 0)
    ;
  sim_server_stop (server);
  return DONE;
}

static int
run_with_log (struct sim *sim)
{
  const char *path = sim->options.log_file;
  if (sim_log_open (&sim->log, path) != 0) {
    say ("cannot write --log", path, errno);
    sim_log_close (&sim->log);
    return FAILED;
  }
  pthread_mutex_init (&sim->lock, NULL);
  sim_clock_init (&sim->clock, sim->options.manual_clock);
  int rc = run (sim);
  pthread_mutex_destroy (&sim->lock);
  sim_accounts_clear (&sim->accounts);
  sim_shelf_clear (&sim->shelf);
  sim_log_close (&sim->log);
  return rc;
}

int
main (int argc, char **argv)
{
  char msg[512];
  struct sim sim = { 0 };
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  int rc = DONE;

  /* A client that goes away is no reason to end. */
  sigaction (SIGPIPE, &ignore, NULL);
  if (sim_options_parse (&sim.options, argc, argv, msg, sizeof msg) != 0) {
    say (msg, NULL, 0);
    fputs ("Try keywheel-sim --help.\n", stderr);
    rc = USAGE;
  } else if (sim.options.help)
    fputs (sim_usage (), stdout);
  else if (sim.options.version)
    printf ("keywheel-sim %s\n", PACKAGE_VERSION);
  else
    rc = run_with_log (&sim);
  sim_options_clear (&sim.options);
  return rc;
}
