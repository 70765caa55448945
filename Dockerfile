# Heddle and what it calls: nft, and for the demonstration in docker-compose.yml a load balancer and curl. What the base
# image has already is not fetched again, so a base that has all of it builds without a network.
ARG BASE=node:24-bookworm-slim
FROM ${BASE}

RUN for tool in nft haproxy curl nsenter; do command -v "$tool" || missing=yes; done; \
    [ -z "$missing" -a -f /etc/protocols ] || { apt-get update \
    && apt-get install -y --no-install-recommends nftables netbase haproxy curl util-linux \
    && rm -rf /var/lib/apt/lists/*; }

WORKDIR /opt/heddle
COPY package.json package-lock.json ./
RUN [ -d node_modules ] || { npm ci --omit=dev && npm cache clean --force; }
COPY . .
RUN PATH="node_modules/.bin:$PATH" node cli/bundle/build.ts
RUN ln -sf /opt/heddle/cli/heddle /usr/local/bin/heddle

ENTRYPOINT ["heddle"]
CMD ["up"]
