/* page - GET /: the status page, one file out of the binary. */
#ifndef GW_PAGE_H
#define GW_PAGE_H

#include "request.h"

enum MHD_Result gw_page_answer (struct gw_request *);

#endif
