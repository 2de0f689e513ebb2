-- sync: keeps a batch, all of it or nothing, and tells what has changed.
--
-- index is what all of it hangs on: its members are the kept names ("f:NAME",
-- "c:NAME") with the revision that changed them last as the score; "~" with the
-- newest revision; and, at -1, the epoch: if that is another one, something was
-- lost.  ends has when each name's key expires.
--
-- Everything is read before anything is written, since nothing is undone.
--
-- KEYS  1 index  2 ends  3 the holder's last batch  then facts, then counters
-- ARGV  1 prefix  2 channel  3 holder  4 the caller's epoch or ""
--       5 the newest revision it knows  6 the one to read from  7 how many
--       8 the batch's number or ""  9 number of facts
--       then what is kept of each fact, and what is added to each counter
if redis.replicate_commands then redis.replicate_commands() end
local call = redis.call
local index, ends, prefix, channel = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = call('ZRANGEBYSCORE', index, -1, -1)[1]
local revision = tonumber(call('ZSCORE', index, '~') or 0)

if ARGV[4] ~= '' and (ARGV[4] ~= epoch or tonumber(ARGV[5]) > revision) then
  return {'', '0', '0', 0}
end

local function text(number) return string.format('%.0f', number) end
local function member(key) return key:sub(#prefix + 1) end

local function ring(at) call('PUBLISH', channel, text(at)) end

local function new_epoch()
  if epoch then call('ZREM', index, epoch) end
  epoch = time[1] .. '.' .. time[2] .. '.' .. ARGV[3]
  call('ZADD', index, -1, epoch)
end

-- Not by <, which goes by the server's locale.  Neither begins with all of the
-- other: there is one NUL in each, 20 bytes before the end.
local function less(a, b)
  for i = 1, #a do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return y ~= nil and x < y end
  end
  return false
end

local n = tonumber(ARGV[9])
local kept, queue, queued = {}, {}, {}
local function enqueue(key)
  if not queued[key] then
    queued[key] = true
    queue[#queue + 1] = key
  end
end
for i = 1, n do
  local key, new = KEYS[3 + i], ARGV[9 + i]
  if kept[key] == nil then
    kept[key] = call('GET', key)
    if kept[key] and not call('ZSCORE', index, member(key)) then enqueue(key) end
  end
  local alive = (tonumber(new:sub(-20)) or 2^53) > now
  if alive and (not kept[key] or less(kept[key], new)) then
    kept[key] = new
    enqueue(key)
  end
end
local counters = #KEYS - 3 - n
for i = 1, counters do call('GET', KEYS[3 + n + i]) end
-- A batch that comes late, on a connection that was given up, is no news either.
if counters > 0 and tonumber(call('GET', KEYS[3]) or 0) >= tonumber(ARGV[8]) then
  counters = 0
end

if not epoch then new_epoch() end
if #queue + counters > 0 then
  local newest = revision + #queue + counters
  ring(newest)
  call('ZADD', index, text(newest), '~')
end

local function indexed(key, at)
  revision = revision + 1
  if at < 2^53 then
    -- For the server a key is still there in the millisecond of its end.
    call('PEXPIREAT', key, text(at - 1))
    call('ZADD', ends, text(at), member(key))
  else
    call('ZREM', ends, member(key))
  end
  call('ZADD', index, text(revision), member(key))
end

for _, key in ipairs(queue) do
  call('SET', key, kept[key])
  indexed(key, tonumber(kept[key]:sub(-20)) or 2^53)
end
if counters > 0 then
  call('SET', KEYS[3], ARGV[8], 'PX', 86400000)
  for i = 1, counters do
    local key, add = KEYS[3 + n + i], ARGV[9 + n + i]
    local total = redis.pcall('INCRBY', key, add)
    if type(total) == 'table' then
      call('SET', key, total.err:find('overflow') and '9223372036854775807' or add)
    end
    indexed(key, now + 400 * 86400000)
  end
end

if ARGV[8] ~= '' then
  for _, gone in ipairs(call('ZRANGEBYSCORE', ends, '-inf', text(now), 'LIMIT', 0, 100)) do
    call('ZREM', index, gone)
    call('ZREM', ends, gone)
  end
end

local rows = call('ZRANGEBYSCORE', index, '(' .. ARGV[6], '+inf', 'WITHSCORES',
                  'LIMIT', 0, ARGV[7])
local names, keys = {}, {}
for i = 1, #rows, 2 do
  if rows[i] ~= '~' then
    names[#names + 1] = rows[i]
    keys[#keys + 1] = prefix .. rows[i]
  end
end
local reply = {epoch, text(revision), rows[#rows] or text(revision), #rows / 2}
local values = #keys > 0 and call('MGET', unpack(keys)) or {}
local evicted = false
for i, name in ipairs(names) do
  if values[i] then
    reply[#reply + 1] = name
    reply[#reply + 1] = values[i]
  else
    local at = call('ZSCORE', ends, name)
    evicted = evicted or not at or tonumber(at) > now
    -- On a replica that fails, and matters to nobody.
    redis.pcall('ZREM', index, name)
    redis.pcall('ZREM', ends, name)
  end
end

-- What was evicted others may still know: they notice the epoch, and send it
-- again.  Not all the time, if there simply is no room.
if evicted and time[1] - epoch:match('^%d+') >= 60 then
  new_epoch()
  ring(revision)
  reply[1] = epoch
end
return reply
