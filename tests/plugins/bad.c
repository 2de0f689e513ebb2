/* bad - a plugin with one thing wrong; the build's -DBAD_... picks which.
 * "bad-other-major.so" is built with -DBAD_other_major.  Without any it is
 * good.so. */
#include "plain.h"

#ifndef BAD_no_entry

#ifdef BAD_undefined_symbol
extern int keywheel_test_nobody_has_this (void);
#endif

static const struct kw_provider provider = {
  ._header = {
#ifdef BAD_magic
    .magic = 0xdeadbeef,
#else
    .magic = KW_PROVIDER_MAGIC,
#endif
#if defined(BAD_other_major)
    .abi_major = 2,
    .abi_minor = 3,
#elif defined(BAD_older_major)
    .abi_major = 0,
    .abi_minor = 9,
#else
    .abi_major = KW_PROVIDER_ABI_MAJOR,
    .abi_minor = KW_PROVIDER_ABI_MINOR,
#endif
#if defined(BAD_truncated)
    .struct_size = 152,
#elif defined(BAD_oversize)
    .struct_size = 65544,
#elif defined(BAD_odd_size)
    .struct_size = 164,
#else
    .struct_size = sizeof (struct kw_provider),
#endif
#ifdef BAD_needs_newer
    .min_host_minor = 7,
#endif
  },
#if defined(BAD_name)
  .name = "Not_A_Name",
#elif defined(BAD_long_name)
  .name = "a-name-of-sixty-four-bytes-0123456789012345678901234567890123456",
#elif !defined(BAD_no_name)
  .name = "good",
#endif
  .version = "0.9",
  .key_env = "GOOD_API_KEY",
#if defined(BAD_no_probe)
  .caps = KW_CAP_PROBE,
#elif defined(BAD_resident)
  .caps = KW_CAP_NO_UNLOAD,
#endif
#ifndef BAD_no_create
  .create = plain_create,
#endif
#ifndef BAD_no_destroy
  .destroy = plain_destroy,
#endif
#ifndef BAD_no_prepare
  .prepare = plain_prepare,
#endif
#ifndef BAD_no_classify
  .classify = plain_classify,
#endif
};

#ifdef BAD_null_answer
KW_EXTERN_C KW_EXPORT const struct kw_provider_header *
KW_PROVIDER_ENTRY (uint32_t host_abi);

const struct kw_provider_header *
KW_PROVIDER_ENTRY (uint32_t host_abi)
{
  /* One for other majors only; it may choose by the host's number. */
  return host_abi >> 16 == 1 ? NULL : &provider._header;
}
#else
KW_REGISTER_PROVIDER (provider);
#endif

#ifdef BAD_undefined_symbol
KW_EXTERN_C KW_EXPORT int another (void);
int
another (void)
{
  return keywheel_test_nobody_has_this ();
}
#endif

#else /* BAD_no_entry: a shared object, and no plugin */

KW_EXTERN_C KW_EXPORT int another (void);
int
another (void)
{
  return plain_create (NULL, NULL, (void *[1]) { NULL });
}

#endif
