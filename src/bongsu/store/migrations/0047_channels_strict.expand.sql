-- A text that is taken back from the operator goes on under the next number: what is approved by a number is what was
-- read under it.
CREATE OR REPLACE FUNCTION channel_templates_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.template_id, NEW.channel_id) IS DISTINCT FROM (OLD.template_id, OLD.channel_id)
        OR (OLD.state <> 'draft' AND NEW.text IS DISTINCT FROM OLD.text)
        OR (NEW.version <> OLD.version
            AND (OLD.state, NEW.state, NEW.version) IS DISTINCT FROM ('submitted', 'draft', OLD.version + 1))
    THEN
        RAISE EXCEPTION 'a template that was submitted is never changed';
    END IF;
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (('draft', 'submitted'), ('submitted', 'draft'),
        ('submitted', 'approved'), ('submitted', 'refused'), ('approved', 'retired'))
    THEN
        RAISE EXCEPTION 'a template that is % never becomes %', OLD.state, NEW.state;
    END IF;
    RETURN NEW;
END
$$;

-- Channels that were closed before: their programs come in no more, and are told nothing.
UPDATE channel_keys k SET revoked_ts = c.closed_ts FROM channels c
WHERE c.channel_id = k.channel_id AND c.closed_ts IS NOT NULL AND k.revoked_ts IS NULL;
UPDATE webhook_endpoints e SET disabled_ts = c.closed_ts, disabled_why = 'the channel was closed', fence = fence + 1,
    lease_until = '-infinity' FROM channels c
WHERE c.channel_id = e.channel_id AND c.closed_ts IS NOT NULL AND e.disabled_ts IS NULL;

-- Who works for a channel and has no account any more. The timer takes their work back (channels/leaving.py).
INSERT INTO timers (timer_id, kind, due_at, payload)
SELECT 'channel.left/' || s.channel_id || '/' || s.user_id, 'channel.left', 0,
    convert_to(json_build_object('channel_id', s.channel_id, 'user_id', s.user_id)::text, 'utf8')
FROM channel_staff s JOIN users u ON u.user_id = s.user_id WHERE u.deactivated_at IS NOT NULL
ON CONFLICT DO NOTHING;
