/* instance - a plugin at work for one [provider] section: the host's side of
 * the ABI.  Serializes as thread_model asks, catches what a plugin gets
 * wrong, cleans what it says.  Nobody besides it, translate and loader calls
 * into plugins. */
#ifndef KWI_INSTANCE_H
#define KWI_INSTANCE_H

#include <stddef.h>
#include <stdint.h>

struct kw_error;
struct kw_call;
struct kw_request;
struct kwi_answer;
struct kwi_clock;
struct kwi_plugin;
struct kw_instance;             /* ours: opaque to plugins                */

/* Where a plugin's log lines go; may be called on any thread. */
struct kwi_instance_hooks {
  const struct kwi_clock *clock;
  void (*log) (void *user, uint32_t level, const char *msg);
  void *user;
};

/* Takes its own reference on the plugin. */
int kwi_instance_new (struct kwi_plugin *, const char *section,
                      const struct kwi_instance_hooks *,
                      struct kw_instance **ret, struct kw_error *err);
void kwi_instance_free (struct kw_instance *);

/* 0; KW_ERR_SETTINGS with the plugin's own words.  *ret_unknown is set when
 * the plugin has no such option at all (or takes none). */
int kwi_instance_config (struct kw_instance *, const char *key,
                         const char *value, int *ret_unknown,
                         struct kw_error *err);
/* Behind it come no settings as long as a call of another thread may be under
 * way: those take no lock any more. */
int kwi_instance_config_complete (struct kw_instance *, struct kw_error *err);

/* 0, or KW_ERR_REFUSED (the plugin's words) or KW_ERR_INTERNAL. */
int kwi_instance_prepare (struct kw_instance *, const struct kw_call *,
                          struct kw_request *, struct kw_error *err);
/* KW_ERR_USAGE: it has no probe. */
int kwi_instance_build_probe (struct kw_instance *, const struct kw_call *,
                              struct kw_request *, struct kw_error *err);

#define KWI_MAX_BUCKETS 16

/* A bucket as the core keeps it. */
struct kwi_bucket {
  uint32_t scope, have, rolling, _reserved;
  int64_t limit, used, remaining, requested, window_ms, full_at_ms;
  char dimension[32];
};

/* classify's answer, cleaned: outcome is never UNKNOWN (the HTTP status
 * decides then), scope never DEFAULT, strings terminated, reason in
 * [a-z0-9_.-], waits within 0 .. 400 days. */
struct kwi_judgement {
  uint32_t outcome;             /* KW_OUTCOME_*                           */
  uint32_t scope;               /* KW_SCOPE_*                             */
  int64_t wait_ms;              /* stated wait from now; -1: none         */
  int64_t input_tokens, output_tokens; /* -1: not said                    */
  char account[64];
  char model[96];
  char reason[64];
  uint32_t n_buckets;
  uint32_t fell_back;           /* 1: the plugin did not know; status did */
  struct kwi_bucket bucket[KWI_MAX_BUCKETS];
};

/* Never fails: a failing classify counts as UNKNOWN and is logged. */
void kwi_instance_classify (struct kw_instance *, struct kwi_answer *,
                            struct kwi_judgement *);

#endif
