-- BENCH_PATHS: how many different paths are asked for, one after the other; otherwise all requests are the same.
local paths = tonumber(os.getenv("BENCH_PATHS"))
if paths then
  local number = 0
  request = function()
    number = (number + 1) % paths
    return wrk.format(nil, "/resource/" .. number)
  end
end

-- Tells what was done as one line of JSON, after the summary that is for people.
done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests":%d,"failed":%d}\n', summary.requests, failed))
end
