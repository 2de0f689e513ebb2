/* duration - times as Go writes them, and so Groq's messages and headers. */
#ifndef SIM_DURATION_H
#define SIM_DURATION_H

#include <stddef.h>
#include <stdint.h>

/* "7m12.5s", "644ms", "1h0m0s".  Never less than 1ms, as no message's was;
 * returns buf. */
const char *sim_go_duration (int64_t us, char *buf, size_t size);

#endif
