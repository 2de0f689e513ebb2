/* notify - telling systemd how the gateway is, by its own protocol: a datagram of
 * a few words to the socket in NOTIFY_SOCKET.  Where there is none, nothing. */
#ifndef GW_NOTIFY_H
#define GW_NOTIFY_H

#include <stdint.h>

/* Zeroed and then begun: from the environment. */
struct gw_notify {
  int fd;                       /* -1: nobody wants to know               */
  int64_t every_ms;             /* WATCHDOG; 0: not wanted                */
  int64_t next_ms;
};

void gw_notify_begin (struct gw_notify *);
void gw_notify_end (struct gw_notify *);

/* "READY=1": lines with newlines between. */
void gw_notify (struct gw_notify *, const char *text);
/* RELOADING=1 wants to know when. */
void gw_notify_reloading (struct gw_notify *);
/* The loop has turned: tells the watchdog if it is time. */
void gw_notify_alive (struct gw_notify *, int64_t now_ms);

#endif
