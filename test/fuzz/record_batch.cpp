// Record batches come from producers: whatever the bytes say, reading them ends with records inside them or an error.
#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "log/record_batch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)log::RecordBatchView::batch_length_at(bytes);
  Result<log::RecordBatchView> batch = log::RecordBatchView::parse_unchecked(bytes);
  if (!batch.ok()) return 0;
  static log::Decompressor decompressor;
  Result<log::RecordCursor> cursor = batch->records(decompressor, size_t{1} << 20);
  if (!cursor.ok()) return 0;
  static volatile uint64_t sum = 0;  // so that the reads below are not left out
  log::RecordView record;
  while (cursor->next(record)) {
    if (record.key) sum = sum + hash_bytes(*record.key);  // touches every byte, for the sanitizer
    if (record.value) sum = sum + hash_bytes(*record.value);
    log::RecordHeader header;
    while (record.headers.next(header)) sum = sum + hash_bytes(header.key);
  }
  (void)cursor->status();
  return 0;
}
