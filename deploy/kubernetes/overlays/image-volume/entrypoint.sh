#!/usr/bin/env bash
# Runs Envoy, as the entry point of a container: entrypoint.sh --config-path envoy.yaml …
# When the container is to end (SIGTERM), what is not published yet is published first, for after its own SIGTERM Envoy
# sends nothing any more. Give the container more time to end than ACPW_FLUSH_MILLISECOND.
set -u

gateway=${ACPW_GATEWAY:-127.0.0.1:3000}
limit=${ACPW_FLUSH_MILLISECOND:-10000}

"${ENVOY:-envoy}" "$@" &
envoy=$!

flush() {
    exec 3<>"/dev/tcp/${gateway%:*}/${gateway##*:}" || return
    printf 'POST /flush?timeout_millisecond=%s HTTP/1.1\r\nhost: %s\r\ncontent-length: 0\r\nconnection: close\r\n' \
        "$limit" "$gateway" >&3
    if [ -n "${ACPW_GATEWAY_BEARER_TOKEN:-}" ]; then
        printf 'authorization: Bearer %s\r\n' "$ACPW_GATEWAY_BEARER_TOKEN" >&3
    fi
    printf '\r\n' >&3
    local answer=
    IFS= read -r answer <&3
    exec 3>&-
    case $answer in
        *" 200 "*) ;;
        *) return 1 ;;
    esac
}

stop() {
    trap '' TERM INT
    flush || echo "entrypoint: not everything is published (POST http://$gateway/flush)" >&2
    kill -TERM "$envoy" 2>/dev/null
}
trap stop TERM INT

# A signal ends the waiting, and the trap is carried out; then it is waited for Envoy's own end.
status=0
wait "$envoy" || status=$?
while kill -0 "$envoy" 2>/dev/null; do
    status=0
    wait "$envoy" || status=$?
done
exit "$status"
