/* plugins-check - what the two files of keywheel plugins --check share. */
#ifndef CLI_PLUGINS_CHECK_H
#define CLI_PLUGINS_CHECK_H

#include <string.h>

#include "cli.h"

struct cli_check {
  const struct cli_options *options;
  const char *settings[2 * CLI_MAX_SETTINGS + 1];
  char *texts[CLI_MAX_SETTINGS];        /* what settings points into      */
  uint64_t checks, seed;
  unsigned failed, warnings;
  struct json_object *findings; /* with --json                            */
  int no_memory;
};

/* Of one case, and not of a group. */
static inline int
cli_check_is_case (const kw_plugin_finding *f)
{
  return strchr (f->name, '/') != NULL;
}

void cli_check_add_json (struct cli_check *, const kw_plugin_finding *);
/* r: what kw_plugin_check returned.  Returns the exit code. */
int cli_check_print_json (struct cli_check *, int r);

#endif
