# The web page in a container, on the CPU:
#   docker build -t digits --build-arg TORCH_INDEX=URL .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 digits
# URL is the index of torch's CPU wheels that pytorch.org names for pip; without it, torch brings
# CUDA's libraries, which makes the image 5 GB larger. Other models: docker run ... digits --ckpt large
FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/digits/bin:$PATH
RUN python -m venv /opt/digits
WORKDIR /src
COPY constraints.txt ./
ARG TORCH_INDEX=""
# Beside the usual index, which has all else as constraints.txt wants it; of one version pip takes +cpu.
RUN pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -c constraints.txt torch torchvision
COPY pyproject.toml README.md LICENSE ./
COPY conf conf
COPY checkpoints checkpoints
COPY digits digits
RUN pip install -c constraints.txt '.[heic,web]'

FROM python:3.12-slim-bookworm
RUN useradd --system --no-create-home --uid 10001 digits
COPY --from=build /opt/digits /opt/digits
ENV PATH=/opt/digits/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["python", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
# All addresses of the container; `docker run -p 127.0.0.1:8000:8000` keeps it to this machine.
ENTRYPOINT ["python", "-m", "digits.serve", "--host", "0.0.0.0"]
