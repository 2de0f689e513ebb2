/* faults - what the simulator is told to do wrong, and to whom.
 * A list of rules; each request takes the first that is meant for it.  Only
 * decides: answers are made elsewhere.  No locks: the caller's. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <stddef.h>
#include <stdint.h>

enum sim_fault_kind {
  SIM_FAULT_NONE,               /* the right answer, perhaps slowed */
  SIM_FAULT_STATUS,
  SIM_FAULT_HTML,
  SIM_FAULT_DROP,
  SIM_FAULT_HANG,
  SIM_FAULT_TRUNCATE,           /* of the right answer */
  SIM_FAULT_GARBAGE,
  SIM_FAULT_EMPTY,
  SIM_FAULT_REDIRECT,
  SIM_FAULT_BODY_SIZE,
  SIM_FAULT_SSE_ERROR,
  SIM_FAULT_SSE_BREAK,          /* of the right answer */
  SIM_FAULT_KINDS
};

enum sim_error_form { SIM_FORM_EVENT, SIM_FORM_DATA, SIM_FORM_X_GROQ };

struct sim_fault {
  enum sim_fault_kind kind;
  enum sim_error_form form;     /* of sse-error */
  int status;
  int chunked;                  /* body-size: of undeclared length */
  int reset;                    /* the connection is not closed but reset */
  int64_t amount;               /* bytes of body-size, chunks of sse-break */
  int64_t after;                /* chunks before sse-error */
  int64_t delay_ms, chunk_delay_ms;
  int64_t retry_after;          /* -1: as usual */
  int64_t count;                /* requests left; -1: all */
  int64_t skip;                 /* requests to let pass first */
  int64_t one_in;               /* of so many, at random; 0: each */
  char key[64];                 /* "": any */
  char model[128];              /* "": any */
  char location[256];
};

struct sim_faults {
  struct sim_fault *rules;
  size_t n;
  uint64_t drawn;               /* the last random number; 0: none yet */
};

/* "fault:status" etc., as the log has them; NULL for SIM_FAULT_NONE. */
const char *sim_fault_verdict (enum sim_fault_kind);

/* 0, or -1 and a message that says what was allowed. */
int sim_fault_parse (const char *spec, struct sim_fault *ret_fault, char *msg,
                     size_t size);
int sim_faults_add (struct sim_faults *, const char *spec, char *msg, size_t size);
/* A copy of all of more behind what is not spent: 0, or -1: no memory. */
int sim_faults_append (struct sim_faults *, const struct sim_faults *more);
void sim_faults_clear (struct sim_faults *);

/* The fault of a request, counted: 1 and a copy, or 0.  key "" is one that is
 * not known. */
int sim_faults_take (struct sim_faults *, const char *key, const char *model,
                     int stream, struct sim_fault *ret_fault);

#endif
