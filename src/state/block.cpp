#include "state/block.h"

#include "base/bytes.h"
#include "base/hash.h"

namespace millrace::state {

void BlockBuilder::add(const Entry& entry) {
  ++count_;
  append_little(hashes_, entry.hash);
  append_varint(lengths_, entry.key.size());
  append_varint(lengths_, entry.deleted ? 0 : entry.payload.size() + 1);
  keys_.append(entry.key);
  if (!entry.deleted) payloads_.append(entry.payload);
}

std::string BlockBuilder::finish() {
  std::string block;
  append_little(block, uint32_t{0});  // the checksum
  append_varint(block, count_);
  append_string(block, lengths_);
  block.append(hashes_);
  append_string(block, keys_);
  append_string(block, payloads_);
  store_little(block.data(), crc32c(std::string_view(block).substr(4)));
  count_ = 0;
  for (std::string* part : {&hashes_, &lengths_, &keys_, &payloads_}) part->clear();
  return block;
}

Status read_block(std::string_view bytes, const std::function<Status(const Entry&)>& visit) {
  ByteReader reader(bytes);
  MR_ASSIGN(uint32_t checksum, reader.little<uint32_t>());
  if (checksum != crc32c(bytes.substr(4))) return external_error(sqlstate::kDataCorrupted, "a block of state has a wrong checksum");
  MR_ASSIGN(uint64_t count, reader.varint());
  MR_ASSIGN(std::string_view lengths_bytes, reader.string());
  MR_ASSIGN(std::string_view hashes, reader.bytes(count * sizeof(uint64_t)));
  MR_ASSIGN(std::string_view keys, reader.string());
  MR_ASSIGN(std::string_view payloads, reader.string());
  ByteReader lengths(lengths_bytes);
  ByteReader key_reader(keys);
  ByteReader payload_reader(payloads);
  for (uint64_t i = 0; i < count; ++i) {
    Entry entry;
    entry.hash = load_little<uint64_t>(hashes.data() + i * sizeof(uint64_t));
    MR_ASSIGN(uint64_t key_length, lengths.varint());
    MR_ASSIGN(uint64_t payload_length, lengths.varint());
    MR_ASSIGN(entry.key, key_reader.bytes(key_length));
    entry.deleted = payload_length == 0;
    if (!entry.deleted) {
      MR_ASSIGN(entry.payload, payload_reader.bytes(payload_length - 1));
    }
    MR_TRY(visit(entry));
  }
  return {};
}

}  // namespace millrace::state
