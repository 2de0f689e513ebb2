/* store - facts in memory: two tables of names and a hash of cells.
 * Cells are never removed; the bounds on names bound them. */
#include <stdlib.h>
#include <string.h>

#include "store.h"

struct names {
  char **name;                  /* [0] is not used                        */
  uint32_t n, size;
  uint32_t *slot;               /* open addressing: 0 or a number         */
  uint32_t n_slots;             /* a power of two                         */
};

struct kwi_store {
  struct names subjects, models;
  struct kwi_fact **cell;       /* open addressing over (subject, model)  */
  size_t n_cells, n_slots;
  uint8_t *has;                 /* a subject's facts: EVERYS, OTHERS      */
  uint32_t n_has;
  uint32_t n_epochs;
  int64_t *epoch;               /* by subject; [0]: every one             */
  int64_t latest_ms;            /* the latest epoch that was heard of     */
  int64_t offset_ms;
  struct kwi_fact *first_tell, **last_tell;
  void (*nudge) (void *user, int urgent);
  void *nudge_user;
  struct { int64_t second; unsigned n; } ends[64];
};

/* That most subjects have no facts is known without a look into the table. */
enum { EVERYS = 1, OTHERS = 2 };

static uint8_t
kind_of (uint32_t model)
{
  return model == KWI_EVERY_MODEL ? EVERYS : OTHERS;
}

/* Eight bytes a step: a model's name is hashed for every request. */
static uint64_t
hash_text (const char *s)
{
  size_t len = strlen (s);
  uint64_t h = len, w;

  for (; len > 0; s += sizeof w) {
    size_t n = len < sizeof w ? len : sizeof w;
    w = 0;
    memcpy (&w, s, n);
    h = (h ^ w) * UINT64_C (0x9e3779b97f4a7c15);
    h ^= h >> 32;
    len -= n;
  }
  return h;
}

static uint64_t
hash_cell (uint32_t subject, uint32_t model)
{
  uint64_t h = ((uint64_t) subject << 32 | model) * UINT64_C (0x9e3779b97f4a7c15);
  return h ^ h >> 29;
}

static int
names_grow (struct names *t)
{
  uint32_t n_slots = t->n_slots == 0 ? 16 : t->n_slots * 2, i;
  uint32_t *slot = calloc (n_slots, sizeof *slot);
  char **name;

  if (slot == NULL)
    return -1;
  name = realloc (t->name, n_slots * sizeof *name);
  if (name == NULL) {
    free (slot);
    return -1;
  }
  t->name = name;
  for (i = 1; i <= t->n; i++) {
    uint64_t h = hash_text (name[i]);
    while (slot[h & (n_slots - 1)] != 0)
      h++;
    slot[h & (n_slots - 1)] = i;
  }
  free (t->slot);
  t->slot = slot;
  t->n_slots = n_slots;
  return 0;
}

static uint32_t
names_find (const struct names *t, const char *s)
{
  uint64_t h = hash_text (s);

  if (t->n_slots > 0)
    for (; t->slot[h & (t->n_slots - 1)] != 0; h++) {
      uint32_t i = t->slot[h & (t->n_slots - 1)];
      if (strcmp (t->name[i], s) == 0)
        return i;
    }
  return 0;
}

static uint32_t
names_number (struct names *t, const char *s, uint32_t max)
{
  uint32_t found = names_find (t, s);
  uint64_t h;
  char *copy;

  if (found != 0 || t->n >= max)
    return found;
  if (t->n * 2 + 2 > t->n_slots && names_grow (t) != 0)
    return 0;
  copy = strdup (s);
  if (copy == NULL)
    return 0;
  for (h = hash_text (s); t->slot[h & (t->n_slots - 1)] != 0; h++)
    ;
  t->name[++t->n] = copy;
  t->slot[h & (t->n_slots - 1)] = t->n;
  return t->n;
}

static void
names_free (struct names *t)
{
  uint32_t i;

  for (i = 1; i <= t->n; i++)
    free (t->name[i]);
  free (t->name);
  free (t->slot);
}

struct kwi_store *
kwi_store_new (void)
{
  struct kwi_store *s = calloc (1, sizeof *s);

  if (s != NULL && kwi_store_model (s, "") != KWI_EVERY_MODEL) {
    kwi_store_free (s);
    return NULL;
  }
  return s;
}

void
kwi_store_free (struct kwi_store *s)
{
  size_t i;

  if (s == NULL)
    return;
  for (i = 0; i < s->n_slots; i++)
    while (s->cell[i] != NULL) {
      struct kwi_fact *next = s->cell[i]->next;
      free (s->cell[i]);
      s->cell[i] = next;
    }
  free (s->cell);
  free (s->has);
  free (s->epoch);
  names_free (&s->subjects);
  names_free (&s->models);
  free (s);
}

uint32_t
kwi_store_subject (struct kwi_store *s, const char *name)
{
  return names_number (&s->subjects, name, KWI_STORE_SUBJECTS);
}

uint32_t
kwi_store_model (struct kwi_store *s, const char *name)
{
  return names_number (&s->models, name, KWI_STORE_MODELS);
}

uint32_t
kwi_store_find_model (const struct kwi_store *s, const char *name)
{
  return names_find (&s->models, name);
}

uint32_t
kwi_store_find_subject (const struct kwi_store *s, const char *name)
{
  return names_find (&s->subjects, name);
}

uint32_t
kwi_store_n_models (const struct kwi_store *s)
{
  return s->models.n;
}

const char *
kwi_store_subject_name (const struct kwi_store *s, uint32_t i)
{
  return i >= 1 && i <= s->subjects.n ? s->subjects.name[i] : "";
}

const char *
kwi_store_model_name (const struct kwi_store *s, uint32_t i)
{
  return i >= 1 && i <= s->models.n ? s->models.name[i] : "";
}

/* The slot of a cell, or the empty one where it would go. */
static size_t
find_slot (struct kwi_fact *const *cell, size_t n_slots, uint32_t subject,
           uint32_t model)
{
  uint64_t h = hash_cell (subject, model);
  const struct kwi_fact *f;

  while ((f = cell[h & (n_slots - 1)]) != NULL
         && (f->subject != subject || f->model != model))
    h++;
  return (size_t) (h & (n_slots - 1));
}

struct kwi_fact *
kwi_store_find (const struct kwi_store *s, uint32_t subject, uint32_t model)
{
  if (subject >= s->n_has || model == 0
      || (s->has[subject] & kind_of (model)) == 0)
    return NULL;
  return s->cell[find_slot (s->cell, s->n_slots, subject, model)];
}

static int
cells_grow (struct kwi_store *s)
{
  size_t n_slots = s->n_slots == 0 ? 16 : s->n_slots * 2, i;
  struct kwi_fact **cell = calloc (n_slots, sizeof (struct kwi_fact *));

  if (cell == NULL)
    return -1;
  for (i = 0; i < s->n_slots; i++)
    if (s->cell[i] != NULL)
      cell[find_slot (cell, n_slots, s->cell[i]->subject, s->cell[i]->model)]
        = s->cell[i];
  free (s->cell);
  s->cell = cell;
  s->n_slots = n_slots;
  return 0;
}

static int
has_grow (struct kwi_store *s, uint32_t subject)
{
  uint32_t n = subject * 2 + 16;
  uint8_t *has;

  if (subject < s->n_has)
    return 0;
  has = realloc (s->has, n);
  if (has == NULL)
    return -1;
  memset (has + s->n_has, 0, n - s->n_has);
  s->has = has;
  s->n_has = n;
  return 0;
}

struct kwi_fact *
kwi_store_get (struct kwi_store *s, uint32_t subject, uint32_t model,
               const char *dimension)
{
  struct kwi_fact *f, *first;
  size_t slot;

  if (subject == 0 || model == 0)
    return NULL;
  for (f = kwi_store_find (s, subject, model); f != NULL; f = f->next)
    if (strncmp (f->bucket.dimension, dimension,
                 sizeof f->bucket.dimension - 1) == 0)
      return f;
  if (has_grow (s, subject) != 0
      || ((s->n_cells + 1) * 2 > s->n_slots && cells_grow (s) != 0))
    return NULL;
  f = calloc (1, sizeof *f);
  if (f == NULL)
    return NULL;
  f->subject = subject;
  f->model = model;
  memccpy (f->bucket.dimension, dimension, '\0',
           sizeof f->bucket.dimension - 1);
  s->has[subject] |= kind_of (model);
  slot = find_slot (s->cell, s->n_slots, subject, model);
  first = s->cell[slot];
  if (first == NULL) {
    s->cell[slot] = f;
    s->n_cells++;
  }
  else {
    f->next = first->next;
    first->next = f;
  }
  return f;
}

void
kwi_store_each (struct kwi_store *s, uint32_t subject,
                void (*each) (void *user, struct kwi_fact *), void *user)
{
  struct kwi_fact *f;
  uint32_t m;

  for (m = 1; m <= s->models.n; m++)
    for (f = kwi_store_find (s, subject, m); f != NULL; f = f->next)
      each (user, f);
}

void
kwi_store_every (struct kwi_store *s,
                 void (*each) (void *user, struct kwi_fact *), void *user)
{
  size_t i;

  for (i = 0; i < s->n_slots; i++)
    for (struct kwi_fact *f = s->cell[i]; f != NULL; f = f->next)
      each (user, f);
}

/* ---- What others are to be told ------------------------------------------ */

void
kwi_store_share (struct kwi_store *s, void (*nudge) (void *user, int urgent),
                 void *user, int64_t offset_ms)
{
  s->nudge = nudge;
  s->nudge_user = user;
  s->offset_ms = offset_ms;
  s->last_tell = &s->first_tell;
}

void
kwi_store_tell (struct kwi_store *s, struct kwi_fact *f, uint32_t what)
{
  if (s->nudge == NULL)
    return;
  if (f->tell == 0) {
    f->next_tell = NULL;
    *s->last_tell = f;
    s->last_tell = &f->next_tell;
  }
  f->tell |= what;
  s->nudge (s->nudge_user, what != KWI_TELL_BUCKET);
}

struct kwi_fact *
kwi_store_next_told (struct kwi_store *s, uint32_t *ret_what)
{
  struct kwi_fact *f = s->first_tell;

  if (f == NULL)
    return NULL;
  s->first_tell = f->next_tell;
  if (s->first_tell == NULL)
    s->last_tell = &s->first_tell;
  *ret_what = f->tell;
  f->tell = 0;
  return f;
}

int64_t
kwi_store_offset (const struct kwi_store *s)
{
  return s->offset_ms;
}

int64_t
kwi_store_own_epoch (const struct kwi_store *s, uint32_t subject)
{
  return subject < s->n_epochs ? s->epoch[subject] : 0;
}

int64_t
kwi_store_epoch (const struct kwi_store *s, uint32_t subject)
{
  int64_t own = kwi_store_own_epoch (s, subject);
  int64_t every = kwi_store_own_epoch (s, 0);

  return own > every ? own : every;
}

int
kwi_store_set_epoch (struct kwi_store *s, uint32_t subject, int64_t epoch_ms)
{
  if (subject >= s->n_epochs) {
    uint32_t n = subject * 2 + 16;
    int64_t *epoch = realloc (s->epoch, n * sizeof *epoch);
    if (epoch == NULL)
      return -1;
    memset (epoch + s->n_epochs, 0, (n - s->n_epochs) * sizeof *epoch);
    s->epoch = epoch;
    s->n_epochs = n;
  }
  if (epoch_ms > s->epoch[subject])
    s->epoch[subject] = epoch_ms;
  kwi_store_heard (s, epoch_ms);
  return 0;
}

int64_t
kwi_store_later (struct kwi_store *s, int64_t now_ms)
{
  s->latest_ms = now_ms > s->latest_ms ? now_ms : s->latest_ms + 1;
  return s->latest_ms;
}

void
kwi_store_heard (struct kwi_store *s, int64_t epoch_ms)
{
  if (epoch_ms > s->latest_ms)
    s->latest_ms = epoch_ms;
}

unsigned
kwi_store_count_at (struct kwi_store *s, int64_t at_ms)
{
  int64_t second = at_ms / 1000;
  size_t i = (size_t) second % (sizeof s->ends / sizeof s->ends[0]);

  if (s->ends[i].second != second) {
    s->ends[i].second = second;
    s->ends[i].n = 0;
  }
  return s->ends[i].n++;
}
