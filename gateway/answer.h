/* answer - what goes back to the client: an error, a whole answer, or a stream
 * as it comes. */
#ifndef GW_ANSWER_H
#define GW_ANSWER_H

#include "request.h"

/* A header field of it; one without a value is left out. */
void gw_head_put (struct gw_head *, const char *name, const char *value);
/* r->error, as JSON. */
enum MHD_Result gw_answer_error (struct gw_request *);
/* What has come of the call so far. */
enum MHD_Result gw_answer (struct gw_request *);
/* What OPTIONS is answered. */
enum MHD_Result gw_answer_options (struct gw_request *);
/* A page of the gateway's own; takes text (of malloc) over.  NULL: no memory. */
enum MHD_Result gw_answer_text (struct gw_request *, int status, const char *type,
                                char *text, size_t len);

#endif
