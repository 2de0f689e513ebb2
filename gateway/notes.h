/* notes - the last things that happened to the keys, as the page lists them.  Any
 * thread may add one; the loop is woken and takes what is new.  Knows no HTTP. */
#ifndef GW_NOTES_H
#define GW_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include <keywheel/keywheel.h>

enum { GW_NOTES_KEPT = 100 };

/* Besides KW_EVENT_*: somebody asked the gateway for it. */
enum { GW_NOTE_RESET = 100 };

struct gw_note {
  uint64_t id;                  /* counts up from 1                       */
  int64_t at_ms;                /* Unix time                              */
  int64_t until_ms;             /* 0: not known                           */
  int32_t type;
  int32_t verdict;
  uint32_t times;               /* it happened, one after the other       */
  int32_t fresh;                /* gw_notes_take has not given it yet     */
  char provider[KW_NAME_MAX];
  char key[KW_NAME_MAX];        /* "": all of them                        */
  char to_key[KW_NAME_MAX];
  char model[128];              /* "": every model                        */
  char reason[64];
  char text[256];               /* one line for a person                  */
};

struct gw_notes;

/* on_fresh is called when there is something to take; on any thread, and not
 * again before gw_notes_take said that there is no more. */
struct gw_notes *gw_notes_new (void (*on_fresh) (void *user), void *user);
void gw_notes_free (struct gw_notes *);

/* What is of interest is noted.  Of the same switch again and again, as when a key
 * with many requests under way runs out, there is one note. */
void gw_notes_event (struct gw_notes *, const kw_event *);
/* by: the client that asked; key "": all keys. */
void gw_notes_reset (struct gw_notes *, const char *provider, const char *key,
                     const char *by, int64_t at_ms);

/* The next fresh one, oldest first.  0: there is none. */
int gw_notes_take (struct gw_notes *, struct gw_note *ret);
/* All that are kept, oldest first; how many. */
size_t gw_notes_all (struct gw_notes *, struct gw_note ret[GW_NOTES_KEPT]);

#endif
