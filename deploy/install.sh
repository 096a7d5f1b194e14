#!/bin/sh
# Installs the npm packages that deploy/package-lock.json locks into the folder $1.
set -eu
locked=$(cd "$(dirname "$0")" && pwd)
if ! command -v npm >/dev/null; then
	echo 'npm is not installed: check-deploy needs Node.js 18 or later' >&2
	exit 1
fi
mkdir -p "$1"
cd "$1"
cp "$locked/package.json" "$locked/package-lock.json" .
ln -sf "$(command -v node)" node
npm ci --silent --ignore-scripts --legacy-peer-deps
