/* frontkit - for the suites that drive the library against nginx, which speaks
 * TLS, with the simulator behind it: clientkit and tlskit together. */
#ifndef FRONTKIT_H
#define FRONTKIT_H

#include "clientkit.h"
#include "tlskit.h"

static struct front *front;

/* Good for the next seven. */
static inline const char *__attribute__ ((__format__ (__printf__, 1, 2)))
text_of (const char *fmt, ...)
{
  static char pool[8][2048];
  static size_t next;
  char *text = pool[next++ % 8];
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (text, sizeof pool[0], fmt, ap);
  va_end (ap);
  ck_assert (n >= 0 && (size_t) n < sizeof pool[0]);
  return text;
}

/* The simulator, in virtual time, behind a front that is asked for by this name;
 * its first key is given with its limits. */
static inline void
front_up_with (const char *key, const char *host, struct front_options options)
{
  const char *url;

  kit_sim ("--key", key, "--key", "sk-b,name=B");
  kit_keys ("sk-a", "sk-b");
  url = simctl_base_url (kit.sim);
  options.behind = text_of ("%.*s", (int) (strlen (url) - strlen ("/v1")), url);
  front = front_start (&options);
  kit.url = front_url (front, host);
}

static inline void
front_up (const char *host, struct front_options options)
{
  front_up_with ("sk-a,name=A", host, options);
}

/* A client that trusts the test's authority. */
static inline void
open_trusting (const char *options)
{
  kit_open (text_of ("ca_file = %s\n%s", tlskit_cert ("ca.pem"), options));
}

static inline void
front_down (void)
{
  kw_client_close (kit.client);
  kit.client = NULL;
  front_stop (front);
  front = NULL;
  kit_teardown ();
}

/* The error of the last call has this text. */
#define SAYS(text)                                                      \
  ck_assert_msg (strstr (kit.err.message, text) != NULL,                \
                 "\"%s\" is not in: %s", text, kit.err.message)

#endif
