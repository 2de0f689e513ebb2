/* rediskit - a Redis or Valkey server of the test's own, and a side door to it.
 *
 * Each is started with an empty database and keeps nothing on disk.  Its clock
 * is storekit's, and stands still with it, unless how says otherwise.  Tests use
 * storekit for what goes through the module. */
#ifndef REDISKIT_H
#define REDISKIT_H

#include <sys/types.h>

#include "storekit.h"

/* Is it in PATH? */
int rediskit_has (const char *program);
/* The server's program, or NULL: none is installed. */
const char *rediskit_program (void);

/* For a timeout that nothing is to reach: longer where all is slow. */
uint32_t rediskit_patience (uint32_t ms);

/* What main returns when the suite cannot run here: 77, or 1 with KW_NO_SKIP in
 * the environment. */
int rediskit_skip (const char *why);

/* Runs and frees it; main's result. */
int rediskit_run (Suite *);

/* The same for a suite that has tests without a server, too, and has left out the
 * others if there is none: then it is not passed, either. */
int rediskit_run_partly (Suite *);

/* main, where nothing but a server is needed. */
#define REDISKIT_MAIN(make_suite)                                       \
  int                                                                   \
  main (void)                                                           \
  {                                                                     \
    return rediskit_program () != NULL ? rediskit_run (make_suite ())   \
      : rediskit_skip (REDISKIT_NO_PROGRAM);                            \
  }
#define REDISKIT_NO_PROGRAM "neither redis-server nor valkey-server is installed"

struct rediskit_how {
  const char *bind;             /* an address for TCP; NULL: none         */
  int tls;                      /* TCP is TLS: certificates in the folder */
  int real_clock;
  const char *const *options;   /* more of them, NULL at the end          */
};

/* The running test's folder, made by the first of these; rediskit_clear removes
 * it with all that is in it. */
const char *rediskit_folder (void);
/* FOLDER/NAME, good until the next call but seven. */
const char *rediskit_path (const char *name);
void rediskit_write (const char *name, const char *text);
void rediskit_clear (void);

/* The server; one at a time but for rediskit_start_another.  NULL: the defaults. */
void rediskit_start (const struct rediskit_how *);
void rediskit_stop (void);
/* Stops and starts it where it was. */
void rediskit_restart (void);
/* It no longer does anything, though connections are taken; and goes on. */
void rediskit_freeze (int on);
int rediskit_port (void);
const char *rediskit_socket (void);
/* "redis+unix:///FOLDER/SOCKET", or with TCP "redis://ADDRESS:PORT". */
const char *rediskit_spec (void);

/* A command by the side door, words separated by blanks, %s and %d filled in;
 * what came back as a text, "" for nil, arrays joined by blanks. */
const char *rediskit_ask (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
/* Sends it a word each, whatever is in them. */
const char *rediskit_ask_words (int n, const char *const words[]);

/* For storekit_add. */
extern const struct storekit_backing rediskit_backing;
/* For tcase_add_checked_fixture: a server by default, and storekit_spec. */
void rediskit_begin (void);
void rediskit_end (void);

#endif
