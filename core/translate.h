/* translate - the host's side of the extension KW_EXT_TRANSLATE: the answers of
 * a provider that does not speak Chat Completions, turned back by its plugin.
 *
 * A request is marked in prepare (kw_request.translated); whoever has the answer
 * comes here with it.  What the plugin outputs is gathered, and looked at when
 * its call is over and no lock of it is held: a caller's callback may do as it
 * likes.  Knows no policy, no network, and nothing of what a chunk says. */
#ifndef KWI_TRANSLATE_H
#define KWI_TRANSLATE_H

#include <stddef.h>
#include <stdint.h>

struct kw_instance;
struct kw_request;
struct kw_translate_host;
struct kwi_answer;

/* What a plugin sees as an opaque pointer: an answer being written.  Zero is
 * the initial state; of a stream one is used from its first event to its end. */
struct kw_translation {
  char *out;                    /* of the last call: more of the body, or
                                   events, framed, a NUL behind each      */
  size_t len, size;
  int64_t max;                  /* bounds what one call outputs           */
  int in_events;
  int failed;                   /* KW_ERR_*: an output that was not taken */
  int done;                     /* "[DONE]" was output: nothing may follow */
  int begun;                    /* a stream is open, its state is stream  */
  void *stream;                 /* the plugin's own                       */
};

/* What get_extension (KW_EXT_TRANSLATE) of the host gives. */
const struct kw_translate_host *kwi_translate_host (void);

/* Asks the plugin for its table, unless that was done; from no other call. */
void kwi_translate_ask (struct kw_instance *);
void kwi_translate_free (struct kw_instance *);

/* The whole answer to a translated request: body and content type are a chat
 * completion's afterwards.  Else KW_ERR_*, the words in net_text, and logged;
 * too_large is set if it is for more than max bytes. */
int kwi_translate_reply (struct kw_instance *, const struct kw_request *,
                         struct kwi_answer *, int64_t max);

/* One event of the answer's stream; data NULL: the last call.  0: the events
 * are in out.  Else as kwi_translate_reply, and out is empty. */
int kwi_translate_event (struct kw_instance *, const struct kw_request *,
                         struct kwi_answer *, struct kw_translation *,
                         const char *name, const char *data, size_t len);
/* Ends the stream if one is open, and forgets what was output; out's buffer
 * stays for the next, until kwi_translate_clear. */
void kwi_translate_end (struct kw_instance *, struct kw_translation *);
void kwi_translate_clear (struct kw_instance *, struct kw_translation *);

/* The events in out, one after the other: "data: TEXT\n\n"; NULL behind the
 * last.  event NULL: the first. */
const char *kwi_translate_next (const struct kw_translation *,
                                const char *event);
#define KWI_EVENT_PREFIX "data: "

#endif
