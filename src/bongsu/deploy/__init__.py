"""Three real hosts, from one description. `bongsu site init` writes a folder for each; its install.py does the rest.

    description.py   sites.toml, parsed and checked
    secrets.py       passwords, made once              authority.py   the sites' own CA and certificates (openssl)
    place.py         paths, ports and users on a host  host.py        all files of one host, from the ones below
    etcd.py  patroni.py  tunnel.py  worker.py  proxy.py  firewall.py  units.py    one program's configuration each
    overview.py      DNS records and what to do next   folder.py      writes it all, shows what changed
    install.py       runs on a host with nothing but Python

Everything but authority.py and folder.py is pure: the same description and secrets give the same text.
"""
