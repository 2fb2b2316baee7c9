"""/etc/bongsu/proxy.cfg: TLS towards clients and towards the other sites' workers, with haproxy.

A client's request goes to a worker of this site that can write. When none can, it goes through the other sites' proxies
to theirs; and when no site can write, to a worker of this one that lives, which reads and says what it cannot do.
"""

from bongsu.deploy.description import Deployment, Site
from bongsu.deploy.place import HTTP_PORT, HTTPS_PORT, PEER_PORT, PROXY_USER, TLS, with_port, worker_ports

_HEAD = f"""\
global
    log stderr format raw local0 notice
    user {PROXY_USER}
    group {PROXY_USER}
    ca-base {TLS}
    crt-base {TLS}
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-bind-ciphers ECDHE+AESGCM:ECDHE+CHACHA20
    ssl-default-server-options ssl-min-ver TLSv1.3

defaults
    mode http
    log global
    option dontlognull
    option http-keep-alive
    timeout http-request 15s
    timeout connect 1s
    timeout queue 5s
    timeout client 150s
    # A sync waits for up to two minutes.
    timeout server 150s
    timeout http-keep-alive 60s
    # A worker that is gone before it got the request: another one gets it.
    option redispatch 1
    retries 2
    retry-on conn-failure empty-response 0rtt-rejected
"""

# What only reads may be asked again elsewhere; a write that got no answer is the client's to repeat.
_BALANCE = "    balance leastconn\n    http-request disable-l7-retry unless METH_GET\n"


def config(deployment: Deployment, site: Site) -> str:
    return _HEAD + _clients() + _sites(site) + _backends(deployment, site)


def _clients() -> str:
    return f"""
frontend clients
    bind :{HTTP_PORT}
    bind :{HTTPS_PORT} ssl crt public.pem alpn h2,http/1.1
    http-request redirect scheme https code 308 unless {{ ssl_fc }}
    # For sites and operators, who have ways of their own.
    http-request deny deny_status 404 if {{ path_beg /_bongsu/peer/ }} || {{ path /metrics }}
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    http-response set-header Strict-Transport-Security max-age=31536000
    use_backend any-site if {{ nbsrv(any-site) gt 0 }}
    default_backend still-alive
"""


def _sites(site: Site) -> str:
    """Peers show the secret that sites share; the other proxies, which pass clients on, show a certificate."""
    return f"""
frontend other-sites
    bind {with_port(site.address, PEER_PORT)} ssl crt site.pem ca-file ca.crt verify optional alpn h2,http/1.1
    acl is_proxy ssl_c_used
    http-request deny deny_status 404 unless {{ path_beg /_bongsu/peer/ /health/ }} || is_proxy
    http-request del-header X-Forwarded-For unless is_proxy
    use_backend ready-here if {{ nbsrv(ready-here) gt 0 }}
    default_backend still-alive
"""


def _backends(deployment: Deployment, site: Site) -> str:
    ports = worker_ports(deployment)
    here = "".join(f"    server worker-{port} 127.0.0.1:{port}\n" for port in ports)
    tracked = "".join(f"    server worker-{port} 127.0.0.1:{port} track any-site/worker-{port}\n" for port in ports)
    far = "".join(_far(other) for other in deployment.others(site))
    return (
        f"\nbackend any-site\n{_BALANCE}{_checked('/health/ready')}{here}{far}"
        f"\nbackend ready-here\n{_BALANCE}{tracked}"
        f"\nbackend still-alive\n{_BALANCE}{_checked('/health/live')}{here}"
    )


def _checked(path: str) -> str:
    return f"    option httpchk GET {path}\n    default-server check inter 500ms fall 2 rise 1\n"


def _far(other: Site) -> str:
    address = with_port(other.address, PEER_PORT)
    trust = f"ssl crt site.pem ca-file ca.crt verify required verifyhost {other.internal_name} alpn http/1.1"
    return f"    server {other.name} {address} backup {trust} check-alpn http/1.1\n"
