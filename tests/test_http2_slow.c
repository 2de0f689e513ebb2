/* test_http2_slow - consumers that are slower than their streams (KW_PAUSE), over
 * TLS and HTTP/2: what that does to their connection and to memory. */
#include <errno.h>
#include <unistd.h>

#include "hand.h"

/* As many events as are taken at once, this many bytes at most, on from where the
 * last time ended; the bytes. */
static size_t
pour (int fd, size_t most)
{
  static char events[1 << 16];
  static size_t len, at;
  static const char event[] = "data: {\"choices\":[{\"index\":0,\"delta\":"
                              "{\"content\":\"0123456789\"}}]}\n\n";
  size_t n = 0;
  ssize_t sent = 1;

  while (len + sizeof event + 16 < sizeof events)
    len += (size_t) snprintf (events + len, sizeof events - len, "%zx\r\n%s\r\n",
                              sizeof event - 1, event);
  while (n < most && sent > 0) {
    size_t want = len - at < most - n ? len - at : most - n;
    sent = send (fd, events + at, want, MSG_DONTWAIT | MSG_NOSIGNAL);
    n += sent > 0 ? (size_t) sent : 0;
    at = sent > 0 ? (at + (size_t) sent) % len : at;
  }
  ck_assert (sent > 0 || errno == EAGAIN);
  return n;
}

/* Another call, from its beginning to its end, while something is held back. */
static void
call_beside (int stream)
{
  struct call c;
  int fd;

  call_begin (&c, stream);
  fd = hand_take ();
  if (stream) {
    hand_begin_stream (fd);
    hand_word (fd, "b");
    hand_end_stream (fd);
  }
  else
    hand_reply (fd, "b");
  TURN_UNTIL (c.ended);
  ck_assert_msg (c.code == 0, "%s", c.why);
  turn_until_quiet ();
}

static int
begin_paused (struct call *slow)
{
  int fd;

  call_begin (slow, 1);
  slow->pause = 1;
  fd = hand_take ();
  hand_begin_stream (fd);
  return fd;
}

enum { READ_AT_ONCE = 2 * 16384 };

START_TEST (a_stream_that_is_held_back_holds_no_other_of_its_connection_back)
{
  enum { MOST = 256 * 1024 };
  struct front_line line[4];
  struct call slow;
  size_t poured = 0;
  int fd;

  hand_up ((struct front_options) { .cert = NULL });
  open_trusting ("");
  fd = begin_paused (&slow);
  poured += pour (fd, MOST);
  TURN_UNTIL (slow.text[0] != '\0');
  for (int i = 0; i < 3; i++)
    call_beside (0);
  ck_assert_uint_le (slow.taken, READ_AT_ONCE);
  slow.pause = 0;
  kw_handle_resume (slow.handle);
  while (poured < MOST) {
    poured += pour (fd, MOST - poured);
    (void) turn (-1);
  }
  /* Chunks' frames are not among what is taken. */
  TURN_UNTIL (slow.taken > MOST / 8 * 7);
  (void) close (fd);
  TURN_UNTIL (slow.ended);
  for (int i = 0; i < 4; i++) {
    front_log (front, &line[i]);
    ck_assert_str_eq (line[i].protocol, "HTTP/2.0");
    ck_assert_int_eq (line[i].connection, line[0].connection);
  }
}
END_TEST

/* What AddressSanitizer keeps of what was freed is no growth, and there is the more
 * of it the more calls are made, which is the machine's to say. */
const char *__asan_default_options (void);

__attribute__ ((__visibility__ ("default"))) const char *
__asan_default_options (void)
{
  return "quarantine_size_mb=1";
}

/* Of this process. */
static size_t
resident (void)
{
  unsigned long all = 0, pages = 0;
  FILE *f = fopen ("/proc/self/statm", "r");

  ck_assert_ptr_nonnull (f);
  ck_assert_int_eq (fscanf (f, "%lu %lu", &all, &pages), 2);
  (void) fclose (f);
  return pages * (size_t) sysconf (_SC_PAGESIZE);
}

/* What nobody reads waits in the kernel's sockets, which on the way over nginx
 * may be 20 MB. */
START_TEST (a_slow_consumer_stops_the_reading_and_grows_no_memory)
{
  enum { NO_END = 200 << 20, GROWN_MOST = 8 << 20 };
  struct call slow;
  size_t poured, now, before;
  int fd, still = 0;

  hand_up ((struct front_options) { .cert = NULL });
  open_trusting ("deadline = 1h\nattempt_timeout = 1h");
  fd = begin_paused (&slow);    /* the client's first: now it is known to do so */
  hand_word (fd, "a");
  TURN_UNTIL (slow.text[0] != '\0');
  kw_handle_cancel (slow.handle);
  TURN_UNTIL (slow.ended);
  (void) close (fd);
  call_beside (1);
  before = resident ();
  fd = begin_paused (&slow);
  poured = pour (fd, NO_END);
  TURN_UNTIL (slow.text[0] != '\0');
  for (int i = 0; still < 20; i++) {
    ck_assert_msg (poured < NO_END, "%zu bytes, and no end", poured);
    call_beside (i % 2);
    now = pour (fd, NO_END);
    still = now == 0 ? still + 1 : 0;
    poured += now;
  }
  ck_assert_uint_le (slow.taken, READ_AT_ONCE);
  ck_assert_uint_le (resident (), before + GROWN_MOST);
  slow.pause = 0;
  kw_handle_resume (slow.handle);
  TURN_UNTIL (slow.taken > 4 * READ_AT_ONCE);
  kw_handle_cancel (slow.handle);
  TURN_UNTIL (slow.ended);
  (void) close (fd);
}
END_TEST

static Suite *
suite (void)
{
  Suite *s = suite_create ("http2_slow");
  TCase *tc = tcase_create ("http2_slow");

  tcase_add_checked_fixture (tc, hand_setup, front_down);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, a_stream_that_is_held_back_holds_no_other_of_its_connection_back);
  tcase_add_test (tc, a_slow_consumer_stops_the_reading_and_grows_no_memory);
  suite_add_tcase (s, tc);
  return s;
}

int
main (void)
{
  return tlskit_run (suite);
}
