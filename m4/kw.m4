# kw.m4 - what configure.ac needs more than once.

# KW_CFLAG(FLAG): adds FLAG to KW_CFLAGS if the compiler takes it.  -Werror is
# on for the trial, for clang only warns about a flag it does not know.
AC_DEFUN([KW_CFLAG],
[AS_VAR_PUSHDEF([kw_var], [kw_cv_cflag_$1])dnl
AC_CACHE_CHECK([whether $CC takes $1], [kw_var],
 [kw_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $1"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
    [AS_VAR_SET([kw_var], [yes])], [AS_VAR_SET([kw_var], [no])])
  CFLAGS=$kw_save_CFLAGS])
AS_VAR_IF([kw_var], [yes], [KW_CFLAGS="$KW_CFLAGS $1"])
AS_VAR_POPDEF([kw_var])dnl
])

# KW_LIBRARY(PREFIX, MODULE, VERSION, DEBIAN, FEDORA, [IF-MISSING])
# Looks for MODULE >= VERSION by pkg-config and sets PREFIX_CFLAGS and
# PREFIX_LIBS.  Without IF-MISSING one that is not there is noted, and
# KW_LIBRARIES_OK ends configure with all of them at once: whoever lacks three
# packages should learn it in one go.
AC_DEFUN([KW_LIBRARY],
[PKG_CHECK_MODULES([$1], [$2 >= $3], [],
 [kw_found=`$PKG_CONFIG --modversion $2 2>/dev/null || echo none`
  m4_default([$6],
   [kw_missing="$kw_missing
  $2 >= $3 (found: $kw_found): Debian, Ubuntu: $4; Fedora: $5"
    kw_missing_debian="$kw_missing_debian $4"
    kw_missing_fedora="$kw_missing_fedora $5"])])
])

AC_DEFUN([KW_LIBRARIES_OK],
[AS_IF([test -n "$kw_missing"],
 [AC_MSG_ERROR([missing libraries:$kw_missing
Install them with
  apt-get install$kw_missing_debian
or
  dnf install$kw_missing_fedora
or let ./setup.sh deps do it.])])
])
