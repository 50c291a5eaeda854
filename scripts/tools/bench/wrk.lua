-- Sends the requests of the file BENCH_REQUESTS (parted by NUL, ready for the wire) in turn, over and over.
-- BENCH_DELAY_MS: each connection waits so long on average before each request.
-- BENCH_COUNT=1: statuses are counted. The last line that is printed is JSON.

local requests = {}
local next_request = 0

for text in io.open(os.getenv("BENCH_REQUESTS"), "rb"):read("*a"):gmatch("[^%z]+") do
  requests[#requests + 1] = text
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

local mean = tonumber(os.getenv("BENCH_DELAY_MS") or "0")
if mean > 0 then
  function delay()
    return math.random(0, 2 * mean)
  end
end

local threads = {}
statuses = {}

function setup(thread)
  threads[#threads + 1] = thread
end

if os.getenv("BENCH_COUNT") == "1" then
  function response(status)
    statuses[status] = (statuses[status] or 0) + 1
  end
end

function done(summary, latency)
  local counts = {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do
      counts[status] = (counts[status] or 0) + count
    end
  end
  local pairs_of_json = {}
  for status, count in pairs(counts) do
    pairs_of_json[#pairs_of_json + 1] = string.format('"%d": %d', status, count)
  end
  local errors = summary.errors
  print(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "refused": %d, "broken": %d, "statuses": {%s}}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout, table.concat(pairs_of_json, ", ")))
end
