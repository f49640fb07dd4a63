-- Gives all the keys a new time to live, if the owner holds all of them.
-- KEYS  the lock keys
-- ARGV  owner, ttl_ms
-- returns 1 if they were extended, 0 if at least one key was lost (then nothing changes)
--
-- A key that has another type now was lost, too.
for _, key in ipairs(KEYS) do
  if redis.pcall('GET', key) ~= ARGV[1] then
    return 0
  end
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ARGV[2])
end
return 1
