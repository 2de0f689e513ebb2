/* storesqlite - what the parts of test_store_sqlite share: a folder of the test's
 * own with the store in it. */
#ifndef STORESQLITE_H
#define STORESQLITE_H

#include <sys/types.h>

#include "storekit.h"

extern char sqlite_folder[256]; /* new for each test                      */
extern char sqlite_file[300];   /* DIR/state.db, not made yet; the spec's */

/* sqlite_file with this behind it; good until the next call but three. */
const char *sqlite_named (const char *suffix);
/* How many files' names in the folder begin with state.db and this. */
int sqlite_count_files (const char *suffix);
/* The first number of the first row, through a connection of the test's own. */
int64_t sqlite_ask (const char *file, const char *sql);
void sqlite_run (const char *file, const char *sql);
void sqlite_write_file (const char *file, const void *data, size_t size);
/* integrity_check, and no two rows alike. */
void sqlite_expect_sound (const char *file);

/* A store with many facts, closed: some 40 pages. */
void sqlite_fill (void);
/* Random bytes over a part of the database, also while it is open here. */
void sqlite_scribble_over (off_t from, off_t to);
int sqlite_lines (const char *text);
/* A fact of this name, until the host, having handed over all, is told that it
 * is kept. */
void sqlite_hand_over (struct storekit *, const char *name);
enum { SQLITE_FINDERS = 8 };    /* processes that find something at once  */

void sqlite_add_place (Suite *suite);
void sqlite_add_damage (Suite *suite);
void sqlite_add_loss (Suite *suite);
void sqlite_add_crowd (Suite *suite);
void sqlite_add_trouble (Suite *suite);

#endif
