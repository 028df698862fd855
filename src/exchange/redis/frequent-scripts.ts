/**
 * What happens inside Redis for every worker in every iteration? The scripts that take few keys and define nothing that they do
 * not use, since hundreds of them are an iteration; otherwise as those of `scripts.ts`.
 */
import { lifeMs } from './keys.ts';
import { scriptOf } from './script.ts';
import { eventsMax } from './scripts.ts';

/** What seats have to tell a desk that is no answer. */
const tell = `
local function tell(entries)
  if #entries == 0 then return end
  call('HINCRBY', cur, 'evSeq', #entries)
  call('RPUSH', ev, unpack(entries))
  call('LTRIM', ev, -${eventsMax}, -1)
  call('PEXPIRE', ev, ${lifeMs.abandoned})
end
`;

/** The keys of `beat`. */
export const beatKeys = ['cur', 'seats', 'dismissed', 'ev', 'done'] as const;
/** ARGV: of each seat of a process its id, heartbeat, its life, beat or nothing → of each whether it is held */
export const beat = scriptOf(`
local ${beatKeys.join(', ')} = unpack(KEYS)
local call = redis.call
${tell}
local replies, beats = {}, {}
for at = 1, #ARGV, 4 do
  local seat = ARGV[at]
  local held = call('HEXISTS', seats, seat) == 1 and call('HEXISTS', dismissed, seat) == 0
  replies[#replies + 1] = held and 1 or 0
  if held then
    call('SET', ARGV[at + 1], '', 'PX', ARGV[at + 2])
    if ARGV[at + 3] ~= '' then beats[#beats + 1] = '.' .. ARGV[at + 3] end
  end
end
if #beats > 0 then
  tell(beats)
  call('XADD', done, 'MAXLEN', 16, '*', 'k', '')
  call('PEXPIRE', done, ${lifeMs.abandoned})
end
return replies
`);

/** The keys of `look`. */
export const lookKeys = ['cur', 'seats', 'dismissed', 'plan'] as const;
/**
 * ARGV: asked, planned, seats… → stamp, asked, frame, planned, plan: its head and the part of each seat, end, places of seats that are
 * not held, places of seats that are dismissed, each followed by why
 */
export const look = scriptOf(`
local ${lookKeys.join(', ')} = unpack(KEYS)
local call = redis.call
local state = call('HMGET', cur, 'stamp', 'asked', 'planned', 'end')
local asked, planned = state[2] or '0', state[3] or '0'
local frame = asked ~= ARGV[1] and call('HGET', cur, 'frame')
local parts = planned ~= ARGV[2] and call('HMGET', plan, '#', unpack(ARGV, 3)) or {}
local lost, sent = {}, {}
for place, slot in ipairs(call('HMGET', seats, unpack(ARGV, 3))) do
  if not slot then lost[#lost + 1] = place - 1 end
end
if call('EXISTS', dismissed) == 1 then
  for place, why in ipairs(call('HMGET', dismissed, unpack(ARGV, 3))) do
    if why then
      sent[#sent + 1] = place - 1
      sent[#sent + 1] = why
    end
  end
end
return { state[1] or '0', asked, frame, planned, parts, state[4], lost, sent }
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
 * What the seats of a process post at the same time comes in one step, those of one question in one frame, as far as it is small.
 *
 * ARGV: of each frame its heading, the frame, or nothing where it lies in pieces, and beats → of each frame one letter an answer (a:
 * accepted, t: twice, l: late, f: fenced), or `full`, `torn` (pieces are missing)
 *
 * A heading is MessagePack, which is read here in a fraction of the time that hundreds of arguments take: number, phase, digest, bytes
 * that may wait, the frame's bytes, where it lies and in how many pieces; seats, how many answers each, of each answer its first bit
 * and its leaves, the same as runs of neighbouring bits, and as it is noted; the life of a seat, places of seats that are heard of
 * by this, each followed by its heartbeat, and places of seats whose beats follow (as no MessagePack of Redis reads bytes).
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
${tell}
local asked = call('HMGET', cur, 'number', 'phase', 'digest', 'end', 'pBytes', 'pRead', 'pSeq')
local here, read, seq = tonumber(asked[5] or '0'), tonumber(asked[6] or '0'), tonumber(asked[7] or '0')
local sent = call('EXISTS', dismissed) == 1
local beats = {}
-- Of each seat whether it is held, and whether all are.
local function holding(ids)
  local held, all = call('HMGET', seats, unpack(ids)), true
  local why = sent and call('HMGET', dismissed, unpack(ids)) or {}
  for n = 1, #ids do
    held[n] = held[n] and not why[n]
    all = all and held[n]
  end
  return held, all
end
-- Bits from one on, as a command sets all of them: 32 at a time.
local function setting(sets, bit, count)
  for at = bit, bit + count - 1, 32 do
    local width, n = math.min(bit + count - at, 32), #sets
    sets[n + 1], sets[n + 2], sets[n + 3], sets[n + 4] = 'SET', 'u' .. width, at, 2 ^ width - 1
  end
end
local function take(bit, count)
  if count == 1 then return call('SETBIT', got, bit, 1) == 0 end
  if call('BITCOUNT', got, bit, bit + count - 1, 'BIT') > 0 then return false end
  for at = bit, bit + count - 1, 1024 do
    local sets = {}
    setting(sets, at, math.min(bit + count - at, 1024))
    call('BITFIELD', got, unpack(sets))
  end
  return true
end
-- All of them or none: mostly nobody else has answered any.
local function takeAll(runs)
  local sets = {}
  for n = 1, #runs, 2 do setting(sets, runs[n], runs[n + 1]) end
  if #sets > 1024 then return false end
  local free = true
  local before = call('BITFIELD', got, unpack(sets))
  for n = 1, #before do free = free and before[n] == 0 end
  if free then return true end
  for n = #before, 1, -1 do call('BITFIELD', got, 'SET', sets[4 * n - 2], sets[4 * n - 1], before[n]) end
  return false
end
-- Each for itself: the letters, and what is noted of those that were the first.
local function takeEach(held, counts, bits, leaves)
  local letters, first, at = {}, {}, 0
  for n = 1, #counts do
    for answer = at + 1, at + counts[n] do
      local new = held[n] and take(bits[answer], leaves[answer])
      letters[answer] = not held[n] and 'f' or new and 'a' or 't'
      if new then first[#first + 1] = (answer - 1) .. ':' .. bits[answer] .. '+' .. leaves[answer] end
    end
    at = at + counts[n]
  end
  return table.concat(letters), table.concat(first, ' ')
end
local function post(heading, at)
  local number, phase, digest, room, bytes, place, pieces, ids, counts, bits, leaves, runs, noted, life, signs, told = unpack(heading)
  local function each(command, ...)
    for piece = 1, pieces do call(command, place .. ':' .. piece, ...) end
  end
  local function refuse(why)
    if pieces > 0 then
      call('ZREM', arriving, place .. ' ' .. bytes)
      if call('HEXISTS', p, 'P' .. place) == 1 then each('PEXPIRE', ${lifeMs.abandoned}) else each('UNLINK') end
    end
    return why
  end
  local held, all = holding(ids)
  for n = 1, #signs, 2 do
    if held[signs[n]] then call('SET', signs[n + 1], '', 'PX', life) end
  end
  local none = true
  for n = 1, #ids do none = none and not held[n] end
  if none or asked[4] or asked[1] ~= number or asked[2] ~= phase or asked[3] ~= digest then
    local letters = {}
    for n = 1, #ids do letters[n] = string.rep(held[n] and 'l' or 'f', counts[n]) end
    return refuse(table.concat(letters))
  end
  if pieces < 2 and here > room then return refuse('full') end
  for piece = 1, pieces do
    if call('EXISTS', place .. ':' .. piece) == 0 then return refuse('torn') end
  end
  for n, seat in ipairs(told) do
    if held[seat] then beats[#beats + 1] = '.' .. ARGV[at + 1 + n] end
  end
  local letters, first = string.rep('a', #bits), noted
  if not (all and takeAll(runs)) then letters, first = takeEach(held, counts, bits, leaves) end
  if first == '' then return refuse(letters) end
  seq = seq + 1
  if seq - 1 <= read then call('XADD', done, 'MAXLEN', 16, '*', 'k', '') end
  local fields = { 'L' .. seq, first }
  if pieces == 0 then
    fields[3], fields[4] = 'F' .. seq, ARGV[at + 1]
  else
    for _, field in ipairs({ seq, place, 'N' .. seq, pieces, 'B' .. seq, bytes, 'P' .. place, seq }) do
      fields[#fields + 1] = field
    end
    each('PEXPIRE', ${lifeMs.abandoned})
    call('ZREM', arriving, place .. ' ' .. bytes)
    call('HSET', cur, 'pPlaced', 1)
  end
  call('HSET', p, unpack(fields))
  -- The phase's first answers give the keys their lifetime.
  if here == 0 then
    for _, key in ipairs({ p, got, done }) do call('PEXPIRE', key, ${lifeMs.abandoned}) end
  end
  here = here + bytes
  call('HSET', cur, 'pSeq', seq, 'pBytes', here)
  return letters
end
local replies, at = {}, 1
while at <= #ARGV do
  local heading = cmsgpack.unpack(ARGV[at])
  replies[#replies + 1] = post(heading, at)
  at = at + 2 + #heading[#heading]
end
tell(beats)
return replies
`);
