/* check-odd - answers that are odd exactly where the plugin looks: what it asked
 * the battery's answers for, with every odd text in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "check-subject.h"
#include "check-text.h"

static const struct {
  const char *name;
  uint32_t document, in_stream;
  int32_t status;
} frames[] = {
  { "429", KWI_T_ERROR, 0, 429 },
  { "200", KWI_T_REPLY, 0, 200 },
  { "event", KWI_T_CHUNK, 1, 200 },
};
#define N_FRAMES (sizeof frames / sizeof frames[0])

static int
begin (const struct kwi_check_case *k, struct kwi_answer *a)
{
  a->status = frames[k->c].status;
  a->in_stream = (int) frames[k->c].in_stream;
  a->received_ms = KWI_CHECK_NOW;
  return a->in_stream ? 0 : kwi_usual_headers (a);
}

static int
make_value (const struct kwi_check *c, const struct kwi_check_case *k,
            struct kwi_answer *a)
{
  const char *document = kwi_template_text (frames[k->c].document);
  char *raw, *text;
  size_t raw_len, len;
  int rc;

  if (begin (k, a) != 0 || kwi_spell (&kwi_odd_values[k->b], &raw, &raw_len) != 0)
    return -1;
  rc = kwi_put (document, c->pointers.text[k->a], raw, raw_len, &text, &len);
  if (rc == 0) {
    rc = kwi_answer_add_body (a, text, len);
    free (text);
  } else if (rc > 0)            /* "" or the like: it is the whole */
    rc = kwi_answer_add_body (a, raw, raw_len);
  free (raw);
  return rc;
}

/* The odd one stands before the usual of its name, and so it is what is found. */
static int
make_header (const struct kwi_check *c, const struct kwi_check_case *k,
             struct kwi_answer *a)
{
  const char *name = c->headers.text[k->a];
  char *text;
  size_t len;
  int rc;

  if (kwi_spell (&kwi_odd_headers[k->b], &text, &len) != 0)
    return -1;
  rc = kwi_answer_add_header (a, name, strlen (name), text, len);
  free (text);
  if (rc != 0 || begin (k, a) != 0)
    return -1;
  text = (char *) (uintptr_t) kwi_template_text (frames[k->c].document);
  return kwi_answer_add_body (a, text, strlen (text));
}

/* What can stand in a case's name: letters and digits, the rest a dash. */
static const char *
plain (const char *s, char *buf, size_t size)
{
  size_t len = 0;

  for (; *s != '\0' && len + 1 < size; s++) {
    int fits = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')
               || (*s >= '0' && *s <= '9') || *s == '_';
    if (fits || (len > 0 && buf[len - 1] != '-'))
      buf[len++] = fits ? *s : '-';
  }
  buf[len] = '\0';
  return buf;
}

void
kwi_check_plan_odd (struct kwi_check *c)
{
  struct kwi_check_case *k;
  char name[40];

  for (uint32_t i = 0; i < c->pointers.n; i++)
    for (uint32_t v = 0; v < kwi_n_odd_values; v++)
      for (uint32_t f = 0; f < N_FRAMES; f++) {
        k = kwi_check_add (c, KWI_CHECK_CLASSIFY, kwi_check_classify, "json-%s-%s-%s",
                           plain (c->pointers.text[i], name, sizeof name),
                           kwi_odd_values[v].name, frames[f].name);
        k->make = make_value;
        k->a = i;
        k->b = v;
        k->c = f;
      }
  for (uint32_t i = 0; i < c->headers.n; i++)
    for (uint32_t v = 0; v < kwi_n_odd_headers; v++)
      for (uint32_t f = 0; f < 2; f++) {
        k = kwi_check_add (c, KWI_CHECK_CLASSIFY, kwi_check_classify, "header-%s-%s-%s",
                           plain (c->headers.text[i], name, sizeof name),
                           kwi_odd_headers[v].name, frames[f].name);
        k->make = make_header;
        k->a = i;
        k->b = v;
        k->c = f;
      }
}
