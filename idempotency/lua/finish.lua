-- Stores the answer under a key.
-- A success is final in the durable store, so it overwrites any record here but an earlier success:
-- that one was answered already. With a durable store both are the same.
-- Only the owner of the claim stores a refusal. If Redis lost its data, the record is missing,
-- and a refusal stored then could hide a later success.
-- KEYS  the record
-- ARGV  owner, answer_ttl_ms, 'success' or 'refusal', status, content_type, fingerprint, headers,
--       body
--       or owner, ttl_ms, 'elsewhere': a success that only the durable store keeps
-- returns {'stored'}
--      or {'missing'}                                             the record is gone
--      or {'elsewhere'}                                           another owner has succeeded
--      or {'in_progress'}                                         another owner holds the claim
--      or {'completed', status, content_type, fingerprint, headers, body}
--                                                                  the key has an answer already
local record = redis.call('HMGET', KEYS[1], 'state', 'owner', 'kind')
if record[1] == 'completed' and ARGV[3] ~= 'elsewhere' and
    (ARGV[3] == 'refusal' or record[3] == 'success') then
  local answer = redis.call('HMGET', KEYS[1],
    'status', 'content_type', 'fingerprint', 'headers', 'body')
  return {record[1], answer[1], answer[2], answer[3], answer[4], answer[5]}
end
if ARGV[3] == 'refusal' then
  if not record[1] then
    return {'missing'}
  end
  if record[1] == 'elsewhere' then
    return {record[1]}
  end
  if record[2] ~= ARGV[1] then
    return {'in_progress'}
  end
end
redis.call('DEL', KEYS[1])
if ARGV[3] == 'elsewhere' then
  redis.call('HSET', KEYS[1], 'state', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {'stored'}
end
redis.call('HSET', KEYS[1], 'state', 'completed', 'owner', ARGV[1], 'kind', ARGV[3],
  'status', ARGV[4], 'content_type', ARGV[5], 'fingerprint', ARGV[6], 'headers', ARGV[7],
  'body', ARGV[8])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'stored'}
