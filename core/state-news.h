/* state-news - what a state has to tell its client, in order, and not before the
 * state's lock is free: whoever is told may call anything. */
#ifndef KWI_STATE_NEWS_H
#define KWI_STATE_NEWS_H

#include <pthread.h>

#include "state.h"

struct kwi_fact_read;
struct kwi_news_item;

struct kwi_news {
  pthread_mutex_t lock;
  struct kwi_news_item *first, **last;
  int telling;                  /* a thread is at it                      */
};

void kwi_news_begin (struct kwi_news *);
void kwi_news_end (struct kwi_news *);

/* Both copy; without memory there are no news. */
void kwi_news_line (struct kwi_news *, int level, const char *line);
void kwi_news_heard (struct kwi_news *, void *ring_user, enum kwi_heard,
                     size_t key, const struct kwi_fact_read *);

/* Tells all there is; nothing if a thread is at it, which goes on to the end. */
void kwi_news_tell (struct kwi_news *, const struct kwi_state_hooks *);

#endif
