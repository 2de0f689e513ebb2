/* wire - commands to the server and its replies (see wire.h).  hiredis writes
 * the one and takes the other apart; it does no input and output here. */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

/* A reply is hardly ever a hundredth of that. */
enum { REPLY_MAX = 64 << 20 };

struct redis_wire {
  struct redis_link *link;
  redisReader *reader;
  size_t taken;                 /* bytes since the last whole reply       */
  int said;                     /* something has been                     */
  int64_t heard;                /* 0: nothing yet                         */
};

int
redis_wire_say (struct redis_wire *wire, struct redis_turn *turn, const char *const first[],
                const struct redis_words *w)
{
  static const struct redis_words none;
  size_t len;
  char *command = redis_words_format (w != NULL ? w : &none, first, &len);

  if (command == NULL)
    return redis_away (turn, "there is no memory left for what is to be sent");
  int rc = redis_link_write (wire->link, turn, command, len);
  wire->said = 1;
  redis_words_done (command, len);
  return rc;
}

int
redis_wire_hear (struct redis_wire *wire, struct redis_turn *turn, int wait, redisReply **ret)
{
  char buf[16384];
  size_t n;
  void *reply = NULL;

  for (;;) {
    if (redisReaderGetReply (wire->reader, &reply) != REDIS_OK)
      return redis_away (turn, "what answers there is neither Redis nor Valkey: %.60s",
                         wire->reader->errstr);
    if (reply != NULL)
      break;
    if (redis_link_read (wire->link, turn, wait, buf, sizeof buf, &n) != 0)
      return KW_STORE_AWAY;
    if (n == 0)
      break;
    wire->heard = redis_ticks ();
    wire->taken += n;
    if (wire->taken > REPLY_MAX)
      return redis_away (turn, "the server's reply is longer than any that was asked for");
    if (redisReaderFeed (wire->reader, buf, n) != REDIS_OK)
      return redis_away (turn, "there is no memory left");
  }
  if (reply != NULL)
    wire->taken = 0;
  *ret = reply;
  return 0;
}

int
redis_wire_ask (struct redis_wire *wire, struct redis_turn *turn, const char *const first[],
                const struct redis_words *w, redisReply **ret)
{
  redisReply *reply;

  if (redis_wire_say (wire, turn, first, w) != 0
      || redis_wire_hear (wire, turn, 1, &reply) != 0)
    return KW_STORE_AWAY;
  return redis_take_reply (turn, reply, ret);
}

/* ---- The beginning ----------------------------------------------------------------- */

/* A server that does not know AUTH repeats what stood behind it. */
static void
hide (redisReply *reply, const char *secret)
{
  if (reply->str != NULL && strstr (reply->str, secret) != NULL)
    reply->str[strcspn (reply->str, " ")] = '\0';
}

static int
log_in (struct redis_wire *wire, struct redis_turn *turn, const struct redis_spec *spec)
{
  char *password, why[400];
  struct redis_words w = { 0 };
  redisReply *reply = NULL;

  if (redis_spec_password (spec, &password, why, sizeof why) != 0)
    return redis_away (turn, "%s", why);
  if (password == NULL)
    return 0;
  if (spec->user != NULL)
    redis_words_text (&w, spec->user);
  redis_words_text (&w, password);
  int rc = redis_wire_say (wire, turn, (const char *const[]) { "AUTH", NULL }, &w);
  redis_words_clear (&w);
  if (rc == 0)
    rc = redis_wire_hear (wire, turn, 1, &reply);
  if (rc == 0 && reply->type == REDIS_REPLY_ERROR) {
    hide (reply, password);
    rc = redis_refused (turn, reply);
  }
  freeReplyObject (reply);
  redis_forget (password);
  return rc;
}

/* Also where it is database 0, which needs no SELECT: who is no Redis, lacks a
 * password or is still loading says so here, and not in the middle of things. */
static int
select_db (struct redis_wire *wire, struct redis_turn *turn, const struct redis_spec *spec)
{
  int first = strcmp (spec->db, "0") == 0;
  const char *const words[] = { first ? "PING" : "SELECT", first ? NULL : spec->db, NULL };
  redisReply *reply = NULL;
  int rc = redis_wire_ask (wire, turn, words, NULL, &reply);

  freeReplyObject (reply);
  return rc;
}

int
redis_wire_open (const struct redis_spec *spec, struct redis_names **names,
                 const struct redis_address *known, struct redis_turn *turn,
                 struct redis_wire **ret)
{
  struct redis_wire *wire = calloc (1, sizeof *wire);
  int rc = wire == NULL || (wire->reader = redisReaderCreate ()) == NULL
    ? redis_away (turn, "there is no memory left")
    : redis_link_open (spec, names, known, turn, &wire->link);

  if (rc == 0)
    rc = log_in (wire, turn, spec);
  if (rc == 0)
    rc = select_db (wire, turn, spec);
  if (rc == 0) {
    *ret = wire;
    return 0;
  }
  if (wire != NULL && wire->said && wire->heard == 0 && !spec->tls && !spec->is_unix
      && redis_turn_left (turn) > 0)
    redis_away_hint (turn, " (if it speaks TLS there, the state begins with rediss://)");
  redis_wire_close (wire);
  return rc;
}

void
redis_wire_close (struct redis_wire *wire)
{
  if (wire == NULL)
    return;
  redis_link_close (wire->link);
  if (wire->reader != NULL)
    redisReaderFree (wire->reader);
  free (wire);
}

int
redis_wire_fd (const struct redis_wire *wire)
{
  return redis_link_fd (wire->link);
}

struct redis_address
redis_wire_address (const struct redis_wire *wire)
{
  return redis_link_address (wire->link);
}

int64_t
redis_wire_heard (const struct redis_wire *wire)
{
  return wire->heard;
}
