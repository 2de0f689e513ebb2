/* reloadkit - gateways that read their configuration again, for the suites of that. */
#ifndef RELOADKIT_H
#define RELOADKIT_H

#include "failkit.h"

/* Options are groq's, and rest is more sections. */
static inline void
write_ini_with (const char *state, const char *url, const char *options, const char *rest)
{
  const char *text
    = format ("[keywheel]\nprovider = groq\nlog_level = info\nstate = %s\n"
              "[provider groq]\nbase_url = %s\nbackoff_initial = 1ms\nbackoff_max = 5ms\n"
              "%s%s\n%s\n", state, url,
              strstr (options, "max_retries") == NULL ? "max_retries = 0\n" : "", options,
              rest);

  write_file ("keywheel.ini", text, strlen (text));
}

static inline void
write_memory_ini (const char *url, const char *options, const char *rest)
{
  write_ini_with ("memory", url, options, rest);
}

static inline void
start_with_state (const char *state, const char *url, const char *options, const char *rest)
{
  set_env (ini);
  write_ini_with (state, url, options, rest);
  gateway_start ();
}

static inline void
start (const char *url, const char *options, const char *rest)
{
  start_with_state ("memory", url, options, rest);
}

/* Once in a test: what it says of it is found again. */
static inline void
reload (void)
{
  proc_signal (gateway, SIGHUP);
  ck_assert (proc_expect (gateway, 2, "the configuration was read again", PATIENCE_MS));
}

#endif
