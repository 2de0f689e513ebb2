/* check-random - random answers, the same ones for the same seed and plugin:
 * documents with the plugin's own words and odd texts where it looks, and bytes
 * that are lost, doubled or turned. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "check-subject.h"
#include "check-text.h"

enum { MAX_PUTS = 6, MAX_HEADERS = 4, MAX_BITES = 8, MAX_NOISE = 3000 };

static uint32_t
below (uint64_t *state, uint32_t n)
{
  return n > 0 ? (uint32_t) (kwi_next_random (state) % n) : 0;
}

/* ---- Texts -------------------------------------------------------------- */

struct text {
  char *at;
  size_t len, size;
};

static int
append (struct text *t, const char *s, size_t len)
{
  if (t->len + len + 1 > t->size) {
    size_t size = (t->len + len + 1) * 2;
    char *p = realloc (t->at, size);
    if (p == NULL)
      return -1;
    t->at = p;
    t->size = size;
  }
  memcpy (t->at + t->len, s, len);
  t->len += len;
  t->at[t->len] = '\0';
  return 0;
}

static const char *
number (uint64_t *state, char *buf, size_t size)
{
  uint64_t n = kwi_next_random (state) >> below (state, 64);
  int r = -1;

  switch (below (state, 8)) {
  case 0: r = snprintf (buf, size, "%" PRIu64, n); break;
  case 1: r = snprintf (buf, size, "-%" PRIu64, n); break;
  case 2: r = snprintf (buf, size, "%" PRIu64 "s", n); break;
  case 3: r = snprintf (buf, size, "%" PRIu64 "ms", n); break;
  case 4: r = snprintf (buf, size, "%" PRIu64 "m3.5s", n); break;
  case 5: r = snprintf (buf, size, "%" PRIu64 "h", n); break;
  case 6: r = snprintf (buf, size, "%" PRIu64 ".75", n); break;
  default: r = snprintf (buf, size, "~%" PRIu64, n); break;
  }
  return r > 0 ? buf : "7";
}

/* Words of the plugin's own, and numbers between: what its messages are like. */
static int
sentence (const struct kwi_check *c, uint64_t *state, struct text *t)
{
  uint32_t n = 1 + below (state, 5);
  char buf[48];

  for (uint32_t i = 0; i < n; i++) {
    const char *word = c->elf.n_words > 0 && below (state, 3) != 0
                       ? c->elf.word[below (state, c->elf.n_words)]
                       : number (state, buf, sizeof buf);
    if ((i > 0 && append (t, " ", below (state, 4) != 0) != 0)
        || append (t, word, strlen (word)) != 0)
      return -1;
  }
  return 0;
}

/* A member's value: JSON, nearly always. */
static int
value (const struct kwi_check *c, uint64_t *state, struct text *t)
{
  char buf[48];
  size_t len;
  char *raw;
  int rc;

  switch (below (state, 4)) {
  case 0:
    if (kwi_spell (&kwi_odd_values[below (state, (uint32_t) kwi_n_odd_values)], &raw,
                   &len) != 0)
      return -1;
    rc = append (t, raw, len);
    free (raw);
    return rc;
  case 1:
    number (state, buf, sizeof buf);
    return append (t, buf, strlen (buf));
  default:
    rc = append (t, "\"", 1);
    len = t->len;
    if (rc != 0 || sentence (c, state, t) != 0)
      return -1;
    for (char *p = t->at + len; *p != '\0'; p++)
      if (*p == '"' || *p == '\\')
        *p = '\'';
    return append (t, "\"", 1);
  }
}

/* ---- Bodies ------------------------------------------------------------- */

/* Values at places of a document, those that the plugin asks for. */
int
kwi_check_document (const struct kwi_check *c, uint64_t *state, char **ret,
                    size_t *ret_len)
{
  uint32_t n = 1 + below (state, MAX_PUTS);
  char *text = strdup (below (state, 4) == 0 ? "{}"
                       : kwi_template_text (below (state, KWI_TEMPLATES)));

  *ret_len = text != NULL ? strlen (text) : 0;
  for (uint32_t i = 0; text != NULL && c->pointers.n > 0 && i < n; i++) {
    const char *pointer = c->pointers.text[below (state, c->pointers.n)];
    struct text t = { NULL, 0, 0 };
    char *next;
    size_t len;
    int rc = value (c, state, &t);
    if (rc == 0)
      rc = kwi_put (text, pointer, t.at, t.len, &next, &len);
    free (t.at);
    if (rc == 0) {
      free (text);
      text = next;
      *ret_len = len;
    } else if (rc < 0) {
      free (text);
      return -1;
    }
  }
  *ret = text;
  return text != NULL ? 0 : -1;
}

/* Bytes lost, doubled, turned, put in. */
static void
bite (uint64_t *state, char *text, size_t *len)
{
  size_t at = below (state, (uint32_t) *len), n = 1 + below (state, 8);

  if (n > *len - at)
    n = *len - at;
  switch (below (state, 4)) {
  case 0:
    memmove (text + at, text + at + n, *len - at - n);
    *len -= n;
    break;
  case 1:
    if (at >= n)
      memmove (text + at - n, text + at, n);
    break;
  case 2:
    text[at] = (char) (text[at] ^ (1 << below (state, 8)));
    break;
  default:
    text[at] = "{}[]\":,0\\\0\n "[below (state, 12)];
    break;
  }
}

static int
body (const struct kwi_check *c, uint64_t *state, struct kwi_answer *a)
{
  char *text;
  size_t len;
  int rc;

  if (below (state, 10) == 0) { /* noise */
    len = below (state, MAX_NOISE);
    text = malloc (len + 1);
    for (size_t i = 0; text != NULL && i < len; i++)
      text[i] = (char) kwi_next_random (state);
    rc = text != NULL ? 0 : -1;
  } else {
    rc = kwi_check_document (c, state, &text, &len);
    if (rc == 0 && below (state, 3) == 0)
      for (uint32_t i = 1 + below (state, MAX_BITES); i > 0 && len > 0; i--)
        bite (state, text, &len);
  }
  if (rc != 0)
    return -1;
  rc = kwi_answer_add_body (a, text, len);
  free (text);
  return rc;
}

/* ---- Headers, and all of it --------------------------------------------- */

static int
headers (const struct kwi_check *c, uint64_t *state, struct kwi_answer *a)
{
  uint32_t n = below (state, MAX_HEADERS + 1);
  int rc = 0;

  for (uint32_t i = 0; rc == 0 && c->headers.n > 0 && i < n; i++) {
    const char *name = c->headers.text[below (state, c->headers.n)];
    struct text t = { NULL, 0, 0 };
    char buf[48];
    if (below (state, 3) == 0)
      rc = sentence (c, state, &t);
    else {
      number (state, buf, sizeof buf);
      rc = append (&t, buf, strlen (buf));
    }
    if (rc == 0)
      rc = kwi_answer_add_header (a, name, strlen (name), t.at, t.len);
    free (t.at);
  }
  return rc == 0 && below (state, 2) == 0 ? kwi_usual_headers (a) : rc;
}

static int
make_random (const struct kwi_check *c, const struct kwi_check_case *k,
             struct kwi_answer *a)
{
  static const int32_t statuses[] = {
    200, 200, 200, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 429, 429, 429,
    498, 500, 502, 503, 504, 529, 0
  };
  uint32_t n = sizeof statuses / sizeof statuses[0], which;
  uint64_t state = c->o.seed ^ ((uint64_t) (k->a + 1) << 32);

  which = below (&state, n + 4);
  a->status = which < n ? statuses[which] : 100 + (int32_t) below (&state, 500);
  a->net = a->status == 0 ? 1 + below (&state, KW_NET_OTHER) : KW_NET_OK;
  a->in_stream = a->status == 200 && below (&state, 2) == 0;
  a->received_ms = KWI_CHECK_NOW;
  return headers (c, &state, a) == 0 ? body (c, &state, a) : -1;
}

static void
run_random (struct kwi_check *c, const struct kwi_check_case *k)
{
  kwi_check_classify (c, k);
  if (k->a + 1 == c->o.n_random)
    kwi_check_note (c, "%u answers, seed %llu", (unsigned) c->o.n_random,
                    (unsigned long long) c->o.seed);
}

void
kwi_check_plan_random (struct kwi_check *c)
{
  for (uint32_t i = 0; i < c->o.n_random; i++) {
    struct kwi_check_case *k = kwi_check_add (c, KWI_CHECK_RANDOM, run_random, "%u",
                                              (unsigned) i);
    k->make = make_random;
    k->a = i;
  }
}
