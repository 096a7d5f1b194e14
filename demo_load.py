"""A minute of varied traffic for the demo: hosts, methods, paths, statuses, and slow requests. Run by demo.sh."""

import argparse
import http.client
import math
import random
import threading
import time

# More than are in progress in the busiest second: 100 requests, of which every twelfth takes 0.4 s.
WORKERS = 12
HOSTS = ["example.com", "example.com", "example.com", "shop.example.com", "api.example.com"]
# Method, path and weight. /missing and /error are answered with 404 and 503.
REQUESTS = [
    ("GET", "/test", 30),
    ("GET", "/users/{id}", 30),
    ("PUT", "/users/{id}", 6),
    ("DELETE", "/users/{id}", 2),
    ("POST", "/test", 12),
    ("HEAD", "/test", 4),
    ("GET", "/slow", 8),
    ("GET", "/missing", 5),
    ("GET", "/error", 2),
]
# The part of the time in which many requests fail, as when a release goes wrong.
INCIDENT = (0.6, 0.75)


def rate(elapsed):
    """Returns the requests per second: two waves between 20 and 100. `elapsed` is the part of the time, from 0 to 1."""
    return 60 - 40 * math.cos(4 * math.pi * elapsed)


def choose(elapsed):
    """Returns method, path and host of a request."""
    failing = INCIDENT[0] <= elapsed < INCIDENT[1]
    weights = [weight * (20 if path == "/error" and failing else 1) for _, path, weight in REQUESTS]
    method, path, _ = random.choices(REQUESTS, weights)[0]
    return method, path.format(id=random.randint(1, 5)), random.choice(HOSTS)


def work(address, start, seconds, counts):
    """Sends requests until the time is over, and counts the answers by their status."""
    connection = http.client.HTTPConnection(address, timeout=5)
    while (elapsed := (time.monotonic() - start) / seconds) < 1:
        method, path, host = choose(elapsed)
        body = b"x" * random.randint(1, 2000) if method in ("POST", "PUT") else None
        began = time.monotonic()
        try:
            connection.request(method, path, body, {"Host": host})
            response = connection.getresponse()
            response.read()
            counts[response.status] = counts.get(response.status, 0) + 1
        except (OSError, http.client.HTTPException):
            # Envoy is ending, or closed an idle connection; the next request opens another.
            connection.close()
            time.sleep(0.2)
        time.sleep(max(0, WORKERS / rate(elapsed) - (time.monotonic() - began)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:18000", help="host and port of Envoy (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="how long to send requests (%(default)s)")
    options = parser.parse_args()
    start = time.monotonic()
    counts = [{} for _ in range(WORKERS)]
    given = (options.address, start, options.seconds)
    workers = [threading.Thread(target=work, args=(*given, own), daemon=True) for own in counts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    statuses = {}
    for own in counts:
        for status, count in own.items():
            statuses[status] = statuses.get(status, 0) + count
    listed = ", ".join(f"{count} with {status}" for status, count in sorted(statuses.items()))
    total = sum(statuses.values())
    print(f"\nDEMO_LOAD: the traffic has ended. {total} requests were answered: {listed}.\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        # Ctrl-C ends the demo, and this with it.
        pass
