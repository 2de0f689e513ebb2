/* simctl - keywheel-sim as a test's helper.
 * Starts the simulator on a port that the system picks, moves its clock, sets
 * its faults, reads its log, stops it.  What goes wrong here fails the running
 * test.  The program is $KW_SIM, or keywheel-sim in $KW_BUILDDIR.
 *
 *   struct simctl *sim = simctl_startl ("--key", "sk-a,name=primary,tpd=1000",
 *                                       "--clock", "manual", NULL);
 *   ... base_url = simctl_base_url (sim) ...
 *   simctl_advance (sim, 3600 * 1000);
 *   ck_assert_uint_eq (simctl_count (sim, "primary", "tpd"), 1);
 *   simctl_stop (sim);
 *
 * Not for two threads at once on the same simulator; start it in the test's
 * main thread (see proc.h). */
#ifndef SIMCTL_H
#define SIMCTL_H

#include <stddef.h>
#include <stdint.h>

struct simctl;

/* Extra arguments (NULL-terminated; see keywheel-sim(1)).  It listens when
 * this returns. */
struct simctl *simctl_start (const char *const args[]);
struct simctl *simctl_startl (const char *arg, ...) __attribute__ ((__sentinel__));

/* "http://127.0.0.1:PORT/v1", good until simctl_stop. */
const char *simctl_base_url (const struct simctl *);

/* Moves the manual clock (--clock manual). */
void simctl_advance (struct simctl *, int64_t ms);

/* Adds a fault, "status=503,key=primary,count=2"; forgets all of them. */
void simctl_fault (struct simctl *, const char *spec);
void simctl_clear_faults (struct simctl *);

/* One request as the simulator saw it.  Texts are never NULL ("" if there was
 * none), and belong to the log. */
struct simctl_entry {
  int64_t n;            /* 1, 2, ... in the order of the decisions           */
  int64_t t_ms;         /* the simulator's clock                            */
  int64_t mono_us;      /* CLOCK_MONOTONIC when the request arrived         */
  int64_t requested;    /* tokens                                           */
  int64_t bytes;        /* of the request's body                            */
  int status;           /* 0: the connection was dropped                    */
  int stream;
  const char *key;      /* its name; "" when unknown                        */
  const char *org;
  const char *method;
  const char *path;
  const char *model;
  const char *verdict;  /* "ok", "tpd", "auth", "fault:status", ...         */
  const char *tag;      /* the body's "user" member                         */
};

struct simctl_log {
  size_t count;
  struct simctl_entry *entries;
  void *owner;
};

/* The log so far; to be cleared by simctl_log_clear. */
void simctl_read_log (struct simctl *, struct simctl_log *);
void simctl_log_clear (struct simctl_log *);
/* How many entries have this key and this verdict; NULL: any. */
size_t simctl_count (struct simctl *, const char *key, const char *verdict);

/* One HTTP exchange with the simulator, without keywheel. */
struct simctl_reply {
  int curl;             /* CURLcode; 0: a complete answer came              */
  int status;
  char *body;           /* NUL-terminated, never NULL                       */
  size_t body_len;
  char *headers;        /* as they came, "name: value\r\n"...; never NULL   */
};

/* path is from the root ("/v1/chat/completions").  secret NULL: no
 * Authorization.  body NULL: none (POST: an empty one). */
void simctl_call (struct simctl *, const char *method, const char *path,
                  const char *secret, const char *body, struct simctl_reply *);
/* With a type of its own. */
void simctl_call_as (struct simctl *, const char *method, const char *path,
                     const char *secret, const char *content_type, const char *body,
                     struct simctl_reply *);
/* The value of a header of reply in buf, or NULL. */
const char *simctl_header (const struct simctl_reply *, const char *name,
                           char *buf, size_t size);
void simctl_reply_clear (struct simctl_reply *);

/* SIGTERM, and the test fails if the simulator does not end with 0 then.
 * NULL is fine. */
void simctl_stop (struct simctl *);
/* SIGKILL: a provider that vanishes in the middle. */
void simctl_kill (struct simctl *);

#endif
