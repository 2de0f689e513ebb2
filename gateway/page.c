/* page - the status page (see page.h; gateway/page/ has its source).  There is
 * nothing in it that needs protection, so it comes without a token: what it shows
 * it asks for itself.
 *
 * Its own script and style are all that a browser may run: their hashes are in the
 * policy, made of what is sent. */
#include "page.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "answer.h"

#ifdef __GNUC__                 /* C99 promises 4095 bytes */
#pragma GCC diagnostic ignored "-Woverlength-strings"
#endif
static const char page[] =
#include "page.html.h"
  ;

#define HASH_SIZE 64            /* of "sha256-" in base64: 52 */

/* Of what stands between the tags, as a source of the policy's. */
static void
hash_between (const char *begin, const char *end, char ret[HASH_SIZE])
{
  const char *from = strstr (page, begin);
  const char *to = from != NULL ? strstr (from, end) : NULL;
  unsigned char hash[crypto_hash_sha256_BYTES];
  char text[HASH_SIZE - 8];

  ret[0] = '\0';
  if (to == NULL)
    return;
  from += strlen (begin);
  (void) crypto_hash_sha256 (hash, (const unsigned char *) from,
                             (unsigned long long) (to - from));
  (void) sodium_bin2base64 (text, sizeof text, hash, sizeof hash,
                            sodium_base64_VARIANT_ORIGINAL);
  (void) snprintf (ret, HASH_SIZE, "sha256-%s", text);
}

static void
put_policy (struct gw_head *head)
{
  char script[HASH_SIZE], style[HASH_SIZE], policy[512];
  int n;

  hash_between ("<script type=\"module\">", "</script>", script);
  hash_between ("<style>", "</style>", style);
  n = snprintf (policy, sizeof policy,
                "default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self'; "
                "img-src data:; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'; require-trusted-types-for 'script'; "
                "trusted-types 'none'", script, style);
  if (n > 0 && (size_t) n < sizeof policy)
    gw_head_put (head, "Content-Security-Policy", policy);
}

enum MHD_Result
gw_page_answer (struct gw_request *r)
{
  r->head.status = MHD_HTTP_OK;
  gw_head_put (&r->head, MHD_HTTP_HEADER_CONTENT_TYPE, "text/html; charset=utf-8");
  /* It has to fit the gateway, which may be another one tomorrow. */
  gw_head_put (&r->head, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
  gw_head_put (&r->head, "X-Content-Type-Options", "nosniff");
  gw_head_put (&r->head, "Referrer-Policy", "no-referrer");
  gw_head_put (&r->head, "Cross-Origin-Opener-Policy", "same-origin");
  gw_head_put (&r->head, "Cross-Origin-Resource-Policy", "same-origin");
  put_policy (&r->head);
  if (gw_buffer_put (&r->out, page, sizeof page - 1) != 0)
    return MHD_NO;
  r->ended = 1;
  return gw_answer (r);
}
