# Sourced by scripts that start processes of their own and set `patience`, in tenths of a second.

stop() { # PID SIGNAL: asks a process of ours to go, and waits until it has
    [ -n "$1" ] || return 0
    kill -s "$2" "$1" 2>/dev/null || true
    for ((wait = 0; wait < patience; wait++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -s KILL "$1" 2>/dev/null || true
}
