# For ci/machine others: the standard libraries of architectures for which the library is only compiled. The first
# layer is that of tests/machine/Dockerfile, so the container engine has it already.
ARG BASE=debian:forky-slim
FROM ${BASE}
# The package lists of a suite that is not released expire after a week, and a mirror may be older than that.
RUN echo 'Acquire::Check-Valid-Until "false";' >/etc/apt/apt.conf.d/valid-until \
    && apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
        cargo debhelper dpkg-dev gcc libc6-dev mmdebstrap qemu-user
RUN for arch in ppc64el s390x; do dpkg --add-architecture "$arch"; done && apt-get -q update \
    && cd /tmp && for arch in ppc64el s390x; do \
        apt-get -q -o APT::Sandbox::User=root download "libstd-rust-dev:$arch" \
        && dpkg-deb -x libstd-rust-dev_*_"$arch".deb / || exit 1; done && rm ./*.deb
