#!/bin/bash
# The manual page of `sekisho`: what --help says of it and of each of its commands.
#   contrib/deb/manual.sh PROGRAM >sekisho.1
set -euo pipefail
program=$1

# A dot or an apostrophe at the start of a line would be an instruction, a backslash and a hyphen mean others.
escaped() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"; }
help_of() { NO_COLOR=1 COLUMNS=78 "$program" "$@" --help; }
verbatim() { printf '.nf\n'; escaped; printf '.fi\n'; }

version=$("$program" --version | cut -d ' ' -f 2)
day=$(LC_ALL=C date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%d)
cat <<END
.TH SEKISHO 1 "$day" "sekisho $version" "User Commands"
.SH NAME
sekisho \\- tells from access logs which clients are automated
.SH SYNOPSIS
.B sekisho
.I COMMAND
[\\fIOPTIONS\\fR]
.SH DESCRIPTION
END
help_of | verbatim
help_of | sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p' | grep -vx help | while read -r command; do
    printf '.SH %s\n' "${command^^}"
    help_of "$command" | verbatim
done
