/* peek - what rotation needs to know of a body that only passes through: its
 * model, and whether it asks for a stream.  Of JSON or of a form, of which the
 * beginning may be all that is there.  Checks nothing: that is the provider's
 * business. */
#ifndef KWI_PEEK_H
#define KWI_PEEK_H

#include <stddef.h>

#include "form.h"

enum kwi_body_kind { KWI_BODY_OTHER = 0, KWI_BODY_JSON, KWI_BODY_FORM };

struct kwi_peek {
  enum kwi_body_kind kind;
  struct kwi_form form;
  char model[96];               /* "": not found                          */
  int stream;
};

/* For a body of that type; NULL: JSON. */
void kwi_peek_begin (struct kwi_peek *, const char *content_type);
/* Looks at what there is, len bytes from the body's beginning; whole: that is
 * all of it.  Of a form it may be called again with more. */
void kwi_peek_look (struct kwi_peek *, const char *body, size_t len, int whole);

/* "application/json; charset=utf-8", "application/problem+json". */
int kwi_is_json_type (const char *content_type);

#endif
