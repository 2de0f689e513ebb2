/* dialect - the native APIs that the simulator speaks beside Chat Completions:
 * Anthropic's Messages and Gemini's generateContent.  Which one is told by the
 * path that is asked; keys, limits, faults and the log are the same for all. */
#ifndef SIM_DIALECT_H
#define SIM_DIALECT_H

#include "chat.h"

#include <json-c/json.h>

enum sim_dialect { SIM_OPENAI, SIM_ANTHROPIC, SIM_GEMINI };

struct sim_route {
  enum sim_endpoint endpoint;
  enum sim_dialect dialect;
  int no_body;                  /* there is none, whatever was sent        */
  int stream;                   /* the path says so: Gemini's              */
  char model[128];              /* likewise; "": the body has it           */
  char id[128];                 /* of one model, file or batch; "": none   */
  char action[16];              /* what is behind the id                   */
};

void sim_route_find (const char *method, const char *path, struct sim_route *);

/* What an error of Chat Completions is in another dialect: the answer's status
 * and body are written anew.  Nothing for SIM_OPENAI and what is no error. */
void sim_dialect_error (struct sim_answer *, enum sim_dialect, const char *request_id);

/* ---- Each dialect ---------------------------------------------------------- */

void sim_anthropic_error (struct sim_answer *, const char *code, const char *message,
                          const char *request_id);
/* A limit is full; org is whose. */
void sim_anthropic_refusal (struct sim_answer *, const struct sim_refusal *,
                            const char *org);
void sim_anthropic_buckets (struct sim_answer *, struct sim_account *, int64_t now_us,
                            const char *org);
void sim_anthropic_whole (struct sim_answer *, const struct sim_reply *);
void sim_anthropic_stream (struct sim_answer *, const struct sim_reply *,
                           const struct sim_fault *error);

/* As sim_request_read, of a chat. */
int sim_gemini_read (struct sim_request *, const struct sim_route *, const char *body,
                     size_t len, int64_t reply_tokens, struct sim_answer *problem);
void sim_gemini_error (struct sim_answer *, const char *code, const char *message);
void sim_gemini_refusal (struct sim_answer *, const struct sim_refusal *,
                         const char *model, const char *org);
void sim_gemini_whole (struct sim_answer *, const struct sim_reply *);
void sim_gemini_stream (struct sim_answer *, const struct sim_reply *,
                        const struct sim_fault *error);

/* ---- What they share --------------------------------------------------------- */

/* An object from "name", value, ..., NULL; takes the values. */
struct json_object *sim_object (const char *name, ...);
/* An array of one; takes it. */
struct json_object *sim_list (struct json_object *only);
struct json_object *sim_text (const char *);
struct json_object *sim_number (int64_t);

/* A member of an object's, or NULL if it has none of this type; a text, or "". */
struct json_object *sim_member (struct json_object *, const char *name, enum json_type);
const char *sim_text_member (struct json_object *, const char *name);

/* All take root.  The body of an answer; the body of one that has its headers
 * already; one event of a stream, with a name or NULL. */
void sim_put_json (struct sim_answer *, int status, struct json_object *root);
void sim_put_body (struct sim_answer *, int status, struct json_object *root);
void sim_put_event (struct sim_answer *, const char *name, struct json_object *root);
/* Cuts a stream to so many pieces. */
void sim_cut_pieces (struct sim_answer *, int64_t pieces);

#endif
