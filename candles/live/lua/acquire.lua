-- The lease for a new leader, which no longer stands by.
-- KEYS: lease, fence, standbys. ARGV: token, lease in ms, name. Returns 0 while a leader is alive.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[3])
return 1
