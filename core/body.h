/* body - the Chat Completions JSON that a caller hands in and gets back, as
 * far as the core must read it: made from a prompt, checked, and the text of
 * an answer.  JSON is json-c's.  Knows no provider. */
#ifndef KWI_BODY_H
#define KWI_BODY_H

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct kw_client_request;
struct kw_error;

/* A body from prompt or messages, for free(); KW_ERR_USAGE if neither is
 * there, one is not UTF-8, or a name has control characters.  max_tokens 0:
 * none is set. */
int kwi_body_make (const struct kw_client_request *, const char *model,
                   int max_tokens, char **ret, size_t *ret_len,
                   struct kw_error *err);

/* Checks that a caller's own body is a JSON object as RFC 8259 has it
 * (KW_ERR_USAGE with line and column if not) and reads its model ("" if it
 * names none) and stream. */
int kwi_body_check (const void *body, size_t len, char *model, size_t size,
                    int *ret_stream, struct kw_error *err);

/* What a body says of the size of its request. */
struct kwi_body_facts {
  int64_t max_tokens;           /* max_completion_tokens, else max_tokens;
                                   -1: neither is a number                */
  const char *messages;         /* the JSON of "messages", or NULL        */
  size_t messages_len;
};

/* The same, and the facts; NULL: nobody wants them. */
int kwi_body_read (const void *body, size_t len, char *model, size_t size,
                   int *ret_stream, struct kwi_body_facts *ret_facts,
                   struct kw_error *err);

/* Where s, which may hold a NUL, has its first control character; len: none. */
size_t kwi_body_control (const char *s, size_t len);

/* A whole answer to a chat: it has choices. */
int kwi_body_is_completion (struct json_object *json);
/* The text of the first choice of a whole answer or of a stream's chunk; NULL if there
 * is none.  Borrowed from json. */
const char *kwi_body_text (struct json_object *json, size_t *ret_len);
/* The same of a stream's chunk, of the choice with index 0 or none: where
 * several are asked for, their chunks come mixed. */
const char *kwi_body_chunk_text (struct json_object *json, size_t *ret_len);
/* A chunk carries content: text, a tool call, a refusal, or the end; or it is
 * an event of another kind, and more than an announcement. */
int kwi_body_chunk_has_content (struct json_object *json);
/* It is neither a chat's chunk nor an event that says by its type what it is. */
int kwi_body_chunk_is_unknown (struct json_object *json);

/* What a provider says of an error, in the places where Chat Completions and
 * its relatives put it; buf is "" if nowhere.  For people only. */
void kwi_body_error_text (struct json_object *json, char *buf, size_t size);
/* The title of an HTML page, cut to fit; 0, or -1: there is none. */
int kwi_body_page_title (const char *body, char *buf, size_t size);

#endif
