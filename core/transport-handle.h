/* transport-handle - the insides of a lane; and a libcurl handle that is used
 * again and again: only what differs from the last exchange is set anew
 * (resetting a handle and setting all of its options costs some 4 % of a short
 * request).  For transport*.c. */
#ifndef KWI_TRANSPORT_HANDLE_H
#define KWI_TRANSPORT_HANDLE_H

#include <curl/curl.h>

#include "loop.h"
#include "transport.h"

/* What kind of request libcurl thinks it is. */
enum kwi_method { KWI_METHOD_NONE = 0, KWI_METHOD_GET, KWI_METHOD_POST,
                  KWI_METHOD_HEAD, KWI_METHOD_OTHER, KWI_METHOD_UPLOAD };

struct kwi_handle {
  CURL *easy;
  struct kwi_lane *lane;
  CURLSH *share;
  struct kwi_handle *next;      /* in the lane's pool                     */
  struct kwi_exchange *x;       /* the one under way                      */
  char *line;                   /* guarded room for a key's line, where the
                                   vault has none; NULL: never needed     */
  struct curl_slist *nodes;     /* the headers', so that none is copied   */
  size_t n_nodes;
  char why[CURL_ERROR_SIZE];    /* it failed, in libcurl's words          */
  char encoding[64];            /* the Accept-Encoding line; "": none     */

  /* As it was set last. */
  const struct kwi_net *net;
  enum kwi_method method;
  int encoded;                  /* compressed answers are welcome         */
  int http_1_1;                 /* HTTP/2 is not asked for                */
  int64_t connect_timeout_ms;
  char *url;                    /* of our own; NULL: one with a key in it */
  CURLU *parts;                 /* the same, taken apart; NULL: it is not */
};

/* The callbacks get the kwi_handle. */
struct kwi_handle *kwi_handle_new (struct kwi_lane *, CURLSH *share);
void kwi_handle_free (struct kwi_handle *);
/* Makes it h->x's; 0, or -1 with a text for people in *ret_why. */
int kwi_handle_set (struct kwi_handle *, const char **ret_why);
/* Takes it off libcurl.  cut: it has not ended by itself. */
void kwi_handle_remove (struct kwi_handle *, int cut);
/* Wipes what had the key in it. */
void kwi_handle_done (struct kwi_handle *);

/* ---- A lane ---------------------------------------------------------------- */

struct kwi_lane {
  struct kwi_lane *next;        /* in the pool                            */
  struct kwi_transport *transport;
  struct kwi_loop loop;
  CURLM *multi;
  CURLSH *share;                /* its transport's                        */
  struct kwi_timer curl_timer;  /* libcurl's own                          */
  struct kwi_handle *handles;   /* the most recently used first           */
  size_t n_handles;
  struct kwi_exchange *failed;  /* before they began                      */
  int pauses;                   /* a stream was paused here               */
  void (*on_cancel) (void *user);
  void *user;
};

/* Makes the lane's multi handle and loop go by transport.c; 0 or -1. */
int kwi_lane_wire (struct kwi_lane *);

/* ---- transport.c's, which libcurl calls ---------------------------------- */

size_t kwi_on_header (char *line, size_t one, size_t n, void *handle);
size_t kwi_on_body (char *data, size_t one, size_t n, void *handle);
size_t kwi_on_read (char *buf, size_t one, size_t n, void *handle);
int kwi_on_seek (void *handle, curl_off_t to, int whence);
/* No more of the upload is wanted. */
void kwi_exchange_reject (struct kwi_exchange *);
curl_socket_t kwi_on_open (void *lane, curlsocktype, struct curl_sockaddr *);
int kwi_on_close (void *lane, curl_socket_t);

#endif
