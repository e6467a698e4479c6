#!/bin/sh
# Who answers, and who asked. busybox httpd runs this for each request.
printf 'Content-Type: text/plain\r\nCache-Control: no-store\r\n\r\n'
printf 'Hostname: %s\n' "$(hostname)"
ip -o addr show | while read -r _ device family address _; do
	case $family in
	inet | inet6) printf 'IP: %s %s\n' "${address%/*}" "$device" ;;
	esac
done
# IPv4 clients of a dual-stack socket look like [::ffff:10.0.0.1].
client=${REMOTE_ADDR#\[}
client=${client%\]}
printf 'RemoteAddr: %s\n' "${client#::ffff:}"
printf '%s %s %s\n' "$REQUEST_METHOD" "$REQUEST_URI" "$SERVER_PROTOCOL"
