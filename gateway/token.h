/* token - what a client shows to be let in.  A token is "kwt_" and 256 random
 * bits; what is kept of it is its BLAKE2b hash.  Nobody can guess a token or try
 * all, so the hash needs neither salt nor slowness, which are for passwords, and
 * a request costs no more for it. */
#ifndef GW_TOKEN_H
#define GW_TOKEN_H

#include <stddef.h>

enum { GW_TOKEN_SIZE = 48,      /* with its NUL                           */
       GW_HASH_BYTES = 32,
       GW_HASH_SIZE = 8 + 64 + 1 }; /* "blake2b:" and hexadecimal digits  */

/* A new one.  0, or -1: there is no randomness. */
int gw_token_new (char ret[GW_TOKEN_SIZE]);
/* Of any text; takes the same time for all texts of a length. */
void gw_token_hash (const char *token, size_t len, unsigned char ret[GW_HASH_BYTES]);
void gw_token_hash_text (const unsigned char hash[GW_HASH_BYTES], char ret[GW_HASH_SIZE]);
/* 0, or -1: it is none. */
int gw_token_hash_parse (const char *text, size_t len, unsigned char ret[GW_HASH_BYTES]);

#endif
