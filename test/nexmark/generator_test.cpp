// The events of Nexmark against their definition: which types come how often, in which ranges, to whom they refer, and
// that they follow from seed and id. What is expected is computed here from the ids alone, by counting.
#include "connectors/nexmark/generator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/hash.h"
#include "base/text.h"
#include "connectors/nexmark/decoder.h"
#include "connectors/nexmark/rows.h"
#include "connectors/nexmark/source.h"

namespace millrace::connectors::nexmark {
namespace {

constexpr uint64_t kEvents = 100000;

Generator make(const Options& options = {}) {
  auto generator = Generator::create(options);
  EXPECT_TRUE(generator.ok());
  return std::move(generator).value();
}

std::string all_lines(const Options& options, Form form, uint64_t events, size_t piece = 100000) {
  Lines lines(make(options), form, events);
  std::string all;
  for (std::string text;;) {
    lines.next(piece, text);
    if (text.empty()) return all;
    all += text;
  }
}

bool is_near(double found, double wanted, double tolerance) { return std::fabs(found - wanted) <= tolerance; }

TEST(Nexmark, TypesComeInTheirOrder) {
  for (uint64_t id = 0; id < 200; ++id) {
    const uint64_t place = id % 50;
    const EventType wanted = place == 0 ? EventType::kPerson : place < 4 ? EventType::kAuction : EventType::kBid;
    EXPECT_EQ(Generator::type_of(id), wanted) << id;
  }
}

TEST(Nexmark, PersonsAreAsDefined) {
  const Generator generator = make();
  Scratch scratch;
  std::map<std::string, int> states;
  std::map<std::string, int> cities;
  std::set<std::string> names;
  double bytes = 0;
  int count = 0;
  for (uint64_t id = 0; id < kEvents * 5; id += 50, ++count) {
    const Person person = generator.person(id, scratch);
    ASSERT_EQ(person.id, 1000 + count);
    ++states[std::string(person.state)];
    ++cities[std::string(person.city)];
    names.emplace(person.name);
    const size_t at = person.email_address.find('@');
    ASSERT_TRUE(at <= 6 && person.email_address.ends_with(".com")) << person.email_address;
    ASSERT_EQ(person.credit_card.size(), 19U);
    for (size_t i = 0; i < 19; ++i)
      ASSERT_TRUE(i % 5 == 4 ? person.credit_card[i] == ' ' : is_digit(person.credit_card[i]));
    bytes += static_cast<double>(8 + person.name.size() + person.email_address.size() + person.credit_card.size() +
                                 person.city.size() + person.state.size() + person.extra.size());
  }
  EXPECT_EQ(names.size(), 99U);
  ASSERT_EQ(states.size(), 6U);
  ASSERT_EQ(cities.size(), 10U);
  for (const auto& [state, n] : states) EXPECT_TRUE(is_near(n, count / 6.0, count * 0.02)) << state;
  for (const auto& [city, n] : cities) EXPECT_TRUE(is_near(n, count / 10.0, count * 0.02)) << city;
  EXPECT_TRUE(is_near(bytes / count, 200, 3)) << bytes / count;
}

TEST(Nexmark, AuctionsAreAsDefined) {
  const Generator generator = make();
  int64_t count = 0;
  int hot = 0;
  double bytes = 0;
  double length_ms = 0;
  std::map<int64_t, int> categories;
  for (uint64_t id = 0; id < kEvents; ++id) {
    if (Generator::type_of(id) != EventType::kAuction) continue;
    const Auction auction = generator.auction(id);
    ASSERT_EQ(auction.id, 1000 + count++);
    const auto people = static_cast<int64_t>(id / 50 + 1);  // so far
    const bool is_hot = auction.seller == 1000 + (people - 1) / 100 * 100;
    hot += is_hot;
    ASSERT_GE(auction.seller, 1000 + std::max<int64_t>(0, people - 1000));
    ASSERT_LT(auction.seller, 1000 + people + 10);
    ++categories[auction.category];
    ASSERT_TRUE(auction.initial_bid >= 100 && auction.initial_bid <= 100000000);
    ASSERT_TRUE(auction.reserve >= auction.initial_bid + 100 && auction.reserve <= auction.initial_bid + 100000000);
    const int64_t ms = (auction.expires - auction.date_time).micros / 1000;
    ASSERT_TRUE(ms >= 1 && ms <= 2 * 167) << ms;  // 1,666 events at 10,000 a second, twice
    length_ms += static_cast<double>(ms);
    ASSERT_LT(auction.item_name.size(), 20U);
    ASSERT_LT(auction.description.size(), 100U);
    bytes += static_cast<double>(48 + auction.item_name.size() + auction.description.size() + auction.extra.size());
  }
  const auto all = static_cast<double>(count);
  EXPECT_EQ(count, static_cast<int64_t>(kEvents / 50 * 3));
  EXPECT_TRUE(is_near(hot / all, 0.75, 0.02)) << hot / all;
  ASSERT_EQ(categories.size(), 5U);
  for (const auto& [category, n] : categories)
    EXPECT_TRUE(category >= 10 && category <= 14 && is_near(n, all / 5, all * 0.02)) << category;
  EXPECT_TRUE(is_near(length_ms / all, 167, 5)) << length_ms / all;
  EXPECT_TRUE(is_near(bytes / all, 500, 5)) << bytes / all;
}

TEST(Nexmark, BidsAreAsDefined) {
  const Generator generator = make();
  int64_t auctions = 0;
  double count = 0;
  int hot_auction = 0;
  int hot_bidder = 0;
  int hot_channel = 0;
  int with_channel_id = 0;
  double bytes = 0;
  double log_price = 0;
  std::map<std::string, std::string> urls;
  for (uint64_t id = 0; id < kEvents; ++id) {
    if (Generator::type_of(id) == EventType::kAuction) ++auctions;
    if (Generator::type_of(id) != EventType::kBid) continue;
    const Bid bid = generator.bid(id);
    ++count;
    hot_auction += bid.auction == 1000 + (auctions - 1) / 100 * 100;
    ASSERT_GE(bid.auction, 1000 + std::max<int64_t>(0, std::min(auctions - 101, (auctions - 1) / 100 * 100)));
    ASSERT_LT(bid.auction, 1000 + auctions + 10);
    const auto people = static_cast<int64_t>(id / 50 + 1);
    hot_bidder += bid.bidder == 1000 + (people - 1) / 100 * 100 + 1;
    ASSERT_GE(bid.bidder, 1000 + std::max<int64_t>(0, people - 1000));
    ASSERT_LT(bid.bidder, 1000 + people + 10);
    ASSERT_TRUE(bid.price >= 100 && bid.price <= 100000000);
    log_price += std::log10(static_cast<double>(bid.price));
    const std::string channel(bid.channel);
    const std::string url(bid.url);
    EXPECT_EQ(urls.try_emplace(channel, url).first->second, url) << "a channel has one url";
    ASSERT_TRUE(url.starts_with("https://www.nexmark.com/") && url.find("/item.htm?query=1") != std::string::npos)
        << url;
    ASSERT_EQ(std::count(url.begin(), url.end(), '/'), 6) << url;
    const bool is_hot = !channel.starts_with("channel-");
    hot_channel += is_hot;
    with_channel_id += !is_hot && url.find("&channel_id=") != std::string::npos;
    bytes += static_cast<double>(32 + bid.extra.size());
  }
  EXPECT_EQ(count, kEvents / 50 * 46);
  EXPECT_TRUE(is_near(hot_auction / count, 0.505, 0.01)) << hot_auction / count;
  EXPECT_TRUE(is_near(hot_bidder / count, 0.75, 0.01)) << hot_bidder / count;
  EXPECT_TRUE(is_near(hot_channel / count, 0.5, 0.01));
  EXPECT_TRUE(is_near(with_channel_id / (count - hot_channel), 0.9, 0.01));
  EXPECT_TRUE(is_near(bytes / count, 100, 1)) << bytes / count;
  EXPECT_TRUE(is_near(log_price / count, 5, 0.02)) << "10^(2 + 6 U)";
  EXPECT_GT(urls.size(), 9500U);
  EXPECT_TRUE(urls.count("Google") && urls.count("Facebook") && urls.count("Baidu") && urls.count("Apple"));
}

TEST(Nexmark, TheBidsChannelIdIsItsNumberReversed) {
  const Generator generator = make();
  int seen = 0;
  for (uint64_t id = 0; id < kEvents && seen < 100; ++id) {
    if (Generator::type_of(id) != EventType::kBid) continue;
    const Bid bid = generator.bid(id);
    const size_t at = bid.url.find("&channel_id=");
    if (at == std::string_view::npos) continue;
    std::string bits;
    for (auto n = static_cast<uint32_t>(std::stoul(std::string(bid.channel.substr(8)))), i = 0U; i < 32; ++i, n >>= 1)
      bits += static_cast<char>('0' + (n & 1));
    const int64_t number = static_cast<int32_t>(std::stoul(bits, nullptr, 2));
    EXPECT_EQ(bid.url.substr(at + 12), std::to_string(std::abs(number)));
    ++seen;
  }
  EXPECT_EQ(seen, 100);
}

TEST(Nexmark, TimeFollowsFromTheRate) {
  Options options;
  options.rate = 3000;
  options.base_time = Timestamp{1000000};
  const Generator generator = make(options);
  EXPECT_EQ(generator.time_of(0).micros, 1000000);
  EXPECT_EQ(generator.time_of(1).micros, 1000000);
  EXPECT_EQ(generator.time_of(4).micros, 1001000);
  EXPECT_EQ(generator.time_of(3000).micros, 2000000);
  EXPECT_EQ(generator.bid(3004).date_time.micros, 2001000);
}

TEST(Nexmark, GroupsComeOutOfOrder) {
  Options options;
  options.group = 7;
  const Generator generator = make(options);
  std::vector<uint64_t> ids;
  for (uint64_t number = 0; number < 14; ++number) ids.push_back(generator.id_at(number));
  EXPECT_EQ(ids, (std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));  // 953 = 1 (mod 7)
  options.group = 10;
  const Generator tens = make(options);
  ids.clear();
  for (uint64_t number = 0; number < 20; ++number) ids.push_back(tens.id_at(number));
  EXPECT_EQ(ids, (std::vector<uint64_t>{0, 3, 6, 9, 2, 5, 8, 1, 4, 7, 10, 13, 16, 19, 12, 15, 18, 11, 14, 17}));
  for (uint64_t wrong : {uint64_t{0}, uint64_t{953}, uint64_t{1906}}) {
    options.group = wrong;
    EXPECT_FALSE(Generator::create(options).ok());
  }
}

TEST(Nexmark, EventsFollowFromSeedAndId) {
  const std::string once = all_lines({}, Form::kAll, 2000);
  EXPECT_EQ(once, all_lines({}, Form::kAll, 2000, 300)) << "how the lines are cut";
  EXPECT_TRUE(all_lines({}, Form::kAll, 3000).starts_with(once));
  Options other;
  other.seed = 2;
  EXPECT_NE(once, all_lines(other, Form::kAll, 2000));
  // A change of these bytes is a change of every published figure.
  EXPECT_EQ(hash_bytes(once), 15885569995346828364U);
}

TEST(Nexmark, TheFormsAreTheSameEvents) {
  Options options;
  options.group = 10;
  std::map<Form, std::vector<nlohmann::json>> events;
  for (Form form : {Form::kAll, Form::kPerson, Form::kAuction, Form::kBid}) {
    const std::string lines = all_lines(options, form, 5000);
    for (std::string_view line : split_view(lines, '\n')) {
      if (!line.empty()) events[form].push_back(nlohmann::json::parse(line));
    }
  }
  EXPECT_EQ(events[Form::kAll].size(), 5000U);
  EXPECT_EQ(events[Form::kPerson].size(), 100U);
  EXPECT_EQ(events[Form::kAuction].size(), 300U);
  EXPECT_EQ(events[Form::kBid].size(), 4600U);
  std::map<Form, size_t> at;
  for (const nlohmann::json& event : events[Form::kAll]) {
    const int type = event.at("event_type");
    const char* name = type == 0 ? "person" : type == 1 ? "auction" : "bid";
    const auto form = static_cast<Form>(type + 1);
    ASSERT_EQ(event.size(), 3U);
    EXPECT_EQ(event.at(name), events[form].at(at[form]++));
    EXPECT_EQ(event.at(name).at("dateTime"), event.at("dateTime"));
  }
}

/// One row of a batch as write_event would have it.
nlohmann::json as_json(const batch::Batch& batch, const batch::Schema& schema, size_t row) {
  nlohmann::json object;
  for (size_t column = 0; column < schema.size(); ++column) {
    auto value = nlohmann::json::parse(batch.json_text(column, row));
    if (!value.is_null()) object[schema[column].name] = value;
  }
  return object;
}

/// Times as text that does not depend on how many digits of a second are written.
void simplify_times(nlohmann::json& value) {
  if (value.is_object()) {
    for (auto& [name, member] : value.items()) {
      if ((name == "dateTime" || name == "expires") && member.is_string())
        member = parse_iso8601(member.get<std::string>()).value().micros;
      simplify_times(member);
    }
  }
}

TEST(Nexmark, RowsAreTheLines) {
  Options options;
  options.group = 10;
  auto generator = std::make_shared<const Generator>(make(options));
  for (Form form : {Form::kAll, Form::kPerson, Form::kAuction, Form::kBid}) {
    RowWriter rows(generator, form);
    const std::string text = all_lines(options, form, 5000);
    std::vector<std::string_view> lines = split_view(text, '\n');
    size_t at = 0;
    for (uint64_t number = 0; number < 5000;) {
      const batch::Batch batch = rows.next(number, 5000);
      for (size_t row = 0; row < batch.rows(); ++row) {
        auto wanted = nlohmann::json::parse(lines.at(at++));
        auto found = as_json(batch, rows.schema(), row);
        simplify_times(wanted);
        simplify_times(found);
        ASSERT_EQ(found, wanted);
      }
    }
    EXPECT_EQ(at, lines.size() - 1);
  }
}

TEST(Nexmark, RecordsStandForTheirRows) {
  const Options options;
  auto generator = std::make_shared<const Generator>(make(options));
  for (Form form : {Form::kAll, Form::kPerson, Form::kAuction, Form::kBid}) {
    RowWriter rows(generator, form);
    auto decoder = make_decoder(rows.schema());
    ASSERT_TRUE(decoder.ok());
    uint64_t number = 0;
    const batch::Batch wanted = rows.next(number, 5000);
    std::string bytes;
    std::vector<std::string_view> records;
    for (uint64_t id = 0; id < number; ++id) {
      if (has(form, Generator::type_of(id))) append_record(options, id, bytes);
    }
    for (size_t at = 0; at < bytes.size(); at += kRecordBytes)
      records.push_back(std::string_view(bytes).substr(at, kRecordBytes));
    records.insert(records.begin() + 3, "no record");
    batch::Batch found(rows.schema());
    std::vector<uint32_t> decoded;
    std::vector<formats::DecodeError> errors;
    ASSERT_TRUE((*decoder)
                    ->decode(std::span(records).first(std::min<size_t>(records.size(), 2048)), found, decoded, errors)
                    .ok());
    decoder->reset();  // the batch keeps what its texts lie in
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].record, 3U);
    ASSERT_GE(found.rows() + 1, wanted.rows());
    for (size_t row = 0; row < found.rows(); ++row) ASSERT_EQ(found.row_text(row), wanted.row_text(row));
  }
}

TEST(Nexmark, AnyColumnsOfTheEventsMayBeThere) {
  batch::Schema schema;
  auto add = [&](const char* name, batch::TypeId type) { schema.fields.push_back({name, batch::Type(type)}); };
  add("Price", batch::TypeId::kBigint);
  add("event_type", batch::TypeId::kInteger);
  add("seller", batch::TypeId::kBigint);
  add("datetime", batch::TypeId::kTimestamp);
  const Generator generator = make();
  auto columns = EventColumns::of(schema);
  ASSERT_TRUE(columns.ok());
  batch::Batch batch(schema);
  EventWriter writer(*columns, batch);
  for (uint64_t id = 0; id < 5; ++id) writer.put(generator, id, id);
  batch.set_rows(5);
  EXPECT_TRUE(batch.column(0).is_null(0) && batch.column(2).is_null(0) && !batch.column(3).is_null(0));
  EXPECT_EQ(batch.column(1).at<int32_t>(1), 1);
  EXPECT_EQ(batch.column(2).at<int64_t>(1), generator.auction(1).seller);
  EXPECT_EQ(batch.column(0).at<int64_t>(4), generator.bid(4).price);
  EXPECT_TRUE(batch.column(0).is_null(1) && batch.column(2).is_null(4));
  add("other", batch::TypeId::kBigint);
  EXPECT_FALSE(EventColumns::of(schema).ok());
  schema.fields.back() = {"id", batch::Type(batch::TypeId::kInteger)};
  EXPECT_FALSE(EventColumns::of(schema).ok());
}

}  // namespace
}  // namespace millrace::connectors::nexmark
