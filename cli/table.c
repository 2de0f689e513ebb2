/* table - rows of cells in columns that are as wide as they have to be. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

void
cli_fill (struct cli_row *row, int column, const char *fmt, ...)
{
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (row->cell[column], CLI_CELL, fmt, ap);
  va_end (ap);
  if (n < 0)
    row->cell[column][0] = '\0';        /* a longer one is cut, no harm   */
}

void
cli_print_rows (FILE *f, const struct cli_row *rows, size_t n)
{
  int width[CLI_COLUMNS] = { 0 };

  for (size_t i = 0; i < n; i++)
    for (int c = 0; c < CLI_COLUMNS; c++) {
      int len = (int) strlen (rows[i].cell[c]);
      if (len > width[c])
        width[c] = len;
    }
  for (size_t i = 0; i < n; i++) {
    int last = CLI_COLUMNS - 1;
    while (last > 0 && rows[i].cell[last][0] == '\0')
      last--;
    fputs ("  ", f);
    for (int c = 0; c < last; c++)
      fprintf (f, "%-*s  ", width[c], rows[i].cell[c]);
    fprintf (f, "%s\n", rows[i].cell[last]);
  }
}
