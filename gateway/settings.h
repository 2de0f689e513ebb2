/* settings - what the gateway is told: the [gateway] section of a client's
 * configuration, and the command line over it. */
#ifndef GW_SETTINGS_H
#define GW_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include <keywheel/keywheel.h>

/* The texts are the client's, and live as long as it. */
struct gw_settings {
  const char *listen;
  const char *client_tokens;    /* a file; NULL: none                     */
  const char *allowed_hosts;    /* names with blanks or commas between; NULL */
  const char *allowed_origins;  /* likewise                               */
  const char *access_log;       /* "off", "stderr" or a path              */
  int64_t requests_per_minute;  /* of one client; 0: no bound             */
  int64_t concurrency;          /* likewise                               */
  int64_t loops;                /* 0: one for each processor              */
  int64_t max_connections;
  int64_t max_header;           /* bytes                                  */
  int64_t max_body;
  int64_t replay_limit;
  int64_t header_timeout_ms;
  int64_t idle_timeout_ms;
  int64_t drain_timeout_ms;
};

void gw_settings_read (const kw_client *, struct gw_settings *ret);

/* The next word of a list with blanks or commas between, from *at on, which
 * moves behind it; NULL: none.  list may be NULL. */
const char *gw_next_word (const char **at, size_t *ret_len);

#endif
