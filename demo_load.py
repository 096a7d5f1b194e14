"""A minute of varied traffic for the demo: hosts, methods, paths, statuses, and slow requests. Run by demo.sh."""

import http.client
import math
import random
import threading
import time

SECONDS = 60
# Enough for the busiest second: a third of the requests in progress are slow ones, which take 0.4 s.
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
# Seconds in which most requests fail, as when a release goes wrong.
INCIDENT = range(35, 45)


def rate(second):
    """Returns the requests per second: a wave between 20 and 100."""
    return 60 - 40 * math.cos(2 * math.pi * second / 30)


def choose(second):
    """Returns method, path and host of a request."""
    weights = [weight * (20 if path == "/error" and second in INCIDENT else 1) for _, path, weight in REQUESTS]
    method, path, _ = random.choices(REQUESTS, weights)[0]
    return method, path.format(id=random.randint(1, 5)), random.choice(HOSTS)


def work(start, counts):
    connection = http.client.HTTPConnection("127.0.0.1", 18000, timeout=5)
    while (second := time.monotonic() - start) < SECONDS:
        method, path, host = choose(int(second))
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
        time.sleep(max(0, WORKERS / rate(second) - (time.monotonic() - began)))


def main():
    start = time.monotonic()
    counts = [{} for _ in range(WORKERS)]
    workers = [threading.Thread(target=work, args=(start, own), daemon=True) for own in counts]
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
