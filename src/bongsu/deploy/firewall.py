"""/etc/bongsu/firewall.nft: what only sites may reach is closed to everybody else.

It says nothing about other ports, so it locks nobody out and stands beside any other rules.
"""

from bongsu.deploy.description import Deployment, Site
from bongsu.deploy.place import SITE_PORTS


def rules(deployment: Deployment, site: Site) -> str:
    addresses = [one.address for one in deployment.others(site)]
    ports = ", ".join(map(str, SITE_PORTS))
    accepted = "".join(
        f"        {kind} saddr {{ {', '.join(some)} }} tcp dport {{ {ports} }} accept\n"
        for kind, some in (("ip", [a for a in addresses if ":" not in a]), ("ip6", [a for a in addresses if ":" in a]))
        if some
    )
    return f"""\
#!/usr/sbin/nft -f
# Written by `bongsu site init`. etcd, Patroni, PostgreSQL and peers: for the sites alone. Loading it again is safe.
table inet bongsu
delete table inet bongsu
table inet bongsu {{
    chain input {{
        type filter hook input priority filter; policy accept;
        iif lo accept
{accepted}        tcp dport {{ {ports} }} counter drop
    }}
}}
"""
