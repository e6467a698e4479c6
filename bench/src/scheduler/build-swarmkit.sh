#!/bin/sh
# Builds the benchmark program of SwarmKit's scheduler from Debian's packages alone: the compiler, the
# libraries and the source that Debian's Docker Engine is made of.
# usage: build-swarmkit.sh DIRECTORY     leaves DIRECTORY/scheduler.test
set -eu

directory=$1
program=$directory/scheduler.test
[ ! -x "$program" ] || exit 0

export DEBIAN_FRONTEND=noninteractive
packages='golang-go golang-gogoprotobuf-dev golang-github-docker-go-events-dev golang-google-grpc-dev
golang-github-golang-protobuf-1-3-dev golang-github-docker-go-metrics-dev golang-github-sirupsen-logrus-dev
golang-github-stretchr-testify-dev golang-github-pkg-errors-dev golang-github-hashicorp-go-memdb-dev'
# shellcheck disable=SC2086
apt-get install -y --no-install-recommends $packages dpkg-dev

mkdir -p "$directory/lists/partial"
cd "$directory"
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
echo "deb-src http://deb.debian.org/debian $suite main" >sources.list
# The host's own list of sources stays as it is.
apt() {
  apt-get -o Dir::Etc::sourcelist="$directory/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$directory/lists" -o APT::Sandbox::User=root "$@"
}
apt update
apt source --download-only docker.io

libraries=$directory/go/src/github.com/docker
mkdir -p "$libraries"
tar -C "$libraries" -xf docker.io_*.orig-swarmkit.tar.xz
cd "$libraries/swarmkit"
export GO111MODULE=off GOPATH=$directory/go:/usr/share/gocode GOCACHE=$directory/cache
go test -c -o "$program" ./manager/scheduler
