-- Take the weight of a request from the current minute's limit.
-- KEYS: block, limit, the counts' prefix. ARGV: weight, per cent, the limit if none is known.
-- Answers {1, minute, used}, or {0, wait in ms}, or {-1, wait in ms} while requests are blocked.
local blocked_ms = redis.call('PTTL', KEYS[1])
if blocked_ms > 0 then return {-1, blocked_ms} end
local now = redis.call('TIME')
local minute = math.floor(now[1] / 60)
local count = KEYS[3] .. minute
local used = tonumber(redis.call('GET', count) or 0) + ARGV[1]
local limit = tonumber(redis.call('GET', KEYS[2]) or ARGV[3])
if used * 100 > limit * ARGV[2] then
  return {0, (minute + 1) * 60000 - now[1] * 1000 - math.floor(now[2] / 1000)}
end
redis.call('SET', count, used, 'EX', 120)
return {1, minute, used}
