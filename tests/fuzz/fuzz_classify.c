/* fuzz_classify - libFuzzer feeds every plugin's classify, and the host's
 * services that it reads the answer through.  make check-fuzz. */
#include <stdint.h>

#include "watch.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The plugins are there before the first run, for then libFuzzer looks which
 * code there is. */
int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  size_t n;

  (void) argc;
  (void) argv;
  (void) fuzz_plugins (&n);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_classify_input ((const char *) data, size);
  return 0;
}
