#include "state/block.h"

#include <numeric>

#include "base/bytes.h"
#include "base/hash.h"

namespace millrace::state {

namespace {

constexpr uint8_t kBlockFormat = 1;

Error damaged(std::string_view what) {
  return external_error(sqlstate::kDataCorrupted, "a block of operator state is damaged: " + std::string(what))
      .with_hint("start with a copy of the data directory from before, or with a new one (--data)");
}

/// Reads `count` varints that must sum to at most `limit`, and returns the sum.
Result<size_t> read_lengths(ByteReader& reader, size_t count, size_t limit, std::vector<uint32_t>& lengths) {
  lengths.resize(count);
  size_t sum = 0;
  for (uint32_t& length : lengths) {
    MR_ASSIGN(const uint64_t value, reader.varint());
    if (value > limit - sum) return damaged("a length is too large");
    length = static_cast<uint32_t>(value);
    sum += value;
  }
  return sum;
}

}  // namespace

void BlockWriter::add(const Entry& entry) {
  append_little(hashes_, entry.hash);
  append_varint(key_lengths_, entry.key.size());
  append_varint(payload_lengths_, entry.deleted ? 0 : entry.payload.size());
  keys_.append(entry.key);
  if (!entry.deleted) payloads_.append(entry.payload);
  ++entries_;
  if (++count_ == kBlockEntriesMax || keys_.size() + payloads_.size() >= kBlockBytesMax) close_block();
}

void BlockWriter::close_block() {
  if (count_ == 0) return;
  std::string block;
  block.reserve(16 + hashes_.size() + key_lengths_.size() + payload_lengths_.size() + keys_.size() + payloads_.size());
  append_little(block, kBlockFormat);
  append_varint(block, count_);
  for (std::string* column : {&hashes_, &key_lengths_, &payload_lengths_, &keys_, &payloads_}) {
    block += *column;
    column->clear();
  }
  append_little(block, crc32c(block));
  blocks_.push_back(std::move(block));
  count_ = 0;
}

std::vector<std::string> BlockWriter::finish() {
  close_block();
  entries_ = 0;
  return std::exchange(blocks_, {});
}

Status BlockColumns::open(std::string_view bytes) {
  if (bytes.size() < sizeof(uint32_t)) return damaged("it is too short");
  const size_t length = bytes.size() - sizeof(uint32_t);
  const std::string_view content = bytes.substr(0, length);
  if (crc32c(content) != load_little<uint32_t>(bytes.data() + length)) return damaged("its checksum is wrong");
  ByteReader reader(content);
  MR_ASSIGN(const uint8_t format, reader.little<uint8_t>());
  if (format != kBlockFormat) return damaged("its format is unknown");
  MR_ASSIGN(const uint64_t count, reader.varint());
  if (count > kBlockEntriesMax) return damaged("it claims too many entries");
  MR_ASSIGN(const std::string_view all_hashes, reader.bytes(count * sizeof(uint64_t)));
  MR_ASSIGN(const size_t key_bytes, read_lengths(reader, count, length, key_lengths));
  MR_ASSIGN(const size_t payload_bytes, read_lengths(reader, count, length, payload_lengths));
  if (key_bytes + payload_bytes != reader.remaining()) return damaged("its lengths do not add up");
  hashes = all_hashes.data();
  keys = content.data() + (length - reader.remaining());
  payloads = keys + key_bytes;
  return {};
}

Status BlockReader::open(std::string bytes) {
  bytes_ = std::move(bytes);
  at_ = 0;
  Status opened = columns_.open(bytes_);
  if (!opened.ok()) columns_.key_lengths.clear();
  key_ = columns_.keys;
  payload_ = columns_.payloads;
  return opened;
}

bool BlockReader::next(Entry& entry) {
  if (at_ == size()) return false;
  const uint32_t key_length = columns_.key_lengths[at_];
  const uint32_t payload_length = columns_.payload_lengths[at_];
  entry.hash = load_little<uint64_t>(columns_.hashes + at_ * sizeof(uint64_t));
  entry.key = {key_, key_length};
  entry.payload = {payload_, payload_length};
  entry.deleted = payload_length == 0;
  key_ += key_length;
  payload_ += payload_length;
  ++at_;
  return true;
}

std::string_view hashes_of_block(std::string_view block) {
  ByteReader reader(block.substr(1));
  const auto count = reader.varint();
  MR_CHECK(count.ok(), "a block that is not sound");
  return block.substr(block.size() - reader.remaining(), *count * sizeof(uint64_t));
}

Result<std::shared_ptr<const IndexedBlock>> IndexedBlock::open(std::string bytes) {
  auto block = std::make_shared<IndexedBlock>();
  block->bytes_ = std::move(bytes);
  BlockColumns columns;
  MR_TRY(columns.open(block->bytes_));
  block->hashes_ = columns.hashes;
  block->keys_ = columns.keys;
  block->payloads_ = columns.payloads;
  for (std::vector<uint32_t>* lengths : {&columns.key_lengths, &columns.payload_lengths}) {
    std::partial_sum(lengths->begin(), lengths->end(), lengths->begin());
  }
  block->key_ends_ = std::move(columns.key_lengths);
  block->payload_ends_ = std::move(columns.payload_lengths);
  return std::shared_ptr<const IndexedBlock>(std::move(block));
}

Entry IndexedBlock::at(size_t position) const {
  const auto part = [position](const char* bytes, const std::vector<uint32_t>& ends) {
    const uint32_t begin = position == 0 ? 0 : ends[position - 1];
    return std::string_view(bytes + begin, ends[position] - begin);
  };
  const std::string_view payload = part(payloads_, payload_ends_);
  return {hash(position), part(keys_, key_ends_), payload, payload.empty()};
}

size_t IndexedBlock::lower_bound(uint64_t wanted) const {
  size_t first = 0;
  for (size_t count = size(); count > 0;) {
    const size_t half = count / 2;
    const bool below = hash(first + half) < wanted;
    first = below ? first + half + 1 : first;
    count = below ? count - half - 1 : half;
  }
  return first;
}

}  // namespace millrace::state
