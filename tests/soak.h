/* soak - what the parts of the gateway's soak share: the book of all requests,
 * the clients, the gateway as a process under watch.  test_soak.c has the whole. */
#ifndef SOAK_H
#define SOAK_H

#include <stddef.h>
#include <stdint.h>

#include "simctl.h"

enum soak_kind {
  SOAK_PLAIN,                   /* a small question                       */
  SOAK_STREAM,
  SOAK_LARGE,                   /* JSON over 64 KB                        */
  SOAK_UPLOAD,                  /* a form over 64 KB                      */
  SOAK_BIG,                     /* a small question with a big answer     */
  SOAK_KINDS
};

enum soak_outcome {
  SOAK_PENDING,
  SOAK_OK,                      /* whole, and the answer to this request  */
  SOAK_CUT,                     /* a stream that ended in an error event  */
  SOAK_ERROR                    /* an answer with an error's code         */
};

/* How a client that vanishes does it. */
enum soak_leave {
  SOAK_STAYS,
  SOAK_IN_HEAD,
  SOAK_IN_UPLOAD,
  SOAK_AT_ONCE,                 /* when the request is sent, or soon      */
  SOAK_IN_STREAM,
  SOAK_IN_SILENCE,              /* the provider says nothing              */
  SOAK_LEAVES
};

/* One with a fallback, that one, one with a breaker and none, one with a minute's
 * limit. */
enum { SOAK_MAIN, SOAK_SPARE, SOAK_ALONE, SOAK_NARROW, SOAK_PROVIDERS };

/* ---- What all need (soak-book.c) -------------------------------------------------- */

int64_t soak_now_us (void);
/* From a fixed seed; 0 to below - 1. */
uint32_t soak_random (uint32_t below);
/* Something that must not be: told, and counted. */
void soak_wrong (const char *fmt, ...) __attribute__ ((__format__ (__printf__, 1, 2)));
size_t soak_n_wrong (void);

/* ---- The book: what was asked, what came of it, what the providers saw ------------- */

#define SOAK_CODES 7
#define SOAK_VERDICTS 24

struct soak_request {
  uint32_t took_us;             /* until it was answered, or its client gone */
  uint8_t kind, leave, outcome, code;
  uint8_t provider;             /* that was asked                         */
  uint8_t served;               /* how often it was answered in full      */
  uint8_t broken, faults;       /* answers cut; instead of an answer      */
};

struct soak_book {
  struct soak_request *of;
  size_t n, room;
  int64_t attempt_us, bound_us; /* attempt_timeout; what no request is over */
  size_t may_be_late;           /* requests, for the machine stood still  */
  size_t limits;                /* refusals for a limit                   */
  struct {
    char name[24];
    size_t n;
  } verdicts[SOAK_VERDICTS];    /* the providers', by name                */
  size_t n_verdicts;
};

struct soak_sums {
  size_t kinds[SOAK_KINDS], leaves[SOAK_LEAVES], codes[SOAK_CODES];
  size_t steady, ok, cut, late;
  size_t backed, backed_failed; /* of the provider that has a fallback    */
  uint32_t p50_us, p99_us, most_us;     /* of small questions; the longest of all */
};

/* Its number. */
size_t soak_book_add (struct soak_book *, int provider, enum soak_kind, enum soak_leave);
/* code "" where there is none. */
void soak_book_answered (struct soak_book *, size_t number, enum soak_outcome,
                         const char *code, int64_t took_us);
/* Its client is gone. */
void soak_book_left (struct soak_book *, size_t number, int64_t took_us);
/* As a provider logged it. */
void soak_book_seen (struct soak_book *, const char *tag, const char *verdict);
/* Each request against what must be of it, and the sums. */
void soak_book_close (struct soak_book *, struct soak_sums *ret);
void soak_book_clear (struct soak_book *);
const char *soak_code_name (size_t i);

/* ---- A provider's log, as it grows (soak-log.c) --------------------------------------- */

struct soak_log {
  int fd;
  int64_t at;                   /* so much of it was read                 */
  char *rest;
  size_t len, room;
};

void soak_log_open (struct soak_log *, const char *path);
void soak_log_read (struct soak_log *, struct soak_book *);
void soak_log_close (struct soak_log *);

/* ---- Requests and their answers (soak-ask.c) ------------------------------------------- */

struct soak_ask {
  size_t number;
  enum soak_kind kind;
  size_t file;                  /* of an upload: which length             */
  char *bytes;                  /* the whole request                      */
  size_t len, head_len;
};

/* An answer while it comes. */
struct soak_answer {
  char *bytes;
  size_t len, room;
  size_t head_len;              /* 0: it is not whole yet                 */
  size_t whole;                 /* 0: not known yet, or not there yet     */
  size_t chunk_at;              /* where the next chunk begins; 0: none   */
  int status;
};

#define SOAK_BIG_BYTES 400000

/* provider "": the default one.  The request is number, and says so. */
void soak_ask_make (struct soak_ask *, size_t number, enum soak_kind, const char *provider,
                    const char *model, const char *token, int close);
void soak_ask_clear (struct soak_ask *);

/* Looks at what has come; 1: it is whole. */
int soak_answer_scan (struct soak_answer *);
/* Its connection has to be closed then. */
int soak_answer_closes (const struct soak_answer *);
/* What it is; code is for SOAK_ERROR.  SOAK_PENDING: none that may be, and that was
 * told. */
enum soak_outcome soak_answer_judge (struct soak_answer *, const struct soak_ask *,
                                     int is_whole, char code[64]);
void soak_answer_clear (struct soak_answer *);

/* ---- Clients (soak-clients.c) ------------------------------------------------------------ */

struct soak_clients;

struct soak_clients *soak_clients_new (struct soak_book *, int port, int steady, int fickle,
                                       const char *steady_token, const char *fickle_token);
/* What there is to do now; waits for it up to so long. */
void soak_clients_turn (struct soak_clients *, int ms);
/* They ask no more.  1: all are done. */
int soak_clients_end (struct soak_clients *);
void soak_clients_free (struct soak_clients *);

/* ---- The gateway (soak-gateway.c) ------------------------------------------------------------ */

struct soak_figures {
  size_t reloads, refused;      /* configurations, right and wrong        */
  int descriptors, threads;
  double resident_mb;
};

/* Simulators, an INI, clients' tokens, and the gateway; its port. */
int soak_gateway_start (int seconds, int slower);
int soak_gateway_attempt_ms (void);
struct simctl *soak_gateway_sim (int provider);
const char *soak_gateway_token (const char *client);
/* The providers' logs. */
const char *soak_gateway_log_path (int provider);
/* Another configuration, a wrong one now and then, and SIGHUP; 0: the last one is
 * not through yet. */
int soak_gateway_reload (void);
/* Until a fresh one, with its state in memory, is in force. */
void soak_gateway_settle (void);
/* What the last SIGHUP came to, if that is to be seen. */
void soak_gateway_look (void);
void soak_gateway_figures (struct soak_figures *);
double soak_gateway_metric (const char *line_begins);
/* Of requests, here and at the providers. */
size_t soak_gateway_under_way (void);
/* SIGTERM, while so many streams are under way. */
#define SOAK_LAST_STREAMS 8
void soak_gateway_stop (void);
/* How many lines its access log had of a client, when it has stopped. */
size_t soak_gateway_logged (const char *client);

#endif
