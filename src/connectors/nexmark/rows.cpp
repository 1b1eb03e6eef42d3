#include "connectors/nexmark/rows.h"

#include <utility>

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

/// The columns of one type of event, wherever they lie.
struct Columns {
  std::vector<MutableColumn> columns;

  void set(size_t column, size_t row, int64_t value) { columns[column].set(row, value); }
  void set(size_t column, size_t row, Timestamp value) { columns[column].set(row, value.micros); }
  /// The text lives as long as the generator.
  void set(size_t column, size_t row, std::string_view text) { columns[column].set(row, StringRef(text)); }
  void set_copy(size_t column, size_t row, std::string_view text) { columns[column].set_string(row, text); }

  void put(const Person& person, size_t row) {
    set(0, row, person.id);
    set_copy(1, row, person.name);
    set_copy(2, row, person.email_address);
    set_copy(3, row, person.credit_card);
    set(4, row, person.city);
    set(5, row, person.state);
    set(6, row, person.date_time);
    set(7, row, person.extra);
  }
  void put(const Auction& auction, size_t row) {
    set(0, row, auction.id);
    set(1, row, auction.item_name);
    set(2, row, auction.description);
    set(3, row, auction.initial_bid);
    set(4, row, auction.reserve);
    set(5, row, auction.date_time);
    set(6, row, auction.expires);
    set(7, row, auction.seller);
    set(8, row, auction.category);
    set(9, row, auction.extra);
  }
  void put(const Bid& bid, size_t row) {
    set(0, row, bid.auction);
    set(1, row, bid.bidder);
    set(2, row, bid.price);
    set(3, row, bid.channel);
    set(4, row, bid.url);
    set(5, row, bid.date_time);
    set(6, row, bid.extra);
  }
};

Columns flat_columns(Batch& batch) {
  Columns columns;
  for (size_t i = 0; i < batch.columns(); ++i) columns.columns.push_back(batch.mutable_column(i));
  return columns;
}

Columns struct_columns(Batch& batch, size_t column) {
  Columns columns;
  MutableColumn outer = batch.mutable_column(column);
  for (size_t i = 0; i < batch.type(column).struct_field_count(); ++i) columns.columns.push_back(outer.child(i));
  return columns;
}

/// Where the event goes: into the flat columns, or into the STRUCT of its type among three.
class Target {
 public:
  Target(Batch& batch, bool all) : all_(all) {
    if (!all) {
      of_type_[0] = of_type_[1] = of_type_[2] = flat_columns(batch);
      return;
    }
    outer_ = flat_columns(batch);
    for (size_t type = 0; type < 3; ++type) of_type_[type] = struct_columns(batch, type + 1);
  }

  template <typename Event>
  void put(EventType type, const Event& event, size_t row) {
    const auto index = static_cast<size_t>(type);
    of_type_[index].put(event, row);
    if (!all_) return;
    outer_.columns[0].set(row, static_cast<int32_t>(index));
    outer_.set(4, row, event.date_time);
    for (size_t other = 0; other < 3; ++other) {
      if (other != index) outer_.columns[other + 1].set_null(row);
    }
  }

 private:
  const bool all_;
  Columns outer_;
  Columns of_type_[3];
};

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

RowWriter::RowWriter(std::shared_ptr<const Generator> generator, Form form)
    : generator_(std::move(generator)), form_(form), schema_(schema_of(form)) {}

Batch RowWriter::next(uint64_t& first, uint64_t end) {
  Batch batch(schema_);
  batch.retain(generator_);
  Target target(batch, form_ == Form::kAll);
  Scratch scratch;
  size_t row = 0;
  for (; first < end && row < batch::kBatchRows; ++first) {
    const uint64_t id = generator_->id_at(first);
    const EventType type = Generator::type_of(id);
    if (!has(form_, type)) continue;
    if (type == EventType::kBid) target.put(type, generator_->bid(id), row);
    if (type == EventType::kAuction) target.put(type, generator_->auction(id), row);
    if (type == EventType::kPerson) target.put(type, generator_->person(id, scratch), row);
    ++row;
  }
  batch.set_rows(row);
  return batch;
}

}  // namespace millrace::connectors::nexmark
