/* chunks - an answer whose length nobody knows, on its way past libmicrohttpd.
 *
 * To libmicrohttpd each piece of it is a connection that is resumed, looked for
 * among all that are suspended, asked for its piece, and suspended again.  So once
 * it has sent all that it had, and sleeps in its reader, the pieces go to the
 * client's socket as they come, as the chunks that libmicrohttpd would make of
 * them.  It is woken for the end. */
#ifndef GW_CHUNKS_H
#define GW_CHUNKS_H

#include <stddef.h>

struct gw_request;

/* Its reader, which may write room bytes to buf, has nothing to give and will
 * sleep: pieces may go past it from now on.  The pages of buf are given back. */
void gw_chunks_begin (struct gw_request *, char *buf, size_t room);
/* A piece.  0, or -1: the client has gone, or there is no memory. */
int gw_chunks_put (struct gw_request *, const void *data, size_t len);
/* The socket takes more. */
void gw_chunks_flush (struct gw_request *);
/* The call is over, or the client has gone: the reader is woken when all has been
 * sent that will be. */
void gw_chunks_end (struct gw_request *);
/* The reader is awake, and says the rest itself. */
void gw_chunks_stop (struct gw_request *);

#endif
