# The same library in an image whose libc is musl. MUSL_BASE is any image with musl and BusyBox;
# ci/docker builds one where it can.
ARG MUSL_BASE=alpine
FROM ${MUSL_BASE}
COPY tests/docker/musl/passwd tests/docker/musl/group /etc/
COPY --chown=1001:0 tests/docker/musl/old /home/ipython/
COPY tests/docker/image/files/ /scenes/files/
ENV LD_PRELOAD=/usr/local/lib/libnss_wrapper_rs.so \
    NSS_WRAPPER_USER=ipython:x:%u:%g:IPython:/home/ipython:/bin/sh
COPY target/release/libnss_wrapper_rs.so /usr/local/lib/
