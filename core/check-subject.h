/* check-subject - the plugin in the child: loaded, put to work, and each call
 * into it watched.  See check-subject.c, and check-host.c for the services. */
#ifndef KWI_CHECK_SUBJECT_H
#define KWI_CHECK_SUBJECT_H

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

#include <stdint.h>

#include "check-guard.h"
#include "host.h"
#include "instance.h"
#include "request.h"

struct kwi_check;
struct kwi_check_case;

/* The clock stands still in here: 2026-01-02T14:03:11Z. */
#define KWI_CHECK_NOW INT64_C (1767362591000)

/* The key that a signing plugin is shown, and nobody may ever see again. */
#define KWI_CHECK_SECRET "kwcheck-secret-3f9a1c0b5d2e7788"

/* One instance of the plugin. */
struct kwi_check_instance {
  struct kw_instance in;
  int made;                     /* create has succeeded                   */
};

enum { KWI_CHECK_BUCKETS = 16 };

/* One call into the plugin: the frame that the host's services go by, and what
 * was seen of the call. */
struct kwi_check_call {
  struct kwi_check *check;
  struct kwi_frame frame;
  const char *what;             /* "classify"                             */
  struct kwi_judgement judgement;       /* the services', unused here     */
  uint32_t n_buckets;           /* taken, as they were given              */
  struct kw_bucket bucket[KWI_CHECK_BUCKETS];
  struct kw_translation *translation;   /* in reply and stream_event      */
  int translates;               /* in prepare: it asked for it, with this */
  uint32_t note_len;
  char note[KW_TRANSLATE_NOTE_MAX];     /* from here on: not zeroed       */
};

/* What prepare wanted for the answer to a usual request, [1]: to a stream. */
struct kwi_check_wish {
  int known, translates;
  uint32_t note_len;
  char note[KW_TRANSLATE_NOTE_MAX];
};

struct kwi_check_subject {
  struct kwi_plugin *plugin;
  const struct kw_provider *provider;   /* the host's copy              */
  void *handle;
  kw_provider_entry_fn entry;
  const struct kw_provider_header *own; /* the plugin's struct          */
  struct kw_provider_header *first;     /* a copy as it was at first    */
  struct kwi_check_instance a, b;       /* for those that want one or two */
  struct kwi_guards guards;
  struct kwi_guard shown, verdict;      /* classify's, open all the time */
  struct kwi_check_wish wish[2];
};

/* The plugin, loaded at the first question.  NULL: it is refused, which the
 * case is told of. */
struct kwi_check_subject *kwi_check_plugin (struct kwi_check *);
void kwi_check_close (struct kwi_check *);
/* Behind each case: is all as it was? */
void kwi_check_after (struct kwi_check *);

/* create, the settings of the options, config_complete.  0; -1: it failed,
 * which the case is told of. */
int kwi_check_begin (struct kwi_check *, struct kwi_check_instance *);
void kwi_check_destroy (struct kwi_check *, struct kwi_check_instance *);
/* Only create. */
int kwi_check_create (struct kwi_check *, struct kwi_check_instance *);
int kwi_check_set (struct kwi_check *, struct kwi_check_instance *,
                      const char *key, const char *value, struct kwi_check_call *);
/* The subject's a (0) or b (1), begun at the first question; NULL: it cannot. */
struct kwi_check_instance *kwi_check_ready (struct kwi_check *, int second);

/* ---- check-host.c ------------------------------------------------------- */

/* The host's table, each service watched. */
const struct kw_host *kwi_watched_host (void);

/* Around a call into the plugin.  Set the frame's request, or response, answer
 * and judgement between the two. */
void kwi_watch_begin (struct kwi_check_call *, struct kwi_check *,
                      struct kwi_check_instance *, const char *what,
                      enum kwi_phase);
void kwi_watch_enter (struct kwi_check_call *);
void kwi_watch_leave (struct kwi_check_call *);
/* The one that is going on, or NULL; and a service's complaint about it: host
 * ->SERVICE was called with WHAT.  Returns ok. */
struct kwi_check_call *kwi_watch_now (void);
int kwi_watch_that (int ok, const char *service, const char *what);

/* The text holds the key, or (with host->log and error) may not. */
void kwi_check_secret (struct kwi_check *, const char *what, const char *text,
                       size_t len);
/* One of the ABI's codes, or none. */
int kwi_check_code (int rc);
/* "KW_ERR_NOMEM". */
const char *kwi_check_code_name (int rc);

/* ---- check-build.c ------------------------------------------------------ */

/* The note of a usual request, or of one for a stream; builds it if need be. */
const struct kwi_check_wish *kwi_check_wish (struct kwi_check *, int stream);

#endif
