#!/bin/dash
# A host in the machine: files of its own where hosts differ, then Docker's engine, until it is killed.
set -eu
name=$1 address=$2
hostname "$name"
mount -t proc proc /proc
for directory in /run /tmp /var/lib /etc/docker /usr/local/sbin; do
	mkdir -p "$directory"
	mount -t tmpfs none "$directory"
done
mount --bind /run /var/run
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /run/netns /run/docker/plugins
ip link set lo up
ip addr add "$address/24" dev eth0
ip link set eth0 up
[ ! -e /suite/userspace-ip.sh ] || cp /suite/userspace-ip.sh /usr/local/sbin/ip
exec dockerd --storage-driver=overlay2 --exec-opt=native.cgroupdriver=cgroupfs --bridge=none \
	--log-level=warn >/run/engine.log 2>&1
