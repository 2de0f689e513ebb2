/* error - what the gateway says when it has to say something itself: an error
 * as OpenAI's API has them, with a code of its own, so that the SDKs of clients
 * do with it what they do with any other.  Knows no HTTP server. */
#ifndef GW_ERROR_H
#define GW_ERROR_H

#include <stddef.h>
#include <stdint.h>

struct kw_error;

/* Zero is "no error". */
struct gw_error {
  int status;                   /* of HTTP; 0: none                       */
  int no_retry;                 /* x-should-retry: false                  */
  int64_t retry_after_ms;       /* 0: not said                            */
  const char *type;             /* "invalid_request_error"                */
  const char *code;             /* "keys_exhausted"                       */
  char message[1024];
};

void gw_error_set (struct gw_error *, int status, const char *type, const char *code,
                   const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 5, 6)));
/* What a call ended with. */
void gw_error_of_call (struct gw_error *, int code, const struct kw_error *why,
                       int64_t now_unix_ms);

/* It is worth trying again in so many ms. */
void gw_error_retry_in (struct gw_error *, int64_t ms);

/* {"error":{"message":...,"type":...,"param":null,"code":...}}, for free(); NULL:
 * no memory. */
char *gw_error_json (const struct gw_error *, size_t *ret_len);
/* The seconds of retry-after: rounded up, 0: none. */
int64_t gw_error_retry_after (const struct gw_error *);

#endif
