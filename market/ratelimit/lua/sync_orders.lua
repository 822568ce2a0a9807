-- Set the count of a span to what the exchange has counted.
-- KEYS: the count of a span. ARGV: the exchange's count, ours with the order that it answers, the
-- span. Orders that took their slot after that one are not in the exchange's count yet.
local later = tonumber(redis.call('GET', KEYS[1]) or 0) - ARGV[2]
redis.call('SET', KEYS[1], ARGV[1] + math.max(0, later), 'EX', ARGV[3] + 60)
