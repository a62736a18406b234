#!/usr/bin/env bash
# Installs the system programs that wherry and its tests run, from the distribution. Does nothing when all are there.
# usage: hack/install-host.sh [--dev]     --dev adds what only building and testing need
set -euo pipefail

packages=(containerd runc containernetworking-plugins nftables libnftables1 iproute2 conntrack catatonit
  util-linux mount procps curl ca-certificates buildah haproxy)
if [[ ${1:-} == --dev ]]; then
  packages+=(git make python3-venv busybox-static bash-static mmdebstrap docker-registry bind9-dnsutils)
fi

missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] ||
    missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi
if [[ $(id -u) -ne 0 ]]; then
  echo "missing programs; run: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive

# The distribution's containerd starts a service of its own, which wherry neither uses nor needs: while packages are
# installed, nobody starts services.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
