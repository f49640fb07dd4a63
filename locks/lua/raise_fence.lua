-- Raises the counter to a token that another server drew, if the owner still holds all the keys.
-- KEYS  the counter, then the lock keys
-- ARGV  owner, token
-- returns 1 if the keys are held and the counter is at the token or above it, else 0
for position = 2, #KEYS do
  if redis.call('GET', KEYS[position]) ~= ARGV[1] then
    return 0
  end
end
if tonumber(redis.call('HGET', KEYS[1], 'last') or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'last', ARGV[2])
end
return 1
