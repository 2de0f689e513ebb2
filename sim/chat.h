/* chat - the bodies: what a client asks for, how many tokens that is, and the
 * replies to it, whole or as a stream. */
#ifndef SIM_CHAT_H
#define SIM_CHAT_H

#include "answer.h"
#include "form.h"

#include <stddef.h>
#include <stdint.h>

enum sim_endpoint {
  SIM_UNKNOWN, SIM_CHAT, SIM_COMPLETIONS, SIM_RESPONSES, SIM_EMBEDDINGS, SIM_SPEECH,
  SIM_TRANSCRIPTIONS, SIM_MODELS, SIM_FILES, SIM_BATCHES
};

struct sim_request {
  struct json_object *root;     /* NULL: no valid body */
  const char *model;            /* "" when there is none; these are root's */
  const char *tag;
  const char *echo;             /* the last user message, or "" */
  const char *tool;             /* the reply is a call of it; NULL: no call */
  struct json_object *schema;   /* of the call's arguments, or of the reply */
  int json;                     /* the reply is to be JSON */
  int stream, include_usage;
  int base64;                   /* how embeddings are written */
  size_t inputs;                /* of embeddings */
  struct sim_upload file;       /* of audio and files; the body's */
  int64_t prompt_tokens, completion_tokens;
};

/* 0, or -1 with the error of a client's mistake in *problem.  What could be
 * read is in *ret_request in both cases, to be cleared. */
int sim_request_read (struct sim_request *ret_request, enum sim_endpoint,
                      const char *content_type, const char *body, size_t len,
                      int64_t reply_tokens, struct sim_answer *problem);
void sim_request_clear (struct sim_request *);

/* What all of one reply's parts share. */
struct sim_reply {
  const struct sim_request *request;
  const char *key;              /* the name */
  const char *request_id;       /* "req_..." */
  int64_t serial;
  int64_t created;
};

/* Which key served, and the start of what was asked; as JSON if that is asked for,
 * or the arguments of a tool's call.  malloced, NULL: no memory. */
char *sim_reply_text (const struct sim_reply *);

void sim_chat_whole (struct sim_answer *, const struct sim_reply *);
/* error, if not NULL, comes after so many pieces of the reply. */
void sim_chat_stream (struct sim_answer *, const struct sim_reply *,
                      const struct sim_fault *error);
void sim_completions_whole (struct sim_answer *, const struct sim_reply *);
void sim_completions_stream (struct sim_answer *, const struct sim_reply *,
                             const struct sim_fault *error);
void sim_responses_whole (struct sim_answer *, const struct sim_reply *);
void sim_responses_stream (struct sim_answer *, const struct sim_reply *,
                           const struct sim_fault *error);
void sim_speech (struct sim_answer *, const struct sim_reply *);
void sim_transcription (struct sim_answer *, const struct sim_reply *);
void sim_embeddings (struct sim_answer *, const struct sim_reply *);
/* names: n of them.  only: not the list but this one of it; "": the list. */
void sim_models (struct sim_answer *, const char *const *names, size_t n,
                 const char *only, int64_t created);

/* "call_...", of the call that the reply is; returns buf. */
const char *sim_call_id (const struct sim_reply *, char *buf, size_t size);
void sim_begin_stream (struct sim_answer *);
/* In the place of the piece that it comes after, and nothing behind it. */
void sim_stream_error (struct sim_answer *, const struct sim_reply *,
                       const struct sim_fault *error);

#endif
