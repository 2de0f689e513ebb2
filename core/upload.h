/* upload - a request's body that its caller gives piece by piece: so much of
 * it is kept as may be sent again, and what is larger is sent once.  Knows no
 * HTTP, and who reads it only as somebody who may begin anew. */
#ifndef KWI_UPLOAD_H
#define KWI_UPLOAD_H

#include <stddef.h>
#include <stdint.h>

/* What reading comes to besides a number of bytes; 0: there are no more. */
enum { KWI_UPLOAD_PAUSED = -1, KWI_UPLOAD_FAILED = -2, KWI_UPLOAD_FULL = -3 };

struct kwi_upload {
  /* The caller's, as kw_client_request has it. */
  int64_t (*pull) (void *user, void *buf, size_t size);
  void *user;
  int64_t len;                  /* -1: not known                          */
  int64_t limit;                /* so much is kept                        */
  int may_pause;                /* there is somebody who would resume     */

  char *kept;                   /* the first bytes; none once it is spent */
  size_t kept_len, kept_size;
  size_t at;                    /* so many of them were read              */
  int64_t pulled;               /* from the caller                        */
  int ended;                    /* there is no more                       */
  int spent;                    /* it cannot be read again                */
  int paused;                   /* the caller is not to be asked          */
  int stopped;                  /* the caller's wish                      */
  int cut;                      /* it ended before len bytes              */
};

void kwi_upload_clear (struct kwi_upload *);

/* The next bytes into buf: how many, 0, _PAUSED or _FAILED. */
int64_t kwi_upload_read (struct kwi_upload *, void *buf, size_t size);
/* The next read is of its first byte.  0, or -1: it is spent. */
int kwi_upload_rewind (struct kwi_upload *);

/* Before anything is read: more of it into kept.  As kwi_upload_read, or _FULL:
 * there is no room within the limit, or no memory. */
int64_t kwi_upload_gather (struct kwi_upload *);

#endif
