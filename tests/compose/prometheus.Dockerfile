# Prometheus as Debian packages it, for tests where no registry of images can be reached: in the manner of the official
# image, by its entry point, its user and its volume.
ARG BASE
FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null && \
    rm -rf /var/lib/apt/lists/* && install -d -o nobody -g nogroup /prometheus
USER 65534:65534
WORKDIR /prometheus
VOLUME /prometheus
ENTRYPOINT ["prometheus"]
