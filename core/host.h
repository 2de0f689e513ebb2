/* host - the services of struct kw_host, and what they know of the call that
 * is going on.  instance.c enters a frame, calls the plugin, leaves. */
#ifndef KWI_HOST_H
#define KWI_HOST_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "instance.h"

struct kw_host;
struct kw_provider;
struct kw_request;
struct kw_response;
struct kw_translation;
struct kwi_interned;
struct kwi_line;
struct kwi_translator;

/* What a plugin sees as an opaque pointer. */
struct kw_instance {
  struct kwi_plugin *plugin;
  const struct kw_provider *provider;
  void *self;                   /* the plugin's own                       */
  char section[64];
  struct kwi_instance_hooks hooks;
  pthread_rwlock_t setup;       /* write: [setup], read: [hot] until open */
  int open;                     /* atomic: no [setup] comes any more, but
                                   for the end                            */
  pthread_mutex_t one;          /* KW_THREAD_SERIALIZE_INSTANCE           */
  pthread_mutex_t interning;    /* for the two below                      */
  struct kwi_interned *interned;
  size_t interned_bytes;
  struct kwi_translator *translator; /* set once, atomically              */
  int hot, in_setup;            /* KW_DEBUG: calls going on               */
};

enum kwi_phase {
  KWI_PHASE_SETUP = 0, KWI_PHASE_BUILD, KWI_PHASE_CLASSIFY, KWI_PHASE_TRANSLATE
};

/* One call into a plugin.  On the caller's stack; found by the services
 * through the thread, so that calls at the same time never mix their texts. */
struct kwi_frame {
  struct kwi_frame *outer;
  struct kw_instance *in;
  enum kwi_phase phase;
  int probe;                    /* BUILD: it is build_probe               */
  int locked;                   /* it holds setup                         */
  struct kw_request *request;   /* BUILD                                  */
  const struct kw_response *response; /* CLASSIFY, TRANSLATE of a whole one */
  struct kwi_answer *answer;    /* likewise                               */
  struct kwi_judgement *judgement; /* CLASSIFY                            */
  struct kw_translation *translation; /* TRANSLATE: what may be output to */
  struct kwi_line *lines;       /* logged during the call, in order       */
  unsigned n_lines, n_dropped;
  char said[512];               /* host->error's text; "": none           */
};

/* Not all of it: said is as large as the rest of a call's work. */
static inline void
kwi_frame_init (struct kwi_frame *f, struct kw_instance *in, enum kwi_phase phase)
{
  memset (f, 0, offsetof (struct kwi_frame, said));
  f->said[0] = '\0';
  f->in = in;
  f->phase = phase;
}

void kwi_host_enter (struct kwi_frame *);
void kwi_host_leave (struct kwi_frame *);
/* Hands on what was logged during the call.  Behind kwi_host_leave, with every
 * lock of the call released: whoever hears of it may come back into the core. */
void kwi_host_deliver (struct kwi_frame *);
/* The call into a plugin that this thread is in, or NULL. */
const struct kwi_frame *kwi_host_current (void);

/* The one table, with 16 NULL slots behind it. */
const struct kw_host *kwi_host_table (void);

/* A line to the hooks: level KW_LOG_*, control characters made visible. */
void kwi_host_log (struct kw_instance *, uint32_t level, const char *fmt, ...)
  __attribute__ ((__format__ (__printf__, 3, 4)));

void kwi_host_free_interned (struct kw_instance *);

/* ---- instance.c, for translate.c ------------------------------------------ */

/* Around a [hot] call: the locks of its thread_model, and its frame. */
void kwi_instance_begin_hot (struct kw_instance *, struct kwi_frame *);
void kwi_instance_end_hot (struct kw_instance *, struct kwi_frame *);
/* Why a callback failed: its own words, or what stands in for them. */
const char *kwi_instance_words (const struct kwi_frame *, int rc);
/* The answer as a plugin sees it, as long as it does not change. */
void kwi_instance_show (const struct kwi_answer *, struct kw_response *ret);

#endif
