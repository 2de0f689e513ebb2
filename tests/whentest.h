/* whentest - what the files of test_when share. */
#ifndef WHENTEST_H
#define WHENTEST_H

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "kwtest.h"

#include "../plugins/kit/when.h"

#define N(array) ((int) (sizeof (array) / sizeof (array)[0]))

/* Unix time in ms, by the C library. */
static inline int64_t
at (int year, int month, int day, int hour, int minute, int second)
{
  struct tm tm = {
    .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
    .tm_hour = hour, .tm_min = minute, .tm_sec = second,
  };
  return (int64_t) timegm (&tm) * 1000;
}

#define AT(w) at ((w)[0], (w)[1], (w)[2], (w)[3], (w)[4], (w)[5])

/* Check writes to a file at each assertion: only one that fails is one. */
#define WANT(f, in, got, want)                                          \
  do {                                                                  \
    int64_t got_ = (got), want_ = (want);                               \
    if (got_ != want_)                                                  \
      ck_abort_msg ("%s (\"%s\") is %" PRId64 ", and should be %" PRId64, f, in, got_, \
                    want_);                                             \
  } while (0)

#define NONE { 0, 0, 0, 0, 0, 0 }

void add_instant_tests (TCase *);

#endif
