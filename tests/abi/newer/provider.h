/* keywheel/provider.h - a provider ABI 1.1 that does not exist: the frozen 1.0
 * with a field appended to struct kw_host, kw_verdict and kw_provider each.
 * Tests build a plugin with it, to see that an older host is no trouble.
 *
 * The keywheel provider ABI.
 *
 * This is the only header a provider needs.  It includes nothing from
 * libkeywheel, libcurl or json-c, and a provider links with none of them:
 * everything the host offers arrives through struct kw_host.
 * Full documentation: keywheel-provider(3).
 *
 * THREE RULES KEEP THIS FILE COMPATIBLE.  a check in CI enforces them.
 *   1. Structs grow at the end only.  Nothing is reordered, retyped,
 *      narrowed or removed.  A dead slot keeps its place as _unusedN.
 *   2. Zero or NULL always means "as if this field did not exist".
 *   3. No struct ends in padding: a field added there would not change
 *      sizeof, and struct_size could not tell old from new.  On LP64 there
 *      is no padding at all; it is compiled with -Wpadded -Werror.
 */
#ifndef KEYWHEEL_PROVIDER_H
#define KEYWHEEL_PROVIDER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>              /* vsnprintf, for kw_log below */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ---------------------------------------------------------- */

/* Which API the source was written to.  Define it before including. */
#ifndef KW_PROVIDER_API
#error "define KW_PROVIDER_API before including <keywheel/provider.h>; use 1"
#elif (KW_PROVIDER_API - 0) != 1
#error "this keywheel only knows KW_PROVIDER_API 1"
#endif

#define KW_PROVIDER_ABI_MAJOR 1 /* different: never loaded              */
#define KW_PROVIDER_ABI_MINOR 1 /* fields were appended; either side older is fine */

/* A provider that cannot do without a field newer than 1.0 says so here. */
#ifndef KW_PROVIDER_MIN_HOST_MINOR
#define KW_PROVIDER_MIN_HOST_MINOR 0
#endif

#define KW_PROVIDER_MAGIC UINT32_C(0x4b575056) /* "KWPV" */
#define KW_PROVIDER_ENTRY keywheel_provider_entry
#define KW_PROVIDER_ENTRY_NAME "keywheel_provider_entry"

#if defined(__GNUC__) || defined(__clang__)
#define KW_EXPORT __attribute__((__visibility__("default")))
#define KW_PRINTF(f, a) __attribute__((__format__(__printf__, f, a)))
#else
#define KW_EXPORT
#define KW_PRINTF(f, a)
#endif

/* True if the struct the OTHER side made is long enough to hold FIELD. */
#define KW_HAS(type, ptr, field) \
  ((ptr)->struct_size >= offsetof (type, field) + sizeof ((ptr)->field))

/* Frozen for ever, in every major: the host reads these 16 bytes before it
 * believes anything else. */
struct kw_provider_header {
  uint32_t magic;               /* KW_PROVIDER_MAGIC                      */
  uint16_t abi_major;           /* KW_PROVIDER_ABI_MAJOR when compiled    */
  uint16_t abi_minor;           /* KW_PROVIDER_ABI_MINOR when compiled    */
  uint32_t struct_size;         /* sizeof (struct kw_provider), compiled  */
  uint16_t min_host_minor;      /* KW_PROVIDER_MIN_HOST_MINOR             */
  uint16_t _reserved;           /* 0 */
};

/* ---- Values ----------------------------------------------------------- */
/* Anonymous enums name the values; fields are fixed-width integers, since
 * the size of an enum type is the compiler's choice. */

/* Returned by every callback that can fail.  0 is success. */
enum {
  KW_OK           = 0,
  KW_ERR          = -1,         /* message given to host->error           */
  KW_ERR_NOMEM    = -2,
  KW_ERR_CONFIG   = -3,         /* user's mistake: key, value or missing  */
  KW_ERR_RANGE    = -4,         /* buffer too small                       */
  KW_ERR_NOTFOUND = -5,
  KW_ERR_UNSUPPORTED = -6
};

enum { KW_LOG_ERROR = 0, KW_LOG_WARN = 1, KW_LOG_INFO = 2, KW_LOG_DEBUG = 3 };

/* How much the host must serialize.  0 is the safest on purpose. */
enum {
  KW_THREAD_SERIALIZE_ALL      = 0, /* one call at a time in this .so     */
  KW_THREAD_SERIALIZE_INSTANCE = 1, /* one call at a time per instance    */
  KW_THREAD_PARALLEL           = 2  /* [hot] calls overlap, same instance */
};

/* kw_provider.caps.  A bit the host does not know is ignored. */
#define KW_CAP_PROBE        (UINT64_C (1) << 0) /* build_probe is useful   */
#define KW_CAP_NEEDS_SECRET (UINT64_C (1) << 1) /* must see the key (signing);
                                                   host config must allow it */
#define KW_CAP_NO_UNLOAD    (UINT64_C (1) << 2) /* never dlclose me        */

/* What an answer means.  The core's reaction to each is its policy, not the
 * provider's business; see keywheel-provider(3). */
enum {
  KW_OUTCOME_UNKNOWN     = 0,   /* host falls back on the HTTP status      */
  KW_OUTCOME_OK          = 1,
  KW_OUTCOME_DAILY_LIMIT = 2,   /* a day-long allowance is used up         */
  KW_OUTCOME_RATE_LIMIT  = 3,   /* a shorter window is full: waiting helps */
  KW_OUTCOME_AUTH        = 4,   /* key wrong, revoked, or not allowed this */
  KW_OUTCOME_BILLING     = 5,   /* no credit, spend limit, account blocked */
  KW_OUTCOME_REQUEST     = 6,   /* the request can never succeed as it is  */
  KW_OUTCOME_TRANSIENT   = 7    /* the provider's fault or the network's   */
};

/* kw_response.transport_error: why there is no HTTP answer. */
enum {
  KW_NET_OK = 0, KW_NET_RESOLVE = 1, KW_NET_CONNECT = 2, KW_NET_TLS = 3,
  KW_NET_TIMEOUT = 4, KW_NET_CLOSED = 5, KW_NET_OTHER = 6
};

/* How far an outcome or a bucket reaches: exactly that much is parked. */
enum {
  KW_SCOPE_DEFAULT       = 0,   /* the outcome's usual one                 */
  KW_SCOPE_REQUEST       = 1,   /* this request only                       */
  KW_SCOPE_KEY           = 2,   /* this key, every model                   */
  KW_SCOPE_KEY_MODEL     = 3,
  KW_SCOPE_ACCOUNT       = 4,   /* every key of the account                */
  KW_SCOPE_ACCOUNT_MODEL = 5,
  KW_SCOPE_PROVIDER      = 6    /* all keys: an IP block, an outage        */
};

/* Which fields of a kw_verdict or kw_bucket are filled in (0 is a value). */
#define KW_HAVE_RETRY_AFTER (UINT32_C (1) << 0)
#define KW_HAVE_RESET_AT    (UINT32_C (1) << 1)
#define KW_HAVE_LIMIT       (UINT32_C (1) << 2)
#define KW_HAVE_USED        (UINT32_C (1) << 3)
#define KW_HAVE_REMAINING   (UINT32_C (1) << 4)
#define KW_HAVE_REQUESTED   (UINT32_C (1) << 5)
#define KW_HAVE_WINDOW      (UINT32_C (1) << 6)
#define KW_HAVE_FULL_AT     (UINT32_C (1) << 7)
#define KW_HAVE_USAGE       (UINT32_C (1) << 8)

/* ---- What passes between the two sides -------------------------------- */

struct kw_instance;             /* opaque, the host's: one [provider] section */
struct kw_request;              /* opaque, the host's: a request being built  */

/* An answer.  The host owns it and all it points to; valid until the
 * callback returns.  body is not NUL-terminated and may hold NULs.
 * Streams are judged twice at most: at their head (body empty), and at an
 * event named "error" or whose data has a member "error" (in_stream 1). */
struct kw_response {
  uint32_t struct_size;
  int32_t  http_status;         /* 0: there was no HTTP answer            */
  uint32_t transport_error;     /* 0, or a KW_NET_* value                 */
  uint32_t body_truncated;      /* 1: host kept only the first body_len   */
  int64_t  received_ms;         /* Unix time, milliseconds                */
  uint64_t body_len;
  const void *body;
  const void *_host;            /* the host's own; do not look            */
  uint32_t in_stream;           /* 1: body is the data of one event of a
                                   stream that had begun with http_status */
  uint32_t _reserved;
};

/* classify's answer.  The host makes it, zeroes it and sets struct_size;
 * the provider fills in fields.  account is the provider's own name for
 * whose allowance was charged ("org_01..."), empty if it does not say; it
 * teaches the host which keys share one.  model is the model the provider
 * named, where that is not the one asked for.  reason is a short token for
 * logs and metrics, "tokens_per_day"; the host cleans it to [a-z0-9_.-].
 * Without KW_HAVE_RETRY_AFTER the host reads a Retry-After header itself. */
struct kw_verdict {
  uint32_t struct_size;
  uint32_t outcome;             /* KW_OUTCOME_*                           */
  uint32_t scope;               /* KW_SCOPE_*                             */
  uint32_t have;                /* KW_HAVE_RETRY_AFTER, _RESET_AT, _USAGE */
  int64_t  retry_after_ms;      /* for a request of this size             */
  int64_t  reset_at_ms;         /* Unix time, milliseconds                */
  int64_t  input_tokens;        /* what a served request was charged      */
  int64_t  output_tokens;
  char     account[64];
  char     model[96];
  char     reason[64];

  int64_t  added;               /* 1.1 */
};

/* One allowance as an answer, good or bad, shows it.  Given to
 * host->response_bucket, any number of times, from classify. */
struct kw_bucket {
  uint32_t struct_size;
  uint32_t scope;               /* KW_SCOPE_*                             */
  uint32_t have;                /* KW_HAVE_*                              */
  uint32_t rolling;             /* 1: refills at limit/window, 0: at once */
  int64_t  limit;               /* in the dimension's unit                */
  int64_t  used;
  int64_t  remaining;
  int64_t  requested;           /* what this request was counted as       */
  int64_t  window_ms;
  int64_t  full_at_ms;          /* Unix time at which nothing is used     */
  char     dimension[32];       /* "tokens_per_minute"                    */
};

/* Passed to prepare and build_probe.  body is the caller's request in
 * OpenAI's Chat Completions JSON; a provider that speaks it passes body on
 * as it is, and the host then copies nothing.  secret is NULL unless the
 * provider has KW_CAP_NEEDS_SECRET and the configuration allows it; it is
 * not NUL-terminated, must not be kept, and is wiped after the call. */
struct kw_call {
  uint32_t struct_size;
  uint32_t attempt;             /* 0 first, 1 after one resend, ...       */
  const char *base_url;         /* from the INI, else default_base_url; no
                                   slash at the end                       */
  const char *method;           /* "POST"                                 */
  const char *path;             /* "/chat/completions", "/embeddings", ...*/
  const char *content_type;     /* "application/json", or NULL            */
  const char *model;            /* or NULL                                */
  const void *body;
  uint64_t body_len;
  const void *secret;
  uint64_t secret_len;
  uint32_t stream;              /* 1: an event stream was asked for       */
  uint32_t _reserved;
};

/* What the host does for the provider.  One const table for the life of
 * the process.  [any] = from any callback, on the thread it runs on; the
 * request_* functions only inside prepare and build_probe, the response_*
 * functions only inside classify, on the pointer that was passed in.
 * EVERY STRING PASSED TO THE HOST IS COPIED before the call returns. */
struct kw_host {
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  const char *name;             /* "keywheel"  */
  const char *version;          /* "1.4.2"     */

  /* [any] Plain strings, so every language can call them; C code uses the
   * kw_log and kw_error helpers below. */
  void (*log) (struct kw_instance *, uint32_t level, const char *msg);
  void (*error) (struct kw_instance *, const char *msg);

  /* [any] A copy of s that lives until destroy returns.  Never free it. */
  const char *(*intern) (struct kw_instance *, const char *s, uint64_t len);

  /* [any] Wall clock.  Tests put their own clock here: do not call time(). */
  int64_t (*now_ms) (struct kw_instance *);

  /* Request builder.  CR, LF or NUL in a name or value is refused. */
  int (*request_method) (struct kw_request *, const char *method);
  int (*request_url) (struct kw_request *, const char *url);
  int (*request_header) (struct kw_request *, const char *name,
                         const char *value);
  int (*request_body) (struct kw_request *, const void *body, uint64_t len);
                                /* call->body is borrowed, others copied  */
  /* The host puts the key in, so it need not cross the ABI at all:
   * request_secret_header (r, "Authorization", "Bearer "). */
  int (*request_secret_header) (struct kw_request *, const char *name,
                                const char *prefix);
  int (*request_secret_query) (struct kw_request *, const char *name);

  /* Response reader.  Header names compare without case; NULL if absent. */
  const char *(*response_header) (const struct kw_response *,
                                  const char *name);
  /* The scalar at a JSON pointer (RFC 6901), as text, NUL-terminated in
   * buf.  KW_ERR_NOTFOUND, KW_ERR_RANGE, or KW_ERR if not JSON; then buf
   * is untouched. */
  int (*response_json) (const struct kw_response *, const char *pointer,
                        char *buf, uint64_t size);
  int (*response_bucket) (const struct kw_response *,
                          const struct kw_bucket *);

  /* [any] Optional services, "keywheel.sign/1"; NULL if not offered. */
  const void *(*get_extension) (const char *id);

  /* 1.1 */
  int (*added) (struct kw_instance *);
};

/* ---- The provider ------------------------------------------------------ */

struct kw_provider {
  struct kw_provider_header _header; /* = KW_PROVIDER_HEADER_INIT         */

  const char *name;             /* required; [a-z0-9][a-z0-9-]*           */
  const char *longname;         /* "Example AI"                           */
  const char *version;          /* the provider's own version             */
  const char *description;
  const char *config_help;      /* "key=<VALUE>  (required) what it does" */
  const char *default_base_url; /* "https://api.example.com/v1"           */
  const char *default_model;
  const char *key_env;          /* where keys are looked for, in order:
                                   "EX_API_KEY EX_API_KEY_BACKUP, EX_API_KEY_#"
                                   NAME, NAME, for a comma-separated list,
                                   NAME_# for _2, _3, ... to the first gap */

  uint64_t caps;                /* KW_CAP_*                               */
  uint32_t thread_model;        /* KW_THREAD_*                            */
  uint32_t _reserved0;

  /* [setup] One instance per configuration section.  Required: create and
   * destroy.  If create fails the host does not call destroy. */
  int (*create) (const struct kw_host *, struct kw_instance *, void **self);
  void (*destroy) (void *self);

  /* [setup] Once per key = value that the core does not know, then
   * config_complete once.  Without .config such a setting is an error. */
  int (*config) (void *self, const char *key, const char *value);
  int (*config_complete) (void *self);

  /* [hot] No I/O, no sleeping, no locks held on return.
   * prepare, classify: required.  build_probe: with KW_CAP_PROBE. */
  int (*prepare) (void *self, const struct kw_call *, struct kw_request *);
  int (*build_probe) (void *self, const struct kw_call *,
                      struct kw_request *);
  int (*classify) (void *self, const struct kw_response *,
                   struct kw_verdict *);

  /* [hot] Optional features, "keywheel.balance/1"; NULL if not offered. */
  const void *(*get_extension) (void *self, const char *id);

  /* 1.1 */
  int (*added) (void *self);

  /* 1.1 ends here.  Append below, and bump KW_PROVIDER_ABI_MINOR. */
};

/* host_abi is (major << 16 | minor) of the newest ABI the host speaks.  A
 * provider built for several majors may choose by it; others ignore it. */
typedef const struct kw_provider_header *
  (*kw_provider_entry_fn) (uint32_t host_abi);

#ifdef __cplusplus
#define KW_EXTERN_C extern "C"
#define KW_STATIC_ASSERT(c, m) static_assert (c, m)
#else
#define KW_EXTERN_C extern
#define KW_STATIC_ASSERT(c, m) _Static_assert (c, m)
#endif

/* First member of every provider: ._header = KW_PROVIDER_HEADER_INIT. */
#define KW_PROVIDER_HEADER_INIT                                         \
  { KW_PROVIDER_MAGIC, KW_PROVIDER_ABI_MAJOR, KW_PROVIDER_ABI_MINOR,    \
    (uint32_t) sizeof (struct kw_provider), KW_PROVIDER_MIN_HOST_MINOR, 0 }

/* One per .so, followed by a semicolon.  P is a static const struct
 * kw_provider: const, so that its function pointers are mapped read-only. */
#define KW_REGISTER_PROVIDER(p)                                         \
  KW_STATIC_ASSERT (sizeof (p) == sizeof (struct kw_provider),          \
                    "KW_REGISTER_PROVIDER wants a struct kw_provider, " \
                    "not a pointer to one");                            \
  KW_EXTERN_C KW_EXPORT const struct kw_provider_header *               \
  KW_PROVIDER_ENTRY (uint32_t host_abi);                                \
  const struct kw_provider_header *                                     \
  KW_PROVIDER_ENTRY (uint32_t host_abi)                                 \
  {                                                                     \
    const struct kw_provider *kw_p_ = &(p); /* type error if it isn't */ \
    (void) host_abi;                                                    \
    return &kw_p_->_header;                                             \
  }                                                                     \
  KW_STATIC_ASSERT (1, "")

/* ---- Pinned layout (LP64).  If one of these fails you broke the ABI. --- */
#if defined(__LP64__)
KW_STATIC_ASSERT (sizeof (struct kw_provider_header) == 16, "frozen");
KW_STATIC_ASSERT (sizeof (struct kw_response) == 56, "grow at the end");
KW_STATIC_ASSERT (sizeof (struct kw_verdict) == 280, "grow at the end");
KW_STATIC_ASSERT (sizeof (struct kw_bucket) == 96, "grow at the end");
KW_STATIC_ASSERT (sizeof (struct kw_call) == 88, "grow at the end");
KW_STATIC_ASSERT (offsetof (struct kw_provider, caps) == 80, "moved");
KW_STATIC_ASSERT (offsetof (struct kw_provider, classify) == 144, "moved");
KW_STATIC_ASSERT (sizeof (struct kw_provider) >= 160, "1.0 was 160 bytes");
KW_STATIC_ASSERT (offsetof (struct kw_host, log) == 24, "moved");
KW_STATIC_ASSERT (offsetof (struct kw_host, get_extension) == 128, "moved");
#endif

/* ---- Helpers, compiled into the provider: not part of the ABI ---------- */

static inline void KW_PRINTF (4, 5)
kw_log (const struct kw_host *h, struct kw_instance *in, uint32_t level,
        const char *fmt, ...)
{
  char buf[512];
  va_list ap;
  va_start (ap, fmt);
  (void) vsnprintf (buf, sizeof buf, fmt, ap);
  va_end (ap);
  h->log (in, level, buf);
}

/* For "return kw_error (...);" */
static inline int KW_PRINTF (4, 5)
kw_error (const struct kw_host *h, struct kw_instance *in, int code,
          const char *fmt, ...)
{
  char buf[512];
  va_list ap;
  va_start (ap, fmt);
  (void) vsnprintf (buf, sizeof buf, fmt, ap);
  va_end (ap);
  h->error (in, buf);
  return code;
}

#ifdef __cplusplus
}
#endif
#endif /* KEYWHEEL_PROVIDER_H */
