# Taken up by a task's .command.run, in the wrapper's own shell, before the task: `set -e` is on,
# `set -u` is off, `pid` is the task once it runs. The nvinx_* variables were set before this.

# A trap that fires while nothing runs yet must end the wrapper, or a cancelled task starts later.
nvinx_stopped() {
    if [[ ${pid:-} ]]; then
        on_term
        return
    fi
    [[ ! ${nvinx_waiter:-} ]] || kill "$nvinx_waiter" 2>/dev/null || true
    exit 143
}

# In the background, as a wait in the foreground would defer the trap. Every process of the task
# inherits the descriptor, and with it the lock that nvinx puts on it.
nvinx_acquire() {
    nvinx_rc=0
    exec {nvinx_fd}<>"$nvinx_file"
    nvinx lease acquire --file "$nvinx_file" --fd "$nvinx_fd" --heir "$$" "${nvinx_wish[@]}" &
    nvinx_waiter=$!
    wait "$nvinx_waiter" || nvinx_rc=$?
    nvinx_waiter=''
}

# Called by afterScript, in the same shell.
nvinx_end() {
    [[ ${nxf_main_ret:-0} == 0 ]] || ! nvinx lease is-oom --status "$nxf_main_ret" .command.err || nxf_main_ret=144
}

trap nvinx_stopped TERM INT USR2
nvinx_acquire
while [[ $nvinx_rc == 75 ]]; do # the file was swept away before it was locked
    exec {nvinx_fd}>&-
    nvinx_acquire
done
[[ $nvinx_rc == 0 ]] || exit "$nvinx_rc"
source ./.nvinx.env
