# Joins lists of constraints: of a package that several of them name, the first line counts.
#   awk -f .ci/constraints.awk constraints-floors.txt constraints.txt > joined.txt
/^[A-Za-z]/ {
    name = tolower($1)
    sub(/[=;].*/, "", name)
    gsub(/_/, "-", name)
    if (!(name in seen) || seen[name] == FILENAME) print
    seen[name] = seen[name] ? seen[name] : FILENAME
}
