/* answer - what goes back: status, headers and body, with Groq's own words.
 * Pure: makes texts and knows no HTTP server, no clock and no lock. */
#ifndef SIM_ANSWER_H
#define SIM_ANSWER_H

#include "bucket.h"
#include "faults.h"

#include <stddef.h>
#include <stdint.h>

enum sim_shape {
  SIM_WHOLE,                    /* body, with its length declared       */
  SIM_DROPPED,                  /* no answer at all                      */
  SIM_HUNG,                     /* none, until the client goes           */
  SIM_CUT,                      /* half of the body that was declared    */
  SIM_STREAM,                   /* pieces, one after another             */
  SIM_HUGE                      /* big_size bytes of JSON, made on the fly */
};

struct sim_header {
  char name[40];
  char value[256];
};

#define SIM_HEADERS_MAX 16

struct sim_answer {
  enum sim_shape shape;
  int status;
  int chunked;                  /* SIM_HUGE: of undeclared length */
  int reset;                    /* where it is cut the connection is reset */
  size_t n_headers;
  struct sim_header headers[SIM_HEADERS_MAX];
  char *body;
  size_t body_len;
  char **pieces;                /* SIM_STREAM: whole SSE events */
  size_t n_pieces;
  int64_t break_at;             /* cut before that piece; -1: never */
  int64_t delay_ms, chunk_delay_ms;
  int64_t big_size;
};

void sim_answer_init (struct sim_answer *);
void sim_answer_clear (struct sim_answer *);
void sim_answer_header (struct sim_answer *, const char *name, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 3, 4)));
/* Takes body (malloced; NULL: no memory, a 500 then). */
void sim_answer_body (struct sim_answer *, int status, const char *content_type,
                      char *body, size_t len);
/* Takes piece, an SSE event. */
void sim_answer_piece (struct sim_answer *, char *piece);

/* {"error":{"message":...,"type":...,"code":...}}; NULL for what is not there. */
void sim_answer_error (struct sim_answer *, int status, const char *type,
                       const char *code, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 5, 6)));

/* 429, or 413 if no wait will help, with retry-after. */
void sim_answer_refusal (struct sim_answer *, const struct sim_refusal *,
                         const char *model, const char *org);

/* x-ratelimit-*: requests per day, and tokens per minute. */
void sim_answer_buckets (struct sim_answer *, struct sim_account *, int64_t now_us,
                         int tokens_too);

/* What the provider says with that status when it is not the client's doing. */
void sim_answer_status (struct sim_answer *, int status, const char *model,
                        int64_t retry_after);
void sim_answer_html (struct sim_answer *, int status);
/* The error of sim_answer_status as one event of a stream; malloced. */
char *sim_error_event (int status, enum sim_error_form, const char *model,
                       const char *id);

#endif
