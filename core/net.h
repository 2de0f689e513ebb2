/* net - how a provider is reached: the options of its section that the
 * transport goes by. */
#ifndef KWI_NET_H
#define KWI_NET_H

struct kwi_net {
  char *proxy;                  /* a URL; "": none, whatever the environment
                                   says; NULL: as the environment says    */
  char *ca_file;                /* absolute; NULL: the system's           */
  char *client_cert;            /* absolute; PEM; NULL: none              */
  char *client_key;             /* absolute; NULL: in client_cert         */
  int http_1_1;                 /* 1: HTTP/2 is not tried                 */
  int insecure;                 /* 1: certificates are not verified       */
};

#endif
