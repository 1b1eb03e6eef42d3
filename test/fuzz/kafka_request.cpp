// Requests come from anybody who reaches the port: whatever the bytes say, reading them ends, inside them, without
// more memory than a small multiple of them. What was read is written and read again to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/result.h"
#include "server/kafka/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace::server::kafka;
  Request request;
  request.bytes.assign(reinterpret_cast<const char*>(data), size);
  if (!read_head(request) || !request.supported) return 0;
  for_each_api([&](auto asked, const auto&, const ApiRange& range) {
    if (range.key != request.key || !decode(request, asked)) return;
    std::string first;
    WireWriter writer(first);
    asked.write(writer, request.version);
    decltype(asked) again;
    WireReader in(first);
    again.read(in, request.version);
    MR_CHECK(in.ok() && in.remaining() == 0, "what was written is read");
    std::string second;
    WireWriter rewriter(second);
    again.write(rewriter, request.version);
    MR_CHECK(first == second, "a request that was read and written stays the same");
  });
  return 0;
}
