/* kit - what the benchmarks share: arguments, the request that both sides send,
 * the bare side's easy handle, medians, and rows of the table. */
#ifndef BENCH_KIT_H
#define BENCH_KIT_H

#include <stddef.h>

#include <curl/curl.h>
#include <keywheel/keywheel.h>

/* From the command line; see bench_args. */
struct bench {
  const char *ini;              /* -c: the configuration of keywheel's side */
  const char *url;              /* -u: where the bare side posts to         */
  const char *only;             /* -o: one side alone, for a profile; else "" */
  long n;                       /* -n: requests in a round                  */
  long rounds;                  /* -r                                       */
  long at_once;                 /* -k: transfers, threads or streams at once */
  long body_size;               /* -b: bytes of the request's body, about   */
  int stream;                   /* the body asks for a stream             */
  char *body;
  size_t body_len;
};

/* Whatever is not given stays as it was before. */
void bench_args (struct bench *, int argc, char **argv);

/* Says it on stderr and exits: a benchmark that goes on measures nothing. */
void bench_die (const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 1, 2), __noreturn__));

/* Microseconds of the monotonic clock. */
double bench_us (void);

/* Where the bare side puts an answer: a caller that wants to read it has to
 * have it somewhere. */
struct bench_sink {
  char *data;
  size_t len, room;
};

/* An easy handle with all of its options set, for this request and no other:
 * the same bytes on the wire as keywheel's. */
CURL *bench_easy (const struct bench *, struct bench_sink *);
/* After a transfer: dies unless it went well.  Empties the sink. */
void bench_judge (CURL *, CURLcode, struct bench_sink *);

kw_client *bench_client (const struct bench *);
/* The same request for kw_chat and kw_submit. */
void bench_request (const struct bench *, kw_request *);
/* By kw_chat, and judged. */
void bench_chat (const struct bench *, kw_client *);

/* Runs the two sides in turns, side (user, 0) the bare one and side (user, 1)
 * keywheel's, the first one of a round by turns too, after one round for both
 * that is not counted.  side returns what it measured. */
struct bench_pair {
  double bare, keywheel;        /* medians of the rounds                  */
  double ratio;                 /* the median of the rounds' keywheel / bare */
  double lowest, highest;       /* of these                               */
};
struct bench_result {
  struct bench_pair wall;       /* of what side returned                  */
  struct bench_pair cpu;        /* microseconds of processor time, in all threads
                                   of this process, for one of per_round  */
};
void bench_rounds (long rounds, long per_round,
                   double (*side) (void *user, int keywheel), void *user,
                   struct bench_result *ret);
double bench_median (double *v, size_t n);

/* Two rows of the table, of what was measured and of the processor time, which
 * other work on the machine touches less; wanted < 0: no figure is asked for.  at_most: the
 * ratio is to be no higher than wanted, else no lower. */
void bench_row (const char *what, const char *unit, const struct bench_result *,
                double wanted, int at_most);

#endif
