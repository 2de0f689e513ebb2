/* translate - what the files of the Anthropic plugin share: the instance, and the
 * two ways of translating.  Anthropic's facts are in ../anthropic.c. */
#ifndef ANTHROPIC_TRANSLATE_H
#define ANTHROPIC_TRANSLATE_H

#include "../kit/family.h"

struct anthropic {              /* a kwp_instance's own                     */
  const struct kw_host *host;
  struct kw_instance *in;
  const struct kw_translate_host *translate; /* NULL: an older host         */
  int64_t max_tokens;           /* for requests that name none              */
  char version[32];             /* header anthropic-version                 */
  char beta[256];               /* header anthropic-beta, "": none          */
};

static inline const struct anthropic *
anthropic_of (void *self)
{
  return ((struct kwp_instance *) self)->own;
}

/* request.c: the body of a POST /chat/completions, as one of POST /messages,
 * into the request, and that its answer is to be translated. */
int anthropic_translate_request (const struct anthropic *, const struct kw_call *,
                                 struct kw_request *);

/* reply.c, stream.c: struct kw_translate's. */
int anthropic_reply (void *self, const struct kw_response *, const void *note,
                     uint64_t note_len, struct kw_translation *);
int anthropic_stream_begin (void *self, const void *note, uint64_t note_len,
                            void **ret_stream);
int anthropic_stream_event (void *self, void *stream, const char *event,
                            const void *data, uint64_t len,
                            struct kw_translation *);
void anthropic_stream_end (void *self, void *stream);

/* What is kept with a request for its answer. */
#define ANTHROPIC_NOTE_USAGE "usage" /* stream_options.include_usage         */

#endif
