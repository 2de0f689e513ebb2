/* find-model - where a body names its model, for programs that put another name
 * there and leave every other byte as it is.  Says yes only where there is exactly
 * one such place: what another reader of the body takes for its model must be
 * what was replaced. */
#include <string.h>

#include <keywheel/keywheel.h>

#include "form.h"
#include "json-scan.h"
#include "peek.h"

/* Its text into buf; 0: that is empty, or has no room there. */
static int
take (const char *text, size_t len, char *buf, size_t size)
{
  if (len == 0 || len >= size || memchr (text, '\0', len) != NULL)
    return 0;
  memcpy (buf, text, len);
  buf[len] = '\0';
  return 1;
}

/* The only member "model" of the outermost object, or NULL. */
static const struct kwi_json_node *
only_model (const struct kwi_json *json)
{
  const struct kwi_json_node *root = &json->node[0], *n = root + 1, *found = NULL;

  if (root->kind != KWI_JSON_OBJECT || root->len == 2
      || (root->flags & (KWI_JSON_ESCAPED | KWI_JSON_CUT)) != 0
      || (root->names & kwi_json_bit ('m')) == 0)
    return NULL;
  for (;; n = &json->node[n->next]) {
    if (n->key_len == 5 && memcmp (json->text + n->key, "model", 5) == 0) {
      if (found != NULL)
        return NULL;
      found = n;
    }
    if (n->next == 0)
      return found;
  }
}

static int
find_in_json (const char *body, size_t len, char *buf, size_t size, size_t *ret_at,
              size_t *ret_len)
{
  struct kwi_json json;
  const struct kwi_json_node *n;
  int64_t n_text;

  if (!kwi_json_scan (&json, body, len, 1) || (n = only_model (&json)) == NULL
      || n->kind != KWI_JSON_STRING)
    return 0;
  n_text = kwi_json_text (&json, n, buf, size);
  if (n_text <= 0 || (uint64_t) n_text >= size)
    return 0;
  *ret_at = n->at;
  *ret_len = n->len;
  return 1;
}

static int
find_in_form (struct kwi_form *form, const char *body, size_t len, char *buf, size_t size,
              size_t *ret_at, size_t *ret_len)
{
  size_t n = 0, again;
  const char *value = kwi_form_find (form, body, len, "model", &n);

  if (value == NULL || !take (value, n, buf, size))
    return 0;
  form->from = (size_t) (value - body);
  if (kwi_form_find (form, body, len, "model", &again) != NULL)
    return 0;
  *ret_at = (size_t) (value - body);
  *ret_len = n;
  return 1;
}

int
kw_find_model (const void *body, size_t len, const char *content_type, char *buf,
               size_t size, size_t *ret_at, size_t *ret_len)
{
  struct kwi_form form;

  if (body == NULL || len == 0 || size == 0)
    return 0;
  if (content_type == NULL || kwi_is_json_type (content_type))
    return find_in_json (body, len, buf, size, ret_at, ret_len);
  return kwi_form_begin (&form, content_type)
         && find_in_form (&form, body, len, buf, size, ret_at, ret_len);
}
