/* gate - who is let in: the Host and the Origin of a request, and its token. */
#ifndef GW_GATE_H
#define GW_GATE_H

#include "request.h"

/* Finds r->client, or fills in r->error. */
void gw_gate_check (struct gw_request *);
/* 1: its page is one of allowed_origins, and the answer has to say so. */
int gw_gate_is_foreign (const struct gw_request *);

#endif
