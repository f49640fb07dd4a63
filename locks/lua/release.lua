-- Deletes those keys that the owner still holds. A key that a rival holds now is left alone.
-- KEYS  the lock keys
-- ARGV  owner
-- returns the number of deleted keys
--
-- A key of another type is no lock of ours, and must not keep the others.
local freed = 0
for _, key in ipairs(KEYS) do
  if redis.pcall('GET', key) == ARGV[1] then
    freed = freed + redis.call('DEL', key)
  end
end
return freed
