# moto's server as a container: an S3 for `sam local`, see local_s3.py.

ARG BASE_IMAGE=public.ecr.aws/docker/library/python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
ARG MOTO
RUN python -m pip install --no-cache-dir --root-user-action=ignore "$MOTO"
USER 10001
ENTRYPOINT ["python", "-m", "moto.server", "--host", "0.0.0.0", "--port", "5000"]
