# The images of docker-compose.yml, and `envoy` also that of a release, acpw-envoy. The versions are those of
# rust-toolchain.toml and requirements.in.

FROM rust:1.95.0-bookworm AS build
WORKDIR /acpw
COPY rust-toolchain.toml .
RUN rustup toolchain install
COPY . .
# The commit, for the modules' first log line: there is no Git here.
ARG ACPW_COMMIT=unknown
RUN make build-all && cargo build --quiet --profile native -p local-cloudwatch

# A release puts the image of `make images` in its place: --build-context modules=oci-layout://target/images/acpw-modules
FROM scratch AS modules
COPY --from=build /acpw/sender.wasm /acpw/receiver.wasm /acpw/gateway.wasm /

FROM envoyproxy/envoy:v1.40.0 AS envoy
WORKDIR /acpw
COPY --from=modules /sender.wasm /receiver.wasm /gateway.wasm ./
COPY envoy/entrypoint.sh envoy/
# Envoy's user in this image.
USER 101
# It flushes when the container is to end.
ENTRYPOINT ["/acpw/envoy/entrypoint.sh"]

FROM debian:bookworm-slim AS local-cloudwatch
COPY --from=build /acpw/target/native/local-cloudwatch /usr/local/bin/
USER nobody
CMD ["local-cloudwatch", "--listen", "0.0.0.0:4582"]
