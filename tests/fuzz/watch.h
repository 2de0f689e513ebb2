/* watch - plugins under the eye of a fuzzer: loaded and called through the
 * core, with claims about what they say and about what the core makes of it.
 * The core's cleaning would hide what a plugin gets wrong, so that is looked at
 * before the core sees it.  A claim that does not hold ends the process. */
#ifndef FUZZ_WATCH_H
#define FUZZ_WATCH_H

#include <stddef.h>

#define KW_PROVIDER_API 1
#include <keywheel/provider.h>

struct fuzz_input;
struct kw_instance;
struct kwi_answer;
struct kwi_judgement;

struct fuzz_plugin {
  struct kwi_plugin *plugin;
  struct kw_provider own;       /* its callbacks, behind ours             */
  const char *name;
  struct kw_instance *in;       /* without settings; NULL: it needs some  */
};

/* Ends the process unless cond holds; the text says what was found instead. */
#define FUZZ_CLAIM(cond, ...) \
  ((cond) ? (void) 0 : fuzz_broken (#cond, __VA_ARGS__))
void fuzz_broken (const char *claim, const char *fmt, ...)
  __attribute__ ((__noreturn__, __format__ (__printf__, 2, 3)));

/* Those of the build's folder, or the one that KW_FUZZ_PLUGIN names: a name
 * or a file.  Loaded at the first call, and for good. */
struct fuzz_plugin *fuzz_plugins (size_t *ret_n);

/* An instance with the input's settings, the common one if it has none; NULL:
 * the plugin refuses them.  For fuzz_done. */
struct kw_instance *fuzz_begin (struct fuzz_plugin *, const struct fuzz_input *);
void fuzz_done (struct fuzz_plugin *, struct kw_instance *);

/* Whose turn it is in calls that do not come through here, and what time. */
void fuzz_now (struct fuzz_plugin *, int64_t at_ms);

/* As kwi_instance_classify, with all claims about the outcome. */
void fuzz_classify (struct fuzz_plugin *, struct kw_instance *,
                    struct kwi_answer *, struct kwi_judgement *ret);

/* With KW_FUZZ_SHOW set, what came of an input is told on stdout. */
void fuzz_show (const struct fuzz_plugin *, const struct kwi_judgement *,
                const char *out);

/* Each plugin's judgement of what the bytes say, which is the same each time. */
void fuzz_classify_input (const char *data, size_t size);

#endif
