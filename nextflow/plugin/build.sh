#!/usr/bin/env bash
# build.sh VERSION FOLDER: the plugin, as the folder FOLDER/nf-nvinx-VERSION that Nextflow loads.
set -euo pipefail
version=$1
folder=$2
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
mvn -B -q -f "$(dirname "$0")/pom.xml" -Drevision="$version" -Dtarget="$target" compile
rm -rf "$folder"/nf-nvinx-*
mkdir -p "$folder/nf-nvinx-$version"
cp -r "$target/classes" "$folder/nf-nvinx-$version/"
