"""What CommonMark takes for a tag of HTML, or for an address between angle brackets."""

import regex

TAG = regex.compile(
    r"<(?:[A-Za-z][A-Za-z0-9-]*+(?:\s++[A-Za-z_:][A-Za-z0-9_.:-]*+"
    r"(?:\s*+=\s*+(?:[^\s\"'=<>`]++|'[^']*+'|\"[^\"]*+\"))?+)*+\s*+/?>"
    r"|/[A-Za-z][A-Za-z0-9-]*+\s*+>|!--[\s\S]*?-->|\?[\s\S]*?\?>|![A-Za-z][^>]*+>"
    r"|[A-Za-z][A-Za-z0-9+.-]{1,31}+:[^\s<>]*+>|[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]++@[A-Za-z0-9.-]++>)"
)
