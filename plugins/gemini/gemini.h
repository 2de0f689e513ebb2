/* gemini - what the files of the gemini plugin share: request.c and contents.c
 * write a request, answer.c and parts.c read an answer, reply.c and stream.c
 * hand it on, judge.c and quota.c say what it means.  Facts are from
 * https://ai.google.dev/api as of November 2026, and from answers that were
 * really given. */
#ifndef GEMINI_H
#define GEMINI_H

#include <stddef.h>
#include <stdint.h>

#include "../kit/chat.h"
#include "../kit/family.h"

/* An instance's own; the family's struct kwp_instance holds it. */
struct gemini {
  const struct kw_host *host;
  struct kw_instance *in;
  const struct kw_translate_host *translate; /* NULL: the host is too old */
};

static inline const struct gemini *
gemini_of (void *self)
{
  return ((const struct kwp_instance *) self)->own;
}

/* ---- Requests ------------------------------------------------------------ */

/* A request on its way into Gemini's format. */
struct gemini_request {
  struct kwp_chat chat;
  const char *model;            /* "gemini-3.8-flash", without "models/"    */
  int by_level;                 /* it takes thinking levels, and wants its
                                   thought signatures back                  */
  int nomem;
  struct json_object *body;     /* and in it, borrowed:                     */
  struct json_object *contents, *parts, *system, *config;
  struct json_object *names;    /* of the tool calls so far, by their ids   */
  const char *role;             /* whose parts are being filled, or NULL    */
  struct json_object *detail;   /* of the images so far; NULL: unsaid       */
  size_t n_images;
};

/* 0, or an error that the host was told of.  close after a failure, too. */
int gemini_request_open (struct gemini_request *, const struct gemini *,
                         const char *model, const void *body, uint64_t len);
void gemini_request_close (struct gemini_request *);

/* All messages, into contents and system. */
int gemini_contents (struct gemini_request *);

/* ---- What a request leaves for its answer --------------------------------- */

struct gemini_note {
  char include_usage;           /* 1: a stream ends with its usage          */
  char model[256];              /* for answers that do not say              */
};

void gemini_note_read (const void *note, uint64_t len, struct gemini_note *);

/* ---- Answers ------------------------------------------------------------- */

enum { GEMINI_MAX_CHOICES = 8 };        /* candidateCount ends there */

struct gemini_choice {
  const char *finish;           /* in Chat Completions' words; NULL: going on */
  unsigned n_calls;
  char started, refused;
};

/* One answer, whole or what has come of a stream. */
struct gemini_answer {
  const struct gemini *g;
  char id[128], model[256];
  int64_t created_ms;
  struct kwp_usage usage;
  int has_usage;
  int nomem;
  unsigned n_choices;           /* the highest index + 1                    */
  struct gemini_choice choices[GEMINI_MAX_CHOICES];
};

void gemini_answer_init (struct gemini_answer *, const struct gemini *,
                         const struct gemini_note *, int64_t now_ms);

/* Takes over id, model and usage; blocked: the prompt was, and why. */
int gemini_read_head (struct gemini_answer *, struct json_object *json,
                      struct json_object **ret_blocked);

/* The i-th candidate of json, as a message or, with chunk, a delta (NULL: it
 * says nothing), the caller's; logprobs likewise, or NULL. */
int gemini_read_candidate (struct gemini_answer *, struct json_object *json,
                           size_t i, int chunk, unsigned *ret_index,
                           struct json_object **ret_said,
                           struct json_object **ret_logprobs);

/* A choice; takes said and logprobs (or NULL). */
void gemini_put_choice (struct gemini_answer *, struct json_object *completion,
                        unsigned index, struct json_object *said,
                        struct json_object *logprobs, const char *finish);

/* A message or delta for a prompt that was blocked; into choice 0. */
struct json_object *gemini_refusal (struct gemini_answer *, int chunk,
                                    struct json_object *blocked);

int gemini_reply (void *self, const struct kw_response *, const void *note,
                  uint64_t note_len, struct kw_translation *);
int gemini_stream_begin (void *self, const void *note, uint64_t note_len,
                         void **ret_stream);
int gemini_stream_event (void *self, void *stream, const char *event,
                         const void *data, uint64_t len,
                         struct kw_translation *);
void gemini_stream_end (void *self, void *stream);

/* Parts of answers, parts.c */

/* A member that is a string, or NULL. */
struct json_object *gemini_string (struct json_object *, const char *name);

/* The parts of a candidate into said; *ret_text: there was text. */
int gemini_read_parts (struct gemini_answer *, struct json_object *candidate,
                       unsigned index, int chunk, struct json_object *said,
                       int *ret_text);

/* A text that is put together. */
struct gemini_text {
  char *buf;                    /* NULL: nothing yet                        */
  size_t len, size;
};

void gemini_text_add (int *nomem, struct gemini_text *, const char *, size_t len);
void gemini_text_add_string (int *nomem, struct gemini_text *, struct json_object *);
/* Into o as a string, where there is any, and away with it. */
void gemini_text_put (int *nomem, struct json_object *o, const char *name,
                      struct gemini_text *);

/* ---- Verdicts ------------------------------------------------------------ */

extern const struct kwp_family gemini_family;

int gemini_classify (void *self, const struct kw_response *, struct kw_verdict *);

#endif
