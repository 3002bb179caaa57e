#!/usr/bin/env bash
# Rehearses the SLURM recipe of docs/launching.md: two nodes of one machine, gloo, requeue after the signal.
#
#     apt-get install -y --no-install-recommends slurmd slurmctld slurm-client munge
#     bash tests/bench/slurm_rehearsal.sh COMMAND ROOT RECIPE     COMMAND: path of walrus-pretrain
#
# The job has two minutes and is signalled 70 seconds before they are up (SLURM may do so a minute earlier). When a
# checkpoint was written after a signal, the job gets more time, so that it reaches its end on a slow machine too.
# RECIPE must take longer than one minute of training. Prints the output of the job; exits with 0 if it was stopped,
# went on and reached its end. Needs root, leaves nothing running.
set -euo pipefail
command=$(realpath "$1") root=$(realpath "$2") recipe=$(realpath "$3")
folder=$(mktemp -d)
host=$(hostname -s)
mkdir -p "$folder"/{state,spool-n1,spool-n2,munge}
chmod 700 "$folder/munge"
head -c 1024 /dev/urandom > "$folder/munge/key"
chmod 600 "$folder/munge/key"

export SLURM_CONF=$folder/slurm.conf
cat > "$SLURM_CONF" <<END
ClusterName=rehearsal
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
KillWait=5
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=2
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=2
PartitionName=all Nodes=n1,n2 Default=YES State=UP
END

ended() {
    # A job that is not done would go on without the daemons.
    [ -z "${job:-}" ] || { scancel "$job" 2>/dev/null && sleep 10; } || true
    for name in slurmd-n1 slurmd-n2 slurmctld munge/pid; do
        file=$folder/$name.pid
        [ "$name" = munge/pid ] && file=$folder/munge/pid
        [ -f "$file" ] && kill "$(cat "$file")" || true
    done
}
trap ended EXIT
munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
slurmctld
slurmd -N n1
slurmd -N n2
sleep 3

cat > "$folder/job.sh" <<END
#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=1 --cpus-per-task=1 --time=2
#SBATCH --requeue --open-mode=append --signal=USR1@70 --output=$folder/job.log
export OMP_NUM_THREADS=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=\$((20000 + SLURM_JOB_ID % 20000))
echo "started, restarts: \${SLURM_RESTART_COUNT:-0}"
srun --kill-on-bad-exit=0 bash -c '
    export RANK=\$SLURM_PROCID LOCAL_RANK=\$SLURM_LOCALID WORLD_SIZE=\$SLURM_NTASKS
    exec $command $recipe --root $root --out $folder/run'
code=\$?
echo "exit code: \$code"
[ \$code -eq 75 ] && scontrol requeue "\$SLURM_JOB_ID"
exit \$code
END
job=$(sbatch --parsable "$folder/job.sh")
said() {
    grep -q "$1" "$folder/job.log" 2>/dev/null
}
longer=
for _ in $(seq 300); do
    sleep 2
    state=$(squeue --noheader --format=%T --jobs "$job" 2>/dev/null || true)
    # SLURM holds a requeued job back for two minutes.
    [ "$state" = PENDING ] && scontrol update "JobId=$job" StartTime=now || true
    if [ -z "$longer" ] && said "stopped by a signal after step" && [ "$state" = PENDING ]; then
        scontrol update "JobId=$job" TimeLimit=30 && longer=yes
    fi
    said "exit code: 0" && break
done
cat "$folder/job.log"
if ! said "stopped by a signal after step"; then
    echo "it was not stopped while it trained; give it a longer RECIPE" >&2
    exit 1
fi
if ! said "exit code: 0"; then
    echo "it did not reach its end within ten minutes; give it a shorter RECIPE" >&2
    exit 1
fi
