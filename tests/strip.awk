# strip.awk - C source without comments, line by line; with -v strings=0 without
# the contents of strings and character constants, too.
{
  out = ""
  n = length ($0)
  for (i = 1; i <= n; i++) {
    c = substr ($0, i, 1)
    two = substr ($0, i, 2)
    if (comment) {
      if (two == "*/") {
        comment = 0
        i++
      }
    }
    else if (quote != "") {
      if (c == "\\") {
        if (strings)
          out = out two
        i++
      }
      else {
        if (c == quote)
          quote = ""
        if (strings || quote == "")
          out = out c
      }
    }
    else if (two == "/*") {
      comment = 1
      out = out " "
      i++
    }
    else if (two == "//")
      break
    else {
      if (c == "\"" || c == "'")
        quote = c
      out = out c
    }
  }
  quote = ""
  print out
}
