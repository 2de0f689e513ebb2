/* kwtest - what every suite shares: Check, the paths, and main. */
#ifndef KWTEST_H
#define KWTEST_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The top source and build folders; "make check" sets the variables. */
static inline const char *
kwtest_srcdir (void)
{
  const char *s = getenv ("KW_SRCDIR");
  return s != NULL ? s : ".";
}

static inline const char *
kwtest_builddir (void)
{
  const char *s = getenv ("KW_BUILDDIR");
  return s != NULL ? s : ".";
}

/* Runs it, prints Check's closing line; main's exit code. */
static inline int
kwtest_run (Suite *suite)
{
  SRunner *sr = srunner_create (suite);
  int failed;

  srunner_run_all (sr, CK_NORMAL);
  failed = srunner_ntests_failed (sr);
  srunner_free (sr);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* How often a thing is to be repeated that is n times where nothing watches; never
 * 0.  KW_TEST_SCALE is by how much a watched run is shorter. */
static inline int
kwtest_scaled (int n)
{
  const char *s = getenv ("KW_TEST_SCALE");
  long by = s != NULL ? strtol (s, NULL, 10) : 1;

  return by <= 1 ? n : by < n ? (int) (n / by) : 1;
}

/* How much slower a watched run is, for what has to be in time. */
static inline int
kwtest_slower (void)
{
  const char *s = getenv ("KW_TEST_SCALE");
  long by = s != NULL ? strtol (s, NULL, 10) : 1;

  return by <= 1 ? 1 : by < 20 ? (int) by : 20;
}

/* Does each test have a process of its own?  Not with CK_FORK=no in the
 * environment, as under valgrind; what ends its process is left out then. */
static inline int
kwtest_forks (void)
{
  const char *s = getenv ("CK_FORK");
  return s == NULL || strcmp (s, "no") != 0;
}

/* Check ends a test after four seconds if its case does not say otherwise: on a busy
 * machine, or one that stands still, that ends tests that do not hang.  Before a case
 * is made. */
static inline void
kwtest_be_patient (void)
{
  (void) setenv ("CK_DEFAULT_TIMEOUT", "60", 0);
}

/* main for a suite. */
#define KW_MAIN(make_suite)                                             \
  int                                                                   \
  main (void)                                                           \
  {                                                                     \
    kwtest_be_patient ();                                               \
    return kwtest_run (make_suite ());                                  \
  }

#endif
