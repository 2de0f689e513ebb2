/* transport-share - what the lanes of a transport have in common: TLS sessions
 * and resolved names.  Not connections: a cache of those that several threads go
 * to costs a quarter of the requests a second.
 * (Of an HTTP/2 connection that it closes libcurl 7.88.1 with OpenSSL loses the
 * session: it says no goodbye to TLS, and OpenSSL takes up no such session again.
 * 8.14.1 keeps it.) */
#ifndef KWI_TRANSPORT_SHARE_H
#define KWI_TRANSPORT_SHARE_H

#include <curl/curl.h>

struct kwi_share;

struct kwi_share *kwi_share_new (void);         /* NULL: no memory */
void kwi_share_free (struct kwi_share *);       /* after its last handle */
CURLSH *kwi_share_curl (struct kwi_share *);

#endif
