#!/usr/bin/env bash
# fetch.sh FOLDER [NEXTFLOW[:NF_LANG] ...]: a Nextflow from Maven Central, as FOLDER/nextflow.
# Central lacks parts of some versions, so the first version that is complete is taken; nf-lang may
# be that of an earlier patch release.
set -euo pipefail
folder=$1
shift
(($#)) || set -- 25.04.4 25.04.4:25.04.0 25.04.3 24.10.6 24.10.0
command -v mvn >/dev/null || {
    echo "A real Nextflow needs Maven and Java 17 or later. Fix: apt-get install maven" >&2
    exit 1
}
here=$(dirname "$0")
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
        echo "Nextflow ${wanted%:*} is in $folder"
        exit 0
    fi
    echo "Maven Central has no complete Nextflow $wanted" >&2
done
cat "$folder.log" >&2
exit 1
