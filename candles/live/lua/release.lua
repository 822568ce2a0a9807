-- The lease given up by the one that holds it, so that a successor need not wait.
-- KEYS: lease, fence. ARGV: token.
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
