# objects.awk - two listings of callgrind_annotate: the difference by library, a
# request (-v n=N requests lie between them), and the functions that cost most.
/^ *[0-9,]+ *\(/ && match ($0, /\[[^]]*\]$/) {
  object = substr ($0, RSTART + 1, RLENGTH - 2)
  sub (/.*\//, "", object)
  sub (/\.so.*/, "", object)
  count = $1
  gsub (/,/, "", count)
  fn = $0
  sub (/^ *[0-9,]+ *\([^)]*\) */, "", fn)
  sub (/ *\[[^]]*\]$/, "", fn)
  sub (/^[^ ]*:/, "", fn)
  sign = FILENAME == ARGV[ARGC - 1] ? 1 : -1
  by_object[object] += sign * count
  by_function[fn " [" object "]"] += sign * count
}
END {
  for (o in by_object)
    if (by_object[o] / n >= 1)
      printf "%9.0f  %s\n", by_object[o] / n, o | "sort -rn"
  close ("sort -rn")
  print "   --"
  for (f in by_function)
    if (by_function[f] / n >= 1)
      printf "%9.0f  %s\n", by_function[f] / n, f | "sort -rn | head -n 60"
}
