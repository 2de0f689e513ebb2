/* fuzz_translate - libFuzzer feeds whole exchanges: requests that plugins prepare,
 * replies and streams that they translate.  make check-fuzz. */
#include <stdint.h>

#include "exchange.h"
#include "watch.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

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
  fuzz_exchange_input ((const char *) data, size);
  return 0;
}
