/* log - what was asked and how it was answered: a line each in a file, the
 * last ones in memory, and counts by key and verdict.  Holds no secret, since
 * none is given to it.  No locks: the caller's. */
#ifndef SIM_LOG_H
#define SIM_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sim_record {
  int64_t n, t_ms, mono_us, requested, bytes;
  int status;                   /* 0: none was sent */
  int stream;
  const char *key, *org, *method, *path, *model, *verdict, *tag;
};

struct sim_tally {
  char key[64];                 /* "": not known */
  const char *verdict;          /* static texts, compared as pointers */
  int64_t count;
};

struct sim_log {
  FILE *file;
  char **lines;                 /* a ring, the last SIM_LOG_KEEP */
  size_t n_lines, next_line;
  struct sim_tally *tallies;
  size_t n_tallies;
  int64_t total;
};

#define SIM_LOG_KEEP 200000

/* path NULL: no file.  0, or -1 and errno. */
int sim_log_open (struct sim_log *, const char *path);
void sim_log_close (struct sim_log *);

/* verdict must be a text that lives for ever, and the same one each time. */
void sim_log_add (struct sim_log *, const struct sim_record *);

/* The lines in memory; malloced, NULL: no memory. */
char *sim_log_text (const struct sim_log *, size_t *ret_len);
char *sim_log_stats (const struct sim_log *, int64_t t_ms, int64_t under_way,
                     size_t *ret_len);

#endif
