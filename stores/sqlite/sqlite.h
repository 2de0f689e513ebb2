/* sqlite - a state store in an SQLite file: what its parts share.
 *
 * place.c  where the file is, whose it is, making it, setting it aside
 * base.c   the database in it: opening, schema, errors, what wakes others
 * schema.c its tables and statements
 * rows.c   facts, counters and leases in its tables
 * sqlite.c the store's functions, and what they do about a file that is
 *          damaged, replaced or away
 *
 * None of them knows what a fact means. */
#ifndef KWI_SQLITE_H
#define KWI_SQLITE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <keywheel/store.h>

/* What the parts return besides KW_STORE_OK and KW_STORE_AWAY. */
enum {
  KWI_DAMAGED = -10,            /* is to be set aside; why says what is wrong */
  KWI_GONE = -11                /* the path leads to another file now     */
};

enum kwi_sql {
  KWI_BEGIN, KWI_BEGIN_WRITE, KWI_COMMIT, KWI_ROLLBACK, KWI_VERSION,
  KWI_GET_META, KWI_SET_META, KWI_GET_NUMBER, KWI_SET_NUMBER,
  KWI_PUT_FACT, KWI_ADD_COUNT, KWI_READ_FACTS, KWI_READ_COUNTS,
  KWI_READ_LEASES, KWI_PUT_LEASE, KWI_DROP_LEASE, KWI_DROP_LEASES, KWI_DROP_NUMBER,
  KWI_SWEEP_FACTS, KWI_SWEEP_COUNTS, KWI_SWEEP_LEASES, KWI_SWEEP_NUMBERS,
  KWI_N_SQL
};

/* "KWst", in the file's header: file(1) and sqlite3 show it. */
#define KWI_APPLICATION_ID 0x4b577374
#define KWI_FORMAT 1
extern const char kwi_schema[];
extern const char *const kwi_statements[KWI_N_SQL];

enum kwi_access { KWI_READ_WRITE = 0, KWI_READ_ONLY, KWI_IMMUTABLE };

struct kwi_file {
  dev_t dev;
  ino_t ino;
  int known;
};

struct kw_store_handle {
  char *path;                   /* absolute, as configured                */
  char *real;                   /* without symbolic links; NULL until then */
  char *holder;
  void (*log) (void *user, int level, const char *line);
  int64_t (*now_ms) (void *user);
  void *user;
  uint32_t timeout_ms;
  int64_t deadline_ms;          /* of the running call; monotonic         */
  int looked_late;              /* how often, behind it                   */
  int warned;                   /* of what others may do to the file      */

  struct kwi_file file;         /* what is open                           */
  struct kwi_file damaged;      /* what is to be set aside                */
  struct kw_store_error reason; /* why                                    */
  int renewed;                  /* another file than before: the host is to
                                   hand over everything                   */

  sqlite3 *db;                  /* NULL: not open                         */
  sqlite3_stmt *sql[KWI_N_SQL];
  enum kwi_access access;
  int bell;                     /* inotify; -1: none                      */
  int told;                     /* everything, once                       */
  int64_t cursor;               /* the revision up to which it was        */
  int64_t version;              /* PRAGMA data_version of then            */
  int kept;                     /* committed something since              */
  int left;                     /* there are rows of this holder          */
};

/* ---- place.c ------------------------------------------------------------------ */

int kwi_place_parse (const struct kw_store_setup *, char **ret_path,
                     struct kw_store_error *why);
/* Makes folders and file where they are missing, and looks whose they are.  The
 * folder is locked until *ret_lock is closed; -1: it cannot be. */
int kwi_place_enter (struct kw_store_handle *, int *ret_lock, struct kw_store_error *why);
/* The lock alone; -1: not within the deadline. */
int kwi_place_lock (struct kw_store_handle *);
/* Renames the file and makes a new one; the caller has the lock. */
int kwi_place_set_aside (struct kw_store_handle *, const char *reason,
                         struct kw_store_error *why);
/* What is at real now; known is 0 if nothing is. */
struct kwi_file kwi_place_file (const struct kw_store_handle *);
int kwi_same_file (const struct kwi_file *, const struct kwi_file *);

/* ---- base.c ------------------------------------------------------------------- */

void kwi_base_start_clock (struct kw_store_handle *);
int64_t kwi_base_left_ms (const struct kw_store_handle *);
/* Waits a moment; 0: the deadline has come. */
int kwi_base_pause (struct kw_store_handle *, int tries);

/* Opens the database; sets a damaged one aside. */
int kwi_base_open (struct kw_store_handle *, struct kw_store_error *why);
void kwi_base_close (struct kw_store_handle *);
/* Without touching a -wal that may be damaged or somebody else's. */
void kwi_base_abandon (struct kw_store_handle *);
/* Closes a damaged one, for the next kwi_base_open to set it aside. */
void kwi_base_spoil (struct kw_store_handle *, const struct kw_store_error *why);
int kwi_base_moved (const struct kw_store_handle *);
/* Says what went wrong; what the caller is to return. */
int kwi_base_failed (struct kw_store_handle *, int rc, struct kw_store_error *why);
/* Wakes others, after a commit. */
void kwi_base_ring (const struct kw_store_handle *);
/* Forgets that others have rung. */
void kwi_base_hush (const struct kw_store_handle *);

/* ---- rows.c ------------------------------------------------------------------- */

int kwi_rows_keep (struct kw_store_handle *, const struct kw_store_batch *,
                   struct kw_store_error *why);
int kwi_rows_tell (struct kw_store_handle *, const struct kw_store_sink *,
                   struct kw_store_error *why);
int kwi_rows_lease (struct kw_store_handle *, const struct kw_store_lease *,
                    uint32_t *ret_granted, struct kw_store_error *why);
/* Removes what is this holder's alone. */
void kwi_rows_leave (struct kw_store_handle *);

/* ---- Texts ---------------------------------------------------------------------- */

__attribute__ ((format (printf, 2, 3)))
void kwi_say (struct kw_store_error *why, const char *format, ...);
__attribute__ ((format (printf, 3, 4)))
void kwi_log (const struct kw_store_handle *, int level, const char *format, ...);
/* a + b, allocated; NULL: no memory. */
char *kwi_joined (const char *a, const char *b, const char *c);

#endif
