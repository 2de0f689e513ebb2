/* server - the simulator on a port of 127.0.0.1; the only other file than send
 * that knows libmicrohttpd. */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

#include "sim.h"

struct sim_server;

/* Serves sim until stopped.  port 0: any.  NULL: errno says why. */
struct sim_server *sim_server_start (struct sim *, int port, int *ret_port);
/* Ends all exchanges, waits for their threads, frees. */
void sim_server_stop (struct sim_server *);

#endif
