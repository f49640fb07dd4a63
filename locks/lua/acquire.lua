-- Takes all the keys for one owner, or none.
-- KEYS  the lock keys, sorted
-- ARGV  owner, ttl_ms
-- returns 0 if all were taken, else the position of the first key that is held
for position, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    return position
  end
end
for _, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
end
return 0
