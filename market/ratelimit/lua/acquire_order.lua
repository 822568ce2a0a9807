-- Take a slot for an order in the current span of every order limit, or in none.
-- KEYS: block, limits, the counts' prefix.
-- ARGV: per cent, then the spans and limits if none are known.
-- Answers {1, span, number, used, limit, ...}, or {0, wait in ms}, or {-1, wait in ms} while
-- requests are blocked.
local blocked_ms = redis.call('PTTL', KEYS[1])
if blocked_ms > 0 then return {-1, blocked_ms} end
local now = redis.call('TIME')
local limits = redis.call('HGETALL', KEYS[2])
if #limits == 0 then
  for at = 2, #ARGV do limits[at - 1] = ARGV[at] end
end
local slots = {1}
for at = 1, #limits, 2 do
  local span, limit = tonumber(limits[at]), tonumber(limits[at + 1])
  local number = math.floor(now[1] / span)
  local used = tonumber(redis.call('GET', KEYS[3] .. span .. ':' .. number) or 0) + 1
  if used * 100 > limit * ARGV[1] then
    return {0, (number + 1) * span * 1000 - now[1] * 1000 - math.floor(now[2] / 1000)}
  end
  for _, value in ipairs({span, number, used, limit}) do slots[#slots + 1] = value end
end
for at = 2, #slots, 4 do
  local span = slots[at]
  redis.call('SET', KEYS[3] .. span .. ':' .. slots[at + 1], slots[at + 2], 'EX', span + 60)
end
return slots
