/* state-news - what a state has to tell its client; see state-news.h. */
#include <stdlib.h>
#include <string.h>

#include "state-fact.h"
#include "state-news.h"

struct kwi_news_item {
  struct kwi_news_item *next;
  char *line;                   /* NULL: something was heard              */
  int level;
  enum kwi_heard heard;
  void *ring_user;
  size_t key;
  struct kwi_fact_read fact[];  /* one, if it was                         */
};

void
kwi_news_begin (struct kwi_news *n)
{
  (void) pthread_mutex_init (&n->lock, NULL);
  n->last = &n->first;
}

static void
item_free (struct kwi_news_item *i)
{
  free (i->line);
  free (i);
}

static struct kwi_news_item *
take (struct kwi_news *n)
{
  struct kwi_news_item *i = n->first;

  if (i != NULL)
    n->first = i->next;
  if (n->first == NULL)
    n->last = &n->first;
  return i;
}

void
kwi_news_end (struct kwi_news *n)
{
  struct kwi_news_item *i;

  while ((i = take (n)) != NULL)
    item_free (i);
  (void) pthread_mutex_destroy (&n->lock);
}

static void
add (struct kwi_news *n, struct kwi_news_item *i)
{
  (void) pthread_mutex_lock (&n->lock);
  *n->last = i;
  n->last = &i->next;
  (void) pthread_mutex_unlock (&n->lock);
}

void
kwi_news_line (struct kwi_news *n, int level, const char *line)
{
  struct kwi_news_item *i = calloc (1, sizeof *i);

  if (i == NULL)
    return;
  i->level = level;
  i->line = strdup (line);
  if (i->line != NULL)
    add (n, i);
  else
    free (i);
}

void
kwi_news_heard (struct kwi_news *n, void *ring_user, enum kwi_heard heard,
                size_t key, const struct kwi_fact_read *fact)
{
  struct kwi_news_item *i = calloc (1, sizeof *i + sizeof *fact);

  if (i == NULL)
    return;
  i->heard = heard;
  i->ring_user = ring_user;
  i->key = key;
  i->fact[0] = *fact;
  i->fact[0].change.subject = i->fact[0].subject;
  i->fact[0].change.model = i->fact[0].model;
  i->fact[0].change.dimension = i->fact[0].dimension;
  add (n, i);
}

void
kwi_news_tell (struct kwi_news *n, const struct kwi_state_hooks *hooks)
{
  struct kwi_news_item *i;

  (void) pthread_mutex_lock (&n->lock);
  if (n->telling) {
    (void) pthread_mutex_unlock (&n->lock);
    return;
  }
  n->telling = 1;
  while ((i = take (n)) != NULL) {
    (void) pthread_mutex_unlock (&n->lock);
    if (i->line != NULL)
      hooks->say (hooks->user, i->level, i->line);
    else
      hooks->heard (hooks->user, i->ring_user, i->heard, i->key,
                    &i->fact[0].change);
    item_free (i);
    (void) pthread_mutex_lock (&n->lock);
  }
  n->telling = 0;
  (void) pthread_mutex_unlock (&n->lock);
}
