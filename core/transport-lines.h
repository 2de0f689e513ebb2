/* transport-lines - the lines of HTTP that the transport puts together or takes
 * apart itself.  Knows no libcurl. */
#ifndef KWI_TRANSPORT_LINES_H
#define KWI_TRANSPORT_LINES_H

#include <stddef.h>

struct kw_request;
struct kwi_answer;
struct kwi_secret;

/* "Name: prefix" and the key; 0, or -1: no room. */
int kwi_lines_secret (const struct kw_request *, const struct kwi_secret *,
                      char *buf, size_t size);
/* The URL with the key as a query parameter, for providers that want it so; in
 * guarded memory, for sodium_free.  NULL: no memory. */
char *kwi_lines_secret_url (const struct kw_request *,
                            const struct kwi_secret *);

/* A line of an answer's head, with its line break.  0, or -1: the answer has
 * no room for it. */
int kwi_lines_take (struct kwi_answer *, const char *line, size_t len);

#endif
