/* check-death - what a child died of, in words.  See check-death.c. */
#ifndef KWI_CHECK_DEATH_H
#define KWI_CHECK_DEATH_H

#include <stdint.h>

/* How it went with a child. */
enum kwi_ending {
  KWI_ENDED,                    /* all its cases are done                 */
  KWI_DIED,
  KWI_LATE,                     /* it did nothing, and was killed         */
  KWI_STOPPED,                  /* no more was wanted of it               */
  KWI_NO_ROOM,                  /* it got no memory                       */
  KWI_GARBLED                   /* it said what no child says             */
};

struct kwi_death {
  enum kwi_ending ending;
  int status;                   /* waitpid's                              */
  int lost;                     /* the status is not known                */
  int called_exit;
  int64_t bound_ms, patience_ms; /* of processor time, by the clock       */
  uint64_t bound_mb;

  /* Filled in. */
  char rule[32];
  char text[600];
  char output[2048];            /* the end of what it printed             */
};

/* printed: the file that its stderr was. */
void kwi_death_describe (struct kwi_death *, int printed);

#endif
