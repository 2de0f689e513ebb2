/* log - the access log: a JSON line for each request.  The loops hand their lines
 * to a thread that writes them: a disk that stands still holds no request up. */
#ifndef GW_LOG_H
#define GW_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "buffer.h"
#include "log-line.h"

struct gw_log_file;

struct gw_log {
  pthread_mutex_t lock;         /* of all but the atomics                 */
  pthread_cond_t more;          /* for the writer to do                   */
  pthread_t writer;
  int begun, ending;
  struct gw_log_file *first;    /* what the writer is at                  */
  struct gw_log_file *last;     /* what lines go to; NULL: there is no log */
  atomic_int open;
  atomic_uint_fast64_t lost;    /* lines that could not be written        */
};

void gw_log_init (struct gw_log *);
/* Writes what there is, and ends. */
void gw_log_clear (struct gw_log *);
/* Instead of what is open, which has the lines so far.  where: "off", "stderr" or a
 * path.  0 or a negative errno, and all is as before. */
int gw_log_open (struct gw_log *, const char *where);

/* From any thread. */
int gw_log_is_open (const struct gw_log *);
void gw_log_add (struct gw_log *, const struct gw_log_line *);

#endif
