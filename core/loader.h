/* loader - finding, loading and vetting plugins.  Process-wide: the same file
 * is loaded once, counted by (device, inode), under one mutex. */
#ifndef KWI_LOADER_H
#define KWI_LOADER_H

#include <stddef.h>
#include <stdint.h>

struct kw_error;
struct kw_provider;

struct kwi_plugin;

/* Loads one file.  On any refusal: KW_ERR_SETTINGS and one line that names
 * the file, what was expected, what was found and what to do. */
int kwi_plugin_load (const char *file, struct kwi_plugin **ret,
                     struct kw_error *err);
/* The same, with what a refused file says of its ABI; -1: it was not come to.
 * For finder.c. */
int kwi_plugin_try (const char *file, struct kwi_plugin **ret,
                    int *ret_abi_major, int *ret_abi_minor,
                    struct kw_error *err);
/* [a-z0-9][a-z0-9-]*, 63 bytes at most: what may become part of a path. */
int kwi_plugin_name_ok (const char *name);
/* By name in the folders, first match wins (a broken match is a refusal, not
 * skipped); a name with a slash is a path.  Not found: KW_ERR_SETTINGS with
 * every folder looked into, and the nearest name there. */
int kwi_plugin_find (const char *name, const char *const *dirs, size_t n_dirs,
                     struct kwi_plugin **ret, struct kw_error *err);
/* One more unref is needed then.  For instance.c. */
void kwi_plugin_ref (struct kwi_plugin *);
void kwi_plugin_unref (struct kwi_plugin *);

/* The host's own copy, zero beyond what the plugin's struct had. */
const struct kw_provider *kwi_plugin_provider (const struct kwi_plugin *);
const char *kwi_plugin_file (const struct kwi_plugin *);
/* What the file was compiled with. */
void kwi_plugin_abi (const struct kwi_plugin *, int *ret_major, int *ret_minor);
/* Held around calls of a plugin that wants no two at once
 * (KW_THREAD_SERIALIZE_ALL).  For instance.c. */
void kwi_plugin_lock (struct kwi_plugin *);
void kwi_plugin_unlock (struct kwi_plugin *);

/* Every *.so of the folders in order, sorted within each; plugin is NULL when
 * it was refused, and why says it.  Both are good for the callback. */
int kwi_plugin_scan (const char *const *dirs, size_t n_dirs,
                     void (*found) (void *user, const char *file,
                                    struct kwi_plugin *plugin,
                                    const char *why, int abi_major,
                                    int abi_minor),
                     void *user);

/* The folders in the order searched: configured ones, those of
 * KEYWHEEL_PLUGIN_PATH (absolute ones; secure_getenv), the built-in one.  A
 * NULL-terminated array in one block, for free(). */
char **kwi_plugin_path (const char *const *configured, size_t n,
                        size_t *ret_n);

#endif
