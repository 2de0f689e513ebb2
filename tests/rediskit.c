/* rediskit - a Redis or Valkey server of the test's own (see rediskit.h). */
#include "rediskit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hiredis.h>

#include "proc.h"

static char folder[256], spec[512];
static struct proc *server;
static struct rediskit_how started_how;
static int port;
static redisContext *door;
static volatile int64_t *clock_us;

/* ---- Whether and how ------------------------------------------------------------- */

int
rediskit_has (const char *program)
{
  const char *dir = getenv ("PATH");

  while (dir != NULL && *dir != '\0') {
    char file[4096];
    size_t n = strcspn (dir, ":");
    if (snprintf (file, sizeof file, "%.*s/%s", (int) n, dir, program) < (int) sizeof file
        && access (file, X_OK) == 0)
      return 1;
    dir += n + (dir[n] == ':');
  }
  return 0;
}

const char *
rediskit_program (void)
{
  return rediskit_has ("redis-server") ? "redis-server"
         : rediskit_has ("valkey-server") ? "valkey-server" : NULL;
}

int
rediskit_skip (const char *why)
{
  int must = getenv ("KW_NO_SKIP") != NULL;

  printf ("%s: %s\n", must ? "cannot run" : "skipped", why);
  return must ? 1 : 77;
}

uint32_t
rediskit_patience (uint32_t ms)
{
  return getenv ("KW_UNDER_VALGRIND") != NULL ? ms * 10 : ms;
}

int
rediskit_run (Suite *suite)
{
  SRunner *sr = srunner_create (suite);

  srunner_run_all (sr, CK_NORMAL);
  int failed = srunner_ntests_failed (sr);
  srunner_free (sr);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
rediskit_run_partly (Suite *suite)
{
  int failed = rediskit_run (suite);

  return failed != 0 || rediskit_program () != NULL ? failed
    : rediskit_skip (REDISKIT_NO_PROGRAM);
}

/* ---- Files ------------------------------------------------------------------------ */

const char *
rediskit_folder (void)
{
  const char *top = getenv ("TMPDIR");

  if (folder[0] == '\0') {
    ck_assert_int_lt (snprintf (folder, sizeof folder, "%s/kw-redis-XXXXXX",
                                top != NULL ? top : "/tmp"), (int) sizeof folder);
    ck_assert_ptr_nonnull (mkdtemp (folder));
  }
  return folder;
}

const char *
rediskit_path (const char *name)
{
  static char paths[8][sizeof folder + 64];
  static unsigned next;
  char *path = paths[next++ % 8];

  ck_assert_int_lt (snprintf (path, sizeof paths[0], "%s/%s", rediskit_folder (), name),
                    (int) sizeof paths[0]);
  return path;
}

void
rediskit_write (const char *name, const char *text)
{
  FILE *f = fopen (rediskit_path (name), "we");

  ck_assert_ptr_nonnull (f);
  ck_assert_int_ge (fputs (text, f), 0);
  ck_assert_int_eq (fclose (f), 0);
}

void
rediskit_clear (void)
{
  DIR *d = folder[0] != '\0' ? opendir (folder) : NULL;
  struct dirent *e;

  while (d != NULL && (e = readdir (d)) != NULL)
    if (strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0)
      unlink (rediskit_path (e->d_name));
  if (d != NULL) {
    closedir (d);
    ck_assert_int_eq (rmdir (folder), 0);
  }
  folder[0] = '\0';
}

/* ---- The clock --------------------------------------------------------------------- */

static void
pass (int64_t ms)
{
  (void) ms;
  if (clock_us != NULL)
    *clock_us = storekit_now () * 1000;
}

static void
make_clock (void)
{
  int fd = open (rediskit_path ("clock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  void *at;

  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (ftruncate (fd, sizeof *clock_us), 0);
  at = mmap (NULL, sizeof *clock_us, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ck_assert (at != MAP_FAILED);
  close (fd);
  clock_us = at;
  pass (0);
}

/* ---- The server -------------------------------------------------------------------- */

/* Taken, by sockets that never listen: nobody else's connection is given a port of
 * ours then, and the server, which says SO_REUSEADDR as they do, can have it as often
 * as it is started. */
static int taken[2] = { -1, -1 };

/* fd or -1; *ret_port 0: the system picks one. */
static int
take_port (const char *address, int *ret_port)
{
  struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) *ret_port) };
  socklen_t len = sizeof in;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

  ck_assert_int_eq (inet_pton (AF_INET, address, &in.sin_addr), 1);
  if (bind (fd, (struct sockaddr *) &in, sizeof in) != 0) {
    close (fd);
    return -1;
  }
  /* Only now: with nobody who is there already it is shared. */
  ck_assert_int_eq (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &in, &len), 0);
  *ret_port = ntohs (in.sin_port);
  return fd;
}

static void
give_ports_back (void)
{
  for (size_t i = 0; i < STOREKIT_LEN (taken); i++) {
    if (taken[i] >= 0)
      close (taken[i]);
    taken[i] = -1;
  }
}

/* And, as a cluster's node has another one, 10000 above. */
static int
take_ports (const char *address)
{
  int p, bus;

  do {
    give_ports_back ();
    p = 0;
    taken[0] = take_port (address, &p);
    ck_assert_int_ge (taken[0], 0);
    bus = p + 10000;
    taken[1] = bus <= 65535 ? take_port (address, &bus) : -1;
  }
  while (taken[1] < 0);
  return p;
}

enum { MOST_WORDS = 64 };

static void
add (const char **argv, const char *name, const char *value)
{
  size_t n = 0;

  while (argv[n] != NULL)
    n++;
  ck_assert_uint_lt (n + 2, MOST_WORDS);
  argv[n] = name;
  argv[n + 1] = value;
}

static void
launch (void)
{
  const struct rediskit_how *how = &started_how;
  const char *argv[MOST_WORDS] = { rediskit_program () }, *env[3] = { NULL };
  char port_text[16], preload[4200], clock[400];

  snprintf (port_text, sizeof port_text, "%d", port);
  add (argv, "--port", how->bind != NULL && !how->tls ? port_text : "0");
  add (argv, "--unixsocket", rediskit_socket ());
  add (argv, "--dir", rediskit_folder ());
  add (argv, "--save", "");
  add (argv, "--appendonly", "no");
  if (how->bind != NULL)
    add (argv, "--bind", how->bind);
  if (how->tls) {
    add (argv, "--tls-port", port_text);
    add (argv, "--tls-cert-file", rediskit_path ("server.pem"));
    add (argv, "--tls-key-file", rediskit_path ("server.key"));
    add (argv, "--tls-ca-cert-file", rediskit_path ("ca.pem"));
  }
  for (const char *const *o = how->options; o != NULL && *o != NULL; o += 2)
    add (argv, o[0], o[1]);
  if (!how->real_clock) {
    make_clock ();
    snprintf (preload, sizeof preload, "LD_PRELOAD=%s/tests/.libs/redisclock.so",
              kwtest_builddir ());
    snprintf (clock, sizeof clock, "KW_REDIS_CLOCK=%s", rediskit_path ("clock"));
    env[0] = preload;
    env[1] = clock;
  }
  server = proc_start (argv, env);
  if (!proc_expect (server, 1, "eady to accept connections at", 60000)) {
    struct proc_result r;
    proc_finish (server, &r, 1000);
    ck_abort_msg ("the server does not start: %s%s", r.out, r.err);
  }
}

void
rediskit_start (const struct rediskit_how *how)
{
  started_how = how != NULL ? *how : (struct rediskit_how) { 0 };
  give_ports_back ();
  port = started_how.bind != NULL ? take_ports (started_how.bind) : 0;
  launch ();
  if (started_how.bind == NULL)
    snprintf (spec, sizeof spec, "redis+unix://%s", rediskit_socket ());
  else
    snprintf (spec, sizeof spec, "redis%s://%s:%d", started_how.tls ? "s" : "",
              started_how.bind, port);
}

static void
close_door (void)
{
  if (door != NULL)
    redisFree (door);
  door = NULL;
}

static void
halt (void)
{
  close_door ();
  if (server != NULL) {
    proc_signal (server, SIGCONT);
    proc_signal (server, SIGKILL);
    proc_finish (server, NULL, 10000);
  }
  server = NULL;
}

void
rediskit_stop (void)
{
  halt ();
  if (clock_us != NULL)
    munmap ((void *) (uintptr_t) clock_us, sizeof *clock_us);
  clock_us = NULL;
}

void
rediskit_restart (void)
{
  rediskit_stop ();
  launch ();
}

void
rediskit_freeze (int on)
{
  proc_signal (server, on ? SIGSTOP : SIGCONT);
}

int
rediskit_port (void)
{
  return port;
}

const char *
rediskit_socket (void)
{
  return rediskit_path ("redis.sock");
}

const char *
rediskit_spec (void)
{
  return spec;
}

/* ---- The side door ------------------------------------------------------------------ */

static void
append (char *text, size_t size, const redisReply *r)
{
  size_t n = strlen (text);

  switch (r->type) {
  case REDIS_REPLY_INTEGER:
    snprintf (text + n, size - n, "%lld", r->integer);
    break;
  case REDIS_REPLY_ARRAY:
    for (size_t i = 0; i < r->elements; i++) {
      append (text, size, r->element[i]);
      if (i + 1 < r->elements && (n = strlen (text)) + 1 < size)
        memcpy (text + n, " ", 2);
    }
    break;
  case REDIS_REPLY_NIL:
    break;
  default:
    snprintf (text + n, size - n, "%s", r->str);
  }
}

const char *
rediskit_ask_words (int n, const char *const words[])
{
  static char text[65536];
  redisReply *r;

  if (door == NULL)
    door = redisConnectUnix (rediskit_socket ());
  ck_assert (door != NULL && door->err == 0);
  r = redisCommandArgv (door, n, (const char **) (uintptr_t) words, NULL);
  ck_assert_msg (r != NULL, "%s: %s", words[0], door->errstr);
  text[0] = '\0';
  append (text, sizeof text, r);
  ck_assert_msg (r->type != REDIS_REPLY_ERROR, "%s: %s", words[0], text);
  freeReplyObject (r);
  return text;
}

const char *
rediskit_ask (const char *fmt, ...)
{
  char line[2048], *rest = line;
  const char *words[64];
  int n = 0;
  va_list ap;

  va_start (ap, fmt);
  ck_assert_int_lt (vsnprintf (line, sizeof line, fmt, ap), (int) sizeof line);
  va_end (ap);
  while ((words[n] = strsep (&rest, " ")) != NULL)
    if (words[n][0] != '\0')
      ck_assert_int_lt (++n, (int) STOREKIT_LEN (words));
  return rediskit_ask_words (n, words);
}

/* ---- For storekit --------------------------------------------------------------------- */

static void
start (char *ret_spec, size_t size)
{
  rediskit_start (NULL);
  ck_assert_int_lt (snprintf (ret_spec, size, "%s", rediskit_spec ()), (int) size);
}

static void
stop (void)
{
  rediskit_stop ();
  rediskit_clear ();
}

const struct storekit_backing rediskit_backing = {
  .module = "redis", .start = start, .stop = stop, .away = rediskit_freeze, .pass = pass,
};

void
rediskit_begin (void)
{
  storekit_backing = &rediskit_backing;
  start (storekit_spec, sizeof storekit_spec);
}

void
rediskit_end (void)
{
  stop ();
}
