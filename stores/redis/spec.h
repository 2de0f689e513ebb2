/* spec - what stands behind "state =": which server, how it is reached, and
 * under which names things are kept there.  Opens no connection. */
#ifndef REDIS_SPEC_H
#define REDIS_SPEC_H

#include <stddef.h>

#include <keywheel/store.h>

struct redis_spec {
  int tls;
  int is_unix;
  char *host;                   /* or the socket's path                   */
  char *port;                   /* NULL for a socket                      */
  char *db;                     /* digits                                 */
  char *user, *password;        /* NULL: none                             */
  char *prefix;
  /* Absolute, or as the host's dir has it; NULL: none. */
  char *password_file, *ca_file, *cert_file, *key_file;
  char *where;                  /* for people: without user and password  */
};

/* 0; or KW_STORE_USAGE or _AWAY (no memory), with the text in why.  What is in
 * the files is not looked at. */
int redis_spec_read (const struct kw_store_setup *, struct redis_spec *ret,
                     struct kw_store_error *why);
void redis_spec_clear (struct redis_spec *);

/* The password: that of the spec, or what password_file holds now, the caller's
 * to redis_forget; NULL in *ret: there is none to be sent.  0, or -1 with a text
 * in why. */
int redis_spec_password (const struct redis_spec *, char **ret, char *why, size_t size);
/* Frees what held a secret. */
void redis_forget (char *secret);

#endif
