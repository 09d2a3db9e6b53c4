-- Checks status and body length of every response for wrk, and prints the result as JSON.

local threads = {}

function setup(thread)
  thread:set('bad', 0)
  table.insert(threads, thread)
end

function init(args)
  expected = tonumber(args[1])
end

function response(status, headers, body)
  if status ~= 200 or #body ~= expected then
    bad = bad + 1
  end
end

function done(summary, latency, requests)
  local bad_bodies = 0
  for _, thread in ipairs(threads) do
    bad_bodies = bad_bodies + thread:get('bad')
  end
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "bad": %d, "p50_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, bad_bodies + lost, latency:percentile(50) / 1e3
  ))
end
