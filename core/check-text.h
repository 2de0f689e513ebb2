/* check-text - the texts that answers are made of: spelt from a table, and put
 * into a place of a JSON document. */
#ifndef KWI_CHECK_TEXT_H
#define KWI_CHECK_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct kwi_answer;

/* head, unit times over, middle, close times over, tail; NULL: "".  The byte 1
 * stands for the byte 0, which no text of C can hold. */
struct kwi_spelling {
  const char *name;
  const char *head, *unit, *middle, *close, *tail;
  size_t times;
};

/* 0, and *ret is for free() and NUL-terminated behind *ret_len; or -1. */
int kwi_spell (const struct kwi_spelling *, char **ret, size_t *ret_len);

/* Documents as providers write them. */
enum kwi_template { KWI_T_ERROR, KWI_T_REPLY, KWI_T_CHUNK, KWI_TEMPLATES };
const char *kwi_template_text (enum kwi_template);

/* The document with raw text, JSON or not, at a JSON pointer, which is made if
 * it is not there.  0; -1: no memory; 1: no such place can be made. */
int kwi_put (const char *document, const char *pointer, const char *raw,
             size_t raw_len, char **ret, size_t *ret_len);

/* Odd texts: as the raw value of a member, and as a header's. */
extern const struct kwi_spelling kwi_odd_values[];
extern const size_t kwi_n_odd_values;
extern const struct kwi_spelling kwi_odd_headers[];
extern const size_t kwi_n_odd_headers;

/* Headers as an answer of a limit has them.  0 or -1. */
int kwi_usual_headers (struct kwi_answer *);

/* The next of a sequence of random numbers (splitmix64); the state may be
 * anything. */
uint64_t kwi_next_random (uint64_t *state);

#endif
