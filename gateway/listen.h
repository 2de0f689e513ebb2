/* listen - where the gateway listens: addresses turned into sockets, a unix
 * socket, or those that systemd passed.  Knows no HTTP. */
#ifndef GW_LISTEN_H
#define GW_LISTEN_H

#include <stddef.h>
#include <sys/types.h>

enum { GW_LISTEN_MAX = 16 };

struct gw_listener {
  int fd;                       /* non-blocking, listening                */
  int local;                    /* nobody from outside can reach it       */
  int is_unix;
  char *path;                   /* of a socket that we made; NULL         */
  dev_t device;                 /* of its file                            */
  ino_t inode;
  char url[160];                /* "http://127.0.0.1:8787"                */
};

struct gw_listeners {
  struct gw_listener of[GW_LISTEN_MAX];
  size_t n;
};

/* addresses: HOST:PORT, [V6]:PORT or unix:PATH, with blanks or commas between.
 * An address that is not local is refused unless others are allowed.  0; -1:
 * why is in text, and nothing is open. */
int gw_listen (const char *addresses, int others_allowed, struct gw_listeners *ret,
               char *text, size_t size);
/* The sockets that systemd passed (LISTEN_FDS); *ret is empty if there are none. */
int gw_listen_passed (int others_allowed, struct gw_listeners *ret, char *text,
                      size_t size);
/* Closes them, and removes the files of unix sockets that are still theirs. */
void gw_listen_close (struct gw_listeners *);

#endif
