/* transport-flow - an upload that is read as there is room for it, and exchanges
 * that pause, either way; see transport.h. */
#include <stdio.h>              /* SEEK_SET */

#include <curl/curl.h>

#include "answer.h"
#include "loop.h"
#include "request.h"
#include "transport-handle.h"
#include "upload.h"

size_t
kwi_on_read (char *buf, size_t one, size_t n, void *user)
{
  struct kwi_handle *h = user;
  struct kwi_exchange *x = h->x;
  int64_t got = x->rejected ? 0 : kwi_upload_read (x->upload, buf, n * one);

  if (got == KWI_UPLOAD_PAUSED) {
    x->upload_paused = 1;
    return CURL_READFUNC_PAUSE;
  }
  x->heard_ms = h->lane->loop.now_ms;
  x->answer->aborted |= got < 0;
  return got < 0 ? CURL_READFUNC_ABORT : (size_t) got;
}

/* libcurl begins anew, on another connection. */
int
kwi_on_seek (void *user, curl_off_t to, int whence)
{
  struct kwi_handle *h = user;

  return to == 0 && whence == SEEK_SET && kwi_upload_rewind (h->x->upload) == 0
         ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* What is not paused goes on. */
static void
go_on (struct kwi_exchange *x)
{
  x->heard_ms = x->lane->loop.now_ms;
  (void) curl_easy_pause (x->handle->easy,
                          (x->paused ? CURLPAUSE_RECV : 0)
                          | (x->upload_paused ? CURLPAUSE_SEND : 0));
}

/* libcurl (7.88) then sends no more, closes the connection behind the answer,
 * and waits for ever for a pause to end, whose end would change nothing. */
void
kwi_exchange_reject (struct kwi_exchange *x)
{
  x->rejected = 1;
  if (x->upload_paused) {
    x->upload_paused = 0;
    go_on (x);
  }
}

int
kwi_exchange_has_sent (const struct kwi_exchange *x)
{
  const struct kwi_upload *u = x->upload;
  curl_off_t sent = -1;

  if (x->handle == NULL)
    return 0;
  if (u != NULL)
    return u->ended && u->at == u->kept_len;
  return curl_easy_getinfo (x->handle->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK
         && sent >= (curl_off_t) x->request->body_len;
}

void
kwi_exchange_resume (struct kwi_exchange *x)
{
  if (x->handle == NULL || !x->paused)
    return;
  x->paused = 0;
  go_on (x);
}

void
kwi_exchange_resume_upload (struct kwi_exchange *x)
{
  if (x->handle == NULL || !x->upload_paused)
    return;
  x->upload_paused = 0;
  go_on (x);
}
