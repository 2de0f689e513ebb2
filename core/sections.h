/* sections - the text of an INI turned into a kwi_config. */
#ifndef KWI_SECTIONS_H
#define KWI_SECTIONS_H

#include <stddef.h>

#include "config.h"
#include "mistakes.h"

/* Fills config, whose dir is set and whose rest is at its defaults.  file is
 * for texts.  0, also with mistakes; -1: no memory. */
int kwi_sections_read (const char *file, const char *text, size_t len,
                       const struct kwi_env *, struct kwi_mistakes *,
                       struct kwi_config *config);

/* The last step of it.  provider_line: where [keywheel] names the default one,
 * or 0.  0, also with mistakes; -1: no memory. */
int kwi_sections_finish (const char *file, struct kwi_config *config,
                         int provider_line, struct kwi_mistakes *);

/* What the gateway's options in a provider's section say of others and of each
 * other. */
void kwi_failover_check (const char *file, const struct kwi_config *,
                         const struct kwi_provider_config *, struct kwi_mistakes *);
/* One of them, or its default; NULL: not set. */
const char *kwi_failover_value (const struct kwi_provider_config *, const char *name);
/* Keeps deadline and on_auth for whoever asks kw_client_setting.  -1: no memory. */
int kwi_failover_keep_policy (struct kwi_provider_config *);

/* Appends a key with every default.  NULL: no memory. */
struct kwi_key_config *kwi_provider_add_key (struct kwi_provider_config *,
                                             const char *name);
/* The section of that name, or NULL. */
struct kwi_provider_config *kwi_config_find (const struct kwi_config *,
                                             const char *name);
/* Room for one more behind n elements: a new address, or NULL: no memory, and
 * the array is as it was.  For arrays that only grow, one by one. */
void *kwi_grow (void *array, size_t n, size_t size);

#endif
