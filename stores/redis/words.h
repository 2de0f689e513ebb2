/* words - what a command is made of, gathered one by one. */
#ifndef REDIS_WORDS_H
#define REDIS_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* Zero: none. */
struct redis_words {
  char *bytes;                  /* of all of them, one behind another     */
  size_t len, size;
  size_t *ends;
  size_t n, n_size;
  int nomem;                    /* or more than a command may have        */
};

void redis_words_add (struct redis_words *, const char *bytes, size_t len);
void redis_words_text (struct redis_words *, const char *);
void redis_words_number (struct redis_words *, uint64_t);
/* One word of two. */
void redis_words_pair (struct redis_words *, const char *, const char *);
/* More bytes for the last word. */
void redis_words_more (struct redis_words *, const char *bytes, size_t len);

/* In the server's protocol, behind the words of first (NULL at the end); the
 * caller's to redis_words_done, len bytes.  NULL: no memory. */
char *redis_words_format (const struct redis_words *, const char *const first[], size_t *ret_len);
/* Wiped: there may have been a password in it. */
void redis_words_done (char *formatted, size_t len);
void redis_words_clear (struct redis_words *);

#endif
