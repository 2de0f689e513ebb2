/* store-module - finding and loading the module of a state store.  Process-wide
 * like loader.h's plugins, but never unloaded. */
#ifndef KWI_STORE_MODULE_H
#define KWI_STORE_MODULE_H

#include <keywheel/store.h>

struct kw_error;

/* Is it kept in this process only? */
int kwi_state_is_memory (const char *spec);

/* The module for "SCHEME..." (NAME.so is looked for in the folders of
 * KEYWHEEL_STORE_PATH and the built-in one; a scheme may be longer than the
 * name, as rediss is).  0: *ret is the host's own copy, zero beyond what the
 * module's struct had, good for ever.  KW_ERR_SETTINGS: what was looked for
 * where, or why it is refused. */
int kwi_store_module (const char *spec, const struct kw_store **ret,
                      struct kw_error *err);

#endif
