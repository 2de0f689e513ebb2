/* Facts, counters and leases in the database's tables.  Each function is one
 * transaction; on failure nothing of it is kept. */
#include "sqlite.h"

#include <string.h>

#define HOUR_MS INT64_C (3600000)
#define DAY_MS (24 * HOUR_MS)
/* How often what nobody needs any more is deleted, and what that is. */
#define SWEEP_MS HOUR_MS
#define COUNTS_KEEP_MS (400 * DAY_MS)
#define NUMBERS_KEEP_MS (7 * DAY_MS)

/* ---- Statements ------------------------------------------------------------------- */

static void
bind_text (sqlite3_stmt *s, int i, const char *text)
{
  (void) sqlite3_bind_text (s, i, text, -1, SQLITE_STATIC);
}

static void
bind (sqlite3_stmt *s, int i, int64_t n)
{
  (void) sqlite3_bind_int64 (s, i, n);
}

/* Runs a statement without rows; SQLITE_OK or what went wrong. */
static int
run (struct kw_store_handle *h, enum kwi_sql which)
{
  int rc = sqlite3_step (h->sql[which]);
  int reset = sqlite3_reset (h->sql[which]);

  return rc == SQLITE_DONE ? SQLITE_OK : reset != SQLITE_OK ? reset : rc;
}

/* The number that a statement gives; missing, if there is no row. */
static int
get (struct kw_store_handle *h, enum kwi_sql which, int64_t missing, int64_t *ret)
{
  int rc = sqlite3_step (h->sql[which]);
  int64_t value = rc == SQLITE_ROW ? sqlite3_column_int64 (h->sql[which], 0) : missing;
  int reset = sqlite3_reset (h->sql[which]);

  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    return reset;
  *ret = value;
  return SQLITE_OK;
}

static int
get_meta (struct kw_store_handle *h, const char *name, int64_t *ret)
{
  bind_text (h->sql[KWI_GET_META], 1, name);
  return get (h, KWI_GET_META, 0, ret);
}

static int
set_meta (struct kw_store_handle *h, const char *name, int64_t value)
{
  bind_text (h->sql[KWI_SET_META], 1, name);
  bind (h->sql[KWI_SET_META], 2, value);
  return run (h, KWI_SET_META);
}

/* Ends the transaction: commits if rc is SQLITE_OK. */
static int
finish (struct kw_store_handle *h, int rc, struct kw_store_error *why)
{
  if (rc == SQLITE_OK)
    rc = run (h, KWI_COMMIT);
  if (rc == SQLITE_OK)
    return KW_STORE_OK;
  rc = kwi_base_failed (h, rc, why);
  if (h->db != NULL && !sqlite3_get_autocommit (h->db))
    (void) run (h, KWI_ROLLBACK);
  return rc;
}

/* ---- What the interface allows ----------------------------------------------------------- */

static int
is_name (const char *name)
{
  if (name == NULL || strlen (name) > 1000)
    return 0;
  for (; *name != '\0'; name++)
    if (*name < ' ' || *name > '~')
      return 0;
  return 1;
}

static int
is_value (const char *value)
{
  return value != NULL && strlen (value) <= 4000;
}

/* In the file it would be taken for damage by all who read it. */
static int
refuse (const struct kw_store_handle *h)
{
  kwi_log (h, KW_STORE_LOG_ERROR, "sqlite: a name, a value or a number is not as keywheel/store.h "
           "says, and is not kept");
  return SQLITE_OK;
}

/* ---- Keeping ------------------------------------------------------------------------- */

static int
put_fact (struct kw_store_handle *h, const struct kw_store_fact *f, int64_t rev, int64_t now)
{
  sqlite3_stmt *s = h->sql[KWI_PUT_FACT];

  if (!is_name (f->name) || !is_value (f->value))
    return refuse (h);
  if (f->expires_ms <= now)
    return SQLITE_OK;
  bind_text (s, 1, f->name);
  bind_text (s, 2, f->value);
  bind (s, 3, f->major);
  bind (s, 4, f->minor);
  bind (s, 5, f->expires_ms);
  bind (s, 6, rev);
  bind (s, 7, now);
  return run (h, KWI_PUT_FACT);
}

static int
add_count (struct kw_store_handle *h, const struct kw_store_count *c, int64_t rev, int64_t now)
{
  sqlite3_stmt *s = h->sql[KWI_ADD_COUNT];

  if (!is_name (c->name) || c->add <= 0)
    return refuse (h);
  bind_text (s, 1, c->name);
  bind (s, 2, c->add);
  bind (s, 3, now);
  bind (s, 4, rev);
  return run (h, KWI_ADD_COUNT);
}

static int
add_counts (struct kw_store_handle *h, const struct kw_store_batch *b, int64_t rev, int64_t now)
{
  int64_t number = 0;
  int rc;

  bind_text (h->sql[KWI_GET_NUMBER], 1, h->holder);
  rc = get (h, KWI_GET_NUMBER, 0, &number);
  if (rc != SQLITE_OK || (int64_t) b->number <= number)
    return rc;
  for (size_t i = 0; rc == SQLITE_OK && i < b->n_counts; i++)
    rc = add_count (h, &b->counts[i], rev, now);
  if (rc != SQLITE_OK)
    return rc;
  bind_text (h->sql[KWI_SET_NUMBER], 1, h->holder);
  bind (h->sql[KWI_SET_NUMBER], 2, (int64_t) b->number);
  bind (h->sql[KWI_SET_NUMBER], 3, now);
  h->left = 1;
  return run (h, KWI_SET_NUMBER);
}

static int
sweep (struct kw_store_handle *h, int64_t now)
{
  static const struct {
    enum kwi_sql sql;
    int64_t keep_ms;
  } all[] = {
    { KWI_SWEEP_FACTS, 0 }, { KWI_SWEEP_LEASES, 0 }, { KWI_SWEEP_COUNTS, COUNTS_KEEP_MS },
    { KWI_SWEEP_NUMBERS, NUMBERS_KEEP_MS },
  };
  int64_t swept = 0;
  int rc = get_meta (h, "swept_ms", &swept);

  /* Later than now: the clock was wrong then, or is. */
  if (rc != SQLITE_OK || (swept <= now && now - swept < SWEEP_MS))
    return rc;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof all / sizeof all[0]; i++) {
    bind (h->sql[all[i].sql], 1, now - all[i].keep_ms);
    rc = run (h, all[i].sql);
  }
  return rc == SQLITE_OK ? set_meta (h, "swept_ms", now) : rc;
}

int
kwi_rows_keep (struct kw_store_handle *h, const struct kw_store_batch *b,
               struct kw_store_error *why)
{
  int64_t now = h->now_ms (h->user), rev = 0;
  int rc = run (h, KWI_BEGIN_WRITE), before, changed;

  if (rc == SQLITE_OK)
    rc = get_meta (h, "rev", &rev);
  before = sqlite3_total_changes (h->db);
  for (size_t i = 0; rc == SQLITE_OK && i < b->n_facts; i++)
    rc = put_fact (h, &b->facts[i], rev + 1, now);
  if (rc == SQLITE_OK && b->n_counts != 0)
    rc = add_counts (h, b, rev + 1, now);
  changed = sqlite3_total_changes (h->db) != before;
  if (rc == SQLITE_OK && changed)
    rc = set_meta (h, "rev", rev + 1);
  if (rc == SQLITE_OK)
    rc = sweep (h, now);
  rc = finish (h, rc, why);
  if (rc == KW_STORE_OK && changed) {
    h->kept = 1;
    kwi_base_ring (h);
  }
  return rc;
}

/* ---- Telling --------------------------------------------------------------------------- */

/* Whoever made the row, the host is to get what its header promises. */
static const char *
text_of (sqlite3_stmt *s, int i)
{
  const char *text = sqlite3_column_type (s, i) == SQLITE_TEXT
                     ? (const char *) sqlite3_column_text (s, i) : NULL;

  return text != NULL && strlen (text) == (size_t) sqlite3_column_bytes (s, i) ? text : NULL;
}

static int
tell_fact (sqlite3_stmt *s, const struct kw_store_sink *sink)
{
  struct kw_store_fact f;

  f.name = text_of (s, 0);
  f.value = text_of (s, 1);
  if (!is_name (f.name) || !is_value (f.value))
    return 0;
  for (int i = 2; i < 5; i++)
    if (sqlite3_column_type (s, i) != SQLITE_INTEGER)
      return 0;
  f.major = sqlite3_column_int64 (s, 2);
  f.minor = sqlite3_column_int64 (s, 3);
  f.expires_ms = sqlite3_column_int64 (s, 4);
  sink->fact (sink->user, &f);
  return 1;
}

static int
tell_count (sqlite3_stmt *s, const struct kw_store_sink *sink)
{
  const char *name = text_of (s, 0);

  if (!is_name (name) || sqlite3_column_type (s, 1) != SQLITE_INTEGER)
    return 0;
  sink->count (sink->user, name, sqlite3_column_int64 (s, 1));
  return 1;
}

/* All rows of a statement; SQLITE_CORRUPT: one that we cannot have written. */
static int
tell_rows (struct kw_store_handle *h, enum kwi_sql which,
           int (*tell) (sqlite3_stmt *, const struct kw_store_sink *),
           const struct kw_store_sink *sink)
{
  sqlite3_stmt *s = h->sql[which];
  int rc, good = 1;

  bind (s, 1, h->told ? h->cursor : -1);
  while (good && (rc = sqlite3_step (s)) == SQLITE_ROW)
    good = tell (s, sink);
  rc = sqlite3_reset (s);
  return good ? rc : SQLITE_CORRUPT;
}

int
kwi_rows_tell (struct kw_store_handle *h, const struct kw_store_sink *sink,
               struct kw_store_error *why)
{
  int64_t version = 0, rev = 0;
  int rc = get (h, KWI_VERSION, 0, &version);

  if (rc != SQLITE_OK)
    return kwi_base_failed (h, rc, why);
  if (h->told && !h->kept && version == h->version)
    return KW_STORE_OK;
  rc = run (h, KWI_BEGIN);
  if (rc == SQLITE_OK)
    rc = get_meta (h, "rev", &rev);
  /* Somebody has put an older copy into its place. */
  if (rc == SQLITE_OK && h->told && rev < h->cursor) {
    (void) run (h, KWI_ROLLBACK);
    return KWI_GONE;
  }
  if (rc == SQLITE_OK && (!h->told || rev != h->cursor)) {
    bind (h->sql[KWI_READ_FACTS], 2, h->now_ms (h->user));
    rc = tell_rows (h, KWI_READ_FACTS, tell_fact, sink);
    if (rc == SQLITE_OK)
      rc = tell_rows (h, KWI_READ_COUNTS, tell_count, sink);
  }
  rc = finish (h, rc, why);
  if (rc != KW_STORE_OK)
    return rc;
  h->told = 1;
  h->kept = 0;
  h->version = version;
  h->cursor = rev;
  return KW_STORE_OK;
}

/* ---- Leases -------------------------------------------------------------------------------- */

static int64_t
at_most (int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* Is it others' turn, and one of them has nothing yet?  The statement is bound; n as
 * in the rule. */
static int
is_others_turn (struct kw_store_handle *h, const struct kw_store_lease *l, int64_t now,
                int64_t n, int *ret)
{
  sqlite3_stmt *s = h->sql[KWI_READ_LEASES];
  const int64_t first = now / KW_STORE_TURN_MS * l->limit % n;
  int64_t p = 0, own = 0;
  int lacks = 0;

  for (; sqlite3_step (s) == SQLITE_ROW;) {
    if (sqlite3_column_int64 (s, 1) == 0)
      continue;
    if (strcmp ((const char *) sqlite3_column_text (s, 2), h->holder) < 0)
      own = p + 1;
    /* Behind the asker all stand one further. */
    lacks |= (p + (own <= p) - first + n) % n < l->limit
             && sqlite3_column_int64 (s, 0) == 0;
    p++;
  }
  *ret = lacks && (own - first + n) % n >= l->limit;
  return sqlite3_reset (s);
}

/* The rule of keywheel/store.h. */
static int
grant (struct kw_store_handle *h, const struct kw_store_lease *l, int64_t now, int64_t *ret)
{
  sqlite3_stmt *s = h->sql[KWI_READ_LEASES];
  int64_t others = 0, n = 1, starved = INT64_MAX, fair, granted;
  int rc, waits = 0;

  bind_text (s, 1, l->name);
  bind_text (s, 2, h->holder);
  bind (s, 3, now);
  while ((rc = sqlite3_step (s)) == SQLITE_ROW) {
    int64_t has = sqlite3_column_int64 (s, 0), wants = sqlite3_column_int64 (s, 1);

    others += has;
    n += wants > 0;
    if (has < wants)
      starved = at_most (starved, has);
  }
  rc = sqlite3_reset (s);
  if (rc == SQLITE_OK && n > l->limit)
    rc = is_others_turn (h, l, now, n, &waits);
  if (rc != SQLITE_OK)
    return rc;
  fair = l->limit / n > 1 ? l->limit / n : 1;
  granted = at_most (l->want, others < l->limit ? l->limit - others : 0);
  if (starved < fair)
    granted = at_most (granted, fair);
  *ret = waits ? 0 : granted;
  return SQLITE_OK;
}

static int
put_lease (struct kw_store_handle *h, const struct kw_store_lease *l, int64_t granted,
           int64_t now)
{
  sqlite3_stmt *s = h->sql[KWI_PUT_LEASE];

  if (l->want == 0 && l->floor == 0) {
    bind_text (h->sql[KWI_DROP_LEASE], 1, l->name);
    bind_text (h->sql[KWI_DROP_LEASE], 2, h->holder);
    return run (h, KWI_DROP_LEASE);
  }
  bind_text (s, 1, l->name);
  bind_text (s, 2, h->holder);
  bind (s, 3, granted > l->floor ? granted : l->floor);
  bind (s, 4, l->want);
  bind (s, 5, l->ttl_ms < INT64_MAX - now ? now + l->ttl_ms : INT64_MAX);
  h->left = 1;
  return run (h, KWI_PUT_LEASE);
}

int
kwi_rows_lease (struct kw_store_handle *h, const struct kw_store_lease *l,
                uint32_t *ret_granted, struct kw_store_error *why)
{
  int64_t now = h->now_ms (h->user), granted = 0;
  int rc = run (h, KWI_BEGIN_WRITE);

  if (rc == SQLITE_OK)
    rc = grant (h, l, now, &granted);
  if (rc == SQLITE_OK)
    rc = put_lease (h, l, granted, now);
  if (rc == SQLITE_OK)
    rc = sweep (h, now);
  rc = finish (h, rc, why);
  if (rc == KW_STORE_OK)
    *ret_granted = (uint32_t) granted;
  return rc;
}

void
kwi_rows_leave (struct kw_store_handle *h)
{
  struct kw_store_error why;
  int rc = run (h, KWI_BEGIN_WRITE);

  bind_text (h->sql[KWI_DROP_LEASES], 1, h->holder);
  bind_text (h->sql[KWI_DROP_NUMBER], 1, h->holder);
  if (rc == SQLITE_OK)
    rc = run (h, KWI_DROP_LEASES);
  if (rc == SQLITE_OK)
    rc = run (h, KWI_DROP_NUMBER);
  (void) finish (h, rc, &why);
}
