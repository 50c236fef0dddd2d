#!/usr/bin/env bash
# fetch.sh FOLDER [NEXTFLOW[:NF_LANG] ...]: a Nextflow from Maven Central, as FOLDER/nextflow.
# Central lacks parts of some versions, so the first version that is complete is taken; nf-lang may
# be that of an earlier patch release.
set -euo pipefail
folder=$(realpath -m "$1")
shift
(($#)) || set -- 25.04.4 25.04.4:25.04.0 25.04.3 24.10.6 24.10.0
command -v mvn >/dev/null || {
    echo "A real Nextflow needs Maven and Java 17 or later. Fix: apt-get install maven" >&2
    exit 1
}
here=$(dirname "$0")

# keep_classes: what Java loads for a small run, in a form that it loads faster.
keep_classes() (
    small=$(mktemp -d)
    trap 'rm -rf "$small"' EXIT
    cd "$small"
    echo 'process small { script: "true" }; workflow { small() }' >main.nf
    rm -f "$folder/classes.jsa"
    JDK_JAVA_OPTIONS=-XX:ArchiveClassesAtExit="$folder/classes.jsa" "$folder/nextflow" -q run main.nf
) >"$folder.log" 2>&1

plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
for wanted in "$@"; do
    rm -rf "$folder/new"
    if mvn -B -q -f "$here/pom.xml" -Dnextflow.version="${wanted%:*}" -Dnf-lang.version="${wanted#*:}" \
        $plugin:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$folder/new" \
        >"$folder.log" 2>&1; then
        rm -rf "$folder/lib"
        mv "$folder/new" "$folder/lib"
        install -m 755 "$here/launcher.sh" "$folder/nextflow"
        echo "${wanted%:*}" >"$folder/version"
        keep_classes || echo "its classes could not be kept; it only starts slower" >&2
        echo "Nextflow ${wanted%:*} is in $folder"
        exit 0
    fi
    echo "Maven Central has no complete Nextflow $wanted" >&2
done
cat "$folder.log" >&2
exit 1
