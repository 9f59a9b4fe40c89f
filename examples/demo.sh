#!/bin/sh
# Three questions about one text; the last has no answer in it.
#   sh examples/demo.sh pullquote examples/lighthouse.txt
set -eu
for question in \
    "Who built the first lighthouse?" \
    "When was the first lighthouse lit?" \
    "What was the name of the queen?"
do
    printf '\n> %s\n' "$question"
    "$1" ask "$question" "$2"
done
