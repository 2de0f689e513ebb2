/* serve - keywheel serve: opens the configuration and hands it to the gateway. */
#include "cli.h"

#include "serve.h"

int
cli_serve (const struct cli_options *options)
{
  kw_client *client;
  int r = cli_open_client (options, &client);

  return r == CLI_OK ? gw_serve (options, client) : r;
}
