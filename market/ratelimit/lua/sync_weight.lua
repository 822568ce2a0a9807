-- Raise the count of a minute to what the exchange has counted.
-- KEYS: the count of a minute. ARGV: the exchange's count.
if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', 120)
end
