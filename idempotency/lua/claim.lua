-- Claims a key, or returns the record that is there.
-- KEYS  the record, a hash. While in progress: state, owner, claimed_at_ms.
--       Once completed: state, owner, kind, status, content_type, fingerprint, headers,
--       body.
--       Elsewhere: only the state; the durable store alone has the answer.
-- ARGV  owner, lease_ms, claimed_at_ms, '1' if the durable store was asked and had no answer
-- returns {'claimed'}
--      or {'in_progress', ms that are left of the lease}
--      or {'elsewhere'}, before the durable store was asked
--      or {'completed', kind, status, content_type, fingerprint, headers, body}
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'completed' then
  local answer = redis.call('HMGET', KEYS[1],
    'kind', 'status', 'content_type', 'fingerprint', 'headers', 'body')
  return {state, answer[1], answer[2], answer[3], answer[4], answer[5], answer[6]}
end
if state == 'in_progress' then
  return {state, redis.call('PTTL', KEYS[1])}
end
if state == 'elsewhere' and ARGV[4] ~= '1' then
  return {state}
end
redis.call('HSET', KEYS[1], 'state', 'in_progress', 'owner', ARGV[1], 'claimed_at_ms', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'claimed'}
