/* chat - the bodies: what a client asks for, how many tokens that is, and the
 * replies to it, whole or as a stream. */
#ifndef SIM_CHAT_H
#define SIM_CHAT_H

#include "answer.h"

#include <stddef.h>
#include <stdint.h>

enum sim_endpoint { SIM_UNKNOWN, SIM_CHAT, SIM_EMBEDDINGS, SIM_MODELS };

struct sim_request {
  struct json_object *root;     /* NULL: no valid body */
  const char *model;            /* "" when there is none; these are root's */
  const char *tag;
  const char *echo;             /* the last user message, or "" */
  int stream, include_usage;
  size_t inputs;                /* of embeddings */
  int64_t prompt_tokens, completion_tokens;
};

/* 0, or -1 with the error of a client's mistake in *problem.  What could be
 * read is in *ret_request in both cases, to be cleared. */
int sim_request_read (struct sim_request *ret_request, enum sim_endpoint,
                      const char *body, size_t len, int64_t reply_tokens,
                      struct sim_answer *problem);
void sim_request_clear (struct sim_request *);

/* What all of one reply's parts share. */
struct sim_reply {
  const struct sim_request *request;
  const char *key;              /* the name */
  const char *request_id;       /* "req_..." */
  int64_t serial;
  int64_t created;
};

/* Which key served, and the start of what was asked; malloced, NULL: no memory. */
char *sim_reply_text (const struct sim_reply *);

void sim_chat_whole (struct sim_answer *, const struct sim_reply *);
/* error, if not NULL, comes after so many pieces of the reply. */
void sim_chat_stream (struct sim_answer *, const struct sim_reply *,
                      const struct sim_fault *error);
void sim_embeddings (struct sim_answer *, const struct sim_reply *);
/* names: n of them. */
void sim_models (struct sim_answer *, const char *const *names, size_t n,
                 int64_t created);

#endif
