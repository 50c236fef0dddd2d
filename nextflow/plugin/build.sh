#!/usr/bin/env bash
# build.sh VERSION FOLDER [RELEASE]: the plugin, as the folder FOLDER/nf-nvinx-VERSION that Nextflow
# loads; and in the folder RELEASE what the registry of plugins asks for.
set -euo pipefail
version=$1
folder=$2
release=${3:-}
name=nf-nvinx-$version
here=$(dirname "$0")
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
mvn -B -q -f "$here/pom.xml" -Drevision="$version" -Dtarget="$target" compile
rm -rf "$folder"/nf-nvinx-*
mkdir -p "$folder/$name"
cp -r "$target/classes" "$folder/$name/"
[[ $release ]] || exit 0

# The archive, the specification of what it adds to the language, and the entry of an index.
mkdir -p "$release"
schema=https://raw.githubusercontent.com/nextflow-io/schemas/main/plugin/v1/schema.json
printf '{"$schema": "%s", "definitions": []}\n' "$schema" >"$release/$name-spec.json"
archive=$release/$name.zip
jar --create --no-manifest --file "$archive" -C "$folder/$name" .
sum=$(sha512sum "$archive")
requires=$(sed -n 's/^Plugin-Requires: //p' "$target/classes/META-INF/MANIFEST.MF" | tr -d '\r')
printf '{"version": "%s", "date": "%s", "url": "%s", "requires": "%s", "sha512sum": "%s"}\n' \
    "$version" "$(date --utc +%Y-%m-%dT%H:%M:%SZ)" "${NVINX_PLUGIN_URL:-file://$(realpath "$archive")}" \
    "$requires" "${sum%% *}" >"$release/$name-meta.json"
