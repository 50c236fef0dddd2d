#!/usr/bin/env bash
# Nextflow from the jars beside it, without what its own launcher would download. Opened are the
# packages that that one opens, too.
set -eu
opened=()
for package in java.lang java.io java.nio java.net java.util java.util.concurrent.locks java.util.regex \
    java.util.concurrent.atomic java.nio.file.spi sun.nio.ch sun.nio.fs jdk.internal.misc jdk.internal.vm \
    sun.net.www.protocol.{http,https,ftp,file}; do
    opened+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
export NXF_OFFLINE=true NXF_PLUGINS_DEFAULT=false NXF_ANSI_LOG=false NXF_DISABLE_CHECK_LATEST=true
here=$(dirname "$0")
# Classes as `fetch.sh` keeps them, checked and laid out: a start takes a quarter less.
archive=()
[ ! -e "$here/classes.jsa" ] || archive=(-XX:SharedArchiveFile="$here/classes.jsa" -Xlog:disable)
exec java "${archive[@]}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx512m "${opened[@]}" \
    -cp "$here/lib/*" nextflow.cli.Launcher "$@"
