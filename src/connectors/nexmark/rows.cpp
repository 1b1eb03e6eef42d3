#include "connectors/nexmark/rows.h"

#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"

namespace millrace::connectors::nexmark {
namespace {

using batch::Batch;
using batch::MutableColumn;
using batch::StringRef;

constexpr std::string_view kPersonType =
    "STRUCT(id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, "
    "dateTime TIMESTAMP, extra VARCHAR)";
constexpr std::string_view kAuctionType =
    "STRUCT(id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, dateTime TIMESTAMP, "
    "expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR)";
constexpr std::string_view kBidType =
    "STRUCT(auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP, "
    "extra VARCHAR)";

batch::Type known_type(std::string_view text) {
  auto type = batch::Type::parse(text);
  MR_CHECK(type.ok(), "a type of Nexmark does not parse");
  return std::move(type).value();
}

batch::Schema fields_of(std::string_view struct_type) {
  const batch::Type type = known_type(struct_type);
  batch::Schema schema;
  for (size_t i = 0; i < type.struct_field_count(); ++i)
    schema.fields.push_back({type.struct_field_name(i), type.struct_field_type(i)});
  return schema;
}

constexpr std::array<std::string_view, 3> kNames = {"person", "auction", "bid"};
constexpr std::array<std::string_view, 3> kTypes = {kPersonType, kAuctionType, kBidType};

/// StringRef(text) of more than 12 bytes, made in registers: written in two pieces and read as one, it would stall on
/// store forwarding, which took a tenth of all the time.
void set_long_text(std::string_view text, MutableColumn& column, size_t row) {
  const uint64_t words[2] = {text.size() | uint64_t{load_little<uint32_t>(text.data())} << 32,
                             reinterpret_cast<uintptr_t>(text.data())};
  std::memcpy(column.values<StringRef>() + row, words, sizeof words);
}

/// Sets fields, by their places in the STRUCT, where the batch has them. Texts live as long as the generator, but for
/// those that are copied.
template <typename Fields>
struct Setter {
  Fields& fields;
  size_t row;

  void operator()(size_t field, int64_t value) const {
    if (fields[field]) fields[field]->set(row, value);
  }
  void operator()(size_t field, Timestamp value) const { (*this)(field, value.micros); }
  void operator()(size_t field, std::string_view text) const {
    if (!fields[field]) return;
    if (text.size() > StringRef::kInlineBytes) {
      set_long_text(text, *fields[field], row);
    } else {
      fields[field]->set(row, StringRef(text));
    }
  }
  void copy(size_t field, std::string_view text) const {
    if (fields[field]) fields[field]->set_string(row, text);
  }
};

template <typename Set>
void put_fields(const Person& person, const Set& set) {
  set(0, person.id);
  set.copy(1, person.name);
  set.copy(2, person.email_address);
  set.copy(3, person.credit_card);
  set(4, person.city);
  set(5, person.state);
  set(6, person.date_time);
  set(7, person.extra);
}

template <typename Set>
void put_fields(const Auction& auction, const Set& set) {
  set(0, auction.id);
  set(1, auction.item_name);
  set(2, auction.description);
  set(3, auction.initial_bid);
  set(4, auction.reserve);
  set(5, auction.date_time);
  set(6, auction.expires);
  set(7, auction.seller);
  set(8, auction.category);
  set(9, auction.extra);
}

template <typename Set>
void put_fields(const Bid& bid, const Set& set) {
  set(0, bid.auction);
  set(1, bid.bidder);
  set(2, bid.price);
  set(3, bid.channel);
  set(4, bid.url);
  set(5, bid.date_time);
  set(6, bid.extra);
}

Error wrong_column(const batch::Field& field, const std::string& why) {
  return user_error(sqlstate::kInvalidParameter, "column " + field.name + ": " + why)
      .with_hint("docs/generators.md names the columns of the events of Nexmark and their types");
}

}  // namespace

batch::Schema schema_of(Form form) {
  switch (form) {
    case Form::kPerson: return fields_of(kPersonType);
    case Form::kAuction: return fields_of(kAuctionType);
    case Form::kBid: return fields_of(kBidType);
    case Form::kAll: break;
  }
  batch::Schema schema;
  schema.fields.push_back({"event_type", batch::Type(batch::TypeId::kInteger)});
  schema.fields.push_back({"person", known_type(kPersonType)});
  schema.fields.push_back({"auction", known_type(kAuctionType)});
  schema.fields.push_back({"bid", known_type(kBidType)});
  schema.fields.push_back({"dateTime", batch::Type(batch::TypeId::kTimestamp)});
  return schema;
}

Result<EventColumns> EventColumns::of(const batch::Schema& schema) {
  EventColumns columns;
  std::array<batch::Schema, 3> fields;
  for (size_t type = 0; type < 3; ++type) {
    fields[type] = fields_of(kTypes[type]);
    columns.types_[type].flat.fill(-1);
  }
  for (uint32_t column = 0; column < schema.size(); ++column) {
    const batch::Field& field = schema[column];
    if (iequals(field.name, "event_type")) {
      if (field.type.id() != batch::TypeId::kInteger) return wrong_column(field, "must be an INTEGER");
      columns.event_type_ = static_cast<int>(column);
      continue;
    }
    bool known = false;
    for (size_t type = 0; type < 3; ++type) {
      OfType& of_type = columns.types_[type];
      const bool is_struct = field.type.layout() == batch::Layout::kStruct;
      const bool whole = is_struct && iequals(field.name, kNames[type]);
      const int place = is_struct ? -1 : fields[type].find(field.name);
      if (whole && !(field.type == known_type(kTypes[type])))
        return wrong_column(field, "must be " + std::string(kTypes[type]));
      if (place >= 0 && !(field.type == fields[type][static_cast<size_t>(place)].type))
        return wrong_column(field, "must be " + fields[type][static_cast<size_t>(place)].type.name());
      if (whole) of_type.structure = static_cast<int>(column);
      if (place >= 0) of_type.flat[static_cast<size_t>(place)] = static_cast<int>(column);
      if (!whole && place < 0) of_type.absent.push_back(column);
      known |= whole || place >= 0;
    }
    if (!known) return wrong_column(field, "the events of Nexmark have none of that name");
  }
  return columns;
}

EventWriter::EventWriter(const EventColumns& columns, Batch& batch) {
  if (columns.event_type_ >= 0) event_type_ = batch.mutable_column(static_cast<size_t>(columns.event_type_));
  for (size_t type = 0; type < 3; ++type) {
    const EventColumns::OfType& from = columns.types_[type];
    OfType& to = types_[type];
    for (size_t field = 0; field < from.flat.size(); ++field) {
      if (from.flat[field] < 0) continue;
      to.flat[field] = batch.mutable_column(static_cast<size_t>(from.flat[field]));
      to.has_flat = true;
    }
    if (from.structure >= 0) {
      const auto column = static_cast<size_t>(from.structure);
      MutableColumn outer = batch.mutable_column(column);
      for (size_t field = 0; field < batch.type(column).struct_field_count(); ++field)
        to.structure[field] = outer.child(field);
      to.has_structure = true;
    }
    for (uint32_t column : from.absent) to.absent.push_back(batch.mutable_column(column));
  }
}

void EventWriter::put(const Generator& generator, uint64_t id, size_t row) {
  const EventType type = Generator::type_of(id);
  OfType& of_type = types_[static_cast<size_t>(type)];
  auto put = [&](const auto& event) {
    if (of_type.has_flat) put_fields(event, Setter<Fields>{of_type.flat, row});
    if (of_type.has_structure) put_fields(event, Setter<Fields>{of_type.structure, row});
  };
  if (type == EventType::kBid) put(generator.bid(id));
  if (type == EventType::kAuction) put(generator.auction(id));
  if (type == EventType::kPerson) put(generator.person(id, scratch_));
  if (event_type_) event_type_->set(row, static_cast<int32_t>(type));
  for (MutableColumn& column : of_type.absent) column.set_null(row);
}

namespace {

EventColumns known_columns(const batch::Schema& schema) {
  auto columns = EventColumns::of(schema);
  MR_CHECK(columns.ok(), "the columns of Nexmark are not its own");
  return std::move(columns).value();
}

}  // namespace

RowWriter::RowWriter(std::shared_ptr<const Generator> generator, Form form)
    : generator_(std::move(generator)), form_(form), schema_(schema_of(form)), columns_(known_columns(schema_)) {}

Batch RowWriter::next(uint64_t& first, uint64_t end) {
  Batch batch(schema_);
  batch.retain(generator_);
  EventWriter writer(columns_, batch);
  size_t row = 0;
  for (; first < end && row < batch::kBatchRows; ++first) {
    const uint64_t id = generator_->id_at(first);
    if (has(form_, Generator::type_of(id))) writer.put(*generator_, id, row++);
  }
  batch.set_rows(row);
  return batch;
}

}  // namespace millrace::connectors::nexmark
