/* refusal - what the server's errors mean to a person at night (see wire.h). */
#include "wire.h"

#include <string.h>

/* The words that an error begins with.  Those that a script meets are, up to
 * Redis 6, in the middle of the text, behind "-". */
static const struct { const char *error, *advice; } refusals[] = {
  { "NOAUTH", "it wants a password: put it into a file and add ?password_file=FILE" },
  { "WRONGPASS", "user or password is wrong" },
  { "ERR invalid password", "the password is wrong" },
  { "ERR AUTH <password> called without any password",
    "it has no password set: leave ours out, or set requirepass there" },
  { "ERR Client sent AUTH", "it has no password set: leave ours out, or set requirepass there" },
  { "ERR wrong number of arguments for 'auth'",
    "it is older than users (Redis 6): give the password alone, without a user" },
  { "NOPERM", "its ACL does not allow that; keywheel.ini(5) has the line for ACL SETUSER" },
  { "ERR The user executing the script can't",
    "its ACL does not allow that; keywheel.ini(5) has the line for ACL SETUSER" },
  { "READONLY", "it is a replica: name the primary" },
  { "MASTERDOWN", "it is a replica that has lost its primary" },
  { "LOADING", "it is reading its data in; wait" },
  { "CLUSTERDOWN", "its cluster is down" },
  { "CROSSSLOT", "it is part of a cluster: add ?prefix={keywheel}:, and see keywheel.ini(5)" },
  { "MOVED", "it is part of a cluster, and another node has our keys: name that one, and see "
             "keywheel.ini(5)" },
  { "ASK", "it is part of a cluster that is moving our keys; wait" },
  { "OOM", "it is full: raise its maxmemory, or set a maxmemory-policy" },
  { "MISCONF", "it cannot save to its disk, and takes nothing new until it can" },
  { "NOREPLICAS", "it has too few replicas to take anything new" },
  { "BUSY", "a script of somebody's keeps it busy" },
  { "DENIED", "its protected mode takes nobody from elsewhere: set a password there" },
  { "ERR max number of clients", "it has too many connections: raise its maxclients" },
  { "ERR DB index", "it has fewer databases than that" },
  { "ERR invalid DB index", "it has fewer databases than that" },
  { "ERR SELECT is not allowed in cluster mode", "it is part of a cluster, which has database 0 "
                                                 "alone" },
  { "ERR unknown command", "it lacks a command that is needed: is it Redis 5 or later, or Valkey, "
                           "and is nothing in front of it?" },
  { "NOPROTO", "it speaks another protocol" },
  { "WRONGTYPE", "somebody else has keys with our prefix: add ?prefix=ANOTHER:" },
};

static int
says (const char *text, const char *error)
{
  size_t n = strlen (error);

  if (strncmp (text, error, n) == 0)
    return 1;
  const char *in_script = strstr (text, "@user_script");
  const char *at = in_script != NULL ? strstr (in_script, error) : NULL;
  return at != NULL && (at[-1] == '-' || at[-1] == ' ');
}

int
redis_refused (struct redis_turn *turn, const redisReply *reply)
{
  const char *advice = "it does not do what it was asked to";
  char text[200];
  size_t n = 0;

  for (const char *s = reply->str; s != NULL && *s != '\0' && n < sizeof text - 1; s++)
    text[n++] = *s >= ' ' && *s < 0x7f ? *s : '?';
  text[n] = '\0';
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
    if (says (text, refusals[i].error)) {
      advice = refusals[i].advice;
      break;
    }
  /* Behind it Redis 7 says in which script. */
  char *tail = strstr (text, " script: ");
  if (tail != NULL)
    *tail = '\0';
  return redis_away (turn, "the server refuses: %s (\"%s\")", advice, text);
}

int
redis_take_reply (struct redis_turn *turn, redisReply *reply, redisReply **ret)
{
  if (reply->type == REDIS_REPLY_ERROR) {
    redis_refused (turn, reply);
    freeReplyObject (reply);
    return KW_STORE_AWAY;
  }
  *ret = reply;
  return 0;
}

int
redis_nonsense (struct redis_turn *turn)
{
  return redis_away (turn, "the server's reply makes no sense: is it Redis or Valkey, and is "
                     "nothing in front of it?");
}
