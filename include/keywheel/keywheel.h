/* keywheel/keywheel.h - the client API of libkeywheel.
 *
 * One chat request, many API keys, no interruption.  Full documentation:
 * keywheel(3).  Compiles as C99 and later, and as C++11.
 *
 * Conventions
 *   - Functions that can fail return 0 or a negative KW_ERR_* value; the text
 *     goes into a kw_error that the caller gives (or NULL).
 *   - What a function fills in through a pointer to a pointer is yours to
 *     free with the matching _free; on failure it is left untouched.  What a
 *     function returns as a pointer is borrowed from the handle it was asked
 *     of, and lives as long as that handle.
 *   - Durations are milliseconds; points in time are milliseconds of Unix time.
 *   - A kw_client may be used by any number of threads at once, except for
 *     kw_client_open, kw_client_close and kw_client_observe*.  A kw_reply or a
 *     kw_status_info belongs to one thread at a time.
 *   - Strings are UTF-8 and NUL-terminated.  No secret is ever in one.
 *   - The library writes nothing, exits never, installs no signal handler,
 *     changes no environment variable and keeps no state between clients.
 *
 * A file that includes <keywheel/provider.h> as well (hardly any needs both)
 * includes that one first and writes "struct kw_error": the other header has
 * a helper function of that name.
 */
#ifndef KEYWHEEL_KEYWHEEL_H
#define KEYWHEEL_KEYWHEEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define KW_API __attribute__((__visibility__("default")))
#else
#define KW_API
#endif

/* ---- Errors ------------------------------------------------------------ */

/* What a call ended with.  The number in brackets is the exit code of
 * keywheel(1) for it. */
enum {
  KW_ERR_INTERNAL    = -20,     /* [1] a bug or a broken system           */
  KW_ERR_MEMORY      = -21,     /* [1]                                    */
  KW_ERR_USAGE       = -22,     /* [2] an argument is wrong               */
  KW_ERR_SETTINGS    = -23,     /* [2] the configuration is wrong         */
  KW_ERR_AUTH        = -24,     /* [3] a key is invalid or not allowed    */
  KW_ERR_EXHAUSTED   = -25,     /* [4] every key is exhausted             */
  KW_ERR_SWITCHES    = -26,     /* [4] max_switches reached               */
  KW_ERR_BILLING     = -27,     /* [4] credit used up, on_billing = fail  */
  KW_ERR_RATE_LIMIT  = -28,     /* [5] limited past deadline or retries   */
  KW_ERR_REFUSED     = -29,     /* [6] the provider refused the request   */
  KW_ERR_UNAVAILABLE = -30,     /* [7] provider or network, past retries  */
  KW_ERR_TIMEOUT     = -31,     /* [7] the last attempt timed out         */
  KW_ERR_DEADLINE    = -32,     /* [7] the deadline passed in an exchange */
  KW_ERR_TOO_LARGE   = -33,     /* [7] the answer is over max_response    */
  KW_ERR_CANCELLED   = -34      /* [130] kw_client_cancel                 */
};

/* What an answer meant; the verdicts of the table in keywheel(1). */
enum {
  KW_VERDICT_UNKNOWN     = 0,
  KW_VERDICT_OK          = 1,
  KW_VERDICT_DAILY_LIMIT = 2,
  KW_VERDICT_RATE_LIMIT  = 3,
  KW_VERDICT_AUTH        = 4,
  KW_VERDICT_BILLING     = 5,
  KW_VERDICT_REQUEST     = 6,
  KW_VERDICT_TRANSIENT   = 7
};

/* Why an attempt went out on the key it went out on. */
enum {
  KW_WHY_FIRST  = 0,            /* the first in order that is available   */
  KW_WHY_SWITCH = 1,            /* the one before was parked by its answer */
  KW_WHY_RETRY  = 2,            /* same key again after a wait            */
  KW_WHY_PROBE  = 3             /* its reset has passed; this one tries it */
};

#define KW_NAME_MAX 64          /* a key's or a provider's name, with NUL */

/* One exchange with the provider. */
typedef struct kw_attempt {
  char     key[KW_NAME_MAX];    /* the key's name, never its secret       */
  char     reason[64];          /* the provider's token: "tokens_per_day" */
  int32_t  verdict;             /* KW_VERDICT_*                           */
  int32_t  why;                 /* KW_WHY_*                               */
  int32_t  http_status;         /* 0: no HTTP answer came                 */
  int32_t  _reserved;
  int64_t  took_ms;             /* from sending to the verdict            */
  int64_t  stated_wait_ms;      /* what the provider said; -1: nothing    */
  int64_t  waited_ms;           /* what was waited after it, on this key  */
} kw_attempt;

#define KW_ERROR_ATTEMPTS 32

/* Filled in by a call that failed; needs no freeing.  Start it as
 * KW_ERROR_INIT.  message is one line for a person, and tells what was tried. */
struct kw_error {
  size_t   struct_size;
  int      code;                /* KW_ERR_*, 0: no error                  */
  int      http_status;         /* of the last answer, 0: none            */
  int64_t  retry_at_ms;         /* when it is worth trying again; 0: not known */
  int32_t  attempts;            /* exchanges made; may exceed the array   */
  int32_t  switches;
  int64_t  waited_ms;
  char     message[1024];
  kw_attempt attempt[KW_ERROR_ATTEMPTS];  /* the first ones               */
};

#ifndef KEYWHEEL_PROVIDER_H
typedef struct kw_error kw_error;
#endif

#if defined(__cplusplus)
#define KW_ERROR_INIT { sizeof (struct kw_error) }
#else
#define KW_ERROR_INIT { .struct_size = sizeof (struct kw_error) }
#endif

/* "exhausted": a short word for a KW_ERR_* code, for logs and metrics. */
KW_API const char *kw_error_name (int code);
/* The exit code that keywheel(1) gives for a KW_ERR_* code; 0 for 0. */
KW_API int kw_error_exit_code (int code);
/* "DAILY_LIMIT". */
KW_API const char *kw_verdict_name (int verdict);
/* The library's version, "0.1.0". */
KW_API const char *kw_version (void);

/* ---- The client -------------------------------------------------------- */

typedef struct kw_client kw_client;

/* Reads the configuration (NULL: the search order of keywheel.ini(5)), loads
 * the plugins it names, reads the keys.  NULL on failure, with KW_ERR_SETTINGS
 * and the file, the line and what is allowed in err. */
KW_API kw_client *kw_client_open (const char *ini_path, struct kw_error *err);

/* Start it as KW_OPTIONS_INIT; zero means the default. */
typedef struct kw_options {
  size_t struct_size;
  const char *config;           /* as kw_client_open's ini_path           */
  const char *state;            /* what holds where the configuration has no
                                   "state ="; NULL: "memory".  If it cannot be
                                   used, that is a warning                */
} kw_options;

#if defined(__cplusplus)
#define KW_OPTIONS_INIT { sizeof (kw_options) }
#else
#define KW_OPTIONS_INIT { .struct_size = sizeof (kw_options) }
#endif

KW_API kw_client *kw_client_open_with (const kw_options *,
                                       struct kw_error *err);

/* No call may be in progress.  Hands over to the state's store what it does not
 * have yet.  Wipes the keys.  NULL is fine. */
KW_API void kw_client_close (kw_client *);

/* Ends every call in progress, and every later one, with KW_ERR_CANCELLED, at
 * once.  Async-signal-safe: made for a SIGINT handler. */
KW_API void kw_client_cancel (kw_client *);

/* What was odd but not wrong in the configuration ("key 2 of ... is empty"):
 * the i-th warning, or NULL past the last. */
KW_API const char *kw_client_warning (const kw_client *, size_t i);
/* The name of the i-th provider section, the default one first; NULL past
 * the last. */
KW_API const char *kw_client_provider (const kw_client *, size_t i);
/* The configuration file in force; NULL: none, the environment alone. */
KW_API const char *kw_client_config_path (const kw_client *);
/* What the configuration says that the library itself has no use for: section
 * "gateway", and of "provider NAME" what is about failing over (and deadline and
 * on_auth).  The option's value, or its default; numbers are in bytes and ms, paths
 * absolute.  NULL: not set, or no such option. */
KW_API const char *kw_client_setting (const kw_client *, const char *section,
                                      const char *name);
/* log_level: 0 error, 1 warn, 2 info, 3 debug. */
KW_API int kw_client_log_level (const kw_client *);

/* Where what is learnt about the keys is kept: "memory", or the place of the
 * store that the configuration names.  A store is read and written by a thread
 * that the first call begins: a program that forks opens its client behind the
 * fork. */
KW_API const char *kw_client_state (kw_client *);
/* Hands over to the store what it does not have, and reads what others have
 * handed over, now; both happens by itself within 50 ms and as soon as it is
 * told.  With memory there is nothing to do.  KW_ERR_UNAVAILABLE: the store is
 * away; all goes on in memory, and is handed over when it is back. */
KW_API int kw_sync (kw_client *, struct kw_error *err);

/* What from has found out becomes known to c, too, of keys that are in both: for a
 * program that opens its configuration again, when the new client is there, and
 * again before the old one is closed, as its calls go on finding out.  Both may be
 * at work: a place of max_concurrency that a call of either holds counts for both, and
 * a reset is of both.  Or KW_ERR_MEMORY. */
KW_API int kw_client_learn_from (kw_client *c, kw_client *from);

/* ---- Requests ---------------------------------------------------------- */

typedef struct kw_message {
  const char *role;             /* "system", "user", "assistant"          */
  const char *content;
} kw_message;

typedef struct kw_field {       /* of HTTP                                */
  const char *name;             /* of an answer's: in lower case          */
  const char *value;
} kw_field;

/* An answer that is going to be handed over: what is known before its body. */
typedef struct kw_start {
  size_t struct_size;
  int32_t http_status;          /* 400 and more: an error passed on       */
  int32_t attempts;
  int32_t switches;
  int32_t n_fields;
  int64_t waited_ms;
  int64_t first_byte_ms;        /* of the answer, since the call began    */
  int64_t content_length;       /* of what on_data will get; -1: not known */
  const char *content_type;     /* "" if none                             */
  const kw_field *fields;       /* those that may be passed on            */
  const char *provider;
  const char *key;              /* the key's name                         */
  const char *model;            /* that keys were chosen for; "": all     */
} kw_start;

/* What to ask.  Start it as KW_REQUEST_INIT; zero means the default.  Either
 * prompt, or messages, or body, or pass.  All pointers are borrowed for the
 * call. */
typedef struct kw_client_request {
  size_t struct_size;
  const char *provider;         /* a section's name; NULL: the default    */
  const char *model;            /* NULL: the body's, else the configured;
                                   the body's own must be the same        */
  const char *system;           /* put before prompt or messages          */
  const char *prompt;
  const kw_message *messages;
  size_t n_messages;
  const void *body;             /* a complete JSON body, sent unchanged   */
  size_t body_len;
  const char *path;             /* NULL: "/chat/completions"              */
  int stream;                   /* 1: ask for a stream (prompt, messages);
                                   a body says so itself                  */
  int _reserved;
  int64_t deadline_ms;          /* over the whole call; 0: configured     */

  /* Called on the calling thread, no lock held, as bytes arrive.  Before the
   * first content of a stream, and before the verdict on anything else,
   * nothing is called, so a switch or a retry goes unseen.  Non-zero ends
   * the call with KW_ERR_CANCELLED.
   * on_data gets the body's bytes unchanged; on_text the text of the reply.
   * A provider of another format is translated first, both ways. */
  int (*on_data) (void *user, const void *data, size_t len);
  int (*on_text) (void *user, const char *text, size_t len);
  void *user;

  /* A request of some other program's, to be passed on: see keywheel(3).  Its
   * body need not be JSON, nor be there.  An error that no other key could
   * help against is handed over like an answer, before the call ends with its
   * code.  The fields below go with pass = 1 only. */
  int pass;
  int32_t n_fields;
  const char *method;           /* NULL: "POST"                           */
  const char *content_type;     /* NULL: "application/json"               */
  const kw_field *fields;       /* what may be passed on of them is       */
  /* In place of body: puts up to size bytes of it into buf, and says how many;
   * 0: there are no more; KW_PAUSE: there are none now (kw_submit only);
   * negative: the call is to end with KW_ERR_CANCELLED. */
  int64_t (*on_upload) (void *user, void *buf, size_t size);
  int64_t upload_len;           /* all of it; 0 or -1: not known          */
  int64_t replay_limit;         /* so much of it is kept, to be sent again;
                                   what is larger is sent once; 0: 8 MB   */
  /* Once, before the first on_data or on_text. */
  void (*on_start) (void *user, const kw_start *);
} kw_request;

#if defined(__cplusplus)
#define KW_REQUEST_INIT { sizeof (kw_request) }
#else
#define KW_REQUEST_INIT { .struct_size = sizeof (kw_request) }
#endif

/* Where a body names the model that it asks for, for a program that passes it on
 * with another name there: 1, and body[*ret_at] and the *ret_len bytes from there
 * on are to be replaced, with what JSON lets stand in a string; 0: there is no
 * such place, or more than one.  Of JSON (content_type NULL), whose outermost
 * object has it, or of a multipart form.  The name goes into buf; one that has no
 * room there is not found. */
KW_API int kw_find_model (const void *body, size_t len, const char *content_type,
                          char *buf, size_t size, size_t *ret_at, size_t *ret_len);

typedef struct kw_reply kw_reply;

/* Sends a request and waits for the answer: switches keys, waits out limits,
 * retries, within the configured bounds.  0: *ret_reply is yours.  Otherwise
 * a KW_ERR_* code, *ret_reply is untouched.  A stream that breaks after its
 * first content ends with KW_ERR_UNAVAILABLE, or with the deadline's or the
 * cancel's own code: what came before has been handed over. */
KW_API int kw_chat (kw_client *, const kw_request *, kw_reply **ret_reply,
                    struct kw_error *err);
KW_API void kw_reply_free (kw_reply *);

/* The text of the first choice, "" if there is none; NULL if the answer is
 * not a chat completion.  With a stream: what on_text was given is not kept,
 * so "" . */
KW_API const char *kw_reply_text (const kw_reply *);
/* The answer's body, unchanged or as its plugin translated it into Chat
 * Completions, NUL-terminated behind its length.  Empty when on_data or
 * on_text took it from a stream. */
KW_API const char *kw_reply_body (const kw_reply *, size_t *ret_len);
KW_API int kw_reply_http_status (const kw_reply *);
KW_API const char *kw_reply_content_type (const kw_reply *); /* "" if none */
KW_API const char *kw_reply_provider (const kw_reply *);
KW_API const char *kw_reply_model (const kw_reply *);   /* asked for       */
KW_API const char *kw_reply_key (const kw_reply *);     /* the key's name  */
/* What the provider says the request was charged; -1: it did not say. */
KW_API int64_t kw_reply_input_tokens (const kw_reply *);
KW_API int64_t kw_reply_output_tokens (const kw_reply *);
/* The record: how it came about. */
KW_API int kw_reply_switches (const kw_reply *);
KW_API int64_t kw_reply_waited_ms (const kw_reply *);
/* From the call's begin to the first byte of this answer. */
KW_API int64_t kw_reply_first_byte_ms (const kw_reply *);
KW_API size_t kw_reply_attempts (const kw_reply *);
KW_API const kw_attempt *kw_reply_attempt (const kw_reply *, size_t i);

/* ---- Asynchronous calls ------------------------------------------------- */

/* A program with an event loop of its own waits for one descriptor and one
 * time-out, and calls kw_client_process: epoll, poll, libuv, libevent, glib.
 * The same engine as kw_chat, and the same bounds.  keywheel(3) has examples. */
typedef struct kw_handle kw_handle;
struct kw_event;

/* What on_data and on_text of a kw_submit return to be given no more until
 * kw_handle_resume: this piece was taken.  The provider is not read from
 * meanwhile, so nothing grows (over HTTP/2 up to libcurl's window of the
 * stream has been promised to it, and is kept).  What one event became that a
 * plugin translates is handed on whole.  kw_chat takes it as any non-zero. */
#define KW_PAUSE 0x70617573

/* Start it as KW_CALLBACKS_INIT.  All are called by the thread that is in
 * kw_client_process or kw_loop_process (or kw_loop_free or kw_client_close), no
 * lock held; they may call anything but these. */
typedef struct kw_callbacks {
  size_t struct_size;
  /* As those of a kw_request, which has to leave its own out; so are on_upload
   * and on_start. */
  int (*on_data) (void *user, const void *data, size_t len);
  int (*on_text) (void *user, const char *text, size_t len);
  /* This call's events, besides the observer's. */
  void (*on_event) (void *user, const struct kw_event *);
  /* Once, and the last: code 0 and a reply that is yours to free, or a KW_ERR_*
   * code, NULL and why (good for the callback).  The handle is gone when it
   * returns. */
  void (*on_end) (void *user, int code, kw_reply *reply,
                  const struct kw_error *err);
  int64_t (*on_upload) (void *user, void *buf, size_t size);
  void (*on_start) (void *user, const kw_start *);
} kw_callbacks;

#if defined(__cplusplus)
#define KW_CALLBACKS_INIT { sizeof (kw_callbacks) }
#else
#define KW_CALLBACKS_INIT { .struct_size = sizeof (kw_callbacks) }
#endif

/* Begins a call; from any thread, also within a callback.  Request and
 * callbacks are copied.  Whatever is wrong with the request is told to on_end,
 * later, from kw_client_process.  NULL: no memory or descriptors, callbacks were
 * not begun as KW_CALLBACKS_INIT or have no on_end, or the client is being
 * closed. */
KW_API kw_handle *kw_submit (kw_client *, const kw_request *,
                             const kw_callbacks *, void *user);
/* From any thread, until on_end is called.  A cancelled call's on_end gets
 * KW_ERR_CANCELLED from kw_client_process, unless it was over already. */
KW_API void kw_handle_cancel (kw_handle *);
KW_API void kw_handle_resume (kw_handle *);
/* on_upload, which said KW_PAUSE, is to be asked again; it is not before. */
KW_API void kw_handle_resume_upload (kw_handle *);

/* Readable: there is something to process.  The same for the client's life; not
 * to be read from or closed.  Negative KW_ERR_*: no memory or descriptors. */
KW_API int kw_client_fd (kw_client *);
/* How many ms may pass until kw_client_process is to be called, readable or
 * not; 0: now; -1: no need.  Ask anew after each kw_client_process (a kw_submit
 * makes the descriptor readable).  By the thread that processes. */
KW_API int kw_client_timeout (kw_client *);
/* Does what can be done without waiting.  One thread at a time, and the same one
 * or another.  Returns how many calls are under way. */
KW_API int kw_client_process (kw_client *);

/* What the four above are for the client's own loop, for one more: a program
 * with a loop on each of several threads has one of these for each.  The keys are
 * the client's all the same; a call's callbacks come on its own loop.
 * kw_client_cancel ends those of all. */
typedef struct kw_loop kw_loop;

/* From any thread.  NULL: no memory or descriptors. */
KW_API kw_loop *kw_loop_new (kw_client *);
/* Ends its calls with KW_ERR_CANCELLED, on this thread; nobody may be in another
 * function of it.  kw_client_close does it for those that are left. */
KW_API void kw_loop_free (kw_loop *);
KW_API kw_handle *kw_loop_submit (kw_loop *, const kw_request *,
                                  const kw_callbacks *, void *user);
KW_API int kw_loop_fd (kw_loop *);
KW_API int kw_loop_timeout (kw_loop *);
KW_API int kw_loop_process (kw_loop *);

/* Tries one key once, by a request of one token unless its plugin knows a
 * cheaper way; no switch, no retry.  0: it works.  Otherwise KW_ERR_* and why. */
KW_API int kw_probe (kw_client *, const char *provider, const char *key_name,
                     struct kw_error *err);

/* ---- Status ------------------------------------------------------------ */

typedef struct kw_limit_info {
  const char *model;            /* "": every model                        */
  const char *dimension;        /* "tokens_per_day"; "": not named        */
  int64_t limit;                /* -1: not known; so are the next two     */
  int64_t used;
  int64_t requested;
  int64_t until_ms;             /* Unix time; 0: no reset known           */
  int64_t in_ms;                /* from now; -1: no reset known           */
  int32_t verdict;              /* KW_VERDICT_* that parked it            */
  int32_t account_wide;         /* 1: every key of the account            */
} kw_limit_info;

typedef struct kw_key_info {
  size_t index;
  const char *name;
  const char *fingerprint;      /* 16 hexadecimal digits, a hash of the key */
  const char *state;            /* "available", "exhausted", "limited",
                                   "invalid", "probing"                   */
  const char *account;          /* "": not learnt                         */
  const char *source;           /* "GROQ_API_KEY in the environment"      */
  const kw_limit_info *limits;
  size_t n_limits;
  uint64_t requests;            /* answered on this key, over all clients
                                   that share the state                   */
  uint64_t tokens;
} kw_key_info;

typedef struct kw_account_info {
  const char *name;
  const size_t *keys;           /* indexes into keys                      */
  size_t n_keys;
} kw_account_info;

/* A snapshot; kw_status_free frees all of it. */
typedef struct kw_status_info {
  const char *provider;
  const char *plugin;
  const char *base_url;
  const char *model;            /* the configured one                     */
  size_t total_keys;
  size_t available_keys;        /* for the configured model               */
  size_t exhausted_keys;
  size_t current_key_index;     /* where the next request would begin     */
  int64_t now_ms;
  int64_t next_ready_ms;        /* 0: none known; now_ms: at once         */
  const kw_key_info *keys;
  const kw_account_info *accounts; /* those with two keys or more         */
  size_t n_accounts;
} kw_status_info;

/* provider NULL: the default one.  KW_ERR_USAGE: no such provider. */
KW_API int kw_status (kw_client *, const char *provider, kw_status_info **);
KW_API void kw_status_free (kw_status_info *);
/* Of a snapshot that kw_status made: how many calls of this client waited, for a
 * limit, a key or a place. */
KW_API size_t kw_status_waiting (const kw_status_info *);

/* What answers have shown of an allowance, whether it is used up or not; and what
 * has come back since, if nothing else was drawn on it: others may have, so it is
 * the most that can be left. */
typedef struct kw_bucket_info {
  size_t struct_size;
  const char *model;            /* "": every model                        */
  const char *dimension;        /* "tokens_per_minute"                    */
  int64_t limit;                /* -1: not known; so is the next          */
  int64_t remaining;
  int64_t window_ms;            /* in which it comes back; 0: not known   */
  int64_t full_ms;              /* Unix time when all of it is there again;
                                   gone by: it is; 0: not known           */
  int64_t seen_ms;              /* when an answer showed it last          */
  int32_t rolling;              /* 1: comes back steadily; 0: all at once */
  int32_t account_wide;         /* 1: it is the account's                 */
} kw_bucket_info;

/* The i-th of a key; NULL past the last. */
KW_API const kw_bucket_info *kw_status_bucket (const kw_status_info *, size_t key,
                                               size_t i);

/* Forgets that a key is exhausted (NULL: all of the provider's), at once.
 * KW_ERR_USAGE: no such provider or key. */
KW_API int kw_reset (kw_client *, const char *provider, const char *key_name);

/* When a request for model (NULL: the configured one) will next find a key:
 * *ret_ms is now or earlier if one is there, 0 if no time is known.  tokens is
 * the request's size, 0 for any: it makes a difference with admission = exact
 * or pace = on. */
KW_API int kw_next_ready (kw_client *, const char *provider,
                          const char *model, int64_t tokens, int64_t *ret_ms);

/* ---- Events ------------------------------------------------------------ */

enum {
  KW_EVENT_ATTEMPT   = 1,       /* about to send on key                   */
  KW_EVENT_VERDICT   = 2,       /* an answer was judged                   */
  KW_EVENT_SWITCH    = 3,       /* from key to to_key                     */
  KW_EVENT_WAIT      = 4,       /* wait_ms, then again on key             */
  KW_EVENT_EXHAUSTED = 5,       /* key (or its account) was parked        */
  KW_EVENT_REVIVED   = 6,       /* a parked key serves again              */
  KW_EVENT_ACCOUNT   = 7,       /* key was learnt to belong to an account */
  KW_EVENT_LOG       = 8        /* the core's or a plugin's; see level    */
};

/* All pointers are good for the callback only; those that do not apply are
 * "". */
typedef struct kw_event {
  size_t   struct_size;
  int32_t  type;                /* KW_EVENT_*                             */
  int32_t  level;               /* 0 error, 1 warn, 2 info, 3 debug       */
  uint64_t seq;                 /* counts up in the order in which things
                                   were decided; unique in a client       */
  uint64_t call;                /* which call, counted from 1; 0: none    */
  int64_t  at_ms;
  const char *provider;
  const char *key;
  const char *to_key;
  const char *model;
  const char *account;
  const char *reason;
  int32_t  verdict;
  int32_t  why;                 /* KW_WHY_*, with _ATTEMPT                */
  int32_t  http_status;
  int32_t  attempt;             /* counted from 1 within the call         */
  int64_t  wait_ms;
  int64_t  until_ms;            /* with _EXHAUSTED; 0: no reset known     */
  const char *message;          /* one line for a person; see
                                   kw_client_observe_texts                */
} kw_event;

/* Before the first call; NULL ends it.  Called on whichever thread it
 * happens on, no lock held; must not call kw_chat or kw_client_close. */
KW_API void kw_client_observe (kw_client *,
                               void (*observer) (void *user,
                                                 const kw_event *),
                               void *user);
/* Before the first call: events of a higher level than this come without their
 * text, message is "".  To put it together costs more than the rest of an event,
 * and each call has two of level 3.  3, the default: all have one. */
KW_API void kw_client_observe_texts (kw_client *, int32_t level);

/* ---- Looking without calling ------------------------------------------- */

/* Reads a configuration as kw_client_open would, and reports every mistake
 * and every oddity, not only the first.  severity 0: an error, 1: a warning.
 * Returns the number of errors, or a KW_ERR_* code if it could not look. */
KW_API int kw_check (const char *ini_path,
                     void (*report) (void *user, int severity,
                                     const char *text),
                     void *user);

typedef struct kw_plugin_info {
  const char *file;             /* the path tried                         */
  const char *name;             /* "" if refused before it was known      */
  const char *longname;
  const char *version;
  const char *description;
  int abi_major, abi_minor;     /* -1: not known                          */
  const char *refused;          /* NULL: fine; else why, in one line      */
  const char *key_env;
  const char *base_url;         /* the plugin's default                   */
} kw_plugin_info;

/* Every plugin in the folders that the configuration names, in the order in
 * which they are searched.  A broken one is in the list with its reason. */
KW_API int kw_plugins (const char *ini_path, kw_plugin_info **ret_list,
                       size_t *ret_n, struct kw_error *err);
KW_API void kw_plugins_free (kw_plugin_info *);

/* ---- Checking a plugin ------------------------------------------------- */

/* What a part of the check came to. */
enum {
  KW_CHECK_FAILED  = 0,         /* a rule of the provider ABI is broken   */
  KW_CHECK_WARNING = 1,         /* allowed, and hardly what was meant     */
  KW_CHECK_OK      = 2,         /* a whole group of cases passed          */
  KW_CHECK_SKIPPED = 3          /* a group that could not be tried        */
};

/* Start it as KW_PLUGIN_CHECK_INIT; zero means the default.  All pointers are
 * borrowed for the call. */
typedef struct kw_plugin_check_options {
  size_t struct_size;
  const char *only;             /* one case, by its name; NULL: all       */
  const char *const *settings;  /* options of the plugin's own, as its section
                                   would have them: name, value, name, value,
                                   ..., NULL.  NULL: none                 */
  uint64_t seed;                /* of the random answers; 0: drawn        */
  uint64_t memory;              /* bytes it may take; 0: 256 MB           */
  int64_t time_ms;              /* of processor time, for one case; 0: 2 s.
                                   By the clock: five times that, and 2 s */
  uint32_t n_random;            /* random answers; 0: 1000                */
  int32_t no_fork;              /* 1: in this process and without bounds, for
                                   a debugger: what breaks the plugin ends
                                   the program                            */
} kw_plugin_check_options;

#if defined(__cplusplus)
#define KW_PLUGIN_CHECK_INIT { sizeof (kw_plugin_check_options) }
#else
#define KW_PLUGIN_CHECK_INIT { .struct_size = sizeof (kw_plugin_check_options) }
#endif

/* All pointers are good for the callback only; texts that do not apply are
 * "".  From http_status on it is the answer that was given to the plugin, and
 * has_answer is 0 where there was none. */
typedef struct kw_plugin_finding {
  size_t struct_size;
  int32_t what;                 /* KW_CHECK_*                             */
  uint32_t checks;              /* made since the last callback: their sum
                                   is all that were made                  */
  const char *group;            /* "classify"                             */
  const char *name;             /* of the case, "classify/cut-error-17-429",
                                   or of the group                        */
  const char *text;             /* one line: what was expected and found  */
  const char *output;           /* the end of what the plugin printed     */
  uint64_t seed;                /* with it the same random answers come   */
  int32_t has_answer;
  int32_t http_status;          /* 0: no HTTP answer                      */
  uint32_t transport_error;     /* the ABI's KW_NET_*                     */
  int32_t in_stream;            /* body is the data of one event          */
  int64_t received_ms;
  const char *headers;          /* "name: value\n" for each               */
  const void *body;             /* NUL-terminated behind its length       */
  size_t body_len;
} kw_plugin_finding;

/* Does a plugin keep the rules of the provider ABI?  Loads the file as a
 * client would, and tries it in child processes, under bounds on time and
 * memory, on requests and on a battery of good and broken answers; found is
 * called for each group of cases and for each case that broke a rule.
 * Returns how many findings are KW_CHECK_FAILED.  Or KW_ERR_SETTINGS: it cannot
 * be loaded by anybody (it is not there, it is no shared object, others can
 * write it); KW_ERR_USAGE: no case is called so; KW_ERR_CANCELLED: found
 * returned non-zero.
 * It forks: no other thread should be running.  SIGCHLD must not be ignored.
 * found is called on the calling thread, of this process. */
KW_API int kw_plugin_check (const char *file, const kw_plugin_check_options *,
                            int (*found) (void *user,
                                          const kw_plugin_finding *),
                            void *user, struct kw_error *err);

#ifdef __cplusplus
}
#endif
#endif /* KEYWHEEL_KEYWHEEL_H */
