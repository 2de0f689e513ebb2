/* view - JSON for the page (see view.h).
 *
 * What has not changed is known by a hash of its JSON: with a thousand keys a
 * second's changes are a few of them.  So points in time are absolute here, and
 * the page counts down itself. */
#include "view.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "config.h"
#include "failover.h"
#include "loop.h"

/* Of models that are not the provider's own, so many buckets of a key are shown. */
#define OTHERS 12

struct gw_seen {
  uint64_t *hash;               /* the provider's own, then its keys'     */
  size_t n;
};

/* ---- Values ------------------------------------------------------------------------ */

static void
add (struct json_object *object, const char *name, struct json_object *value)
{
  if (json_object_object_add (object, name, value) != 0)
    json_object_put (value);
}

static void
add_text (struct json_object *object, const char *name, const char *text)
{
  if (text[0] != '\0')
    add (object, name, json_object_new_string (text));
}

static void
add_number (struct json_object *object, const char *name, int64_t n)
{
  add (object, name, json_object_new_int64 (n));
}

static void
append (struct json_object *array, struct json_object *value)
{
  if (value != NULL && json_object_array_add (array, value) != 0)
    json_object_put (value);
}

static void
append_number (struct json_object *array, int64_t n)
{
  append (array, json_object_new_int64 (n));
}

/* ---- Providers ----------------------------------------------------------------------- */

static struct json_object *
limit_view (const kw_limit_info *l)
{
  struct json_object *object = json_object_new_object ();

  add_text (object, "model", l->model);
  add_text (object, "dimension", l->dimension);
  add_text (object, "verdict", kw_verdict_name (l->verdict));
  if (l->limit >= 0)
    add_number (object, "limit", l->limit);
  if (l->used >= 0)
    add_number (object, "used", l->used);
  if (l->until_ms > 0)
    add_number (object, "until", l->until_ms);
  if (l->account_wide)
    add (object, "account", json_object_new_boolean (1));
  return object;
}

/* What comes back steadily is told by when all of it is there again. */
static struct json_object *
bucket_view (const kw_bucket_info *b)
{
  struct json_object *object = json_object_new_object ();
  int steadily = b->rolling && b->full_ms > 0 && b->window_ms > 0;

  add_text (object, "model", b->model);
  add_text (object, "dimension", b->dimension);
  if (b->limit >= 0)
    add_number (object, "limit", b->limit);
  if (b->remaining >= 0 && !steadily)
    add_number (object, "remaining", b->remaining);
  if (b->full_ms > 0)
    add_number (object, "full", b->full_ms);
  if (steadily)
    add_number (object, "window", b->window_ms);
  add_number (object, "seen", b->seen_ms);
  if (b->account_wide)
    add (object, "account", json_object_new_boolean (1));
  return object;
}

static struct json_object *
buckets_view (const kw_status_info *s, size_t key)
{
  struct json_object *buckets = json_object_new_array ();
  const kw_bucket_info *b;
  int others = 0;

  for (size_t i = 0; (b = kw_status_bucket (s, key, i)) != NULL; i++)
    if (b->model[0] == '\0' || strcmp (b->model, s->model) == 0 || others++ < OTHERS)
      append (buckets, bucket_view (b));
  return buckets;
}

static struct json_object *
key_view (const kw_status_info *s, size_t at)
{
  const kw_key_info *k = &s->keys[at];
  struct json_object *object = json_object_new_object ();
  struct json_object *limits = json_object_new_array ();

  add_number (object, "index", (int64_t) k->index);
  add_text (object, "name", k->name);
  add_text (object, "fingerprint", k->fingerprint);
  add_text (object, "state", k->state);
  add_text (object, "account", k->account);
  add_number (object, "requests", (int64_t) k->requests);
  add_number (object, "tokens", (int64_t) k->tokens);
  for (size_t i = 0; i < k->n_limits; i++)
    append (limits, limit_view (&k->limits[i]));
  add (object, "limits", limits);
  add (object, "buckets", buckets_view (s, at));
  return object;
}

/* Without its keys. */
static struct json_object *
provider_view (struct gw_gateway *g, const kw_status_info *s, const struct gw_provider *p)
{
  struct json_object *object = json_object_new_object ();

  add_text (object, "name", s->provider);
  add_text (object, "plugin", s->plugin);
  add_text (object, "model", s->model);
  add_number (object, "total", (int64_t) s->total_keys);
  add_number (object, "available", (int64_t) s->available_keys);
  add_number (object, "current", (int64_t) s->current_key_index);
  add_number (object, "waiting", (int64_t) kw_status_waiting (s));
  /* While one is available it is now, which is another one each time. */
  if (s->available_keys == 0 && s->next_ready_ms > 0)
    add_number (object, "next", s->next_ready_ms);
  gw_failover_view (g, p, gw_now_ms (), gw_unix_ms (), object);
  return object;
}

static int
changed (uint64_t *hash, struct json_object *object)
{
  const char *text = json_object_to_json_string_ext (object, JSON_C_TO_STRING_PLAIN);
  uint64_t h = UINT64_C (14695981039346656037);

  /* FNV-1a. */
  for (; text != NULL && *text != '\0'; text++)
    h = (h ^ (unsigned char) *text) * UINT64_C (1099511628211);
  if (h == *hash)
    return 0;
  *hash = h;
  return 1;
}

/* seen NULL: all of it.  NULL: nothing has changed. */
static struct json_object *
status_view (struct gw_gateway *g, const kw_status_info *s, const struct gw_provider *p,
             struct gw_seen *seen)
{
  struct json_object *object = provider_view (g, s, p);
  struct json_object *keys = json_object_new_array ();
  int shown = seen == NULL || changed (&seen->hash[0], object);

  for (size_t i = 0; i < s->total_keys; i++) {
    struct json_object *key = key_view (s, i);
    if (seen == NULL || changed (&seen->hash[1 + i], key)) {
      append (keys, key);
      shown = 1;
    } else {
      json_object_put (key);
    }
  }
  add (object, "keys", keys);
  if (shown)
    return object;
  json_object_put (object);
  return NULL;
}

static struct json_object *
look (struct gw_gateway *g, kw_client *client, const struct gw_provider *p,
      struct gw_seen *seen)
{
  kw_status_info *status = NULL;
  struct json_object *object = NULL;

  if (kw_status (client, p->name, &status) != 0)
    return NULL;
  if (seen != NULL && seen->hash == NULL) {
    seen->hash = calloc (1 + status->total_keys, sizeof *seen->hash);
    seen->n = status->total_keys;
  }
  if (seen == NULL || seen->hash != NULL)
    object = status_view (g, status, p, seen);
  kw_status_free (status);
  return object;
}

struct json_object *
gw_view_all (struct gw_gateway *g, const struct gw_config *c)
{
  struct json_object *providers = json_object_new_array ();

  for (size_t i = 0; i < c->providers.n; i++)
    append (providers, look (g, c->client, &c->providers.of[i], NULL));
  return providers;
}

struct json_object *
gw_view_changes (struct gw_view *v, struct gw_gateway *g, const struct gw_config *c)
{
  struct json_object *providers = json_object_new_array ();

  for (size_t i = 0; i < c->providers.n; i++) {
    if (i == v->n) {
      struct gw_seen *of = reallocarray (v->of, i + 1, sizeof *of);
      if (of == NULL)
        break;
      of[v->n++] = (struct gw_seen) { .n = 0 };
      v->of = of;
    }
    append (providers, look (g, c->client, &c->providers.of[i], &v->of[i]));
  }
  if (json_object_array_length (providers) > 0)
    return providers;
  json_object_put (providers);
  return NULL;
}

void
gw_view_clear (struct gw_view *v)
{
  for (size_t i = 0; i < v->n; i++)
    free (v->of[i].hash);
  free (v->of);
  *v = (struct gw_view) { .n = 0 };
}

/* ---- What happened ------------------------------------------------------------------- */

static const char *
type_of (const struct gw_note *note)
{
  switch (note->type) {
  case KW_EVENT_SWITCH: return "switch";
  case KW_EVENT_EXHAUSTED: return "exhausted";
  case KW_EVENT_REVIVED: return "revived";
  case KW_EVENT_ACCOUNT: return "account";
  case GW_NOTE_RESET: return "reset";
  case GW_NOTE_FAILOVER: return "failover";
  case GW_NOTE_BREAKER: return "breaker";
  default: return "log";
  }
}

struct json_object *
gw_view_note (const struct gw_note *note)
{
  struct json_object *object = json_object_new_object ();

  add_number (object, "id", (int64_t) note->id);
  add_number (object, "at", note->at_ms);
  add_text (object, "type", type_of (note));
  add_text (object, "provider", note->provider);
  add_text (object, "key", note->key);
  add_text (object, "to", note->to_key);
  add_text (object, "model", note->model);
  add_text (object, "reason", note->reason);
  add_text (object, "text", note->text);
  if (note->verdict != KW_VERDICT_UNKNOWN)
    add_text (object, "verdict", kw_verdict_name (note->verdict));
  if (note->until_ms > 0)
    add_number (object, "until", note->until_ms);
  if (note->times > 1)
    add_number (object, "times", note->times);
  if (note->times > 1 && note->last_ms > 0)
    add_number (object, "last", note->last_ms);
  return object;
}

/* ---- Figures --------------------------------------------------------------------------- */

struct json_object *
gw_view_seconds (const struct gw_pulse *p, uint64_t from, uint64_t to)
{
  struct json_object *seconds = json_object_new_array ();

  if (p->n > GW_PULSE_SECONDS && from < p->n - GW_PULSE_SECONDS)
    from = p->n - GW_PULSE_SECONDS;
  for (; from < to; from++) {
    const struct gw_second *s = gw_pulse_second (p, from);
    struct json_object *second = json_object_new_array ();
    append_number (second, s->requests);
    append_number (second, s->failed);
    append_number (second, s->p50_ms);
    append_number (second, s->p99_ms);
    append (seconds, second);
  }
  return seconds;
}
