#!/bin/sh
# What the image does when it is started.
#
# In Lambda, and in its emulators, the address of the runtime's interface is set: the function.
# Elsewhere the image is the command `kirei`, and without arguments the page:
#
#   docker run --rm -p 8000:8000 IMAGE
#   docker run --rm -i IMAGE stylise - --style paprika < photo.jpg > picture.jpg
set -eu
if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
    exec python -m awslambdaric "$@"
fi
case "${1:-handler.lambda_handler}" in
serve) shift ;;
handler.lambda_handler) set -- ;;
*) exec python -m pipeline "$@" ;;
esac
# The folder can be a volume: -v "$PWD/photos:/tmp/kirei". The address is the one of `-p 8000:8000`.
export KIREI_SERVE_URL="${KIREI_SERVE_URL:-http://localhost:8000/}"
exec python -m adapters.serve --host 0.0.0.0 --folder /tmp/kirei "$@"
