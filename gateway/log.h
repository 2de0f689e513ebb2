/* log - the access log: a JSON line for each request.  Lines are kept until the
 * loop has a moment, and written together.  No header, no body and no query goes
 * into it: those may hold what is nobody's business. */
#ifndef GW_LOG_H
#define GW_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "buffer.h"

/* Texts may be NULL: null. */
struct gw_log_line {
  int64_t at_unix_ms;
  const char *client, *method, *path, *provider, *fallback, *model, *key, *code;
  int status;                   /* 0: the client was gone                 */
  int attempts, switches;
  int64_t waited_ms, first_byte_ms, took_ms; /* -1: null                  */
  int64_t bytes_in, bytes_out;
};

struct gw_log {
  pthread_mutex_t lock;         /* held while it is written, too          */
  atomic_int fd;                /* -1: there is no log                    */
  struct gw_buffer lines;
};

void gw_log_init (struct gw_log *);
void gw_log_clear (struct gw_log *);
/* Instead of what is open.  where: "off", "stderr" or a path.  0 or a negative
 * errno, and all is as before. */
int gw_log_open (struct gw_log *, const char *where);

/* All from here on: on any thread. */
int gw_log_is_open (const struct gw_log *);
void gw_log_add (struct gw_log *, const struct gw_log_line *);
void gw_log_flush (struct gw_log *);

#endif
