/* form - a body of type multipart/form-data: where a field's value stands in it.
 * Of a body that only passes through, and of which the beginning may be all that
 * is there.  Pure; checks nothing. */
#ifndef KWI_FORM_H
#define KWI_FORM_H

#include <stddef.h>

struct kwi_form {
  char boundary[76];            /* "--" before it; "": it is no form      */
  size_t from;                  /* looked at up to here                   */
};

/* 1: a body of that type is a form.  type may be NULL. */
int kwi_form_begin (struct kwi_form *, const char *type);
/* The value of the first field of that name in what there is, len bytes from the
 * body's beginning; NULL: not found (yet).  May be called again with more. */
const char *kwi_form_find (struct kwi_form *, const char *body, size_t len,
                           const char *name, size_t *ret_len);

#endif
