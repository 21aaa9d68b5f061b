#!/usr/bin/env bash
# netcluster.sh up|down FOLDER: three machines on one, crt-head, crt-w1 and crt-w2, each a network, process, mount and host-name
# namespace of its own with its own sshd, on the network 10.213.77.0/24. FOLDER gets an SSH key and a log per machine.
#
# Each sees the files of this one through an overlay, so that what it writes is its own and goes with it, with two exceptions:
# SHARED is one folder for all, as NFS would be, and VENV (the Python environment, an overlay too) lies at the same path. PYTHON
# is where that environment's interpreter comes from. Needs root and the Debian packages openssh-server, rsync, iproute2, tini.
set -euo pipefail

BRIDGE=crtbr0
NETWORK=10.213.77
MACHINES="head:10 w1:11 w2:12"
STAGING=/run/crt-netcluster # only an empty folder as the rest of this machine sees it

machine() { # inside the new namespaces
  local name=$1 folder=$2 base=$STAGING/$1 root=$STAGING/$1/root
  mount --make-rprivate /
  mkdir -p "$base"
  mount -t tmpfs -o size=4g tmpfs "$base"
  mkdir "$base"/{upper,work,root,venv-upper,venv-work}
  mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
  mount -t tmpfs -o size=2g,mode=1777 tmpfs "$root/tmp"
  # A home that holds nothing of this machine's user: no token, no cache, no settings of shell, git or pip.
  mount -t tmpfs -o size=1g,mode=700 tmpfs "$root/root"
  mkdir -p "$root$PYTHON" "$root$VENV" "$root$SHARED"
  mount --bind "$PYTHON" "$root$PYTHON"
  mount -o remount,ro,bind "$root$PYTHON"
  mount -t overlay overlay -o "lowerdir=$VENV,upperdir=$base/venv-upper,workdir=$base/venv-work" "$root$VENV"
  mount --bind "$SHARED" "$root$SHARED"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root"/dev/{pts,shm}
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  mount -t tmpfs -o size=2g,mode=1777 tmpfs "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s /proc/self/fd/0 "$root/dev/stdin"
  ln -s /proc/self/fd/1 "$root/dev/stdout"
  ln -s /proc/self/fd/2 "$root/dev/stderr"

  hostname "crt-$name"
  { echo "127.0.0.1 localhost"; for each in $MACHINES; do echo "$NETWORK.${each##*:} crt-${each%%:*}"; done; } >"$root/etc/hosts"
  mkdir -p "$root/root/.ssh" "$root/run/sshd"
  chmod 700 "$root/root/.ssh"
  cp "$folder/key.pub" "$root/root/.ssh/authorized_keys"
  touch "$root/root/.bashrc"
  # There is no network beyond the three, so pip has to do with what the environment holds, its build tools included
  # (`false` is how pip's files spell --no-build-isolation).
  printf '[global]\nno-index = true\nno-build-isolation = false\ndisable-pip-version-check = true\n' >"$root/etc/pip.conf"
  rm -f "$root/etc/ssh/crt_host_key"*
  ssh-keygen -q -t ed25519 -N '' -f "$root/etc/ssh/crt_host_key"
  cat >"$root/etc/ssh/crt_sshd_config" <<CONFIG
HostKey /etc/ssh/crt_host_key
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
MaxSessions 64
MaxStartups 64
CONFIG
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    chroot "$root" "$TINI" -s -- "$SSHD" -D -e -f /etc/ssh/crt_sshd_config
}

up() {
  local folder=$1 name address
  if ip link show "$BRIDGE" >/dev/null 2>&1; then
    echo "$BRIDGE is there already: another test runs on this machine, or '$0 down FOLDER' was never called" >&2
    exit 1
  fi
  mkdir -p "$folder" "$STAGING"
  [ -f "$folder/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
  ip link add "$BRIDGE" type bridge
  ip addr add "$NETWORK.1/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  for each in $MACHINES; do
    name=${each%%:*} address=$NETWORK.${each##*:}
    ip netns add "crt-$name"
    ip link add "crtv-$name" type veth peer name eth0 netns "crt-$name"
    ip link set "crtv-$name" master "$BRIDGE" up
    ip -n "crt-$name" addr add "$address/24" dev eth0
    ip -n "crt-$name" link set eth0 up
    ip -n "crt-$name" link set lo up
    ip -n "crt-$name" route add default via "$NETWORK.1" # Ray finds its own address by it; nothing is forwarded
    setsid ip netns exec "crt-$name" unshare --mount --pid --uts --ipc --fork --kill-child \
      "$0" _machine "$name" "$folder" </dev/null >"$folder/$name.log" 2>&1 &
  done
  for each in $MACHINES; do
    address=$NETWORK.${each##*:}
    for _ in $(seq 100); do
      timeout 2 bash -c "exec 3<>/dev/tcp/$address/22" 2>/dev/null && continue 2
      sleep 0.1
    done
    echo "no sshd answers at $address; $folder/${each%%:*}.log says: $(tail -n 3 "$folder/${each%%:*}.log")" >&2
    exit 1
  done
}

down() {
  local name pids
  for each in $MACHINES; do
    name=crt-${each%%:*}
    pids=$(ip netns pids "$name" 2>/dev/null || true)
    # All that runs in a namespace of ours is ours. The first to go takes its process namespace with it.
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
    for _ in $(seq 100); do
      [ -n "$(ip netns pids "$name" 2>/dev/null || true)" ] || break
      sleep 0.1
    done
    ip netns del "$name" 2>/dev/null || true
    ip link del "crtv-${each%%:*}" 2>/dev/null || true
  done
  ip link del "$BRIDGE" 2>/dev/null || true
  rmdir "$STAGING"/* "$STAGING" 2>/dev/null || true # never recursively: what is mounted there is somebody's
}

case ${1:-} in
  up) up "$2" ;;
  down) down ;;
  _machine) machine "$2" "$3" ;;
  *) echo "usage: $0 up FOLDER | down" >&2; exit 2 ;;
esac
