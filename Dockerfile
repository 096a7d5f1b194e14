# The images of docker-compose.yml. The versions are those of rust-toolchain.toml and requirements.in.

FROM rust:1.95.0-bookworm AS build
WORKDIR /acpw
COPY rust-toolchain.toml .
RUN rustup toolchain install
COPY . .
RUN make build-all && cargo build --quiet --profile native -p local-cloudwatch

FROM envoyproxy/envoy:v1.40.0 AS envoy
WORKDIR /acpw
COPY --from=build /acpw/sender.wasm /acpw/receiver.wasm /acpw/gateway.wasm ./

FROM debian:bookworm-slim AS local-cloudwatch
COPY --from=build /acpw/target/native/local-cloudwatch /usr/local/bin/
USER nobody
CMD ["local-cloudwatch", "--listen", "0.0.0.0:4582"]
