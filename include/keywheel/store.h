/* keywheel/store.h - what a state store module implements.  ABI 1.0.
 *
 * A store keeps what clients learnt about keys, so that other processes and
 * other machines know it, too, and a later one still does.  One .so a store,
 * loaded by "state = SCHEME..." in keywheel.ini(5).  Full documentation:
 * keywheel-store(3).  Compiles as C99 and later, and as C++11.
 *
 * What a module keeps means nothing to it.  It keeps facts, of which the
 * greater of two stays whatever the order in which they come, counters that
 * are added to, and leases that end by themselves.  No secret is in any of
 * them: keys are named by fingerprints.
 *
 * Every function of a handle is called by one thread at a time, never the one
 * that sends a request, and may take as long as setup's timeout_ms.  A module
 * has no globals that change: several handles are open at once.
 */
#ifndef KEYWHEEL_STORE_H
#define KEYWHEEL_STORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KW_STORE_MAGIC UINT32_C (0x4b575354)   /* "KWST" */
#define KW_STORE_ABI_MAJOR 1    /* different: never loaded               */
#define KW_STORE_ABI_MINOR 0    /* fields were appended; either side older is fine */

#define KW_STORE_ENTRY keywheel_store_entry
#define KW_STORE_ENTRY_NAME "keywheel_store_entry"

#if defined(__GNUC__) || defined(__clang__)
#define KW_STORE_EXPORT __attribute__((__visibility__("default")))
#else
#define KW_STORE_EXPORT
#endif

/* Frozen for all ABI versions. */
struct kw_store_header {
  uint32_t magic;               /* KW_STORE_MAGIC                         */
  uint16_t abi_major;           /* KW_STORE_ABI_MAJOR when compiled       */
  uint16_t abi_minor;
  uint32_t struct_size;         /* sizeof (struct kw_store), compiled     */
  uint32_t _reserved;           /* 0                                      */
};

/* What a function returns. */
enum {
  KW_STORE_OK = 0,
  /* Not now: no connection, a full disk, locked for too long.  The host goes
   * on in memory, says so once, tries again with a back-off, and then hands
   * over everything it knows. */
  KW_STORE_AWAY = -1,
  /* open only: the text behind "state =" is wrong; why says what is allowed. */
  KW_STORE_USAGE = -2
};

/* One line for a person: what failed, where, what to do.  No password. */
struct kw_store_error {
  char text[512];
};

enum {                          /* levels of setup's log                  */
  KW_STORE_LOG_ERROR = 0, KW_STORE_LOG_WARN = 1, KW_STORE_LOG_INFO = 2,
  KW_STORE_LOG_DEBUG = 3
};

/* All pointers are good for the call of open only, but for log, now_ms and
 * user, which stay good until close. */
struct kw_store_setup {
  uint32_t struct_size;
  uint32_t timeout_ms;          /* no function may take longer            */
  const char *spec;             /* all that is behind "state ="           */
  const char *dir;              /* relative paths in spec begin here      */
  const char *state_dir;        /* $XDG_STATE_HOME/keywheel, absolute; it
                                   need not be there yet.  NULL: none     */
  const char *holder;           /* names this client: 16 hexadecimal digits,
                                   drawn at random                        */
  /* From any function, on its thread. */
  void (*log) (void *user, int level, const char *line);
  int64_t (*now_ms) (void *user);       /* Unix time                      */
  void *user;
};

/* A fact.  Of two of the same name the greater stays: that of the greater
 * major; with the same, of the greater minor; with the same, the one whose value
 * is greater by strcmp; of two that are the same, the later expires_ms.  So it
 * does not matter in which order they come, or how often.  One that has expired
 * is as good as none, in the store and when it comes. */
struct kw_store_fact {
  const char *name;             /* printable ASCII, at most 1000 bytes    */
  const char *value;            /* UTF-8, at most 4000 bytes              */
  int64_t major, minor;
  int64_t expires_ms;           /* Unix time from which on nobody needs it;
                                   INT64_MAX: never                       */
};

/* A counter that is to be added to. */
struct kw_store_count {
  const char *name;             /* as a fact's, but apart from those      */
  int64_t add;                  /* above 0                                */
};

struct kw_store_batch {
  uint32_t struct_size;
  uint32_t _reserved;
  /* Counts up from 1 with each batch of this holder; the same again: it is not
   * known whether the last one arrived, and its counts are not to be added
   * twice. */
  uint64_t number;
  const struct kw_store_fact *facts;
  size_t n_facts;
  const struct kw_store_count *counts;
  size_t n_counts;
};

/* Where what is read goes; all pointers are good for the callback. */
struct kw_store_sink {
  void *user;
  void (*fact) (void *user, const struct kw_store_fact *);
  void (*count) (void *user, const char *name, int64_t total);
};

#define KW_STORE_TURN_MS 2000

/* So many places of something that has limit of them, for a while.  A holder
 * asks again before its lease has expired, with what it wants now (0: gives all
 * back), and is told how many it has from now on. */
struct kw_store_lease {
  uint32_t struct_size;
  uint32_t limit;               /* all holders together                   */
  uint32_t want;                /* how many this one could use            */
  uint32_t floor;               /* how many it is using, be they granted or not */
  const char *name;             /* as a fact's, but apart from those      */
  int64_t ttl_ms;
};
/* What is granted, so that stores agree.  Over the leases of that name that have
 * not expired, without the asker's own: others = the sum of what they have;
 * n = how many of them want some, and this one; fair = limit / n, 1 at least.
 * The grant is want, but no more than limit - others (0 at least), and if another
 * has fewer than it wants and fewer than fair, no more than fair.  Where more want
 * some than there are places, n > limit, they take turns, so that nobody waits for
 * ever: of those n, counted from 0 in the order of their names (strcmp), the one at
 * p is on turn at the Unix time t in ms if (p - t / KW_STORE_TURN_MS * limit) mod n
 * < limit; and who is not on turn gets nothing while one that is has none.  A grant
 * may be less than floor: then the asker begins nothing until enough of what it is using has
 * ended.  What it has is the greater of grant and floor; that, what it wants, and
 * when the lease expires is kept in the same transaction.  Want 0 and floor 0
 * removes the lease. */

struct kw_store_handle;         /* the module's own                       */

struct kw_store {
  struct kw_store_header _header;       /* = KW_STORE_HEADER_INIT         */

  const char *name;             /* [a-z0-9]+, and the file's: NAME.so     */
  const char *version;
  const char *description;
  const char *schemes;          /* "redis rediss": what spec may begin with,
                                   up to its end or a ':'                 */

  /* Should not fail for what may pass by: a server that is away is the first
   * sync's KW_STORE_AWAY. */
  int (*open) (const struct kw_store_setup *, struct kw_store_handle **ret,
               struct kw_store_error *why);
  void (*close) (struct kw_store_handle *);

  /* "/home/a/.local/state/keywheel/state.db", "redis://10.0.0.5:6379/0": where
   * it is, for people; without user and password.  Lives with the handle. */
  const char *(*where) (struct kw_store_handle *);

  /* A descriptor that can be polled, and is readable when others may have
   * changed something; -1: there is none now, ask by sync at times.  May be
   * another after each call. */
  int (*fd) (struct kw_store_handle *);

  /* Keeps the batch, all of it or nothing (NULL: nothing to keep); then hands
   * over every fact and counter that has changed since the last sync (the first
   * time, and after a connection was lost: all of them), in any order.  What
   * this handle has kept itself may be among them. */
  int (*sync) (struct kw_store_handle *, const struct kw_store_batch *,
               const struct kw_store_sink *, struct kw_store_error *why);

  int (*lease) (struct kw_store_handle *, const struct kw_store_lease *,
                uint32_t *ret_granted, struct kw_store_error *why);

  /* 1.0 ends here.  Append below, and bump KW_STORE_ABI_MINOR. */
};

#define KW_STORE_HEADER_INIT                                            \
  { KW_STORE_MAGIC, KW_STORE_ABI_MAJOR, KW_STORE_ABI_MINOR,             \
    (uint32_t) sizeof (struct kw_store), 0 }

/* host_abi is (major << 16 | minor) of the newest ABI the host speaks. */
typedef const struct kw_store_header *(*kw_store_entry_fn) (uint32_t host_abi);

#if defined(__cplusplus)
#define KW_STORE_EXTERN extern "C"
#else
#define KW_STORE_EXTERN extern
#endif

/* One per .so, followed by a semicolon.  S is a static const struct kw_store. */
#define KW_REGISTER_STORE(s)                                            \
  KW_STORE_EXTERN KW_STORE_EXPORT const struct kw_store_header *        \
  KW_STORE_ENTRY (uint32_t host_abi);                                   \
  const struct kw_store_header *                                        \
  KW_STORE_ENTRY (uint32_t host_abi)                                    \
  {                                                                     \
    const struct kw_store *kw_s_ = &(s); /* type error if it isn't */   \
    (void) host_abi;                                                    \
    return &kw_s_->_header;                                             \
  }                                                                     \
  struct kw_store_handle

#ifdef __cplusplus
}
#endif
#endif /* KEYWHEEL_STORE_H */
