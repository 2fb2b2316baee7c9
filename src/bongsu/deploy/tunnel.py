"""/etc/bongsu/tunnel.cfg: PostgreSQL between sites, wrapped in TLS on both sides.

The package's PostgreSQL is built without TLS. So each PostgreSQL listens on a loopback address of its host alone, and
a small haproxy of its own carries what goes between sites. On every host 127.0.77.N is the PostgreSQL of site N: the
own one directly, another one through the tunnel. Both ends show a certificate of the sites' own authority; the far
end's must be that site's.

It stands apart from the proxy for clients, so that a crowd there cannot keep replication waiting.
"""

from bongsu.cluster.topology import POSTGRES_PORT
from bongsu.deploy.description import Deployment, Site
from bongsu.deploy.place import PROXY_USER, TLS, postgres_address, with_port

_HEAD = f"""\
global
    log stderr format raw local0 notice
    user {PROXY_USER}
    group {PROXY_USER}
    maxconn 4000
    ca-base {TLS}
    crt-base {TLS}
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-server-options ssl-min-ver TLSv1.3

defaults
    mode tcp
    log global
    option dontlognull
    timeout connect 1s
    # Idle connections of a pool live on; dead ones are found by the kernel within four seconds.
    timeout client 24h
    timeout server 24h
    option clitcpka
    clitcpka-idle 1s
    clitcpka-intvl 1s
    clitcpka-cnt 3
    option srvtcpka
    srvtcpka-idle 1s
    srvtcpka-intvl 1s
    srvtcpka-cnt 3
"""


def config(deployment: Deployment, site: Site) -> str:
    return _HEAD + _way_in(deployment, site) + "".join(_way_out(deployment, other) for other in deployment.others(site))


def _way_in(deployment: Deployment, site: Site) -> str:
    return f"""
listen from-other-sites
    bind {with_port(site.address, POSTGRES_PORT)} tcp-ut 3s ssl crt site.pem ca-file ca.crt verify required
    server own {with_port(postgres_address(deployment, site), POSTGRES_PORT)}
"""


def _way_out(deployment: Deployment, other: Site) -> str:
    far = with_port(other.address, POSTGRES_PORT)
    return f"""
listen to-{other.name}
    bind {with_port(postgres_address(deployment, other), POSTGRES_PORT)}
    server far {far} tcp-ut 3s ssl crt site.pem ca-file ca.crt verify required verifyhost {other.internal_name}
"""
