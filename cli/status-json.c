/* status-json - the JSON object of "keywheel status --json" and, later, of the
 * gateway: a contract, so nothing here is for people.
 * What is not known is null: limit, until, in_seconds and the figures of a bucket;
 * and so are a model and a dimension that were not named (a limit without a model
 * holds for every model).
 * Needs no other file of cli/, so that the gateway can take it as it is. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "cli.h"

const char *
cli_time (int64_t at_ms, char *buf, size_t size)
{
  time_t seconds = (time_t) ((at_ms + 999) / 1000);
  struct tm tm;

  if (gmtime_r (&seconds, &tm) == NULL
      || strftime (buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    buf[0] = '\0';
  return buf;
}

/* Adds value, taking it over; without memory nothing is added and *failed is
 * set.  null is a NULL pointer in json-c, so it has a function of its own. */
static void
add (struct json_object *object, const char *name, struct json_object *value,
     int *failed)
{
  if (value == NULL || json_object_object_add (object, name, value) != 0) {
    json_object_put (value);
    *failed = 1;
  }
}

static void
add_null (struct json_object *object, const char *name, int *failed)
{
  if (json_object_object_add (object, name, NULL) != 0)
    *failed = 1;
}

static void
add_text (struct json_object *object, const char *name, const char *text,
          int *failed)
{
  if (text == NULL || text[0] == '\0')
    add_null (object, name, failed);
  else
    add (object, name, json_object_new_string (text), failed);
}

static void
add_number (struct json_object *object, const char *name, int64_t n, int *failed)
{
  if (n < 0)
    add_null (object, name, failed);
  else
    add (object, name, json_object_new_int64 (n), failed);
}

/* 432.5 and not 432.50000000000003. */
static void
add_seconds (struct json_object *object, const char *name, int64_t ms, int *failed)
{
  char text[40];
  int n;

  if (ms < 0) {
    add_null (object, name, failed);
    return;
  }
  n = snprintf (text, sizeof text, "%lld.%03d", (long long) (ms / 1000),
                (int) (ms % 1000));
  if (n < 0 || (size_t) n >= sizeof text) {
    *failed = 1;
    return;
  }
  while (text[n - 1] == '0' && text[n - 2] != '.')
    text[--n] = '\0';
  add (object, name, json_object_new_double_s ((double) ms / 1000.0, text), failed);
}

static void
add_time (struct json_object *object, const char *name, int64_t at_ms, int *failed)
{
  char at[40];

  add_text (object, name, at_ms > 0 ? cli_time (at_ms, at, sizeof at) : "", failed);
}

static struct json_object *
limit_json (const kw_limit_info *limit, int *failed)
{
  struct json_object *object = json_object_new_object ();

  if (object == NULL)
    return NULL;
  add_text (object, "model", limit->model, failed);
  add_text (object, "dimension", limit->dimension, failed);
  add_number (object, "limit", limit->limit, failed);
  add_time (object, "until", limit->until_ms, failed);
  add_seconds (object, "in_seconds", limit->until_ms > 0 ? limit->in_ms : -1, failed);
  return object;
}

/* Appends item, taking it over. */
static void
append (struct json_object *array, struct json_object *item, int *failed)
{
  if (item == NULL || json_object_array_add (array, item) != 0) {
    json_object_put (item);
    *failed = 1;
  }
}

static struct json_object *
bucket_json (const kw_bucket_info *b, int64_t now_ms, int *failed)
{
  struct json_object *object = json_object_new_object ();

  if (object == NULL)
    return NULL;
  add_text (object, "model", b->model, failed);
  add_text (object, "dimension", b->dimension, failed);
  add_number (object, "limit", b->limit, failed);
  add_number (object, "remaining", b->remaining, failed);
  add_seconds (object, "window_seconds", b->window_ms > 0 ? b->window_ms : -1, failed);
  add (object, "rolling", json_object_new_boolean (b->rolling), failed);
  add_time (object, "full_at", b->full_ms, failed);
  add_seconds (object, "full_in_seconds",
               b->full_ms == 0 ? -1 : b->full_ms > now_ms ? b->full_ms - now_ms : 0, failed);
  add_time (object, "seen_at", b->seen_ms, failed);
  add (object, "account_wide", json_object_new_boolean (b->account_wide), failed);
  return object;
}

static struct json_object *
key_json (const kw_status_info *status, size_t at, cli_bucket *bucket, int *failed)
{
  const kw_key_info *key = &status->keys[at];
  struct json_object *object = json_object_new_object ();
  struct json_object *limits = json_object_new_array ();
  struct json_object *buckets = json_object_new_array ();
  const kw_bucket_info *b;

  if (object == NULL || limits == NULL || buckets == NULL) {
    json_object_put (object);
    json_object_put (limits);
    json_object_put (buckets);
    return NULL;
  }
  for (size_t i = 0; (b = bucket (status, at, i)) != NULL; i++)
    append (buckets, bucket_json (b, status->now_ms, failed), failed);
  for (size_t i = 0; i < key->n_limits; i++)
    append (limits, limit_json (&key->limits[i], failed), failed);
  add_number (object, "index", (int64_t) key->index, failed);
  add (object, "name", json_object_new_string (key->name), failed);
  add (object, "fingerprint", json_object_new_string (key->fingerprint), failed);
  add (object, "state", json_object_new_string (key->state), failed);
  add (object, "limits", limits, failed);
  add_number (object, "requests", (int64_t) key->requests, failed);
  add_number (object, "tokens", (int64_t) key->tokens, failed);
  add (object, "buckets", buckets, failed);
  return object;
}

struct json_object *
cli_status_json (const kw_status_info *status, size_t waiting, cli_bucket *bucket,
                 const char *state)
{
  struct json_object *object = json_object_new_object ();
  struct json_object *keys = json_object_new_array ();
  int failed = 0;

  if (object == NULL || keys == NULL) {
    json_object_put (object);
    json_object_put (keys);
    return NULL;
  }
  for (size_t i = 0; i < status->total_keys; i++)
    append (keys, key_json (status, i, bucket, &failed), &failed);
  add (object, "provider", json_object_new_string (status->provider), &failed);
  add (object, "plugin", json_object_new_string (status->plugin), &failed);
  add_number (object, "total_keys", (int64_t) status->total_keys, &failed);
  add_number (object, "available_keys", (int64_t) status->available_keys, &failed);
  add_number (object, "exhausted_keys", (int64_t) status->exhausted_keys, &failed);
  add_number (object, "current_key_index", (int64_t) status->current_key_index,
              &failed);
  add_number (object, "waiting_calls", (int64_t) waiting, &failed);
  add (object, "keys", keys, &failed);
  add (object, "state", json_object_new_string (state), &failed);
  if (failed) {
    json_object_put (object);
    return NULL;
  }
  return object;
}
