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
 * ARGV: of each frame how many arguments follow, and these: number, phase, digest, bytes that may wait, the frame's bytes, the frame
 * or nothing, where it lies and in how many pieces, how many seats; of each seat its id, heartbeat, its life or nothing, beat or
 * nothing, how many answers; and of each answer its first bit and its leaves → of each frame one letter an answer (a: accepted,
 * t: twice, l: late, f: fenced), or `full`, `torn` (pieces are missing)
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
local function holding(ids)
  local held = call('HMGET', seats, unpack(ids))
  local why = sent and call('HMGET', dismissed, unpack(ids)) or {}
  for n = 1, #ids do held[n] = held[n] and not why[n] end
  return held
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
local function takeAll(bits, counts)
  local sets = {}
  for n = 1, #bits do setting(sets, bits[n], counts[n]) end
  if #bits == 1 or #sets > 1024 then return false end
  local free = true
  local before = call('BITFIELD', got, unpack(sets))
  for n = 1, #before do free = free and before[n] == 0 end
  if free then return true end
  for n = #before, 1, -1 do call('BITFIELD', got, 'SET', sets[4 * n - 2], sets[4 * n - 1], before[n]) end
  return false
end
local function post(at)
  local number, phase, digest, room, bytes, frame, place, pieces, count = unpack(ARGV, at, at + 8)
  pieces = tonumber(pieces)
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
  local ids, starts, next = {}, {}, at + 9
  for n = 1, tonumber(count) do
    ids[n], starts[n] = ARGV[next], next
    next = next + 5 + 2 * ARGV[next + 4]
  end
  local held = holding(ids)
  local late = asked[4] or asked[1] ~= number or asked[2] ~= phase or asked[3] ~= digest
  local letters, bits, counts, letterAt = {}, {}, {}, {}
  for n, start in ipairs(starts) do
    if held[n] and ARGV[start + 2] ~= '' then call('SET', ARGV[start + 1], '', 'PX', ARGV[start + 2]) end
    for answer = start + 5, start + 3 + 2 * ARGV[start + 4], 2 do
      letters[#letters + 1] = held[n] and 'l' or 'f'
      if held[n] then
        bits[#bits + 1], counts[#counts + 1] = tonumber(ARGV[answer]), tonumber(ARGV[answer + 1])
        letterAt[#letterAt + 1] = #letters
      end
    end
  end
  if late or #bits == 0 then return refuse(table.concat(letters)) end
  if pieces < 2 and here > tonumber(room) then return refuse('full') end
  for piece = 1, pieces do
    if call('EXISTS', place .. ':' .. piece) == 0 then return refuse('torn') end
  end
  for n, start in ipairs(starts) do
    if held[n] and ARGV[start + 3] ~= '' then beats[#beats + 1] = '.' .. ARGV[start + 3] end
  end
  local first, all = {}, takeAll(bits, counts)
  for n = 1, #bits do
    local new = all or take(bits[n], counts[n])
    letters[letterAt[n]] = new and 'a' or 't'
    if new then first[#first + 1] = (letterAt[n] - 1) .. ':' .. bits[n] .. '+' .. counts[n] end
  end
  if #first == 0 then return refuse(table.concat(letters)) end
  seq = seq + 1
  if seq - 1 <= read then call('XADD', done, 'MAXLEN', 16, '*', 'k', '') end
  local fields = { 'L' .. seq, table.concat(first, ' ') }
  if pieces == 0 then
    fields[3], fields[4] = 'F' .. seq, frame
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
  return table.concat(letters)
end
local replies, at = {}, 1
while at <= #ARGV do
  replies[#replies + 1] = post(at + 1)
  at = at + ARGV[at] + 1
end
tell(beats)
return replies
`);
