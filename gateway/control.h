/* control - the gateway's own places: /healthz, /readyz, /status, /metrics,
 * /reset, and what OPTIONS says everywhere. */
#ifndef GW_CONTROL_H
#define GW_CONTROL_H

#include "request.h"

/* Fills in r->error if it cannot be asked so. */
void gw_control_check (struct gw_request *);
enum MHD_Result gw_control_answer (struct gw_request *);

#endif
