/* view - what the page is shown, as JSON: the providers and their keys, what
 * happened, the figures of the last seconds.  The page's own format, and no
 * contract: /status is one.  Knows no HTTP. */
#ifndef GW_VIEW_H
#define GW_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include <keywheel/keywheel.h>

#include "notes.h"
#include "pulse.h"

struct json_object;
struct gw_config;
struct gw_gateway;

/* What was shown of a client last.  Zeroed: nothing. */
struct gw_view {
  struct gw_seen *of;           /* a provider's                           */
  size_t n;
};

/* Every provider with every key. */
struct json_object *gw_view_all (struct gw_gateway *, const struct gw_config *);
/* Of each provider what is another than the last time; NULL: nothing is. */
struct json_object *gw_view_changes (struct gw_view *, struct gw_gateway *,
                                     const struct gw_config *);
/* Forgets. */
void gw_view_clear (struct gw_view *);

struct json_object *gw_view_note (const struct gw_note *);
/* Those of the seconds from .. to - 1 that are kept. */
struct json_object *gw_view_seconds (const struct gw_pulse *, uint64_t from, uint64_t to);

#endif
