-- Tells what was done as one line of JSON, after the summary that is for people.
done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests":%d,"failed":%d}\n', summary.requests, failed))
end
