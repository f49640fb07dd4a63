-- Frees those keys that the owner still holds; a key that went to a rival is left alone.
-- KEYS  the lock keys
-- ARGV  owner
-- returns how many keys were freed
local freed = 0
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    freed = freed + redis.call('DEL', key)
  end
end
return freed
