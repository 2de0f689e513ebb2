/* script - what the server does in one go (see script.h).  Named by its digest;
 * the server is given the text when it does not know that. */
#include "script.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

const char redis_sync_script[] =
#include "sync.lua.h"
  ;
const char redis_lease_script[] =
#include "lease.lua.h"
  ;

enum { SHA1_BYTES = 20 };

static int
digest (const char *script, char hex[2 * SHA1_BYTES + 1])
{
  unsigned char md[EVP_MAX_MD_SIZE];
  unsigned n = 0;

  if (EVP_Digest (script, strlen (script), md, &n, EVP_sha1 (), NULL) != 1 || n != SHA1_BYTES)
    return -1;
  for (unsigned i = 0; i < n; i++)
    snprintf (hex + (size_t) 2 * i, 3, "%02x", md[i]);
  return 0;
}

static int
is_noscript (const redisReply *reply)
{
  return reply->type == REDIS_REPLY_ERROR && strncmp (reply->str, "NOSCRIPT", 8) == 0;
}

int
redis_script_run (struct redis_wire *wire, struct redis_turn *turn, const char *script,
                  const struct redis_words *w, size_t n_keys, redisReply **ret)
{
  char sha[2 * SHA1_BYTES + 1], count[24];
  redisReply *reply;

  snprintf (count, sizeof count, "%zu", n_keys);
  if (digest (script, sha) != 0)
    return redis_away (turn, "OpenSSL has no SHA-1, by which scripts are named");
  const char *const by_sha[] = { "EVALSHA", sha, count, NULL };
  if (redis_wire_say (wire, turn, by_sha, w) != 0
      || redis_wire_hear (wire, turn, 1, &reply) != 0)
    return KW_STORE_AWAY;
  if (is_noscript (reply)) {
    freeReplyObject (reply);
    return redis_wire_ask (wire, turn, (const char *const[]) { "EVAL", script, count, NULL }, w,
                           ret);
  }
  return redis_take_reply (turn, reply, ret);
}
