# The Lambda function, and the same code for any machine that runs containers: there the image serves
# the page, or is the command line; see adapters/container.sh.
#
#   docker run --rm -p 8000:8000 kirei
#
#   docker build -t kirei .                              # for Lambda, with BuildKit: --provenance=false
#   docker build -t kirei --build-arg ENGINE=torch .     # with the second engine
#   docker build -t kirei --build-arg HEIC=off --build-arg CLIPS=off .   # without what is under the
#                                                        # GPL, x264 and x265: docs/licences.md
#
# Only what serving needs gets in: no compiler, no pip, no cache, no torch unless asked for.
# At run time nothing outside /tmp is written, so the root may be read-only.

# checkov:skip=CKV_DOCKER_2: Lambda looks after its containers itself and asks for no HEALTHCHECK
# checkov:skip=CKV_DOCKER_7: the base image is an argument, whose default has a tag

ARG BASE_IMAGE=public.ecr.aws/docker/library/python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS builder
ARG ENGINE=onnx
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# The locked packages come first: changed code does not install them again. Only files with the
# hashes of the lock are taken (`make lock` writes it), and only wheels: nothing is run to install.
# torch's "+cpu" build is in PyTorch's own index, or a wheel where pip's find-links point; it is
# locked for x86_64.
WORKDIR /build
COPY requirements requirements
RUN python -m venv --without-pip /opt/venv \
    && if [ "$ENGINE" = torch ]; then \
        set -- requirements/image-torch.txt --extra-index-url https://download.pytorch.org/whl/cpu; \
    else \
        set -- requirements/image.txt; \
    fi \
    && python -m pip --python /opt/venv install --no-deps --only-binary :all: --require-hashes \
        --requirement "$@"

# Lambda runs as a user of its own choosing: everything must be readable to anyone. Our bytecode
# is compiled here, as pip did that of the rest, for it cannot be written there.
COPY handler.py /var/task/
COPY adapters /var/task/adapters
COPY pipeline /var/task/pipeline
COPY web /var/task/web
COPY training/checkpoints /var/task/training/checkpoints
COPY layers/weights /opt/weights
ARG HEIC=on
ARG CLIPS=on
RUN if [ "$ENGINE" != torch ]; then rm -r /var/task/training; fi \
    && if [ "$HEIC" = off ]; then rm -r /opt/venv/lib/python3.11/site-packages/*pillow_heif*; fi \
    && if [ "$CLIPS" = off ]; then rm -r /opt/venv/lib/python3.11/site-packages/av \
        /opt/venv/lib/python3.11/site-packages/av.libs \
        /opt/venv/lib/python3.11/site-packages/av-*.dist-info; fi \
    && chmod -R a+rX,go-w /opt/venv /opt/weights /var/task \
    && /opt/venv/bin/python -m compileall -q /var/task

FROM ${BASE_IMAGE}
RUN useradd --uid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin kirei
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /opt/weights /opt/weights
COPY --from=builder /var/task /var/task
# ONNX Runtime would send usage data to its maker and keep an identifier for that in HOME.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    KIREI_WEIGHTS_DIR=/opt/weights
WORKDIR /var/task
USER 10001
# A weight that is not the file its manifest lists ends the build.
RUN python -m pipeline weights verify
# `sam local` builds one more image on this one, to put its emulator in, and needs root for that.
ONBUILD USER root
EXPOSE 8000
ENTRYPOINT ["/bin/sh", "/var/task/adapters/container.sh"]
CMD ["handler.lambda_handler"]
