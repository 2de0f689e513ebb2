/* raw - a server that is told each byte of HTTP/2 that it sends: openssl's, on
 * the port of a front that is killed. */
#ifndef RAW_H
#define RAW_H

#include <stdatomic.h>
#include <sys/ioctl.h>

#include "hand.h"
#include "proc.h"

#define FRAME(len, type, flags, id) "\0" len type flags "\0\0\0" id

/* Of a server that is told each byte: openssl's, on the front's port. */
static inline struct proc *
start_raw (void)
{
  const char *const argv[] = {
    "openssl", "s_server", "-accept", text_of ("127.0.0.1:%d", front_port (front)),
    "-alpn", "h2", "-cert", tlskit_cert ("server.pem"), "-key",
    tlskit_cert ("server.key"), NULL
  };
  struct proc *p = proc_start (argv, NULL);

  ck_assert (proc_expect (p, 1, "ACCEPT", HAND_PATIENCE_MS));
  return p;
}

/* Reads what the server prints, which is what it was sent, until there. */
static inline void
read_until (struct proc *raw, const char *text)
{
  const char *line;

  do
    line = proc_read_line (raw, HAND_PATIENCE_MS);
  while (line != NULL && strstr (line, text) == NULL);
  ck_assert_ptr_nonnull (line);
}

/* The first words on a connection, and the answer to its first request. */
static inline void
serve_raw (struct proc *raw)
{
  static const char bytes[]
    = FRAME ("\0\0", "\4", "\0", "\0") FRAME ("\0\0", "\4", "\1", "\0") /* SETTINGS */
      FRAME ("\0\1", "\1", "\4", "\1") "\x88"                          /* 200 */
      FRAME ("\0\x28", "\0", "\1", "\1")
      "{\"choices\":[{\"message\":{\"content\":\"\"}}]}";

  read_until (raw, "\"messages\"");      /* the body has a line of its own */
  proc_write (raw, bytes, sizeof bytes - 1);
}

/* What is written is fed to it meanwhile. */
static inline void
feed_until_over (struct proc *raw, atomic_int *code)
{
  while (atomic_load (code) == 1)
    ck_assert_int_eq (proc_expect (raw, 2, "never said", 10), 0);
}

static inline void
feed_until_there (struct proc *raw, int bytes)
{
  int fd = idle_connection (), n = 0;

  while (n < bytes) {
    ck_assert_int_eq (proc_expect (raw, 2, "never said", 10), 0);
    ck_assert_int_eq (ioctl (fd, FIONREAD, &n), 0);
  }
}

#endif
