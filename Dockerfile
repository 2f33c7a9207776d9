# VoBee in a container: built with the toolchain that the project is tested with, run as a user who
# owns nothing but the data directory.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# PGO=yes: built with a profile of itself under load, which takes more than twice as long.
ARG PGO=no
# The two caches outlive the layer, so that a changed line does not fetch and build every crate again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    if [ "$PGO" = yes ]; then \
        binary=$(scripts/pgo) && cp "$binary" /vobee; \
    else \
        cargo build --release --locked --bin vobee && cp target/release/vobee /vobee; \
    fi

# The same Debian release as above: the binary is linked against its libc.
FROM debian:bookworm-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/vobee \
        --shell /usr/sbin/nologin vobee \
    && install --directory --owner=vobee --group=vobee --mode=0700 /var/lib/vobee
COPY --from=build /vobee /usr/local/bin/vobee

USER 10001
WORKDIR /var/lib/vobee
# A volume that is mounted here for the first time takes over the owner of the directory.
VOLUME /var/lib/vobee

# On loopback nobody outside the container would reach it. Everything else keeps its default; a
# file of your own goes to /etc/vobee/vobee.toml, or set VOBEE_SECTION__KEY.
ENV VOBEE_SERVER__HOST=0.0.0.0 \
    VOBEE_STORAGE__DIR=/var/lib/vobee

EXPOSE 5000 5010 5011 5012 5013
# SIGTERM, the default, drains and commits, and ends with 0.
ENTRYPOINT ["vobee"]
CMD ["serve"]
