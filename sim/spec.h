/* spec - reading "value,name=value,flag" lists and whole numbers, as --key,
 * --model and --fault take them. */
#ifndef SIM_SPEC_H
#define SIM_SPEC_H

#include <stddef.h>
#include <stdint.h>

/* Takes the next item off *rest, cutting the text in place: *ret_name is what
 * stands before its '=', *ret_value what stands behind (NULL: no '=').
 * 0 when nothing is left. */
int sim_spec_next (char **rest, char **ret_name, char **ret_value);

/* A whole decimal number from min to max and nothing else: 0, or -1. */
int sim_parse_int (const char *text, int64_t min, int64_t max, int64_t *ret);

/* Letters, digits, '.', '_' and '-', 1 to 63 of them: the names of keys and
 * organizations, which appear in messages and logs. */
int sim_is_name (const char *text);

/* The same and /, : and @, up to 127: names of models ("openai/gpt-oss-20b"). */
int sim_is_model (const char *text);

/* Writes a message for people; cut if it does not fit.  Returns -1. */
int sim_complain (char *msg, size_t size, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 3, 4)));

#endif
