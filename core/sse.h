/* sse - a stream of server-sent events taken apart (WHATWG HTML, section
 * "Server-sent events": fields event and data, comments, CR, LF or CRLF).
 * Knows nothing of what is in them. */
#ifndef KWI_SSE_H
#define KWI_SSE_H

#include <stddef.h>

#define KWI_SSE_MAX (4 * 1024 * 1024)   /* one event, where max is 0 */

/* How feeding ends badly. */
enum { KWI_SSE_TOO_LARGE = -1, KWI_SSE_NO_MEMORY = -2 };

struct kwi_sse {
  char *line;                   /* the line being read                    */
  size_t line_len, line_size;
  char *data;                   /* the event's data lines so far          */
  size_t data_len, data_size;
  char event[32];               /* its name, "" if it has none            */
  int have_data;
  int after_cr;                 /* a LF now belongs to the CR before      */
  size_t max;                   /* bytes of one event; 0: KWI_SSE_MAX     */
};

/* Zero is the initial state. */
void kwi_sse_reset (struct kwi_sse *);
void kwi_sse_clear (struct kwi_sse *);

/* Calls event for each event that is complete; data is NUL-terminated behind
 * len.  Non-zero from event (let it be positive) stops and is returned;
 * KWI_SSE_TOO_LARGE: an event over max; KWI_SSE_NO_MEMORY.
 * *ret_used: the bytes up to the end of the event that stopped it, or all. */
int kwi_sse_feed (struct kwi_sse *, const char *bytes, size_t len,
                  int (*event) (void *user, const char *name,
                                const char *data, size_t len),
                  void *user, size_t *ret_used);

#endif
