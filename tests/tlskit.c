/* tlskit - nginx and openssl as a test's helpers; see tlskit.h. */
#include "tlskit.h"
#include "kwtest.h"
#include "proc.h"

#include <arpa/inet.h>
#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Generous: it ends what would hang. */
enum { PATIENCE_MS = 60000, TEXT = 256 };

struct front {
  struct front_options is;
  struct proc *nginx;           /* NULL: killed                           */
  int fd, port;                 /* fd does not listen: nginx takes a place
                                   beside it                              */
  char dir[64];
  char url[2][64];
};

static char certs[] = "/tmp/keywheel-certs-XXXXXX";

static void *
must (void *p)
{
  if (p == NULL)
    ck_abort_msg ("no memory");
  return p;
}

static int __attribute__ ((__format__ (__printf__, 3, 4)))
fill (char *buf, size_t size, const char *fmt, ...)
{
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (buf, size, fmt, ap);
  va_end (ap);
  if (n < 0 || (size_t) n >= size)
    ck_abort_msg ("no room for %s", fmt);
  return n;
}

/* ---- Programs ------------------------------------------------------------- */

/* nginx is often where only root has a path to it. */
static const char *
find_program (const char *name)
{
  static char path[PATH_MAX];
  const char *at = getenv ("PATH");
  char dirs[PATH_MAX], *rest = dirs, *dir;

  fill (dirs, sizeof dirs, "%s:/usr/sbin:/usr/local/sbin", at != NULL ? at : "/usr/bin");
  while ((dir = strsep (&rest, ":")) != NULL) {
    fill (path, sizeof path, "%s/%s", dir, name);
    if (access (path, X_OK) == 0)
      return path;
  }
  return NULL;
}

/* 0, or the exit code of a suite that cannot run. */
static int
missing (void)
{
  const char *must_run = getenv ("KW_NO_SKIP");
  const char *what = find_program ("nginx") == NULL ? "nginx"
                     : find_program ("openssl") == NULL ? "openssl" : NULL;

  if (what == NULL)
    return 0;
  printf ("no %s here: TLS and HTTP/2 are not tested (Debian: nginx-light, "
          "openssl; Fedora: nginx-core, openssl)\n", what);
  return must_run != NULL && must_run[0] != '\0' ? 1 : 77;
}

static int
remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void) st, (void) type, (void) ftw;
  return remove (path);
}

static void
remove_dir (const char *dir)
{
  (void) nftw (dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- A suite ------------------------------------------------------------- */

const char *
tlskit_cert (const char *name)
{
  static char path[6][TEXT];
  static int next;

  next = (next + 1) % 6;
  fill (path[next], sizeof path[next], "%s/%s", certs, name);
  return path[next];
}

/* No test runs yet, so nothing here may assert. */
int
tlskit_run (Suite *(*make_suite) (void))
{
  struct proc_result res;
  char script[PATH_MAX];
  int rc = missing ();

  if (rc != 0)
    return rc;
  if (snprintf (script, sizeof script, "%s/tests/tls-certs.sh", kwtest_srcdir ())
        >= (int) sizeof script
      || mkdtemp (certs) == NULL) {
    perror (certs);
    return EXIT_FAILURE;
  }
  proc_run (&res, (const char *const[]) { "sh", script, certs, NULL }, NULL, NULL, 0,
            PATIENCE_MS);
  rc = res.status;
  if (rc != 0)
    printf ("%s ended with %d: %s%s\n", script, rc, res.out, res.err);
  else
    rc = kwtest_run (make_suite ());
  proc_result_clear (&res);
  remove_dir (certs);
  return rc;
}

/* ---- nginx ------------------------------------------------------------------ */

/* A port that the system picks, on loopback, which others may have, too, if they
 * ask for that and are the same user. */
static int
take_port (int share, int *ret_port)
{
  struct sockaddr_in at = { .sin_family = AF_INET };
  socklen_t size = sizeof at;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &share, sizeof share), 0);
  ck_assert_int_eq (setsockopt (fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof share), 0);
  ck_assert_int_eq (bind (fd, (struct sockaddr *) &at, sizeof at), 0);
  ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &at, &size), 0);
  *ret_port = ntohs (at.sin_port);
  return fd;
}

int
tlskit_listen (int *ret_port)
{
  int fd = take_port (0, ret_port);

  ck_assert_int_eq (listen (fd, 64), 0);
  return fd;
}

#define PASS_ON                                                         \
  "proxy_http_version 1.1; proxy_set_header Connection ''; "            \
  "proxy_buffering off; proxy_read_timeout 600s; send_timeout 600s;"

static void
write_conf (struct front *f, const char *path)
{
  static const char *const temps[] = { "client_body", "proxy", "fastcgi", "uwsgi",
                                       "scgi" };
  const struct front_options *is = &f->is;
  const char *cert = is->cert != NULL ? is->cert : "server";
  FILE *out = must (fopen (path, "w"));
  int n = fprintf (
    out, "daemon off; master_process off; pid %s/pid; error_log stderr notice;\n"
         "events { worker_connections 512; }\n"
         "http {\n"
         "log_format kw '$connection $connection_requests $server_protocol "
         "$ssl_session_reused $status $request_length \"$http_expect\" "
         "$ssl_client_verify $uri';\n"
         "access_log /dev/stdout kw;\n", f->dir);

  for (size_t i = 0; i < sizeof temps / sizeof temps[0]; i++)
    n |= fprintf (out, "%s_temp_path %s/%s;\n", temps[i], f->dir, temps[i]);
  n |= fprintf (out, "server { listen 127.0.0.1:%d ssl%s reuseport;\nssl_certificate %s/%s.pem;\n"
                     "ssl_certificate_key %s/%s.key;\nclient_max_body_size 8m;\n"
                     "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:kw:1m;\n%s\n"
                     "location / { proxy_pass %s; " PASS_ON " }\n", f->port,
                is->only_http_1_1 ? "" : " http2", certs, cert, certs, cert,
                is->lines != NULL ? is->lines : "", is->behind);
  n |= fprintf (out, "}\n}\n");
  ck_assert_int_ge (n, 0);
  ck_assert_int_eq (fclose (out), 0);
}

/* Says so when it listens. */
void
front_again (struct front *f)
{
  char conf[TEXT];
  struct proc_result res;

  fill (conf, sizeof conf, "%s/nginx.conf", f->dir);
  f->nginx = proc_start ((const char *const[]) { find_program ("nginx"), "-e", "stderr",
                                                 "-p", f->dir, "-c", conf, NULL }, NULL);
  if (proc_expect (f->nginx, 2, "event method", PATIENCE_MS))
    return;
  proc_finish (f->nginx, &res, 1000);
  ck_abort_msg ("nginx did not start (exit %d): %s%s", res.status, res.out, res.err);
}

struct front *
front_start (const struct front_options *options)
{
  struct front *f = must (calloc (1, sizeof *f));
  char conf[TEXT];

  f->is = *options;
  fill (f->dir, sizeof f->dir, "/tmp/keywheel-tls-XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (f->dir));
  f->fd = take_port (1, &f->port);
  fill (conf, sizeof conf, "%s/nginx.conf", f->dir);
  write_conf (f, conf);
  front_again (f);
  return f;
}

const char *
front_url (struct front *f, const char *host)
{
  char *url = f->url[strcmp (host, "localhost") == 0];

  fill (url, sizeof f->url[0], "https://%s:%d/v1", host, f->port);
  return url;
}

int
front_port (const struct front *f)
{
  return f->port;
}

void
front_kill (struct front *f)
{
  proc_signal (f->nginx, SIGKILL);
  proc_finish (f->nginx, NULL, PATIENCE_MS);
  f->nginx = NULL;
}

void
front_stop (struct front *f)
{
  struct proc_result res;

  if (f == NULL)
    return;
  if (f->nginx != NULL) {
    /* One that comes just before it waits for events is noted, and looked at behind
     * the next event. */
    proc_end (f->nginx, SIGTERM, &res, PATIENCE_MS);
    /* Before its handlers are there SIGTERM ends it by itself. */
    ck_assert_msg ((res.status == 0 || res.status == 128 + SIGTERM) && !res.timed_out,
                   "nginx ended with %d%s: %s", res.status, res.timed_out ? " (killed)" : "", res.err);
    proc_result_clear (&res);
  }
  (void) close (f->fd);
  remove_dir (f->dir);
  free (f);
}

void
front_log (struct front *f, struct front_line *l)
{
  const char *line = proc_read_line (f->nginx, PATIENCE_MS);

  ck_assert_msg (line != NULL, "nginx has logged no further request");
  ck_assert_msg (sscanf (line, "%ld %ld %15s %3s %d %lld \"%31[^\"]\" %31s %127s",
                         &l->connection, &l->nth, l->protocol, l->reused,
                         &l->status, &l->bytes, l->expect, l->verified, l->path)
                   == 9, "what nginx has logged: %s", line);
}
