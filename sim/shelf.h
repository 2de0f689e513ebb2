/* shelf - the files that clients uploaded, and the batches that they made of them.
 * Each belongs to an organization, and no other sees it.  No locks: the caller's. */
#ifndef SIM_SHELF_H
#define SIM_SHELF_H

#include "chat.h"

struct sim_stored {
  struct sim_stored *next;
  char id[32];                  /* "file_..." or "batch_..." */
  char org[64];
  struct json_object *about;    /* as the API shows it */
  char *data;                   /* of a file */
  size_t len;
};

struct sim_shelf {
  struct sim_stored *first;
  int64_t n;                    /* so many were ever there */
};

/* What a request has to do with it. */
struct sim_errand {
  const char *method;
  const char *org;
  const char *id;               /* "": all of them */
  const char *action;           /* "content", "cancel", or "" */
  const struct sim_request *request;
  int64_t now_s;                /* Unix time */
};

/* 0, or -1: it is not there. */
int sim_shelf_files (struct sim_shelf *, const struct sim_errand *, struct sim_answer *);
int sim_shelf_batches (struct sim_shelf *, const struct sim_errand *, struct sim_answer *);
void sim_shelf_clear (struct sim_shelf *);

#endif
