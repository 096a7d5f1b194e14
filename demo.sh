#!/bin/sh
# The demo: a local CloudWatch and Envoy with the modules, until Ctrl-C. Run by `make demo` from the root. DEMO_LOAD=1
# adds a minute of varied traffic.
set -eu

case "${DEMO_LOAD:-0}" in
    0 | 1) ;;
    *)
        echo "DEMO_LOAD: must be 0 or 1, got $DEMO_LOAD" >&2
        exit 2
        ;;
esac

cloudwatch=http://127.0.0.1:4582
target/debug/local-cloudwatch --listen 127.0.0.1:4582 &
cloudwatch_pid=$!
"$ENVOY" --config-path envoy/metrics.yaml --log-level warning &
envoy_pid=$!
load_pid=
stop() {
    trap - INT TERM EXIT
    # Without quotes, because there may be no traffic.
    kill $load_pid "$envoy_pid" "$cloudwatch_pid" 2>/dev/null || true
    wait
}
trap stop INT TERM EXIT

attempts=0
until python3 -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:8001/ready")' 2>/dev/null; do
    attempts=$((attempts + 1))
    if [ "$attempts" -gt 150 ] || ! kill -0 "$envoy_pid" 2>/dev/null || ! kill -0 "$cloudwatch_pid" 2>/dev/null; then
        echo "The demo did not start; the lines above say why. It needs the ports 3000, 4582, 8001 and 18000." >&2
        exit 1
    fi
    sleep 0.2
done

cat <<EOF

Envoy listens on localhost:18000 and counts the requests for example.com and names below it. In another terminal:

  curl localhost:18000/test -H "Host: example.com"

Within 5 seconds the metric is printed here, is on the page $cloudwatch, and is there for the AWS CLI:

  AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1 .venv/bin/aws cloudwatch list-metrics \\
    --namespace AWSCloudWatchProxyWasm-dev --endpoint-url $cloudwatch

A request for another host (curl localhost:18000/test) makes none. A second sender measures what operators watch, by the
dimension ServiceName and by path template; see 5XXError and the p50 and p99 of Latency on the page after

  for n in 1 2 3 4 5; do curl localhost:18000/{slow,error,users/\$n} -H "Host: example.com"; done

Metrics of anything else can be posted, and are published with them; http://localhost:3000 shows how that goes:

  curl localhost:3000/metrics -H "content-type: application/json" \\
    -d '{"Namespace": "MyApp", "MetricData": [{"MetricName": "Requests", "Value": 1, "Unit": "Count"}]}'

Envoy's statistics of all this, with what the metrics would cost:

  curl -s localhost:8001/stats?filter=acpw

Ctrl-C ends the demo.

EOF
if [ "${DEMO_LOAD:-0}" = 1 ]; then
    echo "DEMO_LOAD: traffic runs for a minute; see $cloudwatch."
    echo
    python3 demo_load.py &
    load_pid=$!
fi
# Ends when either process does.
while kill -0 "$envoy_pid" 2>/dev/null && kill -0 "$cloudwatch_pid" 2>/dev/null; do
    sleep 1 &
    wait $! || true
done
