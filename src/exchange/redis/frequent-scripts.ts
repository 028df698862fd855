/**
 * What happens inside Redis for every worker in every iteration? The scripts that take few keys and define nothing that they do
 * not use, since hundreds of them are an iteration; otherwise as those of `scripts.ts`.
 */
import { lifeMs } from './keys.ts';
import { scriptOf } from './script.ts';
import { eventsMax } from './scripts.ts';

/** The keys of `beat`. */
export const beatKeys = ['cur', 'seats', 'dismissed', 'ev', 'done'] as const;
/** ARGV: seat, heartbeat, its life, beat or nothing → whether it is held */
export const beat = scriptOf(`
local ${beatKeys.join(', ')} = unpack(KEYS)
local call = redis.call
if call('HEXISTS', seats, ARGV[1]) == 0 or call('HEXISTS', dismissed, ARGV[1]) == 1 then return 0 end
call('SET', ARGV[2], '', 'PX', ARGV[3])
if ARGV[4] ~= '' then
  call('HINCRBY', cur, 'evSeq', 1)
  call('RPUSH', ev, '.' .. ARGV[4])
  call('LTRIM', ev, -${eventsMax}, -1)
  call('XADD', done, 'MAXLEN', 16, '*', 'k', '')
  for _, key in ipairs({ ev, done }) do call('PEXPIRE', key, ${lifeMs.abandoned}) end
end
return 1
`);

/** The keys of `look`. */
export const lookKeys = ['cur', 'seats', 'dismissed', 'plan'] as const;
/** ARGV: asked, planned, seats… → stamp, asked, frame, planned, plan head, end; of each seat: whether it is held, plan, why dismissed */
export const look = scriptOf(`
local ${lookKeys.join(', ')} = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call
local state = call('HMGET', cur, 'stamp', 'asked', 'planned', 'end')
local asked, planned = state[2] or '0', state[3] or '0'
local reply = { state[1] or '0', asked, false, planned, false, state[4] }
if asked ~= ARGV[1] then reply[3] = call('HGET', cur, 'frame') end
local held = call('HMGET', seats, unpack(ARGV, 3))
local why = call('EXISTS', dismissed) == 1 and call('HMGET', dismissed, unpack(ARGV, 3)) or {}
local mine = {}
if planned ~= ARGV[2] then
  mine = call('HMGET', plan, '#', unpack(ARGV, 3))
  reply[5] = table.remove(mine, 1)
end
for i = 1, #ARGV - 2 do
  local at = 3 * i + 4
  reply[at], reply[at + 1], reply[at + 2] = held[i] and 1 or 0, mine[i] or false, why[i] or false
end
return reply
`);

/** The keys of `admit`. */
export const admitKeys = ['cur', 'arriving'] as const;
/**
 * Whether there is room for a frame that comes in pieces. What was admitted counts until it is posted, or for as long as its
 * pieces live; where nothing else is on its way and the desk has read all, one comes whatever its size.
 *
 * ARGV: place, bytes, bytes that may wait, bytes kept, life of the pieces → 1: there is
 */
export const admit = scriptOf(`
local ${admitKeys.join(', ')} = KEYS[1], KEYS[2]
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local own = ARGV[1] .. ' ' .. ARGV[2]
call('ZREMRANGEBYSCORE', arriving, '-inf', now)
call('ZREM', arriving, own)
local coming = 0
for _, entry in ipairs(call('ZRANGE', arriving, 0, -1)) do coming = coming + string.match(entry, '%d+$') end
local here = tonumber(call('HGET', cur, 'pBytes') or '0')
local quiet = coming == 0 and here <= tonumber(ARGV[4])
if not quiet and coming + here + ARGV[2] > tonumber(ARGV[3]) then return 0 end
call('ZADD', arriving, now + ARGV[5], own)
call('PEXPIRE', arriving, ARGV[5])
return 1
`);

/** The keys of `post`. */
export const postKeys = ['cur', 'seats', 'dismissed', 'p', 'got', 'ev', 'done', 'arriving'] as const;
/**
 * Seats of one process that post at the same time do it in one step: of each how many arguments follow, and these. One outcome each.
 *
 * ARGV: seat, number, phase, digest, heartbeat, its life or nothing, beat or nothing, bytes that may wait, the frame's bytes, the frame
 * or nothing, where it lies and in how many pieces, then of each answer its first bit and its leaves → one letter an answer
 * (a: accepted, t: twice), or `late`, `fenced`, `full`, `torn` (pieces are missing)
 *
 * A large frame does not pass through Lua, which would copy it twice, nor does it come at once, which would keep everybody
 * waiting: its pieces were set under keys of their own just before, and go again unless it brought a first answer. A server
 * that froze with the command in its buffer is sent it again by the next connection: the second time it brings nothing new,
 * and what the first time brought must stay.
 *
 * One hint is enough until the desk has read what it was about.
 */
export const post = scriptOf(`
local ${postKeys.join(', ')} = unpack(KEYS)
local call = redis.call
local function isNew(bit, count)
  if count == 1 then return call('SETBIT', got, bit, 1) == 0 end
  local width = math.min(count, 32)
  if count > width and call('BITCOUNT', got, bit, bit + count - 1, 'BIT') > 0 then return false end
  for at = bit, bit + count - 1, width do
    local was = call('BITFIELD', got, 'SET', 'u' .. width, at, 2 ^ width - 1)[1]
    if was ~= 0 then
      call('BITFIELD', got, 'SET', 'u' .. width, at, was)
      return false
    end
  end
  return true
end
local function post(at, size)
  local place, pieces = ARGV[at + 11], tonumber(ARGV[at + 12])
  local function each(command, ...)
    for piece = 1, pieces do call(command, place .. ':' .. piece, ...) end
  end
  local function refuse(why)
    if pieces > 0 then
      call('ZREM', arriving, place .. ' ' .. ARGV[at + 9])
      if call('HEXISTS', p, 'P' .. place) == 1 then each('PEXPIRE', ${lifeMs.abandoned}) else each('UNLINK') end
    end
    return why
  end
  if call('HEXISTS', seats, ARGV[at + 1]) == 0 or call('HEXISTS', dismissed, ARGV[at + 1]) == 1 then return refuse('fenced') end
  if ARGV[at + 6] ~= '' then call('SET', ARGV[at + 5], '', 'PX', ARGV[at + 6]) end
  local state = call('HMGET', cur, 'number', 'phase', 'digest', 'end', 'pBytes', 'pRead', 'pSeq')
  local here = tonumber(state[5] or '0')
  if state[4] or state[1] ~= ARGV[at + 2] or state[2] ~= ARGV[at + 3] or state[3] ~= ARGV[at + 4] then return refuse('late') end
  if pieces < 2 and here > tonumber(ARGV[at + 8]) then return refuse('full') end
  for piece = 1, pieces do
    if call('EXISTS', place .. ':' .. piece) == 0 then return refuse('torn') end
  end
  if ARGV[at + 7] ~= '' then
    call('HINCRBY', cur, 'evSeq', 1)
    call('RPUSH', ev, '.' .. ARGV[at + 7])
    call('LTRIM', ev, -${eventsMax}, -1)
    call('PEXPIRE', ev, ${lifeMs.abandoned})
  end
  local receipts, first = {}, {}
  for i = at + 13, at + size, 2 do
    local new = isNew(tonumber(ARGV[i]), tonumber(ARGV[i + 1]))
    receipts[#receipts + 1] = new and 'a' or 't'
    if new then first[#first + 1] = ARGV[i] .. '+' .. ARGV[i + 1] end
  end
  if #first == 0 then return refuse(table.concat(receipts)) end
  local seq = tonumber(state[7] or '0') + 1
  if seq - 1 <= tonumber(state[6] or '0') then call('XADD', done, 'MAXLEN', 16, '*', 'k', '') end
  local fields = { 'L' .. seq, table.concat(first, ' ') }
  if pieces == 0 then
    fields[3], fields[4] = 'F' .. seq, ARGV[at + 10]
  else
    for _, field in ipairs({ seq, place, 'N' .. seq, pieces, 'B' .. seq, ARGV[at + 9], 'P' .. place, seq }) do
      fields[#fields + 1] = field
    end
    each('PEXPIRE', ${lifeMs.abandoned})
    call('ZREM', arriving, place .. ' ' .. ARGV[at + 9])
    call('HSET', cur, 'pPlaced', 1)
  end
  call('HSET', p, unpack(fields))
  call('HSET', cur, 'pSeq', seq, 'pBytes', here + ARGV[at + 9])
  -- The phase's first answers give the keys their lifetime.
  if here == 0 then
    for _, key in ipairs({ p, got, done }) do call('PEXPIRE', key, ${lifeMs.abandoned}) end
  end
  return table.concat(receipts)
end
local replies, at = {}, 1
while at <= #ARGV do
  replies[#replies + 1] = post(at, tonumber(ARGV[at]))
  at = at + ARGV[at] + 1
end
return replies
`);
