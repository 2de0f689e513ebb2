/* send - a struct sim_answer as a response of libmicrohttpd, with all that can
 * be wrong with one on the wire. */
#ifndef SIM_SEND_H
#define SIM_SEND_H

#include "answer.h"

#include <microhttpd.h>
#include <pthread.h>

/* Waits that a server's end cuts short. */
struct sim_pauses {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int over;
};

int sim_pauses_init (struct sim_pauses *);
void sim_pauses_end (struct sim_pauses *);      /* none lasts any longer */
void sim_pauses_destroy (struct sim_pauses *);
void sim_pause (struct sim_pauses *, int64_t ms);

/* Queues the answer, after its delay.  Takes what answer holds.  MHD_NO closes
 * the connection at once. */
enum MHD_Result sim_send (struct MHD_Connection *, struct sim_answer *,
                          struct sim_pauses *);

#endif
