#!/bin/sh
# Makes the images of tests and demos on a Docker Engine, with no registry:
#   busybox:latest  Debian's static busybox with all its applets
#   whoami:latest   answers HTTP on port 80 with its hostname, its addresses and the client's address
# Usage: images/build.sh [docker host, such as unix:///var/run/docker.sock]
# Says nothing when the images are there already.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=$here/out
[ -z "${1-}" ] || DOCKER_HOST=$1
case ${DOCKER_HOST-} in
/*) DOCKER_HOST=unix://$DOCKER_HOST ;;
esac
[ -z "${DOCKER_HOST-}" ] || export DOCKER_HOST

die() {
	printf 'images/build.sh: %s\n' "$*" >&2
	exit 1
}

is_static() {
	[ -x "$1" ] && "$1" true 2>/dev/null && ! ldd "$1" >/dev/null 2>&1
}

# The path of a static busybox: the host's, or one taken out of Debian's package without installing it.
find_busybox() {
	for path in /bin/busybox /usr/bin/busybox "$out/package/bin/busybox" "$out/package/usr/bin/busybox"; do
		if is_static "$path"; then
			echo "$path"
			return
		fi
	done
	command -v apt-get >/dev/null 2>&1 || die 'a static busybox is missing: install busybox-static, or what your system calls it'
	mkdir -p "$out/package"
	(
		cd "$out/package"
		apt-get download busybox-static >/dev/null 2>&1 ||
			{ apt-get update && apt-get download busybox-static; } >&2
		dpkg-deb --extract busybox-static_*.deb .
	) || die 'busybox-static could not be fetched with apt-get'
	for path in "$out/package/bin/busybox" "$out/package/usr/bin/busybox"; do
		if is_static "$path"; then
			echo "$path"
			return
		fi
	done
	die "no static busybox in Debian's package"
}

# A root file system with busybox alone.
make_root() {
	root=$1
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/dev" "$root/etc" "$root/home" "$root/proc" "$root/root" "$root/sys" \
		"$root/tmp" "$root/usr" "$root/var/log" "$root/var/tmp"
	ln -s ../bin "$root/usr/bin"
	chmod 1777 "$root/tmp" "$root/var/tmp"
	chmod 700 "$root/root"
	cp "$busybox" "$root/bin/busybox"
	chmod 755 "$root/bin/busybox"
	for applet in $("$busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
}

# Same content, same bytes. The image carries their checksum, by which we know it again.
import() {
	name=$1
	root=$2
	shift 2
	tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --file="$root.tar" --directory="$root" .
	sum=$(cat "$root.tar" "$here/build.sh" | sha256sum | cut -d ' ' -f 1)
	have=$(docker image inspect --format '{{index .Config.Labels "shoal.content"}}' "$name" 2>/dev/null || true)
	if [ "$have" != "$sum" ]; then
		docker import --change "LABEL shoal.content=$sum" "$@" "$root.tar" "$name" >/dev/null ||
			die "$name could not be imported"
	fi
	rm -rf "$root" "$root.tar"
}

command -v docker >/dev/null 2>&1 || die 'the docker command is missing: install docker.io, or what your system calls it'
docker version >/dev/null 2>&1 || die "no Docker Engine answers at ${DOCKER_HOST:-the default address}"
busybox=$(find_busybox)
mkdir -p "$out"
work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

make_root "$work/busybox"
import busybox:latest "$work/busybox" --change 'CMD ["sh"]'

make_root "$work/whoami"
mkdir -p "$work/whoami/www/cgi-bin"
cp "$here/whoami.sh" "$work/whoami/www/cgi-bin/index.cgi"
chmod 755 "$work/whoami/www/cgi-bin/index.cgi"
import whoami:latest "$work/whoami" --change 'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]' --change 'EXPOSE 8000'
