"""For people: the DNS records, and what to do with the output folder."""

from bongsu.deploy.description import Deployment
from bongsu.deploy.place import HTTP_PORT, HTTPS_PORT, SITE_PORTS

_SECONDS = 60  # how long a resolver keeps a record: after a burn, the site's record is taken out


def dns(deployment: Deployment) -> str:
    """A zone's lines. The common name has all sites: clients try the next address when one does not answer."""
    lines = [f"{deployment.public_name}. {_SECONDS} IN {_record(site.shown_address)}" for site in deployment.sites]
    lines += [f"{site.public_name}. {_SECONDS} IN {_record(site.shown_address)}" for site in deployment.sites]
    well_known = (
        ""
        if deployment.server_name == deployment.public_name
        else (
            f"; https://{deployment.server_name}/.well-known/matrix/client must say\n"
            f';   {{"m.homeserver": {{"base_url": "https://{deployment.public_name}"}}}}\n'
        )
    )
    return "; The name servers stand in at least two sites, too.\n" + "\n".join(lines) + "\n" + well_known


def _record(address: str) -> str:
    return f"{'AAAA' if ':' in address else 'A'} {address}"


def steps(deployment: Deployment) -> str:
    copies = "\n".join(f"    scp -r {site.name} root@{site.address}:/root/bongsu" for site in deployment.sites)
    ports = ", ".join(map(str, SITE_PORTS))
    return f"""\
What is here
  <site>/          goes to that site's host, and holds its secrets
  ca/, secrets.json   stay here. Keep this folder safe and off the hosts: whoever has it can be any site.
  dns.zone         records for your zone

What to do, on all three hosts, at about the same time (each waits for another one):
{copies}
    ssh root@ADDRESS python3 /root/bongsu/install.py

Then
  1. Put a certificate that browsers trust, and its key, into /etc/bongsu/tls/public.pem of each host
     ({deployment.public_name} and the site's own name), and: systemctl reload bongsu-proxy
  2. Mount a disk of another place at {deployment.backup_place} on each host, owned by user bongsu, and:
     systemctl start bongsu-backup bongsu-backup-verify
  3. Between sites TCP {ports} must pass, from clients {HTTP_PORT} and {HTTPS_PORT}.

After a change of the description: bongsu site init again, copy, install again. Secrets and certificates stay.
"""
