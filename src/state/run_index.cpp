#include "state/run_index.h"

#include "base/bytes.h"

namespace millrace::state {

namespace {

void append_table(std::string& key, TableId id) {
  append_big(key, id.op.value);
  append_big(key, id.slot);
}

Error bad_key() { return external_error(sqlstate::kDataCorrupted, "the operator state has a malformed key"); }

Result<TableId> read_table(ByteReader& reader) {
  MR_ASSIGN(const uint32_t op, reader.big<uint32_t>());
  MR_ASSIGN(const uint8_t slot, reader.big<uint8_t>());
  return TableId{OperatorId(op), slot};
}

}  // namespace

std::string index_key(TableId id) {
  std::string key(1, kIndexPrefix);
  append_table(key, id);
  return key;
}

std::string table_prefix(TableId id) {
  std::string key(1, kBlockPrefix);
  append_table(key, id);
  return key;
}

std::string run_prefix(TableId id, uint32_t group, uint64_t run) {
  std::string key = table_prefix(id);
  append_big(key, static_cast<uint8_t>(group));
  append_big(key, run);
  return key;
}

std::string block_key(TableId id, uint32_t group, uint64_t run, uint32_t block) {
  std::string key = run_prefix(id, group, run);
  append_big(key, block);
  return key;
}

std::string filter_prefix(TableId id) {
  std::string key(1, kFilterPrefix);
  append_table(key, id);
  return key;
}

std::string filter_key(TableId id, uint32_t group, uint64_t run) {
  std::string key = filter_prefix(id);
  append_big(key, static_cast<uint8_t>(group));
  append_big(key, run);
  return key;
}

Result<TableId> table_of_index_key(std::string_view key) {
  ByteReader reader(key.substr(1));
  MR_ASSIGN(const TableId id, read_table(reader));
  if (!reader.done()) return bad_key();
  return id;
}

namespace {

Result<BlockPlace> read_place(std::string_view key, size_t tail) {
  ByteReader reader(key.substr(1));
  BlockPlace place;
  MR_ASSIGN(place.id, read_table(reader));
  MR_ASSIGN(place.group, reader.big<uint8_t>());
  MR_ASSIGN(place.run, reader.big<uint64_t>());
  if (place.group >= kGroups || reader.remaining() != tail) return bad_key();
  return place;
}

}  // namespace

Result<BlockPlace> place_of_block_key(std::string_view key) { return read_place(key, sizeof(uint32_t)); }
Result<BlockPlace> place_of_filter_key(std::string_view key) { return read_place(key, 0); }

std::string RunIndex::encode() const {
  std::string out;
  for (const std::vector<Run>& runs : groups) {
    append_varint(out, runs.size());
    for (const Run& run : runs) {
      for (const uint64_t value : {run.number, run.blocks, run.entries, run.bytes}) append_varint(out, value);
    }
  }
  return out;
}

Result<RunIndex> RunIndex::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  RunIndex index;
  for (std::vector<Run>& runs : index.groups) {
    MR_ASSIGN(const uint64_t count, reader.varint());
    for (uint64_t i = 0; i < count; ++i) {
      Run run;
      for (uint64_t* value : {&run.number, &run.blocks, &run.entries, &run.bytes}) {
        MR_ASSIGN(*value, reader.varint());
      }
      if (!runs.empty() && runs.back().number >= run.number) {
        return external_error(sqlstate::kDataCorrupted, "the list of runs of operator state is out of order");
      }
      runs.push_back(run);
    }
  }
  if (!reader.done()) return external_error(sqlstate::kDataCorrupted, "the list of runs of operator state has a tail");
  return index;
}

}  // namespace millrace::state
