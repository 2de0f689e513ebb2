/* serve - the gateway from its start to its end. */
#ifndef GW_SERVE_H
#define GW_SERVE_H

#include <keywheel/keywheel.h>

struct cli_options;

/* Serves until SIGTERM or SIGINT.  Takes client over.  Returns an exit code of
 * keywheel(1). */
int gw_serve (const struct cli_options *, kw_client *client);

#endif
