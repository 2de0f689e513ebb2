/* variants - an answer as it might have come as well: other numbers, names and
 * order, more members and headers, wrapped by a proxy.  None of it changes what
 * the answer means, so a rule that gives another verdict hangs on the words of
 * one entry.  For test_providers. */
#ifndef VARIANTS_H
#define VARIANTS_H

#include "answers.h"

struct variant {
  const char *name;             /* "members reordered"                    */
  char *body;
  char headers[8192];
  int status, in_stream;
};

/* The i-th variant of an answer that came with that status: 1, and the caller
 * calls variant_clear; 0: this answer has none such; -1: there is no i-th. */
int variant_make (int i, const struct answer *, int status, struct variant *ret);
void variant_clear (struct variant *);

#endif
