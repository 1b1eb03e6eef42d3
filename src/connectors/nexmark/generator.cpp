#include "connectors/nexmark/generator.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace millrace::connectors::nexmark {
namespace {

constexpr std::array<std::string_view, 6> kStates = {"AZ", "CA", "ID", "OR", "WA", "WY"};
constexpr std::array<std::string_view, 10> kCities = {"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
                                                      "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};
constexpr std::array<std::string_view, 11> kFirstNames = {"Peter", "Paul",  "Luke",  "John",   "Saul",  "Vicky",
                                                          "Kate",  "Julie", "Sarah", "Deiter", "Walter"};
constexpr std::array<std::string_view, 9> kLastNames = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                                        "Walton", "Smith",  "Jones",   "Noris"};
constexpr std::array<std::string_view, 4> kHotChannels = {"Google", "Facebook", "Baidu", "Apple"};

constexpr size_t kTextBytes = 64 << 10;  // small enough to stay in a near cache
constexpr size_t kTextMax = 1024;
constexpr int64_t kChannels = 10000;
constexpr int64_t kHotIdsApart = 100;
constexpr int64_t kActivePeople = 1000;
constexpr int64_t kAuctionsInFlight = 100;
constexpr int64_t kLead = 10;  // ids ahead of the last one
constexpr size_t kPersonBytes = 200;
constexpr size_t kAuctionBytes = 500;
constexpr size_t kBidBytes = 100;

template <size_t N>
std::string_view pick(const std::array<std::string_view, N>& choices, SplitMix64& random) {
  return choices[static_cast<size_t>(random.below(N))];
}

/// As if ids began at 0.
int64_t last_person(uint64_t id) { return static_cast<int64_t>(id / Generator::kEpoch); }

int64_t last_auction(uint64_t id) {
  const auto epoch = static_cast<int64_t>(id / Generator::kEpoch);
  const auto place = static_cast<int64_t>(id % Generator::kEpoch);
  constexpr auto kEach = static_cast<int64_t>(Generator::kAuctionsOfEpoch);
  return place == 0 ? epoch * kEach - 1 : epoch * kEach + std::min(place, kEach) - 1;
}

int64_t any_person(uint64_t id, SplitMix64& random) {
  const int64_t people = last_person(id) + 1;
  const int64_t active = std::min(people, kActivePeople);
  return people - active + random.below(active + kLead);
}

int64_t any_auction(uint64_t id, SplitMix64& random) {
  const int64_t last = last_auction(id);
  const int64_t first = std::max<int64_t>(last - kAuctionsInFlight, 0);
  return first + random.below(last - first + 1 + kLead);
}

/// Uniform in [0, 1).
double fraction(SplitMix64& random) { return static_cast<double>(random.next() >> 11) * 0x1p-53; }

int64_t price(SplitMix64& random) { return std::llround(std::pow(10.0, fraction(random) * 6) * 100); }

std::string_view put(char* out, std::initializer_list<std::string_view> parts) {
  char* at = out;
  for (std::string_view part : parts) {
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  return {out, static_cast<size_t>(at - out)};
}

int64_t reversed_bits(uint32_t value) {
  uint32_t reversed = 0;
  for (int bit = 0; bit < 32; ++bit, value >>= 1) reversed = reversed << 1 | (value & 1);
  return std::llabs(static_cast<int32_t>(reversed));
}

}  // namespace

Result<Generator> Generator::create(const Options& options) {
  if (options.rate == 0) return user_error(sqlstate::kInvalidParameter, "the rate must be at least 1");
  if (options.group == 0 || options.group % 953 == 0)
    return user_error(sqlstate::kInvalidParameter, "the size of a group must be at least 1 and no multiple of 953: " +
                                                       std::to_string(options.group));
  return Generator(options);
}

Generator::Generator(const Options& options) : options_(options), seed_mix_(mix64(options.seed + 1)) {
  SplitMix64 random(seed_mix_);
  for (size_t i = 0; i < kTextBytes; ++i) {
    letters_ += static_cast<char>('a' + random.below(26));
    words_ += random.below(13) == 0 ? ' ' : static_cast<char>('a' + random.below(26));
  }
  for (std::string_view name : kHotChannels) hot_channels_.push_back({std::string(name), base_url(random)});
  for (int64_t i = 0; i < kChannels; ++i) {
    std::string url = base_url(random);
    if (random.below(10) > 0) url += "&channel_id=" + std::to_string(reversed_bits(static_cast<uint32_t>(i)));
    channels_.push_back({"channel-" + std::to_string(i), std::move(url)});
  }
}

std::string Generator::base_url(SplitMix64& random) const {
  std::string url = "https://www.nexmark.com/";
  for (int part = 0; part < 3; ++part) {
    for (int64_t left = 3 + random.below(2); left > 0; --left)
      url += random.below(13) == 0 ? '_' : static_cast<char>('a' + random.below(26));
    url += '/';
  }
  return url + "item.htm?query=1";
}

std::string_view Generator::text(const std::string& from, size_t length, SplitMix64& random) const {
  return std::string_view(from).substr(static_cast<size_t>(random.below(kTextBytes - kTextMax)), length);
}

std::string_view Generator::words(size_t length_below, SplitMix64& random) const {
  return trim(text(words_, 3 + static_cast<size_t>(random.below(static_cast<int64_t>(length_below - 3))), random));
}

/// Fills an event of whose other fields have `others` bytes up to about `average`, give or take a fifth.
std::string_view Generator::extra(size_t others, size_t average, SplitMix64& random) const {
  if (others > average) return {};
  const size_t wanted = average - others;
  const auto delta = static_cast<size_t>(std::lround(static_cast<double>(wanted) * 0.2));
  const size_t more = delta == 0 ? 0 : static_cast<size_t>(random.below(static_cast<int64_t>(2 * delta)));
  return text(letters_, wanted - delta + more, random);
}

Timestamp Generator::time_of(uint64_t id) const {
  __extension__ using Wide = unsigned __int128;
  constexpr uint64_t kNarrow = UINT64_MAX / 1000;  // up to here without a long division
  const auto millis = id <= kNarrow ? static_cast<int64_t>(id * 1000 / options_.rate)
                                    : static_cast<int64_t>(static_cast<Wide>(id) * 1000 / options_.rate);
  return Timestamp{options_.base_time.micros + millis * 1000};
}

Person Generator::person(uint64_t id, Scratch& scratch) const {
  SplitMix64 random = random_of(id);
  Person person;
  person.id = last_person(id) + kFirstId;
  const std::string_view first = pick(kFirstNames, random);
  person.name = put(scratch.name, {first, " ", pick(kLastNames, random)});
  const std::string_view user = words(7, random);
  person.email_address = put(scratch.email_address, {user, "@", words(5, random), ".com"});
  for (int group = 0; group < 4; ++group) {
    auto digits = static_cast<unsigned>(random.below(10000));
    char* at = scratch.credit_card + group * 5;
    for (int place = 3; place >= 0; --place, digits /= 10) at[place] = static_cast<char>('0' + digits % 10);
    at[4] = ' ';
  }
  person.credit_card = {scratch.credit_card, 19};
  person.city = pick(kCities, random);
  person.state = pick(kStates, random);
  person.date_time = time_of(id);
  person.extra = extra(8 + person.name.size() + person.email_address.size() + person.credit_card.size() +
                           person.city.size() + person.state.size(),
                       kPersonBytes, random);
  return person;
}

Auction Generator::auction(uint64_t id) const {
  SplitMix64 random = random_of(id);
  Auction auction;
  auction.id = last_auction(id) + kFirstId;
  auction.seller =
      kFirstId + (random.below(4) > 0 ? last_person(id) / kHotIdsApart * kHotIdsApart : any_person(id, random));
  auction.category = kFirstCategory + random.below(5);
  auction.initial_bid = price(random);
  auction.date_time = time_of(id);
  constexpr uint64_t kHorizon = static_cast<uint64_t>(kAuctionsInFlight) * kEpoch / kAuctionsOfEpoch;
  const int64_t horizon_ms = (time_of(id + kHorizon) - auction.date_time).micros / 1000;
  auction.expires = auction.date_time + Duration::from_millis(1 + random.below(std::max<int64_t>(2 * horizon_ms, 1)));
  auction.item_name = words(20, random);
  auction.description = words(100, random);
  auction.reserve = auction.initial_bid + price(random);
  auction.extra = extra(48 + auction.item_name.size() + auction.description.size(), kAuctionBytes, random);
  return auction;
}

Bid Generator::bid(uint64_t id) const {
  SplitMix64 random = random_of(id);
  Bid bid;
  bid.auction =
      kFirstId + (random.below(2) > 0 ? last_auction(id) / kHotIdsApart * kHotIdsApart : any_auction(id, random));
  bid.bidder =
      kFirstId + (random.below(4) > 0 ? last_person(id) / kHotIdsApart * kHotIdsApart + 1 : any_person(id, random));
  bid.price = price(random);
  const Channel& channel = random.below(2) > 0 ? hot_channels_[static_cast<size_t>(random.below(kHotChannels.size()))]
                                               : channels_[static_cast<size_t>(random.below(kChannels))];
  bid.channel = channel.name;
  bid.url = channel.url;
  bid.date_time = time_of(id);
  bid.extra = extra(32, kBidBytes, random);
  return bid;
}

}  // namespace millrace::connectors::nexmark
