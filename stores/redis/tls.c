/* tls - TLS over a socket that never blocks (see tls.h).
 *
 * The socket is read and written by a BIO of our own, since OpenSSL's would
 * raise SIGPIPE in a program that never asked for one.  The files are read for
 * each connection: certificates are renewed while programs run. */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct redis_tls {
  int fd;
  SSL_CTX *ctx;
  BIO_METHOD *method;
  SSL *ssl;
  unsigned char first;          /* byte of what the server has sent       */
  char reason[256];
};

/* ---- The socket ---------------------------------------------------------------- */

static int
moved (BIO *bio, ssize_t n, int retry)
{
  BIO_clear_retry_flags (bio);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    BIO_set_flags (bio, retry | BIO_FLAGS_SHOULD_RETRY);
  return (int) n;
}

static int
bio_write (BIO *bio, const char *buf, int len)
{
  const struct redis_tls *t = BIO_get_data (bio);

  return moved (bio, send (t->fd, buf, (size_t) len, MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}

static int
bio_read (BIO *bio, char *buf, int size)
{
  struct redis_tls *t = BIO_get_data (bio);
  ssize_t n = recv (t->fd, buf, (size_t) size, 0);

  if (n > 0 && t->first == 0)
    t->first = (unsigned char) buf[0];
  return moved (bio, n, BIO_FLAGS_READ);
}

static long
bio_ctrl (BIO *bio, int cmd, long number, void *pointer)
{
  (void) bio, (void) number, (void) pointer;
  return cmd == BIO_CTRL_FLUSH;
}

static int
put_on_socket (struct redis_tls *t)
{
  BIO *bio = NULL;

  t->method = BIO_meth_new (BIO_TYPE_SOURCE_SINK, "socket");
  if (t->method != NULL && BIO_meth_set_write (t->method, bio_write)
      && BIO_meth_set_read (t->method, bio_read) && BIO_meth_set_ctrl (t->method, bio_ctrl))
    bio = BIO_new (t->method);
  if (bio == NULL)
    return -1;
  BIO_set_data (bio, t);
  BIO_set_init (bio, 1);
  SSL_set_bio (t->ssl, bio, bio);
  return 0;
}

/* ---- Setting up ------------------------------------------------------------------ */

static int
openssl_says (char *why, size_t size, const char *what, const char *path)
{
  const char *reason = ERR_reason_error_string (ERR_peek_last_error ());

  if (snprintf (why, size, "%s%s%s: %s", what, path[0] != '\0' ? " " : "", path,
                reason != NULL ? reason : "OpenSSL does not say why") < 0)
    why[0] = '\0';
  return -1;
}

static int
load_files (SSL_CTX *ctx, const struct redis_spec *spec, char *why, size_t size)
{
  const char *ca = spec->ca_file, *cert = spec->cert_file, *key = spec->key_file;

  if (ca != NULL && SSL_CTX_load_verify_locations (ctx, ca, NULL) != 1)
    return openssl_says (why, size, "the ca_file cannot be used:", ca);
  if (ca == NULL && SSL_CTX_set_default_verify_paths (ctx) != 1)
    return openssl_says (why, size, "the system's list of authorities cannot be used", "");
  if (cert == NULL)
    return 0;
  if (SSL_CTX_use_certificate_chain_file (ctx, cert) != 1)
    return openssl_says (why, size, "the cert_file cannot be used:", cert);
  /* Also when it is not that certificate's. */
  if (SSL_CTX_use_PrivateKey_file (ctx, key, SSL_FILETYPE_PEM) != 1)
    return openssl_says (why, size, "the key_file cannot be used:", key);
  return 0;
}

/* Nobody can be asked for the passphrase of a key. */
static int
no_passphrase (char *buf, int size, int for_writing, void *user)
{
  (void) buf, (void) size, (void) for_writing, (void) user;
  return -1;
}

static int
name_host (SSL *ssl, const char *host)
{
  struct in6_addr address;

  if (inet_pton (AF_INET, host, &address) == 1 || inet_pton (AF_INET6, host, &address) == 1)
    return X509_VERIFY_PARAM_set1_ip_asc (SSL_get0_param (ssl), host);
  return SSL_set_tlsext_host_name (ssl, host) && SSL_set1_host (ssl, host);
}

int
redis_tls_open (const struct redis_spec *spec, int fd, struct redis_tls **ret,
                char *why, size_t size)
{
  struct redis_tls *t = calloc (1, sizeof *t);
  int rc = -1;

  ERR_clear_error ();
  if (t != NULL)
    t->ctx = SSL_CTX_new (TLS_client_method ());
  if (t == NULL || t->ctx == NULL)
    openssl_says (why, size, "TLS cannot be set up", "");
  else {
    t->fd = fd;
    SSL_CTX_set_min_proto_version (t->ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify (t->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_passwd_cb (t->ctx, no_passphrase);
    /* What is sent again after a wait need not lie in the same place. */
    SSL_CTX_set_mode (t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                              | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    rc = load_files (t->ctx, spec, why, size);
    if (rc == 0 && ((t->ssl = SSL_new (t->ctx)) == NULL || !name_host (t->ssl, spec->host)
                    || put_on_socket (t) != 0))
      rc = openssl_says (why, size, "TLS cannot be set up", "");
  }
  if (rc == 0) {
    SSL_set_connect_state (t->ssl);
    if (fd >= 0) {
      *ret = t;
      t = NULL;
    }
  }
  redis_tls_free (t);
  return rc;
}

void
redis_tls_free (struct redis_tls *t)
{
  if (t == NULL)
    return;
  SSL_free (t->ssl);            /* and its BIO */
  BIO_meth_free (t->method);
  SSL_CTX_free (t->ctx);
  free (t);
}

/* ---- Moving bytes ------------------------------------------------------------------ */

static int
broken (struct redis_tls *t, int before)
{
  long verdict = SSL_get_verify_result (t->ssl);
  const char *reason = ERR_reason_error_string (ERR_peek_last_error ());

  if (verdict != X509_V_OK)
    snprintf (t->reason, sizeof t->reason, "its certificate is not accepted: %s",
              X509_verify_cert_error_string (verdict));
  else
    snprintf (t->reason, sizeof t->reason, "%s", reason != NULL ? reason
              : before != 0 ? strerrordesc_np (before) : "the connection was closed");
  return REDIS_TLS_BROKEN;
}

/* n: what the function of OpenSSL's returned. */
static int
result (struct redis_tls *t, int n)
{
  int before = errno;

  if (n > 0)
    return n;
  switch (SSL_get_error (t->ssl, n)) {
  case SSL_ERROR_WANT_READ: return REDIS_TLS_READ;
  case SSL_ERROR_WANT_WRITE: return REDIS_TLS_WRITE;
  case SSL_ERROR_ZERO_RETURN: return REDIS_TLS_CLOSED;
  default: return broken (t, n < 0 ? before : 0);
  }
}

static int
at_most_int (size_t n)
{
  return n < INT_MAX ? (int) n : INT_MAX;
}

int
redis_tls_greet (struct redis_tls *t)
{
  ERR_clear_error ();
  return result (t, SSL_do_handshake (t->ssl));
}

int
redis_tls_send (struct redis_tls *t, const char *buf, size_t len)
{
  ERR_clear_error ();
  return result (t, SSL_write (t->ssl, buf, at_most_int (len)));
}

int
redis_tls_receive (struct redis_tls *t, char *buf, size_t size)
{
  ERR_clear_error ();
  return result (t, SSL_read (t->ssl, buf, at_most_int (size)));
}

const char *
redis_tls_reason (const struct redis_tls *t)
{
  return t->reason;
}

int
redis_tls_answered (const struct redis_tls *t)
{
  return t->first == 0x15 || t->first == 0x16;  /* an alert, a handshake */
}
