/* The tables, and all statements about them. */
#include "sqlite.h"

#define STRING_(x) #x
#define STRING(x) STRING_ (x)

/* rev is that of the last write that changed the row; the newest is in meta. */
const char kwi_schema[] =
  "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
  "INSERT INTO meta VALUES ('rev', 0), ('swept_ms', 0);"
  "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, major INTEGER NOT NULL,"
  " minor INTEGER NOT NULL, expires_ms INTEGER NOT NULL, rev INTEGER NOT NULL) WITHOUT ROWID;"
  "CREATE INDEX facts_rev ON facts (rev);"
  "CREATE TABLE counts (name TEXT PRIMARY KEY, total INTEGER NOT NULL,"
  " touched_ms INTEGER NOT NULL, rev INTEGER NOT NULL) WITHOUT ROWID;"
  "CREATE INDEX counts_rev ON counts (rev);"
  "CREATE TABLE leases (name TEXT NOT NULL, holder TEXT NOT NULL, granted INTEGER NOT NULL,"
  " want INTEGER NOT NULL, expires_ms INTEGER NOT NULL, PRIMARY KEY (name, holder))"
  " WITHOUT ROWID;"
  "CREATE TABLE numbers (holder TEXT PRIMARY KEY, number INTEGER NOT NULL,"
  " touched_ms INTEGER NOT NULL) WITHOUT ROWID;"
  "PRAGMA application_id = " STRING (KWI_APPLICATION_ID) ";"
  "PRAGMA user_version = " STRING (KWI_FORMAT) ";";

const char *const kwi_statements[KWI_N_SQL] = {
  [KWI_BEGIN] = "BEGIN",
  [KWI_BEGIN_WRITE] = "BEGIN IMMEDIATE",
  [KWI_COMMIT] = "COMMIT",
  [KWI_ROLLBACK] = "ROLLBACK",
  [KWI_VERSION] = "PRAGMA data_version",
  [KWI_GET_META] = "SELECT value FROM meta WHERE name = ?1",
  [KWI_SET_META] = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
  [KWI_GET_NUMBER] = "SELECT number FROM numbers WHERE holder = ?1",
  [KWI_SET_NUMBER] = "INSERT OR REPLACE INTO numbers VALUES (?1, ?2, ?3)",
  /* An expired one counts as not there, whether it has been deleted or not. */
  [KWI_PUT_FACT] =
    ("INSERT INTO facts VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO UPDATE SET"
     " value = excluded.value, major = excluded.major, minor = excluded.minor,"
     " expires_ms = excluded.expires_ms, rev = excluded.rev"
     " WHERE facts.expires_ms <= ?7 OR"
     " (excluded.major, excluded.minor, excluded.value, excluded.expires_ms)"
     " > (facts.major, facts.minor, facts.value, facts.expires_ms)"),
  /* A sum that does not fit would become a floating-point number. */
  [KWI_ADD_COUNT] =
    ("INSERT INTO counts VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET"
     " total = iif (counts.total > 9223372036854775807 - excluded.total,"
     " 9223372036854775807, counts.total + excluded.total),"
     " touched_ms = excluded.touched_ms, rev = excluded.rev"),
  [KWI_READ_FACTS] =
    ("SELECT name, value, major, minor, expires_ms FROM facts"
     " WHERE rev > ?1 AND expires_ms > ?2"),
  [KWI_READ_COUNTS] = "SELECT name, total FROM counts WHERE rev > ?1",
  [KWI_READ_LEASES] =
    "SELECT granted, want, holder FROM leases WHERE name = ?1 AND holder <> ?2"
    " AND expires_ms > ?3 ORDER BY holder",
  [KWI_PUT_LEASE] = "INSERT OR REPLACE INTO leases VALUES (?1, ?2, ?3, ?4, ?5)",
  [KWI_DROP_LEASE] = "DELETE FROM leases WHERE name = ?1 AND holder = ?2",
  [KWI_DROP_LEASES] = "DELETE FROM leases WHERE holder = ?1",
  [KWI_DROP_NUMBER] = "DELETE FROM numbers WHERE holder = ?1",
  [KWI_SWEEP_FACTS] = "DELETE FROM facts WHERE expires_ms <= ?1",
  [KWI_SWEEP_COUNTS] = "DELETE FROM counts WHERE touched_ms < ?1",
  [KWI_SWEEP_LEASES] = "DELETE FROM leases WHERE expires_ms <= ?1",
  [KWI_SWEEP_NUMBERS] = "DELETE FROM numbers WHERE touched_ms < ?1",
};
