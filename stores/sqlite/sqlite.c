/* sqlite - a state store in an SQLite file, for the processes of one machine.
 *
 * state = sqlite, or sqlite:PATH.  What is here: the store's functions, and
 * what they do when the file is damaged, replaced or away.  See sqlite.h for
 * the parts.
 *
 * Every call looks first whether the path still leads to the file that is open.
 * If it does not, or the file proves damaged, the new one is opened, all that is
 * in it is delivered, and sync answers KW_STORE_AWAY once: so the host hands over
 * everything it knows. */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
free_handle (struct kw_store_handle *h)
{
  free (h->path);
  free (h->real);
  free (h->holder);
  free (h);
}

static int
sqlite_open (const struct kw_store_setup *setup, struct kw_store_handle **ret,
             struct kw_store_error *why)
{
  struct kw_store_handle *h;
  char *path;
  int rc = kwi_place_parse (setup, &path, why);

  if (rc != KW_STORE_OK)
    return rc;
  h = calloc (1, sizeof *h);
  if (h != NULL) {
    h->path = path;
    h->holder = strdup (setup->holder);
  }
  if (h == NULL || h->holder == NULL) {
    kwi_say (why, "sqlite: out of memory");
    free (path);
    free (h);
    return KW_STORE_AWAY;
  }
  h->log = setup->log;
  h->now_ms = setup->now_ms;
  h->user = setup->user;
  h->timeout_ms = setup->timeout_ms;
  h->bell = -1;
  *ret = h;
  return KW_STORE_OK;
}

static void
sqlite_close (struct kw_store_handle *h)
{
  int lock;

  if (h == NULL)
    return;
  kwi_base_start_clock (h);
  if (h->db != NULL && h->left && !kwi_base_moved (h))
    kwi_rows_leave (h);
  /* The last one to close removes the -wal by its name: it must be this file's. */
  lock = h->db != NULL ? kwi_place_lock (h) : -1;
  if (h->db != NULL && (lock == -1 || kwi_base_moved (h)))
    (void) sqlite3_db_config (h->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  kwi_base_close (h);
  if (lock != -1)
    (void) close (lock);
  free_handle (h);
}

static const char *
sqlite_where (struct kw_store_handle *h)
{
  return h->path;
}

static int
sqlite_fd (struct kw_store_handle *h)
{
  return h->bell;
}

/* The database, open, and still the file at its path. */
static int
ready (struct kw_store_handle *h, struct kw_store_error *why)
{
  if (h->db == NULL)
    return kwi_base_open (h, why);
  return kwi_base_moved (h) ? KWI_GONE : KW_STORE_OK;
}

/* After KWI_DAMAGED or KWI_GONE: another file. */
static int
reopen (struct kw_store_handle *h, int rc, struct kw_store_error *why)
{
  if (rc == KWI_DAMAGED)
    kwi_base_spoil (h, why);
  else
    kwi_base_abandon (h);
  rc = kwi_base_open (h, why);
  if (rc == KW_STORE_OK)
    h->renewed = 1;
  return rc;
}

static int
read_only (struct kw_store_handle *h, struct kw_store_error *why)
{
  int reason = access (h->real, W_OK) == -1 ? errno : EROFS;

  kwi_say (why, "%s cannot be written: %s", h->real, strerror (reason));
  /* By the next time it may be another matter. */
  kwi_base_close (h);
  return KW_STORE_AWAY;
}

static int
exchange (struct kw_store_handle *h, const struct kw_store_batch *batch,
          const struct kw_store_sink *sink, struct kw_store_error *why)
{
  int rc = ready (h, why);

  if (rc == KW_STORE_OK && batch != NULL && h->access == KWI_READ_WRITE) {
    rc = kwi_rows_keep (h, batch, why);
    if (rc == KW_STORE_OK && kwi_base_moved (h))
      rc = KWI_GONE;
  }
  if (rc != KW_STORE_OK)
    return rc;
  /* In this order: who rings now is heard by the next call. */
  kwi_base_hush (h);
  rc = kwi_rows_tell (h, sink, why);
  if (rc == KW_STORE_OK && batch != NULL && h->access != KWI_READ_WRITE)
    return read_only (h, why);
  if (rc == KW_STORE_OK && h->access == KWI_IMMUTABLE)
    kwi_base_close (h);
  return rc;
}

static int
sqlite_sync (struct kw_store_handle *h, const struct kw_store_batch *batch,
             const struct kw_store_sink *sink, struct kw_store_error *why)
{
  int rc;

  if (batch != NULL && batch->n_facts == 0 && batch->n_counts == 0)
    batch = NULL;
  kwi_base_start_clock (h);
  rc = exchange (h, batch, sink, why);
  if (rc == KWI_DAMAGED || rc == KWI_GONE) {
    rc = reopen (h, rc, why);
    if (rc == KW_STORE_OK)
      rc = kwi_rows_tell (h, sink, why);
  }
  if (rc == KWI_DAMAGED || rc == KWI_GONE) {
    kwi_say (why, "%s was damaged or replaced twice at once", h->real);
    kwi_base_abandon (h);
    return KW_STORE_AWAY;
  }
  if (rc == KW_STORE_OK && h->renewed) {
    h->renewed = 0;
    kwi_say (why, "%s is another file than before: all is to be handed over again", h->real);
    return KW_STORE_AWAY;
  }
  return rc;
}

static int
sqlite_lease (struct kw_store_handle *h, const struct kw_store_lease *lease,
              uint32_t *ret_granted, struct kw_store_error *why)
{
  int rc, tries = 2;

  kwi_base_start_clock (h);
  rc = ready (h, why);
  do {
    if (rc == KWI_DAMAGED || rc == KWI_GONE)
      rc = reopen (h, rc, why);
    if (rc == KW_STORE_OK && h->access != KWI_READ_WRITE)
      return read_only (h, why);
    if (rc == KW_STORE_OK)
      rc = kwi_rows_lease (h, lease, ret_granted, why);
  } while ((rc == KWI_DAMAGED || rc == KWI_GONE) && --tries > 0);
  if (rc == KWI_DAMAGED || rc == KWI_GONE) {
    kwi_base_abandon (h);
    kwi_say (why, "%s was damaged or replaced twice at once", h->real);
    return KW_STORE_AWAY;
  }
  return rc;
}

static const struct kw_store sqlite = {
  ._header = KW_STORE_HEADER_INIT,
  .name = "sqlite",
  .version = "1.0",
  .description = "an SQLite file, for all processes of one machine",
  .schemes = "sqlite",
  .open = sqlite_open,
  .close = sqlite_close,
  .where = sqlite_where,
  .fd = sqlite_fd,
  .sync = sqlite_sync,
  .lease = sqlite_lease,
};

KW_REGISTER_STORE (sqlite);
