# Triton with the signals model. Build from the repository's root, with the application's image:
# docker build -f deploy/images/triton.Dockerfile --build-arg APP_IMAGE=sidecoach/app:0.1.0 .
ARG APP_IMAGE=sidecoach/app:0.1.0
# CI gives it by digest.
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:25.06-py3

FROM ${APP_IMAGE} AS models
ENV DEMO=1
RUN ["python", "manage.py", "triton_repository", "/tmp/models"]

FROM ${TRITON_IMAGE}
LABEL org.opencontainers.image.title=sidecoach-triton org.opencontainers.image.licenses=Apache-2.0
COPY --from=models --chown=0:0 /tmp/models /models
USER 1001:1001
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD \
    ["curl", "-fsS", "http://127.0.0.1:8000/v2/health/ready"]
ENTRYPOINT ["tritonserver"]
CMD ["--model-repository=/models", "--model-control-mode=none", "--disable-auto-complete-config", \
     "--allow-http=true", "--allow-grpc=true", "--allow-metrics=true", "--log-verbose=0"]
