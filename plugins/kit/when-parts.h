/* when-parts - what the files of when share; for no plugin to include.  Each
 * reads at *s and, where it finds what it is for, moves *s behind that and
 * says 1; else it says 0, and *s is anywhere. */
#ifndef KWP_WHEN_PARTS_H
#define KWP_WHEN_PARTS_H

#include <stdint.h>

/* "12", "12.5": the whole part, and the rest in millionths, rounded up (so that
 * 1,000,000 can come).  A point that no digit follows belongs to the text. */
struct kwp_number {
  int64_t whole;                /* saturates at INT64_MAX                 */
  int64_t millionths;
};
int kwp_read_number (const char **s, struct kwp_number *ret);

/* That many units, in ms: rounded up, saturated at KWP_WAIT_MAX. */
#define KWP_NS     INT64_C (1)
#define KWP_MS_NS  INT64_C (1000000)
int64_t kwp_span (const struct kwp_number *, int64_t unit_ns);

/* A date, a time and a zone, as RFC 3339 has them.  words: as they are said,
 * too, "2026-09-01 at 00:00 (UTC)". */
int kwp_read_date (const char **s, int words, int64_t *ret_ms);

/* Nothing but blanks is left. */
int kwp_at_end (const char *s);

#endif
