/* compatible - what the files of the plugin "compatible" share. */
#ifndef COMPATIBLE_H
#define COMPATIBLE_H

#include "../kit/family.h"

/* ---- options.c ----------------------------------------------------------- */

#define COMPATIBLE_HEADERS_MAX 16

enum { COMPATIBLE_BEARER = 0, COMPATIBLE_HEADER, COMPATIBLE_NO_KEY };

struct compatible {
  uint32_t auth;
  uint32_t n_headers;
  char auth_header[64], auth_prefix[32];
  char account_header[64];
  struct {
    char name[64];
    char *value;                /* may be a secret: in no text            */
  } headers[COMPATIBLE_HEADERS_MAX]; /* sent with each request            */
};

int compatible_config (struct kwp_instance *, const char *key, const char *value);
void compatible_free (void *own);
int compatible_prepare (void *self, const struct kw_call *, struct kw_request *);

/* ---- google.c ------------------------------------------------------------ */

/* The quotas that an error of Google's names.  1: judged. */
int compatible_judge_google (struct kwp_answer *);

/* ---- ratelimit.c --------------------------------------------------------- */

/* The IETF's RateLimit fields, of all drafts. */
void compatible_report_ratelimit (struct kwp_answer *);

#endif
