/* kwtest - what every suite shares: Check, the paths, and main. */
#ifndef KWTEST_H
#define KWTEST_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

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

/* main for a suite: runs it, prints Check's closing line, fails if one failed. */
#define KW_MAIN(make_suite)                                             \
  int                                                                   \
  main (void)                                                           \
  {                                                                     \
    SRunner *sr = srunner_create (make_suite ());                       \
    srunner_run_all (sr, CK_NORMAL);                                    \
    int failed = srunner_ntests_failed (sr);                            \
    srunner_free (sr);                                                  \
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                   \
  }

#endif
