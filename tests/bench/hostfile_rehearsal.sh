#!/usr/bin/env bash
# Rehearses the deepspeed hostfile of docs/launching.md: two machines that are one, by ssh to two addresses, gloo.
#
#     apt-get install -y --no-install-recommends openssh-server pdsh
#     bash tests/bench/hostfile_rehearsal.sh BIN ROOT RECIPE      BIN: folder of deepspeed and walrus-pretrain
#
# Prints the output of both ranks. Needs root, uses keys and a server of its own, leaves nothing running.
set -euo pipefail
bin=$(realpath -s "$1") root=$(realpath "$2") recipe=$(realpath "$3")
folder=$(mktemp -d)
ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
mkdir -p /run/sshd
cat > "$folder/sshd_config" <<END
Port 17022
ListenAddress 127.0.0.1
ListenAddress 127.0.0.2
HostKey $folder/host
AuthorizedKeysFile $folder/key.pub
PidFile $folder/sshd.pid
PasswordAuthentication no
StrictModes no
END
/usr/sbin/sshd -f "$folder/sshd_config"
trap 'kill "$(cat "$folder/sshd.pid")"' EXIT

printf '127.0.0.1 slots=1\n127.0.0.2 slots=1\n' > "$folder/hosts"
# What deepspeed is to set on the other machines.
printf 'OMP_NUM_THREADS=1\nGLOO_SOCKET_IFNAME=lo\n' > "$folder/environment"
export DS_ENV_FILE=$folder/environment PATH=$bin:$PATH
export PDSH_SSH_ARGS_APPEND="-q -i $folder/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
code=0
deepspeed --hostfile "$folder/hosts" --ssh_port 17022 --no_ssh_check --master_addr 127.0.0.1 --master_port 17023 \
    --no_local_rank --no_python "$bin/walrus-pretrain" "$recipe" --root "$root" --out "$folder/run" || code=$?
echo "exit code: $code"
ls "$folder/run"
