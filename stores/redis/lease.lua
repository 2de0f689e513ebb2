-- lease: keywheel/store.h's rule for what is granted, by the server's clock.
--
-- KEYS  1 a hash: holder -> "has want expires"
-- ARGV  1 holder  2 limit  3 want  4 floor  5 ttl in ms
if redis.replicate_commands then redis.replicate_commands() end
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holder, limit, want = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local floor, ends = tonumber(ARGV[4]), now + tonumber(ARGV[5])

local all = call('HGETALL', KEYS[1])
local others, wanting, short, last = 0, 1, {}, 0
local queue = { { holder, want } }
for i = 1, #all, 2 do
  local has, wants, at = all[i + 1]:match('^(%d+) (%d+) (%d+)$')
  has, wants, at = tonumber(has), tonumber(wants), tonumber(at)
  if not at or at <= now then
    call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= holder then
    others = others + has
    if wants > 0 then
      wanting = wanting + 1
      queue[wanting] = { all[i], has }
    end
    if has < wants then short[#short + 1] = has end
    last = math.max(last, at)
  end
end

local fair = math.max(1, math.floor(limit / wanting))
local granted = math.min(want, math.max(0, limit - others))
for _, has in ipairs(short) do
  if has < fair then granted = math.min(granted, fair) end
end

-- More than there are places: they take turns (KW_STORE_TURN_MS).
if wanting > limit then
  table.sort(queue, function (a, b) return a[1] < b[1] end)
  local first, ours, lacks = math.floor(now / 2000) * limit % wanting, false, false
  for p, q in ipairs(queue) do
    if (p - 1 - first) % wanting < limit then
      ours = ours or q[1] == holder
      lacks = lacks or (q[1] ~= holder and q[2] == 0)
    end
  end
  if lacks and not ours then granted = 0 end
end

if want == 0 and floor == 0 then
  call('HDEL', KEYS[1], holder)
else
  call('HSET', KEYS[1], holder, string.format('%.0f %.0f %.0f', math.max(granted, floor), want, ends))
  last = math.max(last, ends)
end
if last > 0 then call('PEXPIREAT', KEYS[1], string.format('%.0f', last)) end
return granted
