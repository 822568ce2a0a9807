-- Block all requests for a while. A longer block that is under way stays.
-- KEYS: block. ARGV: its length in ms.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
end
