/**
 * What happens inside Redis in one step? The Lua scripts of desk and seat: whoever acts proves its right in the same step. Those
 * that every worker runs in every iteration are in `frequent-scripts.ts`.
 *
 * A desk proves that no later one opened (`desk` is its own), a seat that it is held and not dismissed. A script may run twice
 * when a connection breaks between its effect and its answer: none does harm the second time.
 */
import { iterationKeys, lifeMs } from './keys.ts';
import { type Script, scriptOf } from './script.ts';

/** How much of what happened is kept for a desk that does not read: joins and leaves of some thousand seats. */
export const eventsMax = 20_000;
/** Answers sent to a desk at once, in bytes. */
const drainBytes = 8 * 2 ** 20;

const prelude = `
local ${iterationKeys.join(', ')} = unpack(KEYS)
local call = redis.call
local function ring(stream) call('XADD', stream, 'MAXLEN', 16, '*', 'k', '') end
local function keep(...)
  local life = call('HEXISTS', cur, 'end') == 1 and ${lifeMs.ended} or ${lifeMs.abandoned}
  for _, key in ipairs({...}) do call('PEXPIRE', key, life) end
end
local function changed()
  local stamp = call('HINCRBY', cur, 'stamp', 1)
  ring(wake)
  keep(unpack(KEYS))
  return stamp
end
local function tell(entry)
  call('HINCRBY', cur, 'evSeq', 1)
  call('RPUSH', ev, entry)
  call('LTRIM', ev, -${eventsMax}, -1)
  ring(done)
  keep(ev, done)
end
local function fence(desk)
  local holder = call('HGET', cur, 'desk')
  if not holder then return 'gone' end
  if holder ~= desk then return 'fenced' end
end
local function held(seat)
  return call('HEXISTS', seats, seat) == 1 and call('HEXISTS', dismissed, seat) == 0
end
local function free(seat)
  local slot = call('HGET', seats, seat)
  call('HDEL', seats, seat)
  call('HDEL', joins, seat)
  call('HDEL', dismissed, seat)
  local value = call('HGET', slots, slot)
  if not value then return end
  if tonumber(slot) >= tonumber(call('HGET', cur, 'max')) then call('HDEL', slots, slot) return end
  local offer = tonumber(string.match(value, '^(%d+)')) + 1
  call('HSET', slots, slot, offer .. ' ')
  if call('HEXISTS', cur, 'end') == 1 then return end
  return slot .. ' ' .. offer
end
local function offers()
  local free = {}
  local all = call('HGETALL', slots)
  for i = 1, #all, 2 do
    local offer = string.match(all[i + 1], '^(%d+) $')
    if offer then free[#free + 1] = all[i] .. ' ' .. offer end
  end
  return free
end
local function add(answers, seq)
  local leaves, frame, place, pieces, bytes =
    unpack(call('HMGET', p, 'L' .. seq, 'F' .. seq, seq, 'N' .. seq, 'B' .. seq))
  if not leaves then return 0 end
  for _, part in ipairs({ leaves, frame or '', place or '', pieces or '0' }) do answers[#answers + 1] = part end
  return frame and #frame or tonumber(bytes)
end
local function drop(from, to)
  local dropped = 0
  for seq = from, to do
    local place, pieces, bytes = unpack(call('HMGET', p, seq, 'N' .. seq, 'B' .. seq))
    for piece = 1, tonumber(pieces or '0') do call('UNLINK', place .. ':' .. piece) end
    dropped = dropped + (tonumber(bytes) or call('HSTRLEN', p, 'F' .. seq))
    call('HDEL', p, 'L' .. seq, 'F' .. seq, seq, 'N' .. seq, 'B' .. seq, 'P' .. (place or ''))
  end
  return dropped
end
local function forget()
  local kept, seq, placed = unpack(call('HMGET', cur, 'pKept', 'pSeq', 'pPlaced'))
  if placed then drop(tonumber(kept or '0') + 1, tonumber(seq or '0')) end
  call('UNLINK', p)
  call('HDEL', cur, 'pPlaced')
  call('HSET', cur, 'pBytes', 0, 'pKept', seq or 0, 'pRead', seq or 0)
end
local function assign(text)
  call('DEL', plan)
  local fields = {}
  local function set()
    if #fields > 0 then call('HSET', plan, unpack(fields)) end
    fields = {}
  end
  for seat, part in string.gmatch(text or '', '([^\\t]+)\\t([^\\n]*)\\n') do
    fields[#fields + 1] = seat
    fields[#fields + 1] = part
    -- As many as the stack has room for.
    if #fields >= 2000 then set() end
  end
  set()
  call('HINCRBY', cur, 'planned', 1)
end
`;

const script = (body: string): Script => scriptOf(`${prelude}${body}`);

/** ARGV: nonce, epoch that is past, sheet, slots. → epoch, events seen, answers seen, stamp, offers */
export const open = script(`
local past = math.max(tonumber(call('GET', epoch) or '0'), tonumber(ARGV[2]))
call('SET', epoch, past + 1)
call('HSET', cur, 'desk', (past + 1) .. ' ' .. ARGV[1], 'sheet', ARGV[3], 'max', ARGV[4])
call('DEL', ev)
if call('HGET', cur, 'forgot') == '1' then
  call('HDEL', cur, 'forgot')
  call('DEL', got)
  local all = call('HGETALL', p)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) == 'L' then
      for bit, count in string.gmatch(all[i + 1], '(%d+)%+(%d+)') do
        for n = 0, count - 1 do call('SETBIT', got, bit + n, 1) end
      end
    end
  end
end
for slot = 0, tonumber(ARGV[4]) - 1 do call('HSETNX', slots, slot, '1 ') end
for _, slot in ipairs(call('HKEYS', slots)) do
  if tonumber(slot) >= tonumber(ARGV[4]) and string.match(call('HGET', slots, slot), ' $') then
    call('HDEL', slots, slot)
  end
end
keep(unpack(KEYS))
local state = call('HMGET', cur, 'evSeq', 'pSeq', 'stamp')
call('HSET', cur, 'pRead', state[2] or 0)
return { past + 1, state[1] or '0', state[2] or '0', state[3] or '0', offers() }
`);

/** ARGV: desk, number, phase, digest, frame, plan or nothing → outcome, stamp, answers seen */
export const publish = script(`
local refused = fence(ARGV[1])
if refused then return { refused } end
local asked = call('HMGET', cur, 'number', 'phase', 'digest')
if asked[1] ~= ARGV[2] or asked[2] ~= ARGV[3] or asked[3] ~= ARGV[4] then
  forget()
  call('DEL', got)
  call('HDEL', cur, 'forgot')
end
call('HSET', cur, 'number', ARGV[2], 'phase', ARGV[3], 'digest', ARGV[4], 'frame', ARGV[5])
call('HINCRBY', cur, 'asked', 1)
assign(ARGV[6])
return { 'accepted', changed(), call('HGET', cur, 'pSeq') or '0' }
`);

/** ARGV: desk, plan → outcome, stamp */
export const assign = script(`
local refused = fence(ARGV[1])
if refused then return { refused } end
assign(ARGV[2])
return { 'accepted', changed() }
`);

/** ARGV: desk, seat, error → outcome, stamp */
export const dismiss = script(`
local refused = fence(ARGV[1])
if refused then return { refused } end
if call('HEXISTS', seats, ARGV[2]) == 1 then call('HSETNX', dismissed, ARGV[2], ARGV[3]) end
return { 'accepted', changed() }
`);

/** ARGV: desk, end → outcome, stamp, offers that stand no more */
export const end = script(`
local refused = fence(ARGV[1])
if refused then return { refused } end
call('HSETNX', cur, 'end', ARGV[2])
forget()
return { 'accepted', changed(), offers() }
`);

/** ARGV: heartbeat prefix → frame, plan, end, joins, seats and how long their signs of life last still, answers: of each, which leaves it was the first for, its frame, or where that lies and in how many pieces */
export const standing = script(`
local state = call('HMGET', cur, 'frame', 'end')
local sitting, lasting = {}, {}
for _, seat in ipairs(call('HKEYS', joins)) do
  if held(seat) then
    sitting[#sitting + 1] = call('HGET', joins, seat)
    lasting[#lasting + 1] = seat
    lasting[#lasting + 1] = call('PTTL', ARGV[1] .. seat)
  end
end
local answers = {}
local last = tonumber(call('HGET', cur, 'pSeq') or '0')
for seq = tonumber(call('HGET', cur, 'pKept') or '0') + 1, last do
  add(answers, seq)
end
return { state[1], call('HGETALL', plan), state[2], sitting, lasting, answers }
`);

/** ARGV: desk, events seen, answers seen, bytes kept → outcome, stamp, events seen, events, answers seen, answers as in `standing`, how many are left */
export const drain = script(`
local refused = fence(ARGV[1])
if refused then return { refused } end
local state = call('HMGET', cur, 'stamp', 'evSeq', 'pSeq', 'pBytes', 'pKept')
local evSeq, pSeq = tonumber(state[2] or '0'), tonumber(state[3] or '0')
local pBytes, pKept = tonumber(state[4] or '0'), tonumber(state[5] or '0')
local evSeen, pSeen = tonumber(ARGV[2]), tonumber(ARGV[3])
if evSeen > evSeq or pSeen > pSeq then return { 'gone' } end
local waiting = call('LLEN', ev)
local read = waiting - (evSeq - evSeen)
if read > 0 then call('LTRIM', ev, read, -1) end
if pBytes > tonumber(ARGV[4]) then
  while pBytes > tonumber(ARGV[4]) and pKept < pSeen do
    pKept = pKept + 1
    pBytes = pBytes - drop(pKept, pKept)
  end
  call('HSET', cur, 'pBytes', pBytes, 'pKept', pKept, 'forgot', 1)
end
local answers, bytes = {}, 0
local seq = math.max(pSeen, pKept)
while seq < pSeq and bytes < ${drainBytes} do
  seq = seq + 1
  bytes = bytes + add(answers, seq)
end
call('HSET', cur, 'pRead', seq)
return { 'accepted', state[1] or '0', evSeq, call('LRANGE', ev, 0, -1), seq, answers, pSeq - seq }
`);

/** ARGV: desk, heartbeat prefix, whether to look for lost seats → outcome, offers that are open, seats held */
export const sweep = script(`
local refused = fence(ARGV[1])
if refused then return { refused } end
if ARGV[3] == '1' then
  for _, seat in ipairs(call('HKEYS', seats)) do
    if call('EXISTS', ARGV[2] .. seat) == 0 then
      free(seat)
      tell('-' .. seat)
    end
  end
end
keep(unpack(KEYS))
return { 'accepted', offers() }
`);

/** ARGV: slot, offer, seat, heartbeat, its life → sheet; nothing when the offer does not stand */
export const lease = script(`
local sheet = call('HGET', cur, 'sheet')
if not sheet or call('HEXISTS', cur, 'end') == 1 then return false end
local offer, holder = string.match(call('HGET', slots, ARGV[1]) or '', '^(%d+) (.*)$')
if offer ~= ARGV[2] or (holder ~= '' and holder ~= ARGV[3]) then return false end
call('HSET', slots, ARGV[1], offer .. ' ' .. ARGV[3])
call('HSET', seats, ARGV[3], ARGV[1])
call('SET', ARGV[4], '', 'PX', ARGV[5])
keep(slots, seats)
return sheet
`);

/** ARGV: seat, join, heartbeat, its life → whether it is held */
export const join = script(`
if not held(ARGV[1]) then return 0 end
call('SET', ARGV[3], '', 'PX', ARGV[4])
if call('HGET', joins, ARGV[1]) == ARGV[2] then return 1 end
call('HSET', joins, ARGV[1], ARGV[2])
keep(joins)
tell('+' .. ARGV[2])
return 1
`);

/** ARGV: seat, heartbeat, beat or nothing, error or nothing → the slot's next offer */
export const leave = script(`
if call('HEXISTS', seats, ARGV[1]) == 0 then return false end
call('DEL', ARGV[2])
local next = free(ARGV[1])
if ARGV[3] ~= '' then tell('.' .. ARGV[3]) end
if ARGV[4] ~= '' then tell('!' .. ARGV[1] .. ' ' .. ARGV[4]) else tell('=' .. ARGV[1]) end
return next
`);
