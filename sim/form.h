/* form - a body of multipart/form-data (RFC 7578), as uploads have it. */
#ifndef SIM_FORM_H
#define SIM_FORM_H

#include <stddef.h>

struct json_object;

struct sim_upload {
  char name[128];               /* as the client calls it; "": there is none */
  const char *data;             /* in the body */
  size_t len;
};

/* The fields that are texts as an object's members, to be put; the part that is
 * named "file" in *ret_file.  NULL: it is no such body. */
struct json_object *sim_form_read (const char *content_type, const char *body, size_t len,
                                   struct sim_upload *ret_file);

#endif
