#!/usr/bin/env bash
# A SLURM of one node on this machine, for the tests of sweeps.
#
#   slurm_node.sh start          install (Debian's packages) and start munge, slurmctld and slurmd; again: nothing happens
#   slurm_node.sh stop           stop what `start` has started, and remove its folder
#   slurm_node.sh run COMMAND..  start, run the command, stop; the exit status is the command's
#
# A SLURM that already answers (`sinfo`) is used as it is and never stopped. Nothing of the system's own SLURM or munge
# is read or changed: configuration, key, socket, ports and state are this script's, all in one folder.
set -euo pipefail

HOME_OF_NODE=/run/keyframe_bench_slurm # below a folder that only root writes: daemons run from it
CONF="$HOME_OF_NODE/slurm.conf"
CTLD_PORT=26817 # not SLURM's own 6817 and 6818
SLURMD_PORT=26818

say() { echo "slurm_node.sh: $*" >&2; }
die() {
    say "$@"
    exit 1
}

answers() { timeout 10 sinfo --noheader >/dev/null 2>&1; }
ours() { [ -f "$CONF" ]; }

runs() { # PID NAME; a dead daemon stays as a zombie where the first process of a container does not collect it
    grep -qx "Name:.$2" "/proc/$1/status" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$1/status"
}

gone() { ! runs "$@"; }

pid_of() { cat "$HOME_OF_NODE/$1.pid" 2>/dev/null || echo none; }

alive() { runs "$(pid_of "$1")" "$1"; }

wait_for() { # SECONDS COMMAND..
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $limit ] || return 1
        sleep 0.2
    done
}

install_packages() {
    local missing=()
    command -v munged >/dev/null || missing+=(munge)
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v sbatch >/dev/null || missing+=(slurm-wlm)
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "${missing[*]} is not installed, and there is no apt-get: this needs Debian or Ubuntu"
    say "installing ${missing[*]}"
    apt-get update -qq || say "apt-get update failed; trying with the lists that are there"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        die "apt-get could not install ${missing[*]} (see above)"
}

write_conf() {
    local name memory
    name="$(hostname -s)"
    memory="$(awk '/^MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)"
    # No cgroups, no accounting: it must start in a container, where nothing of that kind is given.
    cat >"$CONF" <<CONF
ClusterName=keyframe_bench
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=$CTLD_PORT
SlurmdPort=$SLURMD_PORT
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$HOME_OF_NODE/munge.socket
StateSaveLocation=$HOME_OF_NODE/state
SlurmdSpoolDir=$HOME_OF_NODE/spool
SlurmctldPidFile=$HOME_OF_NODE/slurmctld.pid
SlurmdPidFile=$HOME_OF_NODE/slurmd.pid
SlurmctldLogFile=$HOME_OF_NODE/slurmctld.log
SlurmdLogFile=$HOME_OF_NODE/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
PropagateResourceLimits=NONE
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=$name NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=test Nodes=$name Default=YES MaxTime=60 State=UP
CONF
    # slurmd wants a cgroup plugin to load even where nothing uses it; before 23.02 it knows no "disabled"
    local plugin=disabled version
    version="$(slurmctld -V | grep -oE '[0-9]+\.[0-9]+' | head -n 1)"
    [ "$(printf '%s\n' 23.02 "$version" | sort -V | head -n 1)" = 23.02 ] || plugin=cgroup/v1
    echo "CgroupPlugin=$plugin" >"$HOME_OF_NODE/cgroup.conf"
}

start_munge() {
    # munged refuses folders that others may write to, and a key that others may read
    install -d -m 0711 "$HOME_OF_NODE"
    (umask 077 && [ -s "$HOME_OF_NODE/munge.key" ] || head -c 128 /dev/urandom >"$HOME_OF_NODE/munge.key")
    chmod 600 "$HOME_OF_NODE/munge.key"
    munged --force --key-file="$HOME_OF_NODE/munge.key" --socket="$HOME_OF_NODE/munge.socket" \
        --pid-file="$HOME_OF_NODE/munged.pid" --log-file="$HOME_OF_NODE/munged.log" --seed-file="$HOME_OF_NODE/munged.seed"
}

start_daemons() {
    alive munged || start_munge || return
    alive slurmctld || slurmctld -c || return # -c: no jobs of an earlier life
    alive slurmd || slurmd -N "$(hostname -s)"
}

tail_logs() {
    local log
    for log in "$HOME_OF_NODE"/*.log; do
        tail -n 5 "$log" >&2
    done
}

start() {
    if ! ours && answers; then
        say "a SLURM answers on this machine: it is used as it is"
        return
    fi
    [ "$(id -u)" = 0 ] || die "starting a SLURM needs root; or point to one that runs (sinfo must answer)"
    local theirs
    for theirs in /etc/slurm/slurm.conf /etc/slurm-llnl/slurm.conf; do
        [ ! -e "$theirs" ] || die "$theirs is there, but its SLURM does not answer (sinfo): start that one"
    done
    install_packages
    install -d -m 0711 "$HOME_OF_NODE"
    install -d -m 0755 "$HOME_OF_NODE/state" "$HOME_OF_NODE/spool"
    write_conf
    export SLURM_CONF="$CONF"
    if ! start_daemons || ! wait_for 30 idle; then
        tail_logs
        stop
        die "SLURM did not start; the ends of its logs are above"
    fi
    say "SLURM is ready; for your own commands: export SLURM_CONF=$CONF"
}

idle() { timeout 10 sinfo --noheader --format=%T 2>/dev/null | grep -qE '^(idle|mixed|allocated)$'; }

stop() {
    ours || {
        say "nothing to stop: no SLURM was started here"
        return
    }
    [ "$(id -u)" = 0 ] || die "stopping needs root, as starting did"
    SLURM_CONF="$CONF" timeout 10 scancel --full --partition=test >/dev/null 2>&1 || true
    local name pid
    for name in slurmd slurmctld munged; do
        pid="$(pid_of "$name")"
        runs "$pid" "$name" || continue
        kill "$pid"
        wait_for 20 gone "$pid" "$name" || kill -KILL "$pid" # by its number: it removes its file before it ends
    done
    rm -rf "$HOME_OF_NODE"
    say "SLURM is stopped"
}

run() {
    [ $# -gt 0 ] || die "run needs a command"
    local before=no status=0
    ours && before=yes
    start
    if ours; then
        export SLURM_CONF="$CONF"
        [ $before = yes ] || trap stop EXIT # one that was started by hand stays
    fi
    "$@" || status=$?
    return $status
}

case "${1:-}" in
start | stop) "$1" ;;
run)
    shift
    run "$@"
    ;;
*) die "usage: slurm_node.sh start | stop | run COMMAND..." ;;
esac
