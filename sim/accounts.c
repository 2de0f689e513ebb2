/* accounts - one account per organization and model (see accounts.h). */
#include "accounts.h"

#include <stdlib.h>
#include <string.h>

struct sim_account_node {
  struct sim_account_node *next;
  char *org, *model;
  struct sim_account account;
};

static void
node_free (struct sim_account_node *node)
{
  free (node->org);
  free (node->model);
  free (node);
}

struct sim_account *
sim_accounts_get (struct sim_accounts *accounts, const char *org,
                  const char *model, const struct sim_limits *limits,
                  int64_t scale, int64_t now_us)
{
  /* A simulator has a handful of them. */
  struct sim_account_node *node = accounts->first;
  for (; node != NULL; node = node->next)
    if (strcmp (node->org, org) == 0 && strcmp (node->model, model) == 0)
      return &node->account;
  node = calloc (1, sizeof *node);
  if (node == NULL)
    return NULL;
  node->org = strdup (org);
  node->model = strdup (model);
  if (node->org == NULL || node->model == NULL) {
    node_free (node);
    return NULL;
  }
  sim_account_init (&node->account, limits, scale, now_us);
  node->next = accounts->first;
  accounts->first = node;
  return &node->account;
}

void
sim_accounts_clear (struct sim_accounts *accounts)
{
  while (accounts->first != NULL) {
    struct sim_account_node *node = accounts->first;
    accounts->first = node->next;
    node_free (node);
  }
}
