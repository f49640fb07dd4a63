-- Deletes a claim, so that the next try need not wait for the end of its lease.
-- KEYS  the record
-- ARGV  owner
-- returns 1 if it was deleted, 0 if this owner does not hold it
local record = redis.call('HMGET', KEYS[1], 'state', 'owner')
if record[1] == 'in_progress' and record[2] == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
