# A server with the bundled models: docker build -t pullquote . && docker run -p 8000:8000 pullquote
# The full image has the C++ compiler that the engine needs.
FROM python:3.11 AS build
WORKDIR /src
# others, such as files and postgres: --build-arg EXTRAS=serve,postgres
ARG EXTRAS=serve
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY engine engine
COPY src src
RUN python -m venv /opt/pullquote \
 && /opt/pullquote/bin/pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

FROM python:3.11-slim
COPY --from=build /opt/pullquote /opt/pullquote
RUN useradd --system --no-create-home --uid 10001 pullquote
USER 10001
ENV PATH=/opt/pullquote/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["pullquote", "serve", "--host", "0.0.0.0"]
