/* relay - an answer of any kind on its way to its caller; see relay.h. */
#include <string.h>
#include <strings.h>

#include <keywheel/keywheel.h>

#include "answer.h"
#include "peek.h"
#include "relay.h"
#include "request.h"
#include "stream.h"
#include "transport.h"          /* KWI_SINK_* */

/* So much JSON is held until all of it is there. */
enum { HOLD = 256 * 1024 };

int
kwi_relay_opens (const struct kwi_stream *s, const struct kwi_answer *a, size_t len)
{
  const char *type = kwi_answer_header (a, "content-type");

  if (s->started)
    return 1;
  if (!s->relays || s->on_data == NULL || a->status < 200 || a->status > 299
      || (s->request != NULL && s->request->translated))
    return 0;
  if (type != NULL && strncasecmp (type, "text/html", 9) == 0)
    return 0;                   /* a page where an API was asked */
  if (kwi_answer_header (a, "content-encoding") != NULL && s->is_plain)
    return 1;
  return a->body_len + len > HOLD
         || (!s->wants_json && (type == NULL || !kwi_is_json_type (type)));
}

int
kwi_relay_hand_on (struct kwi_stream *s, struct kwi_answer *a,
                   const void *data, size_t len, size_t *ret_taken)
{
  int was_started = s->started;

  s->answer = a;
  s->started = 1;
  kwi_stream_begin (s);
  if (!was_started && a->body_len > 0) {
    kwi_stream_heed (s, s->on_data (s->user, a->body, a->body_len));
    kwi_answer_take_body (a, NULL, 0, 0);
    *ret_taken = 0;
  }
  a->handed_on = 1;
  if (!s->paused && !s->stopped) {
    kwi_stream_heed (s, s->on_data (s->user, data, len));
    *ret_taken = len;
  }
  return s->stopped ? KWI_SINK_STOP : s->paused ? KWI_SINK_PAUSE : 0;
}
