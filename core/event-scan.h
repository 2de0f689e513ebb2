/* event-scan - what a stream's event speaks of, in one look at its bytes: most
 * events are a piece of text, and go on without being taken apart.  Knows no
 * provider, only the members that Chat Completions have. */
#ifndef KWI_EVENT_SCAN_H
#define KWI_EVENT_SCAN_H

#include <stddef.h>

enum {
  KWI_EVENT_ERROR   = 1,        /* a member "error" that is not null      */
  KWI_EVENT_USAGE   = 2,        /* likewise "usage"                       */
  KWI_EVENT_CHOICES = 4,
  KWI_EVENT_FINISH  = 8,        /* "finish_reason"                        */
  KWI_EVENT_DONE    = 16        /* it is "[DONE]"                         */
};

/* The KWI_EVENT_* of an event's data.  A hint only: at any depth, and data may
 * be no JSON.  What a model writes raises no alarm, for the quotes of a text
 * are escaped.  Linear in len. */
unsigned kwi_event_scan (const char *data, size_t len);

#endif
