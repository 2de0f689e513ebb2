/* stream - an event stream on its way to the caller: held back until its
 * first content, so that what fails before can be sent again unseen; then
 * handed on as it comes, kept nowhere.  A caller who takes neither bytes nor
 * text gets the whole as the answer's body, and nothing is seen of it before.
 *
 * An event that mentions an error or usage is shown to the plugin's classify,
 * in_stream set: providers put both in places of their own.  Of usage only the
 * token counts are taken, with the top-level member "usage" as the fallback.
 *
 * The answer to a translated request goes through its plugin first, event by
 * event; what comes out is held, kept or handed on like a chunk that came so.
 * Of the provider's own events those are shown to classify that speak of an
 * error or of usage. */
#ifndef KWI_STREAM_H
#define KWI_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "instance.h"
#include "sse.h"
#include "translate.h"

struct kw_request;

struct kwi_stream {
  struct kw_instance *instance; /* judges error events                    */
  int (*on_data) (void *user, const void *data, size_t len);
  int (*on_text) (void *user, const char *text, size_t len);
  void *user;
  /* The answer is the caller's; before the first of them, NULL: nobody asks. */
  void (*begin) (void *call);
  void *call;
  int relays;                   /* what is no event stream is handed on   */
  int wants_json;               /* ... unless it should be JSON           */
  int is_plain;                 /* it was not asked to be compressed      */
  const struct kw_request *request; /* what was sent; NULL: not translated */
  int64_t max_response;         /* bounds an event, and what is held back */

  struct kwi_sse sse;
  struct kw_translation translation;
  char *held;                   /* bytes before the first content         */
  size_t held_len, held_size;
  size_t n_events;              /* of a translation: those that came out  */
  int is_stream;                /* the answer is one                      */
  int is_chat;                  /* of Chat Completions chunks             */
  int started;                  /* content has been handed on             */
  int ended;                    /* it said so: [DONE] or a finish_reason;
                                   streams of other shapes always are, as
                                   nobody knows how they end              */
  int failed;                   /* judgement has an error event's verdict */
  int untranslated;             /* the plugin failed at an event; why, is
                                   in the answer                          */
  int stopped;                  /* the caller's callback said stop        */
  int may_pause;                /* there is somebody who would resume     */
  int paused;                   /* the caller's callback said pause       */
  struct kwi_judgement *judgement; /* where that goes                     */
  char *error_text;             /* the error event's data, for free()     */
  struct kwi_answer *answer;    /* the exchange's, once it is a stream    */
  int64_t input_tokens, output_tokens; /* -1: not said                    */
};

/* For the next attempt. */
void kwi_stream_reset (struct kwi_stream *);
void kwi_stream_clear (struct kwi_stream *);

/* The transport's sink; user is the kwi_stream. */
int kwi_stream_sink (void *user, struct kwi_answer *, const void *data,
                     size_t len, size_t *ret_taken);
/* The exchange ended well: a translation's last call.  Before the answer is
 * judged, for it may be what ends the chat. */
void kwi_stream_finish (struct kwi_stream *);
/* It was served: hands on what is still held, to the caller or as the answer's
 * body.  0, or non-zero if the caller's callback said stop. */
int kwi_stream_end (struct kwi_stream *);

/* ---- For relay.c ------------------------------------------------------------ */

void kwi_stream_begin (struct kwi_stream *);
/* What a callback of the caller's returned. */
void kwi_stream_heed (struct kwi_stream *, int said);

#endif
