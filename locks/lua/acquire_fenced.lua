-- Takes all the keys for one owner, or none, and draws a fencing token.
-- KEYS  the counter, then the lock keys, sorted
-- ARGV  owner, ttl_ms
-- returns {0, token} if all were taken, else {position of the first lock key that is held}
--
-- The token is above every earlier one that this server remembers, and no less than its clock in
-- microseconds. So it also rises where the counter was lost.
--
-- A script that fails keeps what it has written. So the names come last, after all that may fail.
for position = 2, #KEYS do
  if redis.call('EXISTS', KEYS[position]) == 1 then
    return {position - 1}
  end
end
local time = redis.call('TIME')
local clock_us = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('HGET', KEYS[1], 'last') or 0)
local token = math.max(last + 1, clock_us)
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', token))
for position = 2, #KEYS do
  redis.call('SET', KEYS[position], ARGV[1], 'PX', ARGV[2])
end
return {0, token}
