# A Debian 13 that can build RPMs; ci/recipes runs the Alpine recipe's functions there, too.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends cargo rpm cpio
