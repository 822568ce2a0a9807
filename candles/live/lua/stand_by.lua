-- The standbys of a shard, one added; those that fell silent are forgotten.
-- KEYS: standbys. ARGV: name or nothing, longest silence in ms. The time is Redis's own, for the
-- processes' clocks may differ.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], now) end
local names = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if now - all[at + 1] > tonumber(ARGV[2]) then redis.call('HDEL', KEYS[1], all[at])
  else names[#names + 1] = all[at] end
end
return names
