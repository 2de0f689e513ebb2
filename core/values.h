/* values - the texts of settings turned into numbers, and checked.  See also
 * config.h, which declares those that the rest of the core uses. */
#ifndef KWI_VALUES_H
#define KWI_VALUES_H

#include <stddef.h>
#include <stdint.h>

/* A whole number, all digits.  0; -1: no number; -2: outside min .. max. */
int kwi_parse_integer (const char *s, int64_t min, int64_t max,
                       int64_t *ret);

/* "1048576", "64MB", "64M", "512k": bytes, with K, M and G as powers of 1024.
 * 0, or -1. */
int kwi_parse_size (const char *s, int64_t *ret_bytes);

/* A section's own name: 1 to 63 of A-Z a-z 0-9 . _ - */
int kwi_valid_name (const char *s);
/* What a plugin can be called: [a-z0-9][a-z0-9-]*, 63 at most. */
int kwi_valid_plugin_name (const char *s);
/* What can be the name of an environment variable. */
int kwi_valid_variable (const char *s);

/* 1 if s might be a key that somebody wrote where the name of its variable or
 * of its file belongs: then no text shows it. */
int kwi_looks_secret (const char *s);

/* How many of the len bytes are valid UTF-8 from the start: len if all are. */
size_t kwi_utf8_valid (const char *s, size_t len);

/* 1 if an http:// URL leads to this machine, or the scheme is not http. */
int kwi_url_is_private (const char *url);

/* "; did you mean "max_switches"? (known: ...)" for a word that is none of
 * the NULL-terminated list.  Returns buf. */
const char *kwi_suggest (const char *word, const char *const *words,
                         char *buf, size_t size);

#endif
