-- How many pings wait for an endpoint, whatever else does.
CREATE INDEX CONCURRENTLY webhook_deliveries_pings ON webhook_deliveries (endpoint_id) WHERE type = 'ping';
