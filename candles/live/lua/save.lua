-- One batch of a leader, all of it or nothing, and its lease renewed.
-- KEYS: fence, lease, streams, states, closed, watched.
-- ARGV: token, lease in ms, shard, stream state or nothing, the newest recorded entry or nothing,
-- then counted runs of states (symbol, JSON), of closed candles (JSON), and of runs of ticks (key,
-- how many runs to keep, JSON).
-- Returns 0 where another leader's token stands at the fence; else 1, what `watched` holds, and
-- the newest closed entry.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[3], ARGV[3], ARGV[4]) end
if ARGV[5] ~= '' then
  redis.call('XTRIM', KEYS[5], 'MINID', ARGV[5])
  redis.call('XDEL', KEYS[5], ARGV[5])
end
local at = 6
for _ = 1, tonumber(ARGV[at]) do
  redis.call('HSET', KEYS[4], ARGV[at + 1], ARGV[at + 2])
  at = at + 2
end
at = at + 1
local newest = ''
for _ = 1, tonumber(ARGV[at]) do
  newest = redis.call('XADD', KEYS[5], '*', 'candle', ARGV[at + 1])
  at = at + 1
end
at = at + 1
for _ = 1, tonumber(ARGV[at]) do
  redis.call('RPUSH', ARGV[at + 1], ARGV[at + 3])
  redis.call('LTRIM', ARGV[at + 1], -tonumber(ARGV[at + 2]), -1)
  at = at + 3
end
return {1, redis.call('GET', KEYS[6]), newest}
