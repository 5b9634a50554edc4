# A fresh Debian 13 with what the README says to install there.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends cargo
