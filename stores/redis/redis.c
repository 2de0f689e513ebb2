/* redis - keeps state on a Redis or Valkey server, for many machines.
 *
 * Two connections: commands go over the one, and on the other the server rings
 * when something has changed (bell.c).  A sync is one script (sync.lua): it
 * keeps the batch and tells what has changed since the revision up to which the
 * handle has been told.  So a bell that broke has cost nothing.  When the other
 * one did everything is read again, for the server may have come back with older
 * data.  Whether it has lost what it once kept the epoch tells, which is in the
 * same key as the revisions. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <keywheel/store.h>

#include "bell.h"
#include "facts.h"
#include "script.h"
#include "spec.h"
#include "tls.h"
#include "turn.h"
#include "wire.h"

/* How many rows one reply has: the server does nothing else meanwhile. */
#define PORTION 200
#define PORTION_TEXT "200"

enum { PAUSE_MIN = 1000, PAUSE_MAX = 5000 };
#define TTL_MAX INT64_C (1000000000000)

struct kw_store_handle {
  struct redis_spec spec;
  char *holder, *channel;
  uint32_t timeout_ms;
  struct redis_names *names;
  struct redis_wire *wire;      /* NULL: not connected                    */
  struct redis_bell *bell;      /* NULL: not connected                    */
  char epoch[96];               /* "": none seen                          */
  uint64_t known;               /* the newest revision seen               */
  uint64_t since;               /* all up to this one was handed over     */
  char **leases;                /* names of which this holder has some    */
  size_t n_leases;
};

/* ---- Connections --------------------------------------------------------------------- */

static struct redis_turn
begin_turn (struct kw_store_handle *h, struct kw_store_error *why)
{
  return (struct redis_turn) {
    .deadline = redis_ticks () + h->timeout_ms, .where = h->spec.where, .why = why,
  };
}

/* What comes next begins anew. */
static void
hang_up (struct kw_store_handle *h)
{
  redis_bell_close (h->bell);
  redis_wire_close (h->wire);
  h->bell = NULL;
  h->wire = NULL;
  h->since = 0;
}

static int
need_wire (struct kw_store_handle *h, struct redis_turn *turn)
{
  const struct redis_address any = { .len = 0 };

  return h->wire != NULL ? 0
    : redis_wire_open (&h->spec, &h->names, &any, turn, &h->wire);
}

static int
need_bell (struct kw_store_handle *h, struct redis_turn *turn)
{
  uint32_t pause = h->timeout_ms < PAUSE_MAX / 5 ? h->timeout_ms * 5 : PAUSE_MAX;

  if (h->bell != NULL)
    return 0;
  const struct redis_address same = redis_wire_address (h->wire);
  return redis_bell_open (&h->spec, &same, h->channel,
                          pause < PAUSE_MIN ? PAUSE_MIN : (int) pause, turn, &h->bell);
}

/* ---- sync ------------------------------------------------------------------------------ */

static int
read_revision (const redisReply *reply, uint64_t *ret)
{
  char *end;

  if (reply->type != REDIS_REPLY_STRING)
    return -1;
  errno = 0;
  unsigned long long v = strtoull (reply->str, &end, 10);
  if (errno != 0 || end == reply->str || *end != '\0')
    return -1;
  *ret = v;
  return 0;
}

/* sync.lua's reply.  *ret_more: there are more rows. */
static int
take_reply (struct kw_store_handle *h, struct redis_turn *turn, const redisReply *reply,
            const struct kw_store_sink *sink, int *ret_more)
{
  redisReply **e = reply->element;

  if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 4 || reply->elements % 2 != 0
      || e[0]->type != REDIS_REPLY_STRING || e[0]->len >= sizeof h->epoch
      || read_revision (e[1], &h->known) != 0 || read_revision (e[2], &h->since) != 0)
    return redis_nonsense (turn);
  if (e[0]->len == 0)
    return redis_away (turn, "the server has lost what it kept (emptied, restarted without its "
                       "data, or short of memory); it is all sent again");
  memcpy (h->epoch, e[0]->str, e[0]->len + 1);
  for (size_t i = 4; i < reply->elements; i += 2)
    redis_row_deliver (e[i], e[i + 1], sink);
  *ret_more = e[3]->integer >= PORTION;
  return 0;
}

/* Keeps the batch (NULL: none), and hands over a portion of what is new. */
static int
exchange (struct kw_store_handle *h, struct redis_turn *turn, const struct kw_store_batch *batch,
          const struct kw_store_sink *sink, int *ret_more)
{
  struct redis_words w = { 0 };
  redisReply *reply = NULL;
  const char *prefix = h->spec.prefix;

  redis_words_pair (&w, prefix, "index");
  redis_words_pair (&w, prefix, "ends");
  redis_words_pair (&w, prefix, "b:");
  redis_words_more (&w, h->holder, strlen (h->holder));
  redis_batch_keys (&w, prefix, batch);
  size_t n_keys = w.n;
  redis_words_text (&w, prefix);
  redis_words_text (&w, h->channel);
  redis_words_text (&w, h->holder);
  redis_words_text (&w, h->epoch);
  redis_words_number (&w, h->known);
  redis_words_number (&w, h->since);
  redis_words_text (&w, PORTION_TEXT);
  if (batch != NULL)
    redis_words_number (&w, batch->number);
  else
    redis_words_text (&w, "");
  redis_words_number (&w, batch != NULL ? batch->n_facts : 0);
  redis_batch_values (&w, batch);
  int rc = redis_script_run (h->wire, turn, redis_sync_script, &w, n_keys, &reply);
  redis_words_clear (&w);
  if (rc == 0)
    rc = take_reply (h, turn, reply, sink, ret_more);
  freeReplyObject (reply);
  return rc;
}

/* Who rang does not matter: all that is new is asked for.  A bell that broke is
 * made anew. */
static int
hear_bell (struct kw_store_handle *h, struct redis_turn *turn)
{
  if (redis_bell_listen (h->bell, turn) == 0)
    return 0;
  redis_bell_close (h->bell);
  h->bell = NULL;
  return need_bell (h, turn);
}

static int
sync_in_turn (struct kw_store_handle *h, struct redis_turn *turn,
              const struct kw_store_batch *batch, const struct kw_store_sink *sink)
{
  int more = 1;
  int rc = need_wire (h, turn);

  /* Before anything is read: what changes from here on rings. */
  if (rc == 0)
    rc = need_bell (h, turn);
  if (rc == 0)
    rc = hear_bell (h, turn);
  for (; rc == 0 && more; batch = NULL)
    rc = exchange (h, turn, batch, sink, &more);
  return rc;
}

static int
redis_sync (struct kw_store_handle *h, const struct kw_store_batch *batch,
            const struct kw_store_sink *sink, struct kw_store_error *why)
{
  struct redis_turn turn = begin_turn (h, why);
  int rc = sync_in_turn (h, &turn, batch, sink);

  if (rc != 0) {
    hang_up (h);
    /* The host sends all it knows now, whatever the server has lost. */
    h->epoch[0] = '\0';
    h->known = 0;
  }
  return rc;
}

/* ---- lease ------------------------------------------------------------------------------ */

static int
ask_lease (struct kw_store_handle *h, struct redis_turn *turn, const struct kw_store_lease *l,
           uint32_t *ret)
{
  struct redis_words w = { 0 };
  redisReply *reply = NULL;
  int64_t ttl = l->ttl_ms < 0 ? 0 : l->ttl_ms < TTL_MAX ? l->ttl_ms : TTL_MAX;

  redis_words_pair (&w, h->spec.prefix, "l:");
  redis_words_more (&w, l->name, strlen (l->name));
  redis_words_text (&w, h->holder);
  redis_words_number (&w, l->limit);
  redis_words_number (&w, l->want);
  redis_words_number (&w, l->floor);
  redis_words_number (&w, (uint64_t) ttl);
  int rc = redis_script_run (h->wire, turn, redis_lease_script, &w, 1, &reply);
  redis_words_clear (&w);
  if (rc == 0 && (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0
                  || reply->integer > UINT32_MAX))
    rc = redis_nonsense (turn);
  if (rc == 0)
    *ret = (uint32_t) reply->integer;
  freeReplyObject (reply);
  return rc;
}

/* A name that is not remembered is given back by its expiry. */
static void
remember_lease (struct kw_store_handle *h, const char *name)
{
  for (size_t i = 0; i < h->n_leases; i++)
    if (strcmp (h->leases[i], name) == 0)
      return;
  char **leases = realloc (h->leases, (h->n_leases + 1) * sizeof *leases);
  if (leases == NULL)
    return;
  h->leases = leases;
  if ((leases[h->n_leases] = strdup (name)) != NULL)
    h->n_leases++;
}

static int
redis_lease (struct kw_store_handle *h, const struct kw_store_lease *lease,
             uint32_t *ret_granted, struct kw_store_error *why)
{
  struct redis_turn turn = begin_turn (h, why);

  if (need_wire (h, &turn) != 0 || ask_lease (h, &turn, lease, ret_granted) != 0) {
    hang_up (h);
    return KW_STORE_AWAY;
  }
  remember_lease (h, lease->name);
  return 0;
}

/* ---- The handle --------------------------------------------------------------------------- */

static void
give_leases_back (struct kw_store_handle *h)
{
  struct kw_store_error why;
  struct redis_turn turn = begin_turn (h, &why);
  int rc = h->wire != NULL ? 0 : -1;

  for (size_t i = 0; i < h->n_leases; i++) {
    const struct kw_store_lease none = { .struct_size = sizeof none, .name = h->leases[i] };
    uint32_t granted;
    if (rc == 0)
      rc = ask_lease (h, &turn, &none, &granted);
    free (h->leases[i]);
  }
  free (h->leases);
}

static void
redis_close (struct kw_store_handle *h)
{
  if (h == NULL)
    return;
  give_leases_back (h);
  hang_up (h);
  redis_names_free (h->names);
  redis_spec_clear (&h->spec);
  free (h->holder);
  free (h->channel);
  free (h);
}

/* A file that cannot be used is a mistake that is better seen at once. */
static int
try_files (const struct redis_spec *spec, struct kw_store_error *why)
{
  char *password = NULL;

  if (redis_spec_password (spec, &password, why->text, sizeof why->text) != 0
      || (spec->tls && redis_tls_open (spec, -1, NULL, why->text, sizeof why->text) != 0))
    return KW_STORE_USAGE;
  redis_forget (password);
  return 0;
}

static int
redis_open (const struct kw_store_setup *setup, struct kw_store_handle **ret,
            struct kw_store_error *why)
{
  struct redis_spec spec;
  int rc = redis_spec_read (setup, &spec, why);

  if (rc != 0)
    return rc;
  rc = try_files (&spec, why);
  struct kw_store_handle *h = calloc (1, sizeof *h);
  if (h == NULL || rc != 0) {
    free (h);
    redis_spec_clear (&spec);
    return rc != 0 ? rc : KW_STORE_AWAY;
  }
  h->spec = spec;
  h->timeout_ms = setup->timeout_ms;
  h->holder = strdup (setup->holder);
  if (asprintf (&h->channel, "%schanges:%s", spec.prefix, spec.db) < 0)
    h->channel = NULL;
  if (h->holder == NULL || h->channel == NULL) {
    redis_close (h);
    snprintf (why->text, sizeof why->text, "there is no memory left");
    return KW_STORE_AWAY;
  }
  *ret = h;
  return 0;
}

static const char *
redis_where (struct kw_store_handle *h)
{
  return h->spec.where;
}

static int
redis_fd (struct kw_store_handle *h)
{
  return h->bell != NULL ? redis_bell_fd (h->bell) : -1;
}

static const struct kw_store store = {
  ._header = KW_STORE_HEADER_INIT,
  .name = "redis",
  .version = "1.0",
  .description = "state on a Redis or Valkey server",
  .schemes = "redis rediss redis+unix unix",
  .open = redis_open,
  .close = redis_close,
  .where = redis_where,
  .fd = redis_fd,
  .sync = redis_sync,
  .lease = redis_lease,
};

KW_REGISTER_STORE (store);
