/* request - the HTTP request that a plugin builds through the host's
 * request_* services, and that the transport sends. */
#ifndef KWI_REQUEST_H
#define KWI_REQUEST_H

#include <stddef.h>
#include <stdint.h>

/* Opaque to plugins; reused from exchange to exchange. */
struct kw_request {
  char method[16];
  char *url;                    /* without the secret; NULL or url_room   */
  char *url_room;
  size_t url_size;
  char *headers;                /* "Name: value\0Name: value\0"           */
  size_t headers_len, headers_size;
  size_t n_headers;
  const void *body;             /* borrowed from the call, or own_body    */
  size_t body_len;
  void *own_body;
  const void *call_body;        /* what may be borrowed                   */
  size_t call_body_len;
  char secret_header[64];       /* header name; "": none                  */
  char secret_prefix[64];
  char secret_query[64];        /* query parameter; "": none              */
  int translated;               /* its answer, by the plugin; see translate.h */
  void *note;                   /* of the plugin's own, with it           */
  size_t note_len;
  char problem[192];            /* why a service refused; "" if none did  */
};

void kwi_request_reset (struct kw_request *, const void *call_body,
                        size_t call_body_len);
void kwi_request_clear (struct kw_request *);
/* Its body is not needed any more. */
void kwi_request_let_go (struct kw_request *);

/* As the services of struct kw_host: KW_OK or KW_ERR_*. */
int kwi_request_method (struct kw_request *, const char *method);
int kwi_request_url (struct kw_request *, const char *url);
int kwi_request_header (struct kw_request *, const char *name,
                        const char *value);
int kwi_request_body (struct kw_request *, const void *body, uint64_t len);
int kwi_request_secret_header (struct kw_request *, const char *name,
                               const char *prefix);
int kwi_request_secret_query (struct kw_request *, const char *name);

/* In any case. */
int kwi_request_has_header (const struct kw_request *, const char *name);

/* As the service of struct kw_translate_host.  problem: why there is nobody
 * who could do it; "": there is. */
int kwi_request_translate (struct kw_request *, const void *note, uint64_t len,
                           const char *problem);

#endif
