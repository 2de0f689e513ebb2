/* secrets - where keys come from, how they are kept, and their fingerprints.
 * A secret exists in one place: guarded memory of libsodium, read-only once
 * it is filled (locked and out of core dumps as far as the system lets it),
 * wiped when freed.  Everybody else knows a key by name and fingerprint. */
#ifndef KWI_SECRETS_H
#define KWI_SECRETS_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct kwi_secret {
  char name[64];                /* "primary", or the section's            */
  char source[192];             /* "GROQ_API_KEY in .env.local": for people */
  char fingerprint[17];         /* crypto_generichash, hexadecimal        */
  char _reserved[3];
  uint32_t weight;
  const char *bytes;            /* in guarded memory; not NUL-terminated  */
  size_t len;
};

struct kwi_secrets;

/* The keys of one provider: its [key ...] sections, else the variables that
 * the plugin names in key_env ("EX_API_KEY EX_API_KEY_BACKUP, EX_API_KEY_#":
 * see keywheel/provider.h), in the environment and in the dotenv file.  Blanks are
 * trimmed; empty and repeated keys are dropped with a warning; a control
 * character in a key is an error that names the key and not its bytes.
 * No key at all: KW_ERR_SETTINGS, naming all that was looked for. */
int kwi_secrets_gather (const struct kwi_config *,
                        const struct kwi_provider_config *,
                        const char *key_env, const struct kwi_env *,
                        const struct kwi_reporter *,
                        struct kwi_secrets **ret, struct kw_error *err);
/* Would gather find a key, going by key_env alone?  For choosing the default
 * provider when there is no INI. */
int kwi_secrets_any (const struct kwi_config *, const char *key_env,
                     const struct kwi_env *);

/* key_env for people: "EX_API_KEY, EX_API_KEY_BACKUP (separated by commas)".
 * Returns its length; first gets the first variable's name. */
size_t kwi_secrets_variables (const char *key_env, char *text, size_t size,
                              char first[128]);

size_t kwi_secrets_count (const struct kwi_secrets *);
const struct kwi_secret *kwi_secrets_get (const struct kwi_secrets *, size_t i);
void kwi_secrets_free (struct kwi_secrets *);

/* "HEADER: PREFIX" and key i as one string, in the guarded memory where the key
 * is: the same words for all of them, those asked for first.  NULL: others,
 * or they do not fit.  Thread-safe. */
const char *kwi_secrets_line (struct kwi_secrets *, size_t i,
                              const char *header, const char *prefix);

/* Replaces every occurrence of a secret in text by "[key NAME]" (or stars
 * where that does not fit): providers echo keys in messages. */
void kwi_secrets_redact (const struct kwi_secrets *, char *text, size_t size);

#endif
