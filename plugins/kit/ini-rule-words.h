/* ini-rule-words - a rule's text cut into words, in place, and what is said of a
 * word that is wrong: its place, what stands there, the nearest spelling, what
 * is allowed.  Knows no rule. */
#ifndef KWP_INI_RULE_WORDS_H
#define KWP_INI_RULE_WORDS_H

#include "family.h"

struct kwp_words {
  const struct kwp_instance *i; /* whose host is told                     */
  char *start;                  /* of the text, which is written to       */
  char *at;                     /* what is left of it                     */
  char *word;                   /* the one that is looked at; "": the end */
  char *ended;                  /* the blank behind it that is a NUL now  */
  int column;                   /* of it, from 1 on                       */
  int quoted;                   /* it stood in quotes: it is no keyword   */
  int split;                    /* it was, by kwp_split_word              */
  int rc;                       /* the first mistake; then all is the end */
};

/* Words that are allowed somewhere. */
struct kwp_named {
  const char *name;
  uint32_t value;
};
#define KWP_WORDS(table) table, KWP_ARRAY_SIZE (table)

/* To the next word.  Quotes hold blanks together; in them a "\" stands before a
 * quote or another "\" that is meant. */
void kwp_next_word (struct kwp_words *);
/* Ends the word before the first c in it, if there is one; behind that the next
 * word begins.  Not what is quoted. */
void kwp_split_word (struct kwp_words *, char c);

int kwp_is_word (const struct kwp_words *, const char *);
int kwp_is_end (const struct kwp_words *);

/* Both tell the host: "WORD" at character N WHAT. */
void kwp_wrong_word (struct kwp_words *, const char *fmt, ...) KW_PRINTF (2, 3);
/* The word's value in the table.  0 if it is not there, which is wrong. */
uint32_t kwp_take_word (struct kwp_words *, const char *what, const struct kwp_named *,
                        size_t n);

#endif
