/* answer - what came back from one exchange, as the transport leaves it and
 * the plugin's host services read it. */
#ifndef KWI_ANSWER_H
#define KWI_ANSWER_H

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct kwi_json;

/* How many strings of one answer are looked into for JSON of their own; a
 * wrapped error is in one or two. */
#define KWI_MAX_NESTED 8

/* Headers that are found without going through the others. */
#define KWI_MARKED 32

struct kwi_answer {
  int32_t status;               /* 0: no HTTP answer                      */
  uint32_t net;                 /* KW_NET_*                               */
  int timed_out;                /* ended by attempt_timeout               */
  int connect_timed_out;        /* ended by connect_timeout               */
  int past_deadline;            /* ended by the call's deadline           */
  int cancelled;
  int too_large;                /* over max_response                      */
  int aborted;                  /* the body's sink said stop              */
  int no_trust;                 /* KW_ERR_*: a certificate, of the other
                                   side or of ours, is not accepted, so the
                                   request was not sent; 0: nothing of that */
  int in_stream;                /* body is one event's data               */
  int handed_on;                /* the body was, as it came               */
  int64_t received_ms;          /* Unix time                              */
  int64_t took_ms;
  int64_t first_ms;             /* its first byte; -1: none came          */
  char *body;                   /* NUL-terminated behind body_len         */
  size_t body_len, body_size;
  char *headers;                /* "name\0value\0..." names in lower case */
  size_t headers_len, headers_size;
  uint32_t n_marked, marked_len; /* so many, which are so many bytes      */
  uint32_t mark[KWI_MARKED];    /* where each begins in headers           */
  uint8_t sum[KWI_MARKED];      /* and of its name                        */
  char net_text[256];           /* the network's words, no URL, no secret;
                                   net 0: the plugin's, that could not
                                   translate the answer                   */

  /* Room for the scanned body, given by who has it for as long as questions
   * come; NULL: nobody has. */
  struct kwi_json *room;
  int scan_state;               /* as json_state                          */
  /* The body parsed, once, at the first question that needs it. */
  struct json_object *json;
  int json_state;               /* 0 not tried, 1 parsed, -1 is no JSON   */
  int n_nested;
  struct {
    struct json_object *text;   /* a string in json or in a parsed        */
    struct json_object *parsed; /* what it holds; NULL: no JSON           */
  } nested[KWI_MAX_NESTED];
};

/* Empties it for the next exchange, keeping the buffers. */
void kwi_answer_reset (struct kwi_answer *);
/* Frees what it points to. */
void kwi_answer_clear (struct kwi_answer *);
/* Its headers are there, and have to last: no more room than they need. */
void kwi_answer_trim (struct kwi_answer *);

/* Both 0 or -1 (no memory). */
int kwi_answer_add_header (struct kwi_answer *, const char *name,
                           size_t name_len, const char *value,
                           size_t value_len);
int kwi_answer_add_body (struct kwi_answer *, const void *data, size_t len);
/* Takes a new body over, malloc'ed, with a NUL behind len, in the place of the
 * one that was there. */
void kwi_answer_take_body (struct kwi_answer *, char *body, size_t len,
                           size_t size);
/* The one header of that name from now on; 0 or -1 (no memory). */
int kwi_answer_set_header (struct kwi_answer *, const char *name,
                           const char *value);

/* The first header of that name (any case), or NULL. */
const char *kwi_answer_header (const struct kwi_answer *, const char *name);

/* The parsed body, borrowed; NULL if it is no JSON.  Not thread-safe. */
struct json_object *kwi_answer_json (struct kwi_answer *);
/* Is the body JSON, and not null?  Does without parsing it where it can. */
int kwi_answer_is_json (struct kwi_answer *);
/* Frees what was parsed; the next question parses anew. */
void kwi_answer_forget_json (struct kwi_answer *);
/* The scalar at an RFC 6901 pointer as text: as kw_host.response_json.  Where
 * the pointer goes on behind a string that holds an object or an array, it
 * goes on in there, and once more in a string of that. */
int kwi_answer_json_text (struct kwi_answer *, const char *pointer,
                          char *buf, size_t size);
/* A Retry-After header (seconds or an HTTP date) in ms from received_ms;
 * -1: none, or not understood. */
int64_t kwi_answer_retry_after (const struct kwi_answer *);

#endif
