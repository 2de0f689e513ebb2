/* transport-share - what the lanes of a transport have in common: TLS sessions
 * and resolved names.  Not connections: a cache of those that several threads
 * go to costs a quarter of the requests a second. */
#ifndef KWI_TRANSPORT_SHARE_H
#define KWI_TRANSPORT_SHARE_H

#include <curl/curl.h>

struct kwi_share;

struct kwi_share *kwi_share_new (void);         /* NULL: no memory */
void kwi_share_free (struct kwi_share *);       /* after its last handle */
CURLSH *kwi_share_curl (struct kwi_share *);

#endif
