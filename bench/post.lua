-- wrk's script: posts bodies, at a pace where one is given, and tells what came back.
--
-- Arguments: the milliseconds between two requests of a connection (0: as soon as it is answered),
-- the number of connections, and files with bodies, which the connections take in turns. Every
-- thread of wrk has one connection, so that a time belongs to a status. Ends with one line for each
-- status and tenth of a millisecond, then the sums.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local MONOTONIC = 1
local UNANSWERED_MS = 10000
local moment = ffi.new("moment")
local threads = {}

local function now_ms()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) * 1e3 + tonumber(moment.nanoseconds) / 1e6
end

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread) -- to be read in the end: wrk has started the others already
end

function init(arguments)
  interval = tonumber(arguments[1])
  due = now_ms() + interval * number / tonumber(arguments[2])
  counts, unhinted, asked_at = {}, 0, 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = io.open(arguments[3 + number % (#arguments - 2)], "rb"):read("*a")
  message = wrk.format()
end

function delay()
  if interval == 0 then return 0 end
  local now = now_ms()
  local wait = math.max(due - now, 0)
  due = math.max(due + interval, now)
  return math.floor(wait + 0.5)
end

function request()
  asked_at = now_ms()
  return message
end

function response(status, headers)
  local key = status .. " " .. math.floor((now_ms() - asked_at) * 10 + 0.5)
  counts[key] = (counts[key] or 0) + 1
  if status == 503 and not headers["Retry-After"] then unhinted = unhinted + 1 end
  asked_at = 0
end

function done(summary)
  local failed, unhinted, now = summary.errors, 0, now_ms()
  local cut = failed.read + failed.write + failed.timeout
  for _, thread in ipairs(threads) do
    for key, count in pairs(thread:get("counts")) do print("answers " .. key .. " " .. count) end
    unhinted = unhinted + thread:get("unhinted")
    local asked_at = thread:get("asked_at")
    if asked_at > 0 and now - asked_at > UNANSWERED_MS then cut = cut + 1 end
  end
  print(string.format("sums %d %d %d %.3f %.3f",
    cut, failed.connect, unhinted, summary.duration / 1e6, os.clock()))
end
