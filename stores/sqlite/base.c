/* The database: opening it, what its errors mean to us, and what wakes other
 * processes.
 *
 * A commit in WAL mode becomes visible by a write to shared memory, of which
 * inotify knows nothing; the writes to the -wal come before.  So who has
 * committed rings: it sets the file's times, which wakes all who watch it
 * (IN_ATTRIB), when there is something to be seen.  A writer that is killed in
 * between has committed and not rung; others see that when they look next.
 * The same watch tells when the file is deleted or renamed. */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- The deadline of a call ------------------------------------------------------- */

/* Not the host's clock, which may stand still or jump. */
static int64_t
ticks_ms (void)
{
  struct timespec t = { 0, 0 };

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
kwi_base_start_clock (struct kw_store_handle *h)
{
  h->deadline_ms = ticks_ms () + h->timeout_ms;
  h->looked_late = 0;
}

enum { LATE_LOOKS = 8 };

int
kwi_base_pause (struct kw_store_handle *h, int tries)
{
  /* Transactions take a tenth of a millisecond; many may be waiting. */
  struct timespec t = { 0, (tries < 8 ? 1 : 5) * 500000L };

  /* A few looks behind it: it may have been us who stood still, and not another who
   * had the lock for so long. */
  if (ticks_ms () >= h->deadline_ms && h->looked_late++ >= LATE_LOOKS)
    return 0;
  (void) nanosleep (&t, NULL);
  return 1;
}

static int
when_busy (void *user, int tries)
{
  return kwi_base_pause (user, tries);
}

/* ---- Errors ----------------------------------------------------------------------------- */

int
kwi_base_failed (struct kw_store_handle *h, int rc, struct kw_store_error *why)
{
  const char *message = h->db != NULL ? sqlite3_errmsg (h->db) : sqlite3_errstr (rc);
  int system = h->db != NULL ? sqlite3_system_errno (h->db) : 0;

  switch (rc & 0xff) {
  case SQLITE_CORRUPT:
    kwi_say (why, "damaged (%s)", message);
    return KWI_DAMAGED;
  case SQLITE_NOTADB:
    kwi_say (why, "no SQLite database");
    return KWI_DAMAGED;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    kwi_say (why, "%s has been locked by another process for more than %u ms", h->real,
             h->timeout_ms);
    return KW_STORE_AWAY;
  case SQLITE_FULL:
    kwi_say (why, "%s: %s", h->real, message);
    return KW_STORE_AWAY;
  default:
    if (kwi_base_moved (h))
      return KWI_GONE;
    if (system != 0)
      kwi_say (why, "%s: %s (%s)", h->real, message, strerror (system));
    else
      kwi_say (why, "%s: %s", h->real, message);
    /* What it is that failed we do not know: begin anew the next time. */
    kwi_base_close (h);
    return KW_STORE_AWAY;
  }
}

/* ---- What wakes others --------------------------------------------------------------------- */

static void
watch (struct kw_store_handle *h)
{
  h->bell = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  if (h->bell != -1
      && inotify_add_watch (h->bell, h->real, IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF) == -1) {
    (void) close (h->bell);
    h->bell = -1;
  }
}

void
kwi_base_ring (const struct kw_store_handle *h)
{
  (void) utimensat (AT_FDCWD, h->real, NULL, 0);
}

void
kwi_base_hush (const struct kw_store_handle *h)
{
  char events[4096];

  while (h->bell != -1 && read (h->bell, events, sizeof events) == (ssize_t) sizeof events)
    ;
}

int
kwi_base_moved (const struct kw_store_handle *h)
{
  struct kwi_file now = kwi_place_file (h);

  return !kwi_same_file (&now, &h->file);
}

/* ---- Opening ----------------------------------------------------------------------------- */

void
kwi_base_abandon (struct kw_store_handle *h)
{
  if (h->db != NULL)
    (void) sqlite3_db_config (h->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  kwi_base_close (h);
}

void
kwi_base_close (struct kw_store_handle *h)
{
  for (int i = 0; i < KWI_N_SQL; i++) {
    (void) sqlite3_finalize (h->sql[i]);
    h->sql[i] = NULL;
  }
  (void) sqlite3_close (h->db);
  h->db = NULL;
  if (h->bell != -1)
    (void) close (h->bell);
  h->bell = -1;
  h->told = 0;
  h->cursor = 0;
}

static int
get_number (struct kw_store_handle *h, const char *sql, int64_t *ret)
{
  sqlite3_stmt *s;
  int rc = sqlite3_prepare_v2 (h->db, sql, -1, &s, NULL);

  if (rc == SQLITE_OK && (rc = sqlite3_step (s)) == SQLITE_ROW) {
    *ret = sqlite3_column_int64 (s, 0);
    rc = SQLITE_OK;
  }
  (void) sqlite3_finalize (s);
  return rc;
}

/* The file's path as a URI, with which SQLite is told that nobody writes it. */
static char *
immutable_uri (const char *path)
{
  size_t size = 3 * strlen (path) + sizeof "file:?immutable=1";
  char *uri = malloc (size), *p = uri;

  if (uri == NULL)
    return NULL;
  p += snprintf (p, size, "file:");
  for (; *path != '\0'; path++)
    p += snprintf (p, size - (size_t) (p - uri), strchr ("%?#", *path) != NULL ? "%%%02x" : "%c",
                   (unsigned char) *path);
  (void) snprintf (p, size - (size_t) (p - uri), "?immutable=1");
  return uri;
}

static int
connect_to (struct kw_store_handle *h, enum kwi_access access)
{
  char *uri = access == KWI_IMMUTABLE ? immutable_uri (h->real) : NULL;
  int flags = access != KWI_IMMUTABLE ? SQLITE_OPEN_READWRITE
                                      : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
  int rc = access == KWI_IMMUTABLE && uri == NULL
           ? SQLITE_NOMEM
           : sqlite3_open_v2 (uri != NULL ? uri : h->real, &h->db, flags | SQLITE_OPEN_NOMUTEX,
                              NULL);

  free (uri);
  if (rc == SQLITE_OK)
    rc = sqlite3_extended_result_codes (h->db, 1);
  if (rc == SQLITE_OK)
    rc = sqlite3_busy_handler (h->db, when_busy, h);
  h->access = access;
  return rc;
}

struct header {
  int64_t application, format, tables;
};

static int
read_header (struct kw_store_handle *h, struct header *ret)
{
  int rc = get_number (h, "PRAGMA application_id", &ret->application);

  if (rc == SQLITE_OK)
    rc = get_number (h, "PRAGMA user_version", &ret->format);
  if (rc == SQLITE_OK)
    rc = get_number (h, "SELECT count (*) FROM sqlite_master", &ret->tables);
  return rc;
}

/* In a folder that cannot be written a database without a -wal can be read only
 * so. */
static int
connect_somehow (struct kw_store_handle *h, struct header *ret)
{
  int rc = connect_to (h, KWI_READ_WRITE);

  if (rc == SQLITE_OK)
    rc = read_header (h, ret);
  if (((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY)
      && access (h->real, R_OK) == 0 && access (h->real, W_OK) == -1) {
    char *wal = kwi_joined (h->real, "-wal", "");

    if (wal != NULL && access (wal, F_OK) == -1) {
      kwi_base_close (h);
      rc = connect_to (h, KWI_IMMUTABLE);
      if (rc == SQLITE_OK)
        rc = read_header (h, ret);
    }
    free (wal);
  }
  if (rc == SQLITE_OK && h->access == KWI_READ_WRITE && sqlite3_db_readonly (h->db, "main") == 1)
    h->access = KWI_READ_ONLY;
  return rc;
}

static int
check_header (const struct kw_store_handle *h, const struct header *is,
              struct kw_store_error *why)
{
  if (is->application == KWI_APPLICATION_ID && is->format > KWI_FORMAT) {
    kwi_say (why, "%s was made by a newer keywheel (format %lld, this one knows %d); "
             "it is left alone", h->real, (long long) is->format, KWI_FORMAT);
    return KW_STORE_AWAY;
  }
  if (is->application == KWI_APPLICATION_ID && is->format == KWI_FORMAT)
    return KW_STORE_OK;
  if (is->application == 0 && is->format == 0 && is->tables == 0)
    return KW_STORE_OK;
  kwi_say (why, "another program's database");
  return KWI_DAMAGED;
}

static int
execute (struct kw_store_handle *h, const char *sql)
{
  return sqlite3_exec (h->db, sql, NULL, NULL, NULL);
}

/* What SQLite has no other word for is a header or a schema that is none. */
static int
opening_failed (struct kw_store_handle *h, int rc, struct kw_store_error *why)
{
  if ((rc & 0xff) != SQLITE_ERROR)
    return kwi_base_failed (h, rc, why);
  kwi_say (why, "damaged (%s)", sqlite3_errmsg (h->db));
  return KWI_DAMAGED;
}

static int
use_wal (struct kw_store_handle *h, struct kw_store_error *why)
{
  sqlite3_stmt *s;
  int rc = sqlite3_prepare_v2 (h->db, "PRAGMA journal_mode = WAL", -1, &s, NULL), is = 0, i = 0;

  /* The busy handler is not asked about this lock. */
  while (rc == SQLITE_OK && ((rc = sqlite3_step (s)) & 0xff) == SQLITE_BUSY
         && kwi_base_pause (h, i++))
    rc = sqlite3_reset (s) == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_OK;
  if (rc == SQLITE_ROW) {
    const unsigned char *mode = sqlite3_column_text (s, 0);

    is = mode != NULL && strcmp ((const char *) mode, "wal") == 0;
    rc = SQLITE_OK;
  }
  (void) sqlite3_finalize (s);
  if (rc != SQLITE_OK)
    return opening_failed (h, rc, why);
  if (!is) {
    kwi_say (why, "%s: this file system has no shared memory for SQLite's WAL mode; "
             "set state = sqlite:PATH to a local one", h->real);
    return KW_STORE_AWAY;
  }
  return KW_STORE_OK;
}

static int
make_schema (struct kw_store_handle *h)
{
  int rc = execute (h, "BEGIN IMMEDIATE");

  if (rc == SQLITE_OK)
    rc = execute (h, kwi_schema);
  if (rc == SQLITE_OK)
    rc = execute (h, "COMMIT");
  return rc;
}

static int
prepare (struct kw_store_handle *h, struct kw_store_error *why)
{
  for (int i = 0; i < KWI_N_SQL; i++) {
    int rc = sqlite3_prepare_v3 (h->db, kwi_statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                 &h->sql[i], NULL);

    if (rc != SQLITE_OK)
      return opening_failed (h, rc, why);
  }
  return KW_STORE_OK;
}

/* What can only be read: is there something, and is that for a reason that will
 * pass? */
static int
check_read_only (const struct kw_store_handle *h, const struct header *is,
                 struct kw_store_error *why)
{
  if (is->application == 0) {
    kwi_say (why, "%s is empty and cannot be written", h->real);
    return KW_STORE_AWAY;
  }
  if (access (h->real, W_OK) == 0) {
    kwi_say (why, "damaged (its header forbids to write it)");
    return KWI_DAMAGED;
  }
  return KW_STORE_OK;
}

static int
attach (struct kw_store_handle *h, struct kw_store_error *why)
{
  struct header is = { 0, 0, 0 };
  int sql, rc;

  h->file = kwi_place_file (h);
  sql = connect_somehow (h, &is);
  if (sql != SQLITE_OK)
    return opening_failed (h, sql, why);
  rc = check_header (h, &is, why);
  if (rc != KW_STORE_OK)
    return rc;
  rc = h->access == KWI_READ_WRITE ? use_wal (h, why) : check_read_only (h, &is, why);
  if (rc != KW_STORE_OK)
    return rc;
  /* A commit is safe from a kill, and the last ones may be lost in a power cut. */
  sql = execute (h, "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 256;"
                 "PRAGMA journal_size_limit = 1048576; PRAGMA cell_size_check = ON;"
                 "PRAGMA trusted_schema = OFF");
  if (sql == SQLITE_OK && is.application == 0)
    sql = make_schema (h);
  if (sql != SQLITE_OK)
    return opening_failed (h, sql, why);
  rc = prepare (h, why);
  if (rc == KW_STORE_OK)
    watch (h);
  return rc;
}

void
kwi_base_spoil (struct kw_store_handle *h, const struct kw_store_error *why)
{
  h->damaged = h->file;
  h->reason = *why;
  kwi_base_abandon (h);
}

/* Sets the file aside if it is the one that was found damaged, and not one that
 * another process has put into its place. */
static int
renew (struct kw_store_handle *h, int lock, struct kw_store_error *why)
{
  struct kwi_file is = kwi_place_file (h);
  int rc = KW_STORE_OK;

  if (kwi_same_file (&is, &h->damaged)) {
    if (lock == -1) {
      kwi_say (why, "%s is %s, and its folder cannot be locked to set it aside; move it away",
               h->real, h->reason.text);
      return KW_STORE_AWAY;
    }
    rc = kwi_place_set_aside (h, h->reason.text, why);
  }
  if (rc == KW_STORE_OK)
    h->damaged.known = 0;
  return rc;
}

int
kwi_base_open (struct kw_store_handle *h, struct kw_store_error *why)
{
  int lock = -1, tries = 3, rc = kwi_place_enter (h, &lock, why);

  if (rc != KW_STORE_OK)
    return rc;
  do {
    rc = renew (h, lock, why);
    if (rc == KW_STORE_OK)
      rc = attach (h, why);
    if (rc == KWI_DAMAGED)
      kwi_base_spoil (h, why);
    else if (rc != KW_STORE_OK)
      kwi_base_close (h);
  } while (rc == KWI_DAMAGED && --tries > 0);
  if (lock != -1)
    (void) close (lock);
  if (rc == KWI_DAMAGED)
    kwi_say (why, "%s is %s, and so was the new one made in its place", h->real, h->reason.text);
  if (rc == KWI_GONE)
    kwi_say (why, "%s was replaced while it was opened", h->real);
  return rc == KW_STORE_OK ? KW_STORE_OK : KW_STORE_AWAY;
}
