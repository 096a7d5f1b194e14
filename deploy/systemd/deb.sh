#!/bin/sh
# Builds a Debian package of the service and the modules: deb.sh MODULES OUT, two folders. The same modules make the same
# package. Envoy is not in it: it has an apt repository of its own.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -1)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 0755 "$tree"

install -D -m 0644 -t "$tree/usr/lib/acpw" "$1/sender.wasm" "$1/receiver.wasm" "$1/gateway.wasm"
install -D -m 0644 -t "$tree/usr/lib/systemd/system" "$here/acpw-envoy.service"
install -D -m 0644 "$here/acpw.sysusers" "$tree/usr/lib/sysusers.d/acpw.conf"
install -D -m 0644 "$here/acpw.tmpfiles" "$tree/usr/lib/tmpfiles.d/acpw.conf"
install -D -m 0644 -t "$tree/etc/acpw" "$here/envoy.yaml"
install -D -m 0600 -t "$tree/etc/acpw" "$here/acpw.env"
install -D -m 0644 "$root/LICENSE" "$tree/usr/share/doc/acpw/copyright"

mkdir "$tree/DEBIAN"
cat > "$tree/DEBIAN/control" <<EOF
Package: acpw
Version: $version
Architecture: all
Maintainer: ACPW <noreply@example.com>
Section: net
Priority: optional
Depends: curl, systemd
Recommends: envoy
Description: metrics of the requests through Envoy, published to Amazon CloudWatch
 Proxy-Wasm modules, and a hardened service that runs Envoy with them. Edit
 /etc/acpw/envoy.yaml, then start acpw-envoy.
EOF
printf '%s\n' /etc/acpw/envoy.yaml /etc/acpw/acpw.env > "$tree/DEBIAN/conffiles"
# The service is started by hand, once envoy.yaml has the region.
cat > "$tree/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    systemd-sysusers acpw.conf
    systemd-tmpfiles --create acpw.conf
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl try-restart acpw-envoy
    fi
fi
EOF
cat > "$tree/DEBIAN/prerm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now acpw-envoy
fi
EOF
cat > "$tree/DEBIAN/postrm" <<'EOF'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
EOF
chmod 0755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm" "$tree/DEBIAN/postrm"

mkdir -p "$2"
# No time of the build is in it.
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH
find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group --build "$tree" "$2/acpw_${version}_all.deb"
