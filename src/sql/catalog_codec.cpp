// Bytes of the catalog: docs/formats/catalog.md.
#include <algorithm>
#include <limits>
#include <set>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/text.h"
#include "sql/catalog.h"

namespace millrace::sql {
namespace {

constexpr std::string_view kMagic = "MRCT";
constexpr uint16_t kVersion = 2;
constexpr uint16_t kOldestVersion = 1;  // objects end behind their plan

Error damaged(std::string what) {
  return external_error(sqlstate::kDataCorrupted, "the catalog is damaged: " + std::move(what))
      .with_hint("restore a savepoint, or run the pipeline file over a new data directory");
}

template <typename List, typename Append>
void append_list(std::string& out, const List& list, Append append) {
  append_varint(out, list.size());
  for (const auto& entry : list) append(entry);
}

void append_strings(std::string& out, const std::vector<std::string>& strings) {
  append_list(out, strings, [&](const std::string& text) { append_string(out, text); });
}

void append_offsets(std::string& out, const std::vector<Offset>& offsets) {
  append_list(out, offsets, [&](Offset offset) { append_zigzag(out, offset.value); });
}

void append_byte(std::string& out, uint8_t value) { out.push_back(static_cast<char>(value)); }

void append_options(std::string& out, const Options& options) {
  append_list(out, options.values(), [&](const auto& entry) {
    append_string(out, entry.first);
    append_byte(out, static_cast<uint8_t>(entry.second.kind));
    append_string(out, entry.second.text);
    append_zigzag(out, entry.second.integer);
    append_byte(out, entry.second.given ? 1 : 0);
    append_strings(out, entry.second.columns);
  });
}

std::string encode_object(const CatalogObject& object) {
  std::string out;
  append_byte(out, static_cast<uint8_t>(object.kind));
  append_string(out, object.name);
  append_string(out, object.statement);
  append_varint(out, object.stream.value);
  append_list(out, object.companions, [&](const Companion& companion) {
    append_byte(out, static_cast<uint8_t>(companion.kind));
    append_varint(out, companion.stream.value);
  });
  append_list(out, object.columns, [&](const CatalogColumn& column) {
    append_string(out, column.name);
    append_string(out, column.type_text);
    append_byte(out, column.not_null ? 1 : 0);
  });
  append_strings(out, object.primary_key);
  append_byte(out, object.watermark ? 1 : 0);
  if (object.watermark) {
    append_string(out, object.watermark->column);
    append_string(out, object.watermark->expression);
  }
  append_options(out, object.options);
  append_string(out, object.query);
  append_strings(out, object.query_columns);
  append_byte(out, static_cast<uint8_t>(object.emit));
  append_zigzag(out, object.allowed_lateness.micros);
  append_string(out, object.source);
  append_strings(out, object.dependencies);
  append_varint(out, object.operators.first.value);
  append_varint(out, object.operators.end.value);
  append_string(out, object.plan);
  append_list(out, object.starts, [&](const StreamStart& start) {
    append_varint(out, start.stream.value);
    append_offsets(out, start.offsets);
  });
  append_list(out, object.added, [&](const AddedColumn& added) {
    append_varint(out, added.column);
    append_string(out, added.default_value);
    append_offsets(out, added.since);
  });
  append_zigzag(out, object.changelog_end.value);
  return out;
}

/// Reads the parts of one object; every value is checked to be one that the program knows.
class ObjectReader {
 public:
  ObjectReader(std::string_view bytes, uint16_t version) : reader_(bytes), version_(version) {}

  Result<CatalogObject> run() {
    CatalogObject object;
    MR_ASSIGN(object.kind, choice<ObjectKind>(ObjectKind::kMacro, "kind"));
    MR_ASSIGN(object.name, text());
    MR_ASSIGN(object.statement, text());
    MR_ASSIGN(object.stream, id<StreamId>());
    MR_TRY(list([&]() -> Status { return read_companion(object.companions); }));
    MR_TRY(list([&]() -> Status { return read_column(object.columns); }));
    MR_ASSIGN(object.primary_key, texts());
    MR_ASSIGN(bool has_watermark, flag());
    if (has_watermark) {
      CatalogWatermark watermark;
      MR_ASSIGN(watermark.column, text());
      MR_ASSIGN(watermark.expression, text());
      object.watermark = std::move(watermark);
    }
    MR_TRY(list([&]() -> Status { return read_option(object.options); }));
    MR_ASSIGN(object.query, text());
    MR_ASSIGN(object.query_columns, texts());
    MR_ASSIGN(object.emit, choice<Emit>(Emit::kOnWindowClose, "emit"));
    MR_ASSIGN(object.allowed_lateness.micros, reader_.zigzag());
    MR_ASSIGN(object.source, text());
    MR_ASSIGN(object.dependencies, texts());
    MR_ASSIGN(object.operators.first, id<OperatorId>());
    MR_ASSIGN(object.operators.end, id<OperatorId>());
    MR_ASSIGN(object.plan, text());
    if (version_ >= 2) {
      MR_TRY(list([&]() -> Status { return read_start(object.starts); }));
      MR_TRY(list([&]() -> Status { return read_added(object); }));
      MR_ASSIGN(object.changelog_end, offset());
    }
    if (!reader_.done()) return damaged("bytes follow an object: " + object.name);
    return object;
  }

 private:
  Result<std::string> text() {
    MR_ASSIGN(std::string_view bytes, reader_.string());
    return std::string(bytes);
  }

  template <typename Read>
  Status list(Read read) {
    MR_ASSIGN(uint64_t count, reader_.varint());
    for (uint64_t i = 0; i < count; ++i) MR_TRY(read());
    return {};
  }

  Result<std::vector<std::string>> texts() {
    std::vector<std::string> found;
    MR_TRY(list([&]() -> Status {
      MR_ASSIGN(std::string one, text());
      found.push_back(std::move(one));
      return {};
    }));
    return found;
  }

  template <typename Choice>
  Result<Choice> choice(Choice last, std::string_view what) {
    MR_ASSIGN(uint8_t value, reader_.little<uint8_t>());
    if (value > static_cast<uint8_t>(last))
      return damaged("unknown " + std::string(what) + ": " + std::to_string(value));
    return static_cast<Choice>(value);
  }

  Result<bool> flag() {
    MR_ASSIGN(uint8_t value, reader_.little<uint8_t>());
    if (value > 1) return damaged("neither yes nor no: " + std::to_string(value));
    return value == 1;
  }

  template <typename Id>
  Result<Id> id() {
    MR_ASSIGN(uint64_t value, reader_.varint());
    if (value > std::numeric_limits<typename Id::Value>::max())
      return damaged("an id is too large: " + std::to_string(value));
    return Id(static_cast<typename Id::Value>(value));
  }

  Status read_companion(std::vector<Companion>& companions) {
    Companion companion;
    MR_ASSIGN(companion.kind, choice<CompanionKind>(CompanionKind::kTopic, "companion"));
    MR_ASSIGN(companion.stream, id<StreamId>());
    companions.push_back(companion);
    return {};
  }

  Status read_column(std::vector<CatalogColumn>& columns) {
    CatalogColumn column;
    MR_ASSIGN(column.name, text());
    MR_ASSIGN(column.type_text, text());
    MR_ASSIGN(column.not_null, flag());
    columns.push_back(std::move(column));
    return {};
  }

  Status read_option(Options& options) {
    MR_ASSIGN(std::string name, text());
    OptionValue value;
    MR_ASSIGN(value.kind, choice<OptionKind>(OptionKind::kColumns, "option kind"));
    MR_ASSIGN(value.text, text());
    MR_ASSIGN(value.integer, reader_.zigzag());
    MR_ASSIGN(value.given, flag());
    MR_ASSIGN(value.columns, texts());
    options.set(std::move(name), std::move(value));
    return {};
  }

  Result<Offset> offset() {
    MR_ASSIGN(int64_t value, reader_.zigzag());
    if (value < 0) return damaged("an offset is negative");
    return Offset(value);
  }

  Result<std::vector<Offset>> offsets() {
    std::vector<Offset> found;
    MR_TRY(list([&]() -> Status {
      MR_ASSIGN(Offset one, offset());
      found.push_back(one);
      return {};
    }));
    return found;
  }

  Status read_start(std::vector<StreamStart>& starts) {
    StreamStart start;
    MR_ASSIGN(start.stream, id<StreamId>());
    MR_ASSIGN(start.offsets, offsets());
    starts.push_back(std::move(start));
    return {};
  }

  Status read_added(CatalogObject& object) {
    AddedColumn added;
    MR_ASSIGN(uint64_t column, reader_.varint());
    if (column >= object.columns.size()) return damaged("an added column is none of " + object.name);
    added.column = static_cast<uint32_t>(column);
    MR_ASSIGN(added.default_value, text());
    MR_ASSIGN(added.since, offsets());
    object.added.push_back(std::move(added));
    return {};
  }

  ByteReader reader_;
  uint16_t version_;
};

struct CatalogFile {
  uint16_t version;
  std::string_view payload;
};

/// The payload, after magic, version, length and CRC were checked.
Result<CatalogFile> open_file(std::string_view bytes) {
  ByteReader reader(bytes);
  MR_ASSIGN(std::string_view magic, reader.bytes(kMagic.size()));
  if (magic != kMagic) return damaged("it does not start with " + std::string(kMagic));
  MR_ASSIGN(uint16_t version, reader.little<uint16_t>());
  MR_ASSIGN(uint16_t zero, reader.little<uint16_t>());
  MR_ASSIGN(uint32_t length, reader.little<uint32_t>());
  MR_ASSIGN(uint32_t crc, reader.little<uint32_t>());
  if (version < kOldestVersion || version > kVersion) {
    return user_error(sqlstate::kNotSupported,
                      "the catalog is written in a version that this program does not read: " + std::to_string(version))
        .with_hint("this program reads versions " + std::to_string(kOldestVersion) + " to " +
                   std::to_string(kVersion) + "; start the Millrace that wrote the data directory");
  }
  if (zero != 0) return damaged("reserved bytes are set");
  if (reader.remaining() != length) {
    return damaged("it should hold " + std::to_string(length) + " bytes and holds " +
                   std::to_string(reader.remaining()));
  }
  MR_ASSIGN(std::string_view payload, reader.bytes(length));
  if (crc32c(payload) != crc) return damaged("its checksum does not fit");
  return CatalogFile{version, payload};
}

}  // namespace

std::string Catalog::encode() const {
  std::string payload;
  append_varint(payload, next_stream_.value);
  append_varint(payload, next_operator_.value);
  std::vector<const CatalogObject*> stored = objects();
  std::erase_if(stored, [](const CatalogObject* object) { return object->temporary; });
  append_list(payload, stored, [&](const CatalogObject* object) { append_string(payload, encode_object(*object)); });
  std::string out(kMagic);
  append_little<uint16_t>(out, kVersion);
  append_little<uint16_t>(out, 0);
  append_little<uint32_t>(out, static_cast<uint32_t>(payload.size()));
  append_little<uint32_t>(out, crc32c(payload));
  return out + payload;
}

Result<Catalog> Catalog::decode(std::string_view bytes) {
  Result<Catalog> catalog = decode_file(bytes);
  if (catalog.ok() || !catalog.error().hint.empty()) return catalog;
  return damaged(catalog.error().message);  // cut short
}

Result<Catalog> Catalog::decode_file(std::string_view bytes) {
  MR_ASSIGN(const CatalogFile file, open_file(bytes));
  ByteReader reader(file.payload);
  Catalog catalog;
  MR_ASSIGN(uint64_t next_stream, reader.varint());
  MR_ASSIGN(uint64_t next_operator, reader.varint());
  constexpr uint64_t kIdMax = std::numeric_limits<uint32_t>::max();
  if (next_stream > kIdMax || next_operator > kIdMax) return damaged("an id is too large");
  catalog.next_stream_ = StreamId(static_cast<uint32_t>(next_stream));
  catalog.next_operator_ = OperatorId(static_cast<uint32_t>(next_operator));
  MR_ASSIGN(uint64_t count, reader.varint());
  for (uint64_t i = 0; i < count; ++i) {
    MR_ASSIGN(std::string_view encoded, reader.string());
    MR_ASSIGN(CatalogObject object, ObjectReader(encoded, file.version).run());
    std::string folded = to_lower_ascii(object.name);
    bool added = catalog.map_of(object.kind).emplace(std::move(folded), std::move(object)).second;
    if (!added) return damaged("a name is there twice");
  }
  if (!reader.done()) return damaged("bytes follow the last object");
  MR_TRY(catalog.check_loaded());
  return catalog;
}

Status Catalog::check_loaded() const {
  std::vector<StreamId> ids;
  std::set<const CatalogObject*> seen;
  for (const CatalogObject* object : objects()) {
    ids.push_back(object->stream);
    for (const Companion& companion : object->companions) ids.push_back(companion.stream);
    if (object->operators.first > object->operators.end || object->operators.end > next_operator_) {
      return damaged("operators out of range: " + object->name);
    }
    for (const std::string& dependency : object->dependencies) {
      const CatalogObject* read = find(dependency);
      // Each stands behind what it reads; that is not so in a circle.
      if (!seen.count(read)) return damaged(object->name + " reads what is not there: " + dependency);
    }
    seen.insert(object);
  }
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) return damaged("a stream id is there twice");
  if (!ids.empty() && ids.back() >= next_stream_) return damaged("a stream id is not below the next one");
  return {};
}

}  // namespace millrace::sql
