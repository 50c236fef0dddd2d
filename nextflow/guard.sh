# For a task's .command.run, in the wrapper's own shell, before the task: `set -e` is on, `set -u` is
# off, `pid` is the task once it runs. nvinx_file is the lease's file, nvinx_wish what the task asks,
# nvinx_containers the folder of programs that stand before those of the containers.

# In the background, as a wait in the foreground would defer the trap. Every process of the task
# inherits the descriptor, and with it the lock that nvinx puts on it.
nvinx_ask() {
    nvinx_rc=0
    (set -C && : >"$nvinx_file") 2>/dev/null || true # makes it, but never through a link
    exec {nvinx_fd}<"$nvinx_file"
    nvinx lease acquire --fd "$nvinx_fd" --waiting-pid "$$" "${nvinx_wish[@]}" &
    wait "$!" || nvinx_rc=$?
}

nvinx_acquire() {
    nvinx_ask
    while [[ $nvinx_rc == 75 ]]; do # the file was swept away before it was locked
        exec {nvinx_fd}>&-
        nvinx_ask
    done
    [[ $nvinx_rc == 0 ]] || exit "$nvinx_rc"
    nvinx_enter
}

# What the task sees: its placement, and containers that get the card of the lease. This is its work
# folder; with `scratch` the wrapper goes to another one from here, and stays there to its end.
nvinx_enter() {
    nvinx_folder=$PWD
    source ./.nvinx.env
    export PATH="$nvinx_containers:$PATH"
}

# Take over a lease that is held for this task. If its holder lives once the file is locked, no
# moment was without a lock. The holder goes when .nvinx.held has gone; then it is ours, or refused.
nvinx_adopt() {
    exec {nvinx_fd}<"$nvinx_file"
    if flock -s "$nvinx_fd" && kill -0 "$nvinx_holder" && [[ /proc/$$/fd/$nvinx_fd -ef $nvinx_file ]]; then
        rm .nvinx.held
        nvinx_enter
    else
        mv .nvinx.held .nvinx.refused
        exec {nvinx_fd}>&-
        return 1
    fi
}

# Called by afterScript, in the same shell. Which words mean out of memory may stand in the bench
# file, so the task's name goes along, and where that file lies.
nvinx_end() {
    local i who=()
    for ((i = 0; i < ${#nvinx_wish[@]}; i += 2)); do
        case ${nvinx_wish[i]} in
            --name | --bench | --launch-dir) who+=("${nvinx_wish[@]:i:2}") ;;
        esac
    done
    [[ ${nxf_main_ret:-0} == 0 ]] ||
        ! nvinx lease is-oom --status "$nxf_main_ret" "${who[@]}" .command.out .command.err ||
        nxf_main_ret=144
    nvinx_let_go "${nxf_main_ret:-0}"
}

# Tells how the task ended to whoever keeps its books, and gives them a moment to be written.
nvinx_let_go() {
    local i
    printf '%s' "$1" >"$nvinx_folder/.nvinx.end"
    [[ ! ${nvinx_fd:-} ]] || exec {nvinx_fd}>&-
    for ((i = 0; i < 20; i++)); do
        [[ ! -e $nvinx_folder/.nvinx.trace ]] || return 0
        sleep 0.05
    done
}

