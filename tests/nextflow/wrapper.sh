# As Nextflow's .command.run, but for what it stages. $1 is the text of beforeScript, $2 the task, $3 a
# folder of its own that it has with `scratch`.
set -e
set -u

nxf_kill() {
    declare -a children
    while read P PP; do children[$PP]+=" $P"; done < <(ps -e -o pid= -o ppid=)
    kill_all() {
        [[ $1 != $$ ]] && kill $1 2>/dev/null || true
        for i in ${children[$1]:=}; do kill_all $i; done
    }
    kill_all $1
}

on_exit() {
    exit_status=${nxf_main_ret:=$?}
    printf -- $exit_status > "$folder/.exitcode"
    set +u
    [[ ! $scratch ]] || rm -rf "$folder/$scratch"
    exit $exit_status
}

on_term() {
    set +e
    [[ "$pid" ]] && nxf_kill $pid
}

nxf_main() {
    trap on_exit EXIT
    trap on_term TERM INT USR2
    trap '' USR1
    set +u
    source "$1"
    set -u
    [[ ! $scratch ]] || { mkdir "$scratch" && cd "$scratch"; }
    set +e
    (set -o pipefail; (/bin/bash -ue "$folder/$2" | tee .command.out) 3>&1 1>&2 2>&3 | tee .command.err) &
    pid=$!
    wait $pid || nxf_main_ret=$?
    if declare -F nvinx_end > /dev/null; then nvinx_end; fi
}
folder=$PWD scratch=${3:-}
nxf_main "$@"
