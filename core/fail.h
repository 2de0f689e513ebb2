/* fail - filling in the caller's struct kw_error. */
#ifndef KWI_FAIL_H
#define KWI_FAIL_H

#include <stddef.h>
#include <stdint.h>

struct kw_error;

/* Sets code and message (cut at its size, never in the middle of a UTF-8
 * character; control characters become '?') and returns code, for
 * "return kwi_fail (err, ...)".  err may be NULL, and may be shorter than ours
 * (struct_size). */
int kwi_fail (struct kw_error *err, int code, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 3, 4)));

/* Makes s one line of UTF-8: control characters and bytes that are none become
 * '?', a character cut at the end goes. */
void kwi_clean_line (char *s);

/* Writes a duration for people: "7m12s", "1.5s", "250ms", "2h22m13s".
 * Rounded up to what is shown; returns buf. */
const char *kwi_duration_text (int64_t ms, char *buf, size_t size);
/* Unix time in ms as "14:03:11Z", or "2026-01-02T14:03:11Z" when it is not
 * within 20 hours of now_ms; returns buf. */
const char *kwi_time_text (int64_t at_ms, int64_t now_ms, char *buf,
                           size_t size);

#endif
