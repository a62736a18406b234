#!/bin/sh
# Build the two images of the example from Debian's packages and load them into the cluster: no registry is needed.
# usage: build.sh [web] [database]     WHERRY=... names the wherry command
set -eu
cd "$(dirname "$0")"
wherry=${WHERRY:-wherry}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rootfs() { # rootfs FILE PACKAGES [mmdebstrap options]
    out=$1 packages=$2
    shift 2
    mmdebstrap --quiet --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --include="$packages" "$@" bookworm "$out"
}

build() {
    image=$1
    cp -r "$image" "$work/$image"
    case $image in
    database) rootfs "$work/$image/rootfs.tar" mariadb-server --customize-hook='rm -rf "$1"/var/lib/mysql/*' ;;
    web)
        rootfs "$work/$image/rootfs.tar" \
            apache2,libapache2-mod-php,php-mysql,php-gd,wordpress,wordpress-theme-twentytwentythree \
            --customize-hook='chroot "$1" sh -c "rm -rf /var/www/html && cp -aL /usr/share/wordpress /var/www/html"' \
            --customize-hook='rm -f "$1/var/www/html/wp-config.php"' \
            --customize-hook='install -d -o 33 -g 33 "$1/var/www/html/wp-content/uploads"' \
            --customize-hook='chroot "$1" a2enmod -q rewrite headers'
        ;;
    *) echo "build.sh: no image named $image (web, database)" >&2; exit 2 ;;
    esac
    chmod 0755 "$work/$image"/start-* "$work/$image"/apache2-* 2>/dev/null || true
    "$wherry" image build --tag "localhost/wordpress-$image:1" "$work/$image"
    rm -rf "${work:?}/$image"
}

for image in "${@:-web database}"; do
    for one in $image; do build "$one"; done
done
