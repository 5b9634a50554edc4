# For ci/machine others: the standard libraries of machines that nothing is run for. The tools are those of the
# other image, so that the engine has them already.
ARG BASE=debian:forky-slim
FROM ${BASE}
# The lists of a suite that is no release run out after a week, and a mirror may be behind.
RUN echo 'Acquire::Check-Valid-Until "false";' >/etc/apt/apt.conf.d/valid-until \
    && apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
        cargo debhelper dpkg-dev gcc libc6-dev mmdebstrap qemu-user
RUN for arch in ppc64el s390x; do dpkg --add-architecture "$arch"; done && apt-get -q update \
    && cd /tmp && for arch in ppc64el s390x; do \
        apt-get -q -o APT::Sandbox::User=root download "libstd-rust-dev:$arch" \
        && dpkg-deb -x libstd-rust-dev_*_"$arch".deb / || exit 1; done && rm ./*.deb
