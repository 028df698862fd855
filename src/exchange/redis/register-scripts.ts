/**
 * What happens inside Redis in one step to a run's record? The Lua scripts of the register.
 *
 * Fields of `status`: head (what it was ordered as), set (what was changed for it), set and a batch (for that batch), state,
 * attempt (how often it was queued), holder and since (the coordinator that took it, and its epoch), epoch, progress, error,
 * summary, cancel, submittedAt, startedAt, endedAt.
 */
import { lifeMs, recordKeys } from './keys.ts';
import { type Script, scriptOf } from './script.ts';

/** Records kept of what happened to a run. */
const recordsMax = 2000;
/** A run that is queued is looked after so long after it was queued, and then every so often. */
const lookAfterMs = { first: 5000, later: 30_000 } as const;
/** Runs looked at in one step. */
const pageLength = 64;

const indexes = ['runs', 'ended', 'queued', 'taken'] as const;

/** KEYS: the run's record, then the indexes, then what a script names itself. */
const prelude = `
local ${[...recordKeys, ...indexes].join(', ')} = unpack(KEYS)
local own = ${recordKeys.length + indexes.length}
local call = redis.call
local function now()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function over(state) return state == 'done' or state == 'failed' or state == 'cancelled' end
local function record(news) call('XADD', log, 'MAXLEN', '~', ${recordsMax}, '*', 'news', news) end
local function stamp(time) return string.format('%.0f', time) end
local function finish(run)
  call('HSET', status, 'endedAt', stamp(now()))
  call('HDEL', status, 'holder')
  call('ZADD', ended, stamp(now()), run)
  call('ZREM', queued, run)
  call('SREM', taken, run)
  call('DEL', inputs, lease)
  for _, key in ipairs({ status, order, log, epoch }) do call('PEXPIRE', key, ${lifeMs.retained}) end
end
`;

const script = (body: string): Script => scriptOf(`${prelude}${body}`);

/**
 * KEYS own…: batch, iterations. ARGV: run, head, order, inputs or nothing, news, changes or nothing, batch or nothing
 * → outcome, attempt, state.
 * A run that is known belongs to the batch, too: its results are among those that are fetched.
 */
export const submit = script(`
local state = call('HGET', status, 'state')
local function changed()
  if ARGV[6] == '' then return end
  call('HSETNX', status, 'set', ARGV[6])
  if ARGV[7] ~= '' then call('HSET', status, 'set ' .. ARGV[7], ARGV[6]) end
end
if KEYS[own + 1] ~= status then
  call('SADD', KEYS[own + 1], ARGV[1])
  call('PEXPIRE', KEYS[own + 1], ${lifeMs.retained})
end
if state and not over(state) or state == 'done' then
  changed()
  return { 'known', call('HGET', status, 'attempt'), state }
end
local attempt = tonumber(call('HGET', status, 'attempt') or '0') + 1
call('DEL', status, order, inputs, log, lease)
for i = own + 2, #KEYS do if KEYS[i] ~= epoch then call('UNLINK', KEYS[i]) end end
call('PERSIST', epoch)
local time = now()
call('HSET', status, 'head', ARGV[2], 'state', 'queued', 'attempt', attempt, 'submittedAt', stamp(time))
changed()
call('SET', order, ARGV[3])
if ARGV[4] ~= '' then call('SET', inputs, ARGV[4]) end
call('ZADD', runs, stamp(time), ARGV[1])
call('ZREM', ended, ARGV[1])
call('SREM', taken, ARGV[1])
call('ZADD', queued, stamp(time + ${lookAfterMs.first}), ARGV[1])
record(ARGV[5])
return { 'new', attempt, 'queued' }
`);

/** ARGV: run, token → epoch, whether it was taken before, order; nothing when it is not to be had */
export const take = script(`
local state = call('HGET', status, 'state')
if not state or over(state) then
  call('SREM', taken, ARGV[1])
  return false
end
local holder = call('GET', lease)
if holder and holder ~= ARGV[2] then return false end
call('SET', lease, ARGV[2], 'PX', ${lifeMs.lease})
local before = call('HEXISTS', status, 'since')
local since = call('INCR', epoch)
call('HSET', status, 'holder', ARGV[2], 'since', since)
call('SADD', taken, ARGV[1])
call('ZREM', queued, ARGV[1])
return { since, before, call('GET', order) }
`);

/** ARGV: token → held, cancel, fenced or gone */
export const renew = script(`
if call('EXISTS', status) == 0 then return 'gone' end
if call('HGET', status, 'holder') ~= ARGV[1] then
  if over(call('HGET', status, 'state')) then return 'held' end
  return 'fenced'
end
call('SET', lease, ARGV[1], 'PX', ${lifeMs.lease})
if call('HEXISTS', status, 'cancel') == 1 then return 'cancel' end
return 'held'
`);

/** ARGV: run, token, again or over → the attempt to queue, or nothing */
export const release = script(`
if call('HGET', status, 'holder') ~= ARGV[2] then return false end
call('HDEL', status, 'holder')
call('DEL', lease)
if ARGV[3] == 'over' then return false end
call('SREM', taken, ARGV[1])
call('ZADD', queued, stamp(now() + ${lookAfterMs.first}), ARGV[1])
return call('HINCRBY', status, 'attempt', 1)
`);

/**
 * KEYS own…: cur, wake, iterations. ARGV: run, epoch, news, state or nothing, end or nothing, then fields and values to set → outcome
 * Whoever sits at a run hears from its desk that it is over, or else from here: a desk may not have lived to say so.
 */
export const report = script(`
local state, since = unpack(call('HMGET', status, 'state', 'since'))
if not state or over(state) then return 'late' end
if tonumber(ARGV[2]) < tonumber(since or '0') then return 'fenced' end
call('HSET', status, 'epoch', ARGV[2])
for i = 6, #ARGV, 2 do call('HSET', status, ARGV[i], ARGV[i + 1]) end
record(ARGV[3])
if ARGV[4] ~= '' then
  call('HSET', status, 'state', ARGV[4])
  if ARGV[4] == 'active' then call('HSETNX', status, 'startedAt', stamp(now())) end
  if over(ARGV[4]) then
    finish(ARGV[1])
    local cur, wake = KEYS[own + 1], KEYS[own + 2]
    if call('HEXISTS', cur, 'sheet') == 1 and call('HSETNX', cur, 'end', ARGV[5]) == 1 then
      call('HINCRBY', cur, 'stamp', 1)
      call('XADD', wake, 'MAXLEN', 16, '*', 'k', '')
      for i = own + 3, #KEYS do if KEYS[i] ~= epoch then call('PEXPIRE', KEYS[i], ${lifeMs.ended}) end end
    end
  end
end
return 'accepted'
`);

/** ARGV: run, news of the end → outcome, attempt */
export const cancel = script(`
local state = call('HGET', status, 'state')
if not state then return { 'unknown' } end
if over(state) then return { 'over' } end
call('HSET', status, 'cancel', 1)
if call('HEXISTS', status, 'since') == 1 and call('EXISTS', lease) == 1 then return { 'asked' } end
if state ~= 'queued' then return { 'asked' } end
call('HSET', status, 'state', 'cancelled')
record(ARGV[2])
finish(ARGV[1])
return { 'cancelled', call('HGET', status, 'attempt') }
`);

/**
 * ARGV: where a run's keys begin, whether to look for lapsed leases → runs nobody carries, queued runs to look after, milliseconds
 * until the next lease lapses unless it is renewed
 */
export const look = scriptOf(`
local queued, taken = unpack(KEYS)
local call = redis.call
local time = call('TIME')
local now = tonumber(time[1]) * 1000
local lapsed, waiting, soonest = {}, {}, ${lifeMs.lease}
if ARGV[2] == '1' then
  for _, run in ipairs(call('SMEMBERS', taken)) do
    local left = call('PTTL', ARGV[1] .. run .. ':lease')
    if left < 0 then lapsed[#lapsed + 1] = run else soonest = math.min(soonest, left) end
  end
end
for _, run in ipairs(call('ZRANGEBYSCORE', queued, '-inf', string.format('%.0f', now), 'LIMIT', 0, ${pageLength})) do
  call('ZADD', queued, string.format('%.0f', now + ${lookAfterMs.later}), run)
  local attempt = call('HGET', ARGV[1] .. run .. ':status', 'attempt')
  if attempt then waiting[#waiting + 1] = run .. ' ' .. attempt else call('ZREM', queued, run) end
end
return { lapsed, waiting, soonest }
`);

/** KEYS: runs, ended. ARGV: where a run's keys begin, age in ms, names of a run's keys… → runs forgotten */
export const prune = scriptOf(`
local runs, ended = unpack(KEYS)
local call = redis.call
local time = call('TIME')
local before = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[2])
local gone = call('ZRANGEBYSCORE', ended, '-inf', string.format('%.0f', before), 'LIMIT', 0, ${pageLength})
for _, run in ipairs(gone) do
  for i = 3, #ARGV do call('UNLINK', ARGV[1] .. run .. ':' .. ARGV[i]) end
  call('ZREM', ended, run)
  call('ZREM', runs, run)
end
return gone
`);
