/* tlskit - a real server with TLS and HTTP/2 before what a test has behind it:
 * nginx, with certificates that the openssl command makes for this run.
 * Knows nothing of keywheel.
 *
 *   struct front *f = front_start (&(struct front_options) {
 *     .behind = "http://127.0.0.1:1234", .lines = "keepalive_requests 1;" });
 *   ... front_url (f, "localhost") ...     "https://localhost:PORT/v1"
 *   front_log (f, &line);                  the next request that is over
 *   front_stop (f);
 *
 * The port is the test's own from the beginning to the end, also while nginx is
 * not there.  Start it in the test's main thread (see proc.h). */
#ifndef TLSKIT_H
#define TLSKIT_H

#include <check.h>

/* Runs a suite; for main.  Where nginx or openssl is missing it says so, and is
 * skipped (77); with KW_NO_SKIP in the environment it fails.
 *
 * The certificates: ca.pem; other-ca.pem, which signed nothing; server.pem for
 * localhost and 127.0.0.1, elsewhere.pem for another host, expired.pem, and
 * client.pem, each with its key (server.key, ...); client-both.pem has its key
 * in it. */
int tlskit_run (Suite *(*make_suite) (void));
/* The path of one of them, good until the sixth call after. */
const char *tlskit_cert (const char *name);

struct front;

struct front_options {
  const char *behind;           /* scheme, host and port                  */
  const char *cert;             /* "server" by default                    */
  const char *lines;            /* of nginx's server block; NULL: none    */
  int only_http_1_1;
};

struct front *front_start (const struct front_options *);
/* Good until front_stop. */
const char *front_url (struct front *, const char *host);
int front_port (const struct front *);
/* As it is asked to: when it is idle.  Then it is gone. */
void front_stop (struct front *);
/* As if its machine was: no goodbye but the kernel's.  front_again starts one
 * like it on the same port. */
void front_kill (struct front *);
void front_again (struct front *);

/* A request as nginx saw it, told when it is over. */
struct front_line {
  long connection;              /* its number                             */
  long nth;                     /* request on it                          */
  char protocol[16];            /* "HTTP/2.0"                             */
  char reused[4];               /* the TLS session: "r" or "."            */
  int status;
  long long bytes;              /* of the request                         */
  char expect[32];              /* that header, or "-"                    */
  char verified[32];            /* the client's certificate: "SUCCESS"... */
  char path[128];
};

void front_log (struct front *, struct front_line *);

/* Listens on a port of 127.0.0.1 that the system picks. */
int tlskit_listen (int *ret_port);

#endif
