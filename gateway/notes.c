/* notes - a ring of what happened (see notes.h). */
#include "notes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The same within this time is one note. */
#define ONE_MS 10000

struct gw_notes {
  pthread_mutex_t lock;
  struct gw_notes_reader *readers;
  uint64_t n;                   /* ever noted                             */
  uint64_t changes;
  struct gw_note of[GW_NOTES_KEPT]; /* the one with this id at id % GW_NOTES_KEPT */
};

struct gw_notes *
gw_notes_new (void)
{
  struct gw_notes *notes = calloc (1, sizeof *notes);

  if (notes != NULL)
    (void) pthread_mutex_init (&notes->lock, NULL);
  return notes;
}

void
gw_notes_free (struct gw_notes *notes)
{
  if (notes == NULL)
    return;
  (void) pthread_mutex_destroy (&notes->lock);
  free (notes);
}

void
gw_notes_read (struct gw_notes *notes, struct gw_notes_reader *reader)
{
  (void) pthread_mutex_lock (&notes->lock);
  reader->seen = notes->changes;
  reader->told = 0;
  reader->next = notes->readers;
  notes->readers = reader;
  (void) pthread_mutex_unlock (&notes->lock);
}

void
gw_notes_leave (struct gw_notes *notes, struct gw_notes_reader *reader)
{
  struct gw_notes_reader **link = &notes->readers;

  (void) pthread_mutex_lock (&notes->lock);
  while (*link != NULL && *link != reader)
    link = &(*link)->next;
  if (*link != NULL)
    *link = reader->next;
  (void) pthread_mutex_unlock (&notes->lock);
}

/* ---- Adding ----------------------------------------------------------------------- */

static void
copy (char *to, size_t size, const char *from)
{
  size_t len = from != NULL ? strnlen (from, size - 1) : 0;

  memcpy (to, from != NULL ? from : "", len);
  to[len] = '\0';
}

static uint64_t
oldest (const struct gw_notes *notes)
{
  return notes->n > GW_NOTES_KEPT ? notes->n - GW_NOTES_KEPT + 1 : 1;
}

static int
is_same (const struct gw_note *a, const struct gw_note *b)
{
  return a->type == b->type && b->at_ms - a->at_ms <= ONE_MS
         && strcmp (a->provider, b->provider) == 0 && strcmp (a->key, b->key) == 0
         && strcmp (a->to_key, b->to_key) == 0 && strcmp (a->model, b->model) == 0
         && strcmp (a->reason, b->reason) == 0;
}

/* The last of its kind, if what happened since is all of other keys or kinds. */
static struct gw_note *
find_same (struct gw_notes *notes, const struct gw_note *note)
{
  for (uint64_t id = notes->n; id >= oldest (notes); id--) {
    struct gw_note *other = &notes->of[id % GW_NOTES_KEPT];
    if (note->at_ms - other->at_ms > ONE_MS)
      break;
    if (is_same (other, note))
      return other;
    if (other->type != KW_EVENT_SWITCH && strcmp (other->key, note->key) == 0)
      break;
  }
  return NULL;
}

/* The last failover of its kind, if they have gone on since, and its provider's
 * breaker has not changed. */
static struct gw_note *
find_failover (struct gw_notes *notes, const struct gw_note *note)
{
  for (uint64_t id = notes->n; id >= oldest (notes); id--) {
    struct gw_note *other = &notes->of[id % GW_NOTES_KEPT];
    if (strcmp (other->provider, note->provider) != 0)
      continue;
    if (other->type == GW_NOTE_BREAKER)
      break;
    if (other->type == note->type && strcmp (other->to_key, note->to_key) == 0
        && strcmp (other->reason, note->reason) == 0)
      return note->at_ms - other->last_ms <= ONE_MS ? other : NULL;
  }
  return NULL;
}

/* Under the lock, so that none is told of it who has read it already. */
static void
tell_readers (struct gw_notes *notes)
{
  for (struct gw_notes_reader *r = notes->readers; r != NULL; r = r->next) {
    if (r->told)
      continue;
    r->told = 1;
    r->on_fresh (r->user);
  }
}

static void
add (struct gw_notes *notes, struct gw_note *note)
{
  struct gw_note *same = NULL;

  (void) pthread_mutex_lock (&notes->lock);
  if (note->type == KW_EVENT_SWITCH)
    same = find_same (notes, note);
  if (note->type == GW_NOTE_FAILOVER && (same = find_failover (notes, note)) != NULL) {
    same->times++;
    same->last_ms = note->at_ms;
    same->owed = 1;
    (void) pthread_mutex_unlock (&notes->lock);
    return;
  }
  if (same != NULL) {
    same->times++;
    same->change = ++notes->changes;
  } else {
    note->id = ++notes->n;
    note->times = 1;
    note->change = ++notes->changes;
    notes->of[note->id % GW_NOTES_KEPT] = *note;
  }
  tell_readers (notes);
  (void) pthread_mutex_unlock (&notes->lock);
}

static int
is_of_interest (const kw_event *e)
{
  switch (e->type) {
  case KW_EVENT_SWITCH:
  case KW_EVENT_EXHAUSTED:
  case KW_EVENT_REVIVED:
    return 1;
  case KW_EVENT_ACCOUNT:        /* of several keys */
    return e->level <= 2;
  case KW_EVENT_LOG:
    return e->level <= 1;
  default:
    return 0;
  }
}

void
gw_notes_event (struct gw_notes *notes, const kw_event *e)
{
  struct gw_note note = { .at_ms = e->at_ms, .until_ms = e->until_ms, .type = e->type,
                          .verdict = e->verdict };

  if (!is_of_interest (e))
    return;
  copy (note.provider, sizeof note.provider, e->provider);
  copy (note.key, sizeof note.key, e->key);
  copy (note.to_key, sizeof note.to_key, e->to_key);
  copy (note.model, sizeof note.model, e->model);
  copy (note.reason, sizeof note.reason, e->reason);
  copy (note.text, sizeof note.text, e->message);
  add (notes, &note);
}

void
gw_notes_reset (struct gw_notes *notes, const char *provider, const char *key,
                const char *by, int64_t at_ms)
{
  struct gw_note note = { .at_ms = at_ms, .type = GW_NOTE_RESET };

  copy (note.provider, sizeof note.provider, provider);
  copy (note.key, sizeof note.key, key);
  copy (note.reason, sizeof note.reason, by);
  add (notes, &note);
}

void
gw_notes_failover (struct gw_notes *notes, const char *from, const char *to,
                   const char *reason, int64_t at_ms)
{
  struct gw_note note = { .at_ms = at_ms, .last_ms = at_ms, .type = GW_NOTE_FAILOVER };

  copy (note.provider, sizeof note.provider, from);
  copy (note.to_key, sizeof note.to_key, to);
  copy (note.reason, sizeof note.reason, reason);
  add (notes, &note);
}

void
gw_notes_breaker (struct gw_notes *notes, const char *provider, const char *reason,
                  int64_t until_ms, int64_t at_ms)
{
  struct gw_note note = { .at_ms = at_ms, .until_ms = until_ms, .type = GW_NOTE_BREAKER };

  copy (note.provider, sizeof note.provider, provider);
  copy (note.reason, sizeof note.reason, reason);
  add (notes, &note);
}

void
gw_notes_settle (struct gw_notes *notes)
{
  int any = 0;

  (void) pthread_mutex_lock (&notes->lock);
  for (uint64_t id = oldest (notes); id <= notes->n; id++) {
    struct gw_note *note = &notes->of[id % GW_NOTES_KEPT];
    if (!note->owed)
      continue;
    note->owed = 0;
    note->change = ++notes->changes;
    any = 1;
  }
  if (any)
    tell_readers (notes);
  (void) pthread_mutex_unlock (&notes->lock);
}

/* ---- Taking ------------------------------------------------------------------------ */

int
gw_notes_take (struct gw_notes *notes, struct gw_notes_reader *reader, struct gw_note *ret)
{
  const struct gw_note *found = NULL;

  (void) pthread_mutex_lock (&notes->lock);
  for (uint64_t id = oldest (notes); id <= notes->n; id++) {
    const struct gw_note *note = &notes->of[id % GW_NOTES_KEPT];
    if (note->change > reader->seen && (found == NULL || note->change < found->change))
      found = note;
  }
  if (found != NULL) {
    *ret = *found;
    reader->seen = found->change;
  } else {
    reader->told = 0;
  }
  (void) pthread_mutex_unlock (&notes->lock);
  return found != NULL;
}

size_t
gw_notes_all (struct gw_notes *notes, struct gw_note ret[GW_NOTES_KEPT])
{
  size_t n = 0;

  (void) pthread_mutex_lock (&notes->lock);
  for (uint64_t id = oldest (notes); id <= notes->n; id++)
    ret[n++] = notes->of[id % GW_NOTES_KEPT];
  (void) pthread_mutex_unlock (&notes->lock);
  return n;
}
