#!/bin/sh
# Fetches the networks in models/lists/*.txt anew from their publishers. Each block of networks stands below a line
# "# from URL" or "# from whois ASNUMBER"; all else in the files stays as it is. A publisher that does not answer keeps
# its old block. Look at the difference and run `make check` before you commit it.
set -eu
cd "$(dirname "$0")/../models/lists"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Every address and network in a text of any form; IPv6 only of the global range 2000::/3, which no clock time looks like.
networks() {
    tr -c '0-9A-Fa-f.:/' '\n' | tr 'A-F' 'a-f' |
        grep -E '^([0-9]{1,3}\.){3}[0-9]{1,3}(/[0-9]{1,2})?$|^[23][0-9a-f]{3}:[0-9a-f:]*:[0-9a-f]*(/[0-9]{1,3})?$' |
        LC_ALL=C sort -u
}

fetch() {
    case $1 in
    'whois '*) whois -h whois.radb.net -- "-i origin ${1#whois }" | sed -n 's/^route6*: *//p' ;;
    *) curl --fail --silent --show-error --location --proto =https --max-time 60 "$1" ;;
    esac
}

for list in bots.txt cdn.txt; do
    fresh=no
    while IFS= read -r line; do
        case $line in
        '# from '*)
            printf '%s\n' "$line"
            if fetch "${line#\# from }" </dev/null >"$work/answer" && networks <"$work/answer" >"$work/networks"; then
                fresh=yes
                cat "$work/networks"
            else
                fresh=no
                echo "$list: kept the old networks of ${line#\# from }" >&2
            fi
            ;;
        [0-9]*) [ "$fresh" = yes ] || printf '%s\n' "$line" ;;
        *)
            fresh=no
            printf '%s\n' "$line"
            ;;
        esac
    done <"$list" >"$work/$list"
    cat "$work/$list" >"$list"
done
