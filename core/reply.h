/* reply - the insides of a kw_reply. */
#ifndef KWI_REPLY_H
#define KWI_REPLY_H

#include "call.h"

/* From a call that was served: takes over its answer and its record.  NULL: no
 * memory. */
struct kw_reply *kwi_reply_new (struct kwi_call *);

#endif
