/* settings - the [gateway] section (see settings.h).  The library has checked
 * every value. */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

static int64_t
number (const kw_client *client, const char *name)
{
  const char *text = kw_client_setting (client, "gateway", name);

  return text != NULL ? strtoll (text, NULL, 10) : 0;
}

static const char *
text (const kw_client *client, const char *name)
{
  return kw_client_setting (client, "gateway", name);
}

void
gw_settings_read (const kw_client *c, struct gw_settings *ret)
{
  *ret = (struct gw_settings) {
    .listen = text (c, "listen"),
    .client_tokens = text (c, "client_tokens"),
    .allowed_hosts = text (c, "allowed_hosts"),
    .allowed_origins = text (c, "allowed_origins"),
    .access_log = text (c, "access_log"),
    .requests_per_minute = number (c, "requests_per_minute"),
    .concurrency = number (c, "concurrency"),
    .loops = number (c, "loops"),
    .max_connections = number (c, "max_connections"),
    .max_header = number (c, "max_header"),
    .max_body = number (c, "max_body"),
    .replay_limit = number (c, "replay_limit"),
    .header_timeout_ms = number (c, "header_timeout"),
    .idle_timeout_ms = number (c, "idle_timeout"),
    .drain_timeout_ms = number (c, "drain_timeout"),
  };
}

const char *
gw_next_word (const char **at, size_t *ret_len)
{
  const char *word;

  if (*at == NULL)
    return NULL;
  word = *at + strspn (*at, ", \t");
  *ret_len = strcspn (word, ", \t");
  *at = word + *ret_len;
  return *ret_len > 0 ? word : NULL;
}
