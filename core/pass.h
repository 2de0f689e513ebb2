/* pass - what a call has besides that passes on the request of another program
 * (kw_client_request.pass): method, type and headers, an upload, and an error
 * that is handed over like an answer.  A plain call has none of it. */
#ifndef KWI_PASS_H
#define KWI_PASS_H

#include "call.h"
#include "peek.h"
#include "upload.h"

struct kwi_pass {
  char method[16];
  char *content_type;           /* NULL: none                             */
  char *fields;                 /* "name\0value\0..." that may go out     */
  size_t n_fields;
  int gathering;                /* of the upload what is needed first     */
  int uploads;                  /* upload is sent, call->body is not      */
  int no_body;                  /* the answer has none, whatever it says  */
  struct kwi_peek peek;
  struct kwi_upload upload;
};

/* Takes in what rq says; 0 or a KW_ERR_* code.  call->provider, err and path
 * are set. */
int kwi_pass_take (struct kwi_call *, const struct kw_client_request *rq);
void kwi_pass_free (struct kwi_pass *);

/* Before a key is chosen.  1: all is there that is needed; 0: the upload is
 * waited for, or the call is over. */
int kwi_pass_gather (struct kwi_call *);
/* Adds to the request that a plugin built; 0 or a KW_ERR_* code. */
int kwi_pass_complete (struct kwi_call *);
/* The plugin refused to build it: says why it may have. */
void kwi_pass_say_refused (struct kwi_call *);

/* The upload's end ended the exchange: a KW_ERR_* code, or 0. */
int kwi_pass_upload_failed (const struct kwi_call *);
/* The words for KW_ERR_USAGE of it. */
void kwi_pass_say_cut (struct kwi_call *);
/* What the policy wants cannot be had any more: changes the decision, and says
 * so.  1: it did. */
int kwi_pass_sent_once (struct kwi_call *, struct kwi_decision *);
/* The call ended with its last answer: is that the caller's? */
int kwi_pass_is_final (const struct kwi_call *);

#endif
