/* storekit - what a state store's suite needs, and the tests that every module
 * must pass.
 *
 * A suite fills a struct storekit_backing and calls storekit_add; what only its
 * store has it tests with the same helpers.  The module is loaded by dlopen from
 * the build folder.  Time is the kit's own clock, which stands still until a test
 * moves it.  Knows keywheel/store.h and nothing of the core. */
#ifndef STOREKIT_H
#define STOREKIT_H

#include <stddef.h>
#include <stdint.h>

#include <keywheel/store.h>

#include "kwtest.h"

#define STOREKIT_LEN(a) (sizeof (a) / sizeof (a)[0])
#define STOREKIT_NEVER INT64_MAX

struct storekit_backing {
  const char *module;           /* "sqlite": stores/.libs/sqlite.so       */
  /* A new, empty store for the running test, and what is behind "state ="
   * for it.  Each test is a process of its own. */
  void (*start) (char *ret_spec, size_t size);
  void (*stop) (void);
  /* 1: nobody gets at it (locked, its server stopped); 0: everybody again.
   * What it keeps stays. */
  void (*away) (int on);
  /* NULL, or: the store has a clock of its own, which is to be storekit_now's
   * again, ms later than it was. */
  void (*pass) (int64_t ms);
};

/* The battery, as test cases of suite. */
void storekit_add (Suite *suite, const struct storekit_backing *);
/* Its parts, and a test case around which start and stop are called. */
void storekit_add_facts (Suite *suite);
void storekit_add_others (Suite *suite);
void storekit_add_leases (Suite *suite);
TCase *storekit_case (Suite *suite, const char *name);
extern const struct storekit_backing *storekit_backing;
/* The running test's, in the battery: start was called. */
extern char storekit_spec[4096];

/* ---- The clock ------------------------------------------------------------- */

/* Unix time, that of the machine when the test began. */
int64_t storekit_now (void);
void storekit_pass (int64_t ms);

/* ---- A handle -------------------------------------------------------------- */

struct storekit_fact {          /* as it was delivered or kept last       */
  char *name, *value;
  int64_t major, minor, expires_ms;
  int deliveries;
};
struct storekit_count {
  char *name;
  int64_t total;
  int deliveries;
};

struct storekit {
  const struct kw_store *store;
  struct kw_store_handle *handle;
  struct kw_store_error why;    /* of the last call that failed           */
  char holder[17];
  uint64_t number;              /* of the last batch                      */
  struct storekit_fact *facts;
  size_t n_facts;
  struct storekit_count *counts;
  size_t n_counts;
  int delivered;                /* how many calls of the sink, in all     */
  char log[8192];               /* lines, "<level> text\n"                */
};

const struct kw_store *storekit_load (const char *module);

/* What a handle is opened with; zero: the defaults. */
struct storekit_how {
  const char *spec;             /* NULL: storekit_spec                    */
  const char *dir, *state_dir;  /* dir NULL: "/nonexistent"               */
  const char *holder;           /* NULL: one of its own                   */
  uint32_t timeout_ms;          /* 0: 30000, which nothing is to reach    */
};
/* The result of the module's open; *ret is to be closed when that is 0. */
int storekit_try (const struct storekit_how *, struct storekit *ret);
/* Must succeed.  NULL: the defaults.  storekit_close frees. */
struct storekit *storekit_open (const struct storekit_how *);
void storekit_close (struct storekit *);

/* A sync: with a new batch of these, or none (no facts and no counts). */
int storekit_sync (struct storekit *, const struct kw_store_fact *, size_t n_facts,
                   const struct kw_store_count *, size_t n_counts);
/* The last batch's number once more. */
int storekit_sync_again (struct storekit *, const struct kw_store_fact *, size_t n_facts,
                         const struct kw_store_count *, size_t n_counts);
/* The same, which must succeed. */
void storekit_read (struct storekit *);
void storekit_put (struct storekit *, const char *name, int64_t major, int64_t minor,
                   const char *value);
void storekit_put_until (struct storekit *, const char *name, int64_t major,
                         const char *value, int64_t expires_ms);
void storekit_add_to (struct storekit *, const char *name, int64_t add);

/* As a host does it, whose store may be away for a moment, as where timeout_ms is
 * short and the machine is busy: a new batch, with its number until it is kept. */
void storekit_keep (struct storekit *, const struct kw_store_fact *, size_t n_facts,
                    const struct kw_store_count *, size_t n_counts);
/* And storekit_settle. */
void storekit_reach (struct storekit *);

/* By major, minor, value. */
int storekit_greater (const struct kw_store_fact *, const struct kw_store_fact *);

/* What has been delivered, or kept by this handle itself; NULL, -1: nothing of that name. */
const struct storekit_fact *storekit_fact (const struct storekit *, const char *name);
int64_t storekit_total (const struct storekit *, const char *name);
void storekit_forget (struct storekit *);

/* Is fd readable within ms? */
int storekit_stirs (struct storekit *, int ms);
/* Syncs until fd keeps still, which it must soon do; so what others committed
 * before has arrived. */
void storekit_settle (struct storekit *);
/* Settles and waits for others until the fact is there with this value. */
void storekit_await (struct storekit *, const char *name, const char *value);
void storekit_await_total (struct storekit *, const char *name, int64_t total);

/* Fail the test if it is not so. */
void storekit_expect (const struct storekit *, const char *name, int64_t major,
                      int64_t minor, const char *value);
void storekit_expect_text (const char *text, const char *part);

/* Milliseconds of a clock that runs, for how long something took; and how much longer
 * that may be where the machine has other things to do, or stands still. */
int64_t storekit_ticks (void);
enum { STOREKIT_STILL_MS = 10000 };

/* ---- Processes --------------------------------------------------------------- */

/* Runs body in n processes at once and waits for all, which must end well; a
 * failed assertion in one fails the test.  storekit_gate: waits for all of them. */
void storekit_processes (int n, void (*body) (int i, void *user), void *user);
void storekit_gate (void);

/* Memory, zeroed, that the processes share. */
void *storekit_shared (size_t size);

/* The descriptors that are open; those that would outlive an exec. */
int storekit_descriptors (int *ret_inherited);

/* A random number below n, the same sequence each time. */
uint32_t storekit_random (uint64_t *state, uint32_t n);

#endif
