/* options - the options of each section: names, ranges, and what they set. */
#ifndef KWI_OPTIONS_H
#define KWI_OPTIONS_H

#include <stddef.h>

#include "config.h"
#include "mistakes.h"

/* A line "name = value", and where it stands. */
struct kwi_setting {
  const char *file;             /* for texts                              */
  int line;
  int _reserved;
  const char *title;            /* "[provider groq]"                      */
  const char *name;
  const char *value;
  const char *dir;              /* relative paths begin here              */
  const struct kwi_env *env;
  struct kwi_mistakes *mistakes;
};

/* 0; 1: no such option; -1: no memory.  A wrong value is reported and leaves
 * the target as it was. */
int kwi_set_keywheel (const struct kwi_setting *, struct kwi_config *);
int kwi_set_provider (const struct kwi_setting *, struct kwi_provider_config *);
int kwi_set_key (const struct kwi_setting *, struct kwi_key_config *);
int kwi_set_gateway (const struct kwi_setting *, struct kwi_config *);
/* The gateway's options in a provider's section. */
int kwi_set_failover (const struct kwi_setting *, struct kwi_provider_config *);

extern const char *const kwi_keywheel_options[];
extern const char *const kwi_key_options[];
extern const char *const kwi_gateway_options[];

#endif
