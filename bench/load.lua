-- BENCH_PATHS is the number of paths to request in turn. If it is not set, all requests are the same.
local paths = tonumber(os.getenv("BENCH_PATHS"))
if paths then
  local number = 0
  request = function()
    number = (number + 1) % paths
    return wrk.format(nil, "/resource/" .. number)
  end
end

-- Prints the numbers of requests as one line of JSON after wrk's summary.
done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests":%d,"failed":%d}\n', summary.requests, failed))
end
