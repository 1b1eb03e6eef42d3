// Request bodies and addresses: whatever comes, the outcome is records inside the body, or an error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "formats/record_splitter.h"
#include "server/content_coding.h"
#include "server/message.h"

using namespace millrace;          // NOLINT
using namespace millrace::server;  // NOLINT
using formats::RecordShape;

namespace {

constexpr uint64_t kRecordsMax = 1000;
constexpr uint64_t kUnpackedMax = 1 << 20;

void check_records(std::string_view body) {
  for (RecordShape shape : {RecordShape::kLines, RecordShape::kJson, RecordShape::kLinesOrArray, RecordShape::kCsv}) {
    auto records = formats::split_records(body, shape, ',', kRecordsMax);
    if (!records.ok()) continue;
    MR_CHECK(records->records.size() <= kRecordsMax, "more records than allowed");
    MR_CHECK(records->lines.empty() || records->lines.size() == records->records.size(), "a record without a line");
    const char* at = body.data();
    uint64_t line = 0;
    for (size_t i = 0; i < records->records.size(); ++i) {
      std::string_view record = records->records[i];
      MR_CHECK(!record.empty() && record.data() >= at && record.data() + record.size() <= body.data() + body.size(),
               "records lie in the body, one behind the other");
      at = record.data() + record.size();
      MR_CHECK(records->line_of(i) > line, "lines go up");
      line = records->line_of(i);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_records(bytes);
  for (ContentCoding coding : {ContentCoding::kGzip, ContentCoding::kZstd}) {
    ByteBudget budget(2 * kUnpackedMax);
    ByteBudget::Claim claim(budget);
    auto unpacked = unpack(coding, bytes, kUnpackedMax, claim);
    MR_CHECK(!unpacked.ok() || unpacked->size() <= kUnpackedMax, "more was unpacked than allowed");
  }
  Request request;
  if (parse_target(bytes, request).ok()) MR_CHECK(request.path.size() <= size, "a path grows by decoding");
  return 0;
}
