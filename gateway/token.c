/* token - tokens and their hashes (see token.h). */
#include "token.h"

#include <string.h>

#include <sodium.h>

#define PREFIX "kwt_"
#define KIND "blake2b:"

int
gw_token_new (char ret[GW_TOKEN_SIZE])
{
  unsigned char bytes[32];

  _Static_assert (sizeof PREFIX - 1
                  + sodium_base64_ENCODED_LEN (32, sodium_base64_VARIANT_URLSAFE_NO_PADDING)
                  <= GW_TOKEN_SIZE, "a token fits");
  if (sodium_init () < 0)
    return -1;
  randombytes_buf (bytes, sizeof bytes);
  memcpy (ret, PREFIX, sizeof PREFIX - 1);
  (void) sodium_bin2base64 (ret + sizeof PREFIX - 1, GW_TOKEN_SIZE - (sizeof PREFIX - 1),
                            bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  sodium_memzero (bytes, sizeof bytes);
  return 0;
}

void
gw_token_hash (const char *token, size_t len, unsigned char ret[GW_HASH_BYTES])
{
  (void) crypto_generichash (ret, GW_HASH_BYTES, (const unsigned char *) token, len, NULL, 0);
}

void
gw_token_hash_text (const unsigned char hash[GW_HASH_BYTES], char ret[GW_HASH_SIZE])
{
  memcpy (ret, KIND, sizeof KIND - 1);
  (void) sodium_bin2hex (ret + sizeof KIND - 1, GW_HASH_SIZE - (sizeof KIND - 1), hash,
                         GW_HASH_BYTES);
}

int
gw_token_hash_parse (const char *text, size_t len, unsigned char ret[GW_HASH_BYTES])
{
  size_t n = 0;

  if (len != GW_HASH_SIZE - 1 || memcmp (text, KIND, sizeof KIND - 1) != 0)
    return -1;
  return sodium_hex2bin (ret, GW_HASH_BYTES, text + sizeof KIND - 1, 2 * GW_HASH_BYTES,
                         NULL, &n, NULL) == 0 && n == GW_HASH_BYTES ? 0 : -1;
}
