"""What three sites are made of: their addresses, and the settings of PostgreSQL, Patroni and etcd."""
