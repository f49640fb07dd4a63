-- Gives a claim back, so that the next try need not wait for the lease to run out.
-- KEYS  the record
-- ARGV  owner
-- returns 1 when given back, 0 when it was not (or no longer) this owner's
local record = redis.call('HMGET', KEYS[1], 'state', 'owner')
if record[1] == 'in_progress' and record[2] == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
