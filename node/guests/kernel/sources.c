/* The digest of the sources that this image was built from (build.py), so that a stale image is found without a compiler. */
const char sources[] __attribute__((section(".sources"), used)) = "limosa-guest-sources sha256:" SOURCES_SHA256;
