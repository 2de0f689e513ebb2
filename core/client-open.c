/* client-open - the public ways to open a client, over open.c; and the check of a
 * configuration, which is an opening that tells everything. */
#include <string.h>

#include <keywheel/keywheel.h>

#include "client.h"
#include "clock.h"
#include "config.h"
#include "fail.h"

kw_client *
kw_client_open (const char *ini_path, struct kw_error *err)
{
  return kwi_client_open (ini_path, NULL, &kwi_clock_system, &kwi_env_process,
                          NULL, err);
}

kw_client *
kw_client_open_with (const kw_options *options, struct kw_error *err)
{
  kw_options own = { 0 };

  if (options == NULL || options->struct_size == 0) {
    (void) kwi_fail (err, KW_ERR_USAGE, "the options were not begun as "
                     "KW_OPTIONS_INIT");
    return NULL;
  }
  memcpy (&own, options, options->struct_size < sizeof own
                           ? options->struct_size : sizeof own);
  return kwi_client_open (own.config, own.state, &kwi_clock_system,
                          &kwi_env_process, NULL, err);
}

struct counter {
  void (*report) (void *user, int severity, const char *text);
  void *user;
  int errors;
};

static void
count_report (void *user, int severity, const char *text)
{
  struct counter *n = user;

  n->errors += severity == 0;
  if (n->report != NULL)
    n->report (n->user, severity, text);
}

int
kw_check (const char *ini_path,
          void (*report) (void *user, int severity, const char *text),
          void *user)
{
  struct counter n = { .report = report, .user = user };
  struct kwi_reporter r = { .report = count_report, .user = &n };
  struct kw_error e = KW_ERROR_INIT;
  kw_client *c = kwi_client_open (ini_path, NULL, &kwi_clock_system,
                                  &kwi_env_process, &r, &e);

  kw_client_close (c);
  return c != NULL || e.code == KW_ERR_SETTINGS ? n.errors : e.code;
}
