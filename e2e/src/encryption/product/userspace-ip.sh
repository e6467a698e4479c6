#!/bin/dash
# `ip` of hosts whose kernel may have no WireGuard: there wireguard-go makes devices of that kind, which says
# the same on the wire. Everything else is done by the real one.
real=/usr/sbin/ip

make() {
	"$real" link add "$1" type wireguard 2>/dev/null && return
	place=/run/wireguard/$1
	# A namespace may have gone with a device of this name in it, and who made it stays.
	if [ -e "$place.pid" ]; then
		read -r earlier <"$place.pid"
		while kill "$earlier" 2>/dev/null; do sleep 0.02; done
		rm -f "$place.sock"
	fi
	mkdir -p /run/wireguard
	wireguard-go --foreground "$1" </dev/null >/dev/null 2>&1 &
	echo $! >"$place.pid"
	while [ ! -S "$place.sock" ]; do
		kill -0 $! || return 1
		sleep 0.02
	done
}

case "$*" in
'link add '*' type wireguard')
	make "$3"
	;;
-batch*)
	while IFS= read -r line; do
		case $line in
		'link add '*' type wireguard')
			line=${line#link add }
			make "${line%% *}"
			;;
		*) printf '%s\n' "$line" ;;
		esac
	done | "$real" "$@"
	;;
*) exec "$real" "$@" ;;
esac
