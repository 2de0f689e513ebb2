/* family - the providers that speak Chat Completions: they differ in facts,
 * and this is what the facts are applied by.
 *
 * A member is one file: its struct kw_provider, a struct kwp_family with its
 * tables, and where it has words that no table holds, a judge of its own.
 * Answers are judged by the members of the parsed error, never by words in the
 * raw body, which echoes what users wrote. */
#ifndef KWP_FAMILY_H
#define KWP_FAMILY_H

#ifndef KW_PROVIDER_API
#define KW_PROVIDER_API 1
#endif
#include <keywheel/provider.h>

#include "limit-message.h"
#include "text.h"
#include "when.h"

/* What an error says of itself; "" for what is missing.  The shapes that are
 * read: {"error":{...}}, {"error":"text"}, [{"error":...}], the members at the
 * top, {"detail":...}, RFC 7807, and each as JSON text inside a message. */
struct kwp_error {
  int is_json;                  /* the body could be parsed at all        */
  int present;                  /* there is an error in it                */
  int status;                   /* that it names itself; 0: none          */
  char code[96], type[96], message[4096];
};

/* error_at: one place more for a message, or NULL. */
void kwp_read_error (const struct kw_host *, const struct kw_response *,
                     const char *error_at, struct kwp_error *);

/* ---- The tables ---------------------------------------------------------- */

/* What a rule looks at. */
enum {
  KWP_CODE = 1,                 /* the code is this                       */
  KWP_TYPE,                     /* the type is this                       */
  KWP_CODE_HAS,                 /* code or type has this in it, any case  */
  KWP_STARTS,                   /* the message begins so                  */
  KWP_SAYS                      /* the message has this in it, any case; not
                                   with statuses 400 to 422 other than 402
                                   and 403, whose texts echo the request  */
};

/* A rule's outcome may be this as well: to be judged as a limit. */
#define KWP_LIMIT UINT32_C (100)

struct kwp_rule {
  uint32_t where;
  int status;                   /* 0: any                                 */
  const char *text;
  uint32_t outcome, scope;      /* KW_OUTCOME_*, KW_SCOPE_*               */
  const char *reason;           /* NULL: the code, or the type            */
};

/* A bucket that headers show on answers good and bad. */
struct kwp_row {
  const char *limit, *remaining, *reset;
  const char *unit;             /* "requests"                             */
  int64_t window_ms;            /* or one of those below                  */
};

/* Windows that the row's own numbers tell.  BY_REFILL: reset is when all of it
 * is there again, and limit and remaining with it tell the window.  BY_RESET:
 * it may also be the end of a window, and tells something of its length only
 * when nothing is left. */
#define KWP_BY_REFILL 0
#define KWP_BY_RESET (-1)

/* KWP_ROW ("x-ratelimit-", "requests-day", "requests", KWP_DAY) */
#define KWP_ROW(prefix, name, unit, window) \
  { prefix "limit-" name, prefix "remaining-" name, prefix "reset-" name, unit, window }

/* An allowance as headers show it; -1 where they do not say. */
struct kwp_allowance {
  const char *unit;             /* NULL: none is shown                    */
  int64_t window_ms;            /* as kwp_row has it                      */
  int64_t limit, left;
  int64_t full_ms;              /* until all of it is there again         */
};

struct kwp_answer;
struct kwp_instance;

struct kwp_family {
  const struct kwp_rule *rules; /* the first that fits decides; then come
                                   the rules that all have in common      */
  uint32_t n_rules;
  uint32_t n_rows;
  const struct kwp_row *rows;
  const char *account_header;   /* whose key it was, on every answer      */
  const char *code_header;      /* the code of an error whose body has none */
  const char *limit_header;     /* names the limit of a 429: "UserByDay"  */
  const char *usage_at;         /* where else usage stands: "/x_groq/usage" */
  const char *error_at;         /* where else an error's text stands      */
  /* When a day that names no reset ends, NULL: it refills steadily. */
  int64_t (*day_ends) (int64_t now_ms);
  /* Buckets in headers of another form; good answers show them, too. */
  void (*report) (struct kwp_answer *);
  /* Before the rules, on errors only.  Non-zero: judged. */
  int (*judge) (struct kwp_answer *);
  uint32_t limit_scope;         /* 0: KW_SCOPE_ACCOUNT_MODEL              */
  uint32_t buckets_at_once;     /* 1: windows are refilled at their end   */
  uint64_t own_size;            /* of the instance's own, zeroed          */
  void (*own_free) (void *own);
  /* An option of its own.  KW_ERR_NOTFOUND: it is none of them. */
  int (*config) (struct kwp_instance *, const char *key, const char *value);
};

struct kwp_ini_rules;

/* An instance; what create gives to the host. */
struct kwp_instance {
  const struct kwp_family *family;
  const struct kw_host *host;
  struct kw_instance *in;
  void *own;                    /* own_size bytes, or NULL                */
  struct kwp_ini_rules *rules;  /* those of the user, which go first; NULL */
  const char *account_header;   /* the family's, until an option says     */
  int64_t (*day_ends) (int64_t now_ms); /* otherwise                      */
};

/* An answer being judged. */
struct kwp_answer {
  const struct kwp_instance *i;
  const struct kw_response *resp;
  struct kw_verdict *v;
  int status;                   /* HTTP's, or where that is 200 or none the
                                   error's own; 0: not said               */
  struct kwp_allowance spent;   /* the first that has nothing left        */
  struct kwp_error e;
};

/* ---- The provider's callbacks -------------------------------------------- */

int kwp_create (const struct kwp_family *, const struct kw_host *,
                struct kw_instance *, void **self);
void kwp_destroy (void *self);
/* The family's options, which are the rules of the user, and the member's. */
int kwp_config (void *self, const char *key, const char *value);
/* The caller's body as it is, to base_url and path, with a bearer key. */
int kwp_prepare (void *self, const struct kw_call *, struct kw_request *);
/* The parts of it: the URL of both (KW_ERR_RANGE: too long), and what else a
 * request with a body has. */
int kwp_request_url (const struct kwp_instance *, const struct kw_call *,
                     struct kw_request *);
int kwp_request_body (const struct kwp_instance *, const struct kw_call *,
                      struct kw_request *);
int kwp_classify (void *self, const struct kw_response *, struct kw_verdict *);

/* KWP_CREATE (family) defines create; KWP_CALLBACKS names the rest. */
#define KWP_CREATE(family)                                                \
  static int                                                              \
  create (const struct kw_host *host, struct kw_instance *in, void **self) \
  {                                                                       \
    return kwp_create (&(family), host, in, self);                        \
  }
#define KWP_CALLBACKS                                                     \
  .thread_model = KW_THREAD_PARALLEL, .create = create,                   \
  .destroy = kwp_destroy, .config = kwp_config, .classify = kwp_classify

/* What config_help says of the family's options. */
#define KWP_OPTIONS_HELP                                                  \
  "rule_NAME=<RULE>    what an answer means: keywheel.ini(5)"

/* ---- For a member's own judge -------------------------------------------- */

/* The text at a JSON pointer; 0: none, and buf is "". */
int kwp_json (const struct kwp_answer *, const char *pointer, char *buf, uint64_t size);
int64_t kwp_json_count (const struct kwp_answer *, const char *pointer);
const char *kwp_header (const struct kwp_answer *, const char *name);

/* Sets outcome, scope and, unless NULL, reason; returns 1. */
int kwp_verdict (struct kwp_answer *, uint32_t outcome, uint32_t scope, const char *reason);
void kwp_set_wait (struct kwp_answer *, int64_t ms);    /* not if < 0 */
void kwp_set_reset (struct kwp_answer *, int64_t at_ms); /* not if < 0 */
void kwp_set_account (struct kwp_answer *, const char *name);

/* The wait that headers and fields of the error state, or -1. */
int64_t kwp_stated_wait (const struct kwp_answer *);

/* Gives what headers show to the host. */
void kwp_report (struct kwp_answer *, const struct kwp_allowance *);

/* Reads the message and judges it as a limit; returns 1. */
int kwp_judge_limit (struct kwp_answer *);
/* The same of a limit that was read otherwise. */
int kwp_judge_limit_of (struct kwp_answer *, struct kwp_limit *);

#endif
