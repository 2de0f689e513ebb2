/* notes - the last things that happened to the keys, as the page lists them.  Any
 * thread may add one; the loops are woken, and each takes what is new to it.  Knows
 * no HTTP. */
#ifndef GW_NOTES_H
#define GW_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include <keywheel/keywheel.h>

enum { GW_NOTES_KEPT = 100 };

/* Besides KW_EVENT_*: somebody asked the gateway for it; requests went on to another
 * provider; a provider's breaker opened or closed. */
enum { GW_NOTE_RESET = 100, GW_NOTE_FAILOVER, GW_NOTE_BREAKER };

struct gw_note {
  uint64_t id;                  /* counts up from 1                       */
  int64_t at_ms;                /* Unix time                              */
  int64_t until_ms;             /* 0: not known                           */
  int64_t last_ms;              /* of a failover: the last time           */
  int32_t type;
  int32_t verdict;
  uint32_t times;               /* it happened, one after the other       */
  int32_t owed;                 /* it will be a change: gw_notes_settle   */
  uint64_t change;              /* counts up whenever one is new or another
                                   of its kind came                       */
  char provider[KW_NAME_MAX];
  char key[KW_NAME_MAX];        /* "": all of them                        */
  char to_key[KW_NAME_MAX];
  char model[128];              /* "": every model                        */
  char reason[64];
  char text[256];               /* one line for a person                  */
};

struct gw_notes;

/* Who takes what is new.  on_fresh is called when there is something to take; on
 * any thread, and not again before gw_notes_take said that there is no more. */
struct gw_notes_reader {
  struct gw_notes_reader *next;
  void (*on_fresh) (void *user);
  void *user;
  uint64_t seen;                /* the change it took last                */
  int told;                     /* on_fresh was called                    */
  int _reserved;
};

struct gw_notes *gw_notes_new (void);
void gw_notes_free (struct gw_notes *);

/* With on_fresh and user set: from now on, until it leaves; neither within
 * on_fresh. */
void gw_notes_read (struct gw_notes *, struct gw_notes_reader *);
void gw_notes_leave (struct gw_notes *, struct gw_notes_reader *);

/* What is of interest is noted.  Of the same switch again and again, as when a key
 * with many requests under way runs out, there is one note. */
void gw_notes_event (struct gw_notes *, const kw_event *);
/* by: the client that asked; key "": all keys. */
void gw_notes_reset (struct gw_notes *, const char *provider, const char *key,
                     const char *by, int64_t at_ms);

/* Requests go from one provider on to another: while they do one note of it is
 * enough, which is new again once a second, by gw_notes_settle. */
void gw_notes_failover (struct gw_notes *, const char *from, const char *to,
                        const char *reason, int64_t at_ms);
void gw_notes_settle (struct gw_notes *);
/* reason: "open", until then; "closed"; or "reset", as somebody asked for it: closed,
 * too. */
void gw_notes_breaker (struct gw_notes *, const char *provider, const char *reason,
                       int64_t until_ms, int64_t at_ms);

/* The next one that is new to the reader, oldest first.  0: there is none. */
int gw_notes_take (struct gw_notes *, struct gw_notes_reader *, struct gw_note *ret);
/* All that are kept, oldest first; how many. */
size_t gw_notes_all (struct gw_notes *, struct gw_note ret[GW_NOTES_KEPT]);

#endif
